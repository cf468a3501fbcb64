"""Trying a source step by step: what every engine's `test` is made of."""

import time
from collections.abc import Awaitable, Callable, Mapping

from wuzapi_manager_server.domain.table import Fault, Step
from wuzapi_manager_server.errors import (
    Conflict,
    ConnectionFailed,
    DatabaseError,
    RateLimited,
    ServiceError,
    SystemFailure,
    TimedOut,
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
            done.append(Step(name, False, time.monotonic() - begun, error.text.en, suggestion, fault_of(error)))
            break
        done.append(Step(name, True, time.monotonic() - begun, message))
    return done


def fault_of(error: ServiceError) -> Fault:
    """Whose turn it is after that error."""
    match error:
        case ConnectionFailed() | TimedOut() | RateLimited() | Conflict():
            return Fault.TRANSIENT
        case SystemFailure() | DatabaseError():
            return Fault.SYSTEM
        case _:
            return Fault.CONFIG
