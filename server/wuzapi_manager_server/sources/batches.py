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
    stop: bool = False,
) -> list[Outcome]:
    """The outcome of each item. `size` of them are written at once; where those are refused, each for itself.

    `work` writes a part, all of it or nothing, and what it raises says what became of that part: QueryFailed and
    AlreadyExists that it is refused, OutcomeUnknown that it may be done, any other of `failures` that it is not done.
    After these last two nothing more is sent, nor with `stop` after a refusal. What was done before keeps its outcomes,
    and what was not tried has an error that says so. Raises OutcomeUnknown where the call has this item `alone`, and
    any other failure where nothing was written before.
    """
    outcomes: list[Outcome] = []
    written = False
    waiting = deque(items[at : at + size] for at in range(0, len(items), size))
    while waiting:
        part = waiting.popleft()
        try:
            outcomes += await work(part)
            written = True
            if stop and outcomes[-1].error is not None:
                break
        except (QueryFailed, AlreadyExists) as refusal:
            if len(part) > 1:
                waiting.extendleft([item] for item in reversed(part))
            else:
                outcomes.append(Outcome(None, refusal))
                if stop:
                    break
        except OutcomeUnknown as unknown:
            if alone:
                raise
            outcomes += [Outcome(None, unknown)] * len(part)
            break
        except failures as failure:
            if not written:
                raise
            return outcomes + [Outcome(None, failure)] * (len(items) - len(outcomes))
    return outcomes + [Outcome(None, _not_tried())] * (len(items) - len(outcomes))


async def judged_in_parts(
    items: Sequence[T | ServiceError],
    size: int,
    work: Callable[[Sequence[T]], Awaitable[list[Outcome]]],
    *,
    failures: tuple[type[Exception], ...] = (ServiceError,),
    stop: bool = False,
) -> list[Outcome]:
    """As `in_parts`, where some items have been refused before: those keep that error as their outcome."""
    refused = [at for at, item in enumerate(items) if isinstance(item, ServiceError)]
    end = refused[0] if stop and refused else len(items)
    good = [item for item in items[:end] if not isinstance(item, ServiceError)]
    done = iter(await in_parts(good, size, work, failures=failures, alone=len(items) == 1, stop=stop))
    outcomes = [Outcome(None, item) if isinstance(item, ServiceError) else next(done) for item in items[:end]]
    if all(outcome.error is None for outcome in outcomes):
        outcomes += [Outcome(None, item) for item in items[end : end + 1] if isinstance(item, ServiceError)]
    return outcomes + [Outcome(None, _not_tried())] * (len(items) - len(outcomes))


def _not_tried() -> ConnectionFailed:
    """The error for an item that was not sent because of one before it."""
    return ConnectionFailed(
        Text(
            "Nothing was done: what came before was refused, or not answered as it should be",
            "Nada foi feito: o que veio antes foi recusado ou não foi respondido como deveria",
        ),
        suggestion=Text("Send this one again later", "Envie este novamente mais tarde"),
    )
