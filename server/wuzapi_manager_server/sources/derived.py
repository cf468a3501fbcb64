"""What a computed column is computed from, as far as a source tells it."""

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

N = TypeVar("N", bound=Hashable)
_WORD = re.compile(r"\w+")
_QUOTES = str.maketrans("", "", "\"'`[]\\")


def all_sources(of: N, direct: Mapping[N, frozenset[N] | None]) -> frozenset[N] | None:
    """What a column is computed from, by however many steps; None where one of these is not known.

    `direct` are the columns that each computed column names, None for one of which that is not known.
    """
    found: set[N] = set()
    ahead = [of]
    while ahead:
        named = direct.get(ahead.pop(), frozenset())
        if named is None:
            return None
        ahead += named - found
        found |= named
    return frozenset(found)


def of_expressions(names: Iterable[str], expressions: Mapping[str, str | None]) -> dict[str, frozenset[str] | None]:
    """What generated columns are computed from, by the SQL of each; None where that is not known.

    An expression mentions a column where its name stands there as a word, in any case: too many rather than too few.
    One that mentions none of `names` is not understood.
    """
    known = [(name, _plain(name)) for name in names]
    direct = {column: None if said is None else _mentioned(said, known) for column, said in expressions.items()}
    return {column: all_sources(column, direct) for column in direct}


def _mentioned(expression: str, known: Iterable[tuple[str, str]]) -> frozenset[str] | None:
    plain = _plain(expression)
    words = set(_WORD.findall(plain))
    return frozenset(name for name, said in known if said in words or (not said.isalnum() and said in plain)) or None


def _plain(text: str) -> str:
    """Without the quotes and escapes that engines write differently, and in one case."""
    return text.translate(_QUOTES).casefold()
