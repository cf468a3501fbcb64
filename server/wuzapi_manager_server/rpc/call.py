"""What a servicer knows of the call it answers, besides the request."""

from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from wuzapi_manager_server.domain.caller import Caller
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import Text

Language = Literal["pt-BR", "en"]

DEFAULT_LANGUAGE: Language = "pt-BR"


@dataclass(frozen=True, slots=True)
class Call:
    """The call under way.

    `deadline` is the caller's or the server's, whichever is earlier; that of a stream without a deadline of its caller
    never passes (its `remaining()` is infinite), because a stream is bounded by how long it may idle.
    """

    caller: Caller
    deadline: Deadline
    request_id: str
    language: Language


_current: ContextVar[Call] = ContextVar("call")


def current() -> Call:
    """The call that this task answers. LookupError outside of calls, and on RPCs that the pipeline does not serve."""
    return _current.get()


def enter(call: Call) -> None:
    """Makes `call` the current one of this task and of those it starts. Each call has a task of its own."""
    _current.set(call)


def in_language(text: Text, language: Language) -> str:
    """A text as it is told in that language."""
    return text.en if language == "en" else text.pt


@lru_cache(maxsize=256)
def language_of(accept_language: str) -> Language:
    """The language that an `accept-language` header asks for most; Portuguese when it asks for none that we speak."""
    best: tuple[float, Language] = (0.0, DEFAULT_LANGUAGE)
    for part in accept_language[:200].split(","):
        tag, _, parameters = part.partition(";")
        name = tag.strip().lower().partition("-")[0]
        language: Language | None = "pt-BR" if name in {"pt", "*"} else "en" if name == "en" else None
        weight = _weight(parameters)
        if language is not None and weight > best[0]:
            best = (weight, language)
    return best[1]


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
