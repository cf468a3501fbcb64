"""Prints a step's caption and lines, then runs it: what is shown is what runs."""

import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable

from tests.demo import sample

_BOLD, _DIM, _END = "\033[1m", "\033[36m", "\033[0m"


def tell(number: int, step: Callable[[], None]) -> None:
    """Shows a step and runs it."""
    print(f"\n{_styled(f'{number}. {inspect.getdoc(step)}', _BOLD)}\n")
    for line in lines_of(step):
        print(_styled(f"    {line}" if line else "", _DIM))
    print()
    step()
    sys.stdout.flush()


def lines_of(step: Callable[[], None]) -> list[str]:
    """The lines of a step as a reader would type them: no docstring, no `self`, names of samples filled in."""
    body = inspect.getsource(step).splitlines()[1:]
    captioned = next(at for at, line in enumerate(body) if line.endswith('"""'))
    text = textwrap.dedent("\n".join(body[captioned + 1 :]))
    plain = re.sub(r"sample\.(\w+)", lambda name: json.dumps(getattr(sample, name[1])), text)
    return plain.replace("self.", "").splitlines()


def _styled(text: str, style: str) -> str:
    return f"{style}{text}{_END}" if sys.stdout.isatty() and text else text
