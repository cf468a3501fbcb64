"""Removes what has had its time."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from wuzapi_manager_server.duty import Duty
from wuzapi_manager_server.errors import ServiceError
from wuzapi_manager_server.observe import failure, logger
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.models import Clock

DELETED_KEPT = timedelta(days=30)
"""How long a deleted connection can be brought back."""


class Kept(NamedTuple):
    """How long something is kept, and what removes a batch of what was made before a moment, and counts it."""

    time: timedelta
    purge: Callable[[datetime], int]


class Sweeper(Duty):
    """Sweeps when it is started and every `interval` seconds. Failures are logged and tried again the next time."""

    def __init__(self, database: Database, kept: Sequence[Kept], clock: Clock, interval: float = 3_600.0) -> None:
        self._database = database
        self._kept = kept
        self._clock = clock
        self._interval = interval

    async def sweep(self) -> int:
        """Removes all that is due, a batch a transaction, and says how much that was."""
        now = self._clock()
        removed = 0
        for kept in self._kept:
            while count := await self._database.write(partial(kept.purge, now - kept.time)):
                removed += count
        return removed

    async def _run(self) -> None:
        while True:
            try:
                removed = await self.sweep()
                logger().debug("swept", removed=removed)
            except ServiceError as error:
                logger().warning("sweep failed", **failure(error))
            await asyncio.sleep(self._interval)
