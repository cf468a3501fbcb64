"""Trying a source step by step: what every engine's `test` is made of."""

import time
from collections.abc import Awaitable, Callable, Mapping

from wuzapi_manager_server.domain.table import Fault, Step
from wuzapi_manager_server.errors import Code, DatabaseError, ServiceError, TimedOut

_FAULTS = {
    **dict.fromkeys((Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.ABORTED), Fault.TRANSIENT),
    Code.INTERNAL: Fault.SYSTEM,
}
_SILENT = "The source did not answer in time"
_AFTER_SILENCE = (
    "Check the host and the port; if they are right, the source is slow or something on the way holds it up"
)


async def tried(steps: Mapping[str, Callable[[], Awaitable[str]]]) -> list[Step]:
    """Takes the steps in order; each gives its message in English. The first that fails is the last."""
    done: list[Step] = []
    for name, step in steps.items():
        begun = time.monotonic()
        try:
            message = await step()
        except ServiceError as error:
            suggestion = error.suggestion.en if error.suggestion else ""
            message = error.text.en
            if isinstance(error, TimedOut):
                message, suggestion = _SILENT, _AFTER_SILENCE
            done.append(Step(name, False, time.monotonic() - begun, message, suggestion, fault_of(error)))
            break
        done.append(Step(name, True, time.monotonic() - begun, message))
    return done


def fault_of(error: ServiceError) -> Fault:
    """Whose turn it is after that error, by its code: the same on every engine."""
    if isinstance(error, DatabaseError):
        return Fault.SYSTEM
    return _FAULTS.get(error.code, Fault.CONFIG)
