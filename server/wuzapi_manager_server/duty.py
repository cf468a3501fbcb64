"""Work that goes on beside the calls, or to its end when they are gone."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Duty(ABC):
    """A task of the running loop, from `start` to `stop`."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins in the running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends it; what it has others do, as threads or the database, is theirs to complete."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @abstractmethod
    async def _run(self) -> None:
        """The work, which never ends by itself."""


async def finished(work: "asyncio.Task[T] | Coroutine[Any, Any, T]") -> T:
    """The result of work that must come to its end, however often who waits for it is cancelled: that is told then.

    A call that is gone is cancelled more than once, and what cleans up behind it must not be given up for that.
    """
    task = work if isinstance(work, asyncio.Task) else asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # seen: what is told is that nobody waits any more
        raise cancelled
    return task.result()
