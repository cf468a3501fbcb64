"""Work that goes on beside the calls."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress


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
