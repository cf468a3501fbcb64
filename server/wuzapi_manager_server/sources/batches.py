"""A write of many items in several requests, where there are no transactions: what becomes of each item."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from wuzapi_manager_server.errors import (
    AlreadyExists,
    ConnectionFailed,
    OutcomeUnknown,
    QueryFailed,
    ServiceError,
    Text,
)
from wuzapi_manager_server.sources.base import Outcome

T = TypeVar("T")


async def in_parts(
    items: Sequence[T],
    size: int,
    work: Callable[[Sequence[T]], Awaitable[list[Outcome]]],
    *,
    failures: tuple[type[Exception], ...] = (ServiceError,),
    alone: bool = False,
) -> list[Outcome]:
    """The outcome of each item. `size` of them are written at once; where those are refused, each for itself.

    `work` writes a part, all of it or nothing, and what it raises says what became of that part: QueryFailed and
    AlreadyExists that it is refused, OutcomeUnknown that it may be done, any other of `failures` that it is not done.
    After these last two nothing more is sent. What was done before keeps its outcomes, and what was not tried has an
    error that says so. Raises OutcomeUnknown where the call has this item `alone`, and any other failure where nothing
    was written before.
    """
    outcomes: list[Outcome] = []
    written = False
    waiting = deque(items[at : at + size] for at in range(0, len(items), size))
    while waiting:
        part = waiting.popleft()
        try:
            outcomes += await work(part)
            written = True
        except (QueryFailed, AlreadyExists) as refusal:
            if len(part) > 1:
                waiting.extendleft([item] for item in reversed(part))
            else:
                outcomes.append(Outcome(None, refusal))
        except OutcomeUnknown as unknown:
            if alone:
                raise
            outcomes += [Outcome(None, unknown)] * len(part)
            return outcomes + [Outcome(None, _not_tried())] * (len(items) - len(outcomes))
        except failures as failure:
            if not written:
                raise
            return outcomes + [Outcome(None, failure)] * (len(items) - len(outcomes))
    return outcomes


def _not_tried() -> ConnectionFailed:
    """The error for an item that was not sent, as nobody knows what became of those before it."""
    return ConnectionFailed(
        Text(
            "Nothing was done: the request before was not answered as it should",
            "Nada foi feito: a requisição anterior não foi respondida como deveria",
        ),
        suggestion=Text("Send this one again later", "Envie este novamente mais tarde"),
    )
