"""Removes what has had its time: deleted connections after 30 days, remembered requests after 24 hours."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from wuzapi_manager_server.errors import ServiceError
from wuzapi_manager_server.observe import failure, logger
from wuzapi_manager_server.storage.connections import ConnectionStore
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.idempotency import KEPT, IdempotencyStore
from wuzapi_manager_server.storage.models import Clock

DELETED_KEPT = timedelta(days=30)


class Sweeper:
    """Sweeps when it is started and every `interval` seconds. Failures are logged and tried again the next time."""

    def __init__(
        self,
        database: Database,
        connections: ConnectionStore,
        requests: IdempotencyStore,
        clock: Clock,
        interval: float = 3_600.0,
    ) -> None:
        self._database = database
        self._connections = connections
        self._requests = requests
        self._clock = clock
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to sweep in the running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends sweeping; a batch under way is completed by the database."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def sweep(self) -> int:
        """Removes all that is due, in batches of 500 a transaction, and says how much that was."""
        now = self._clock()
        removed = 0
        while count := await self._database.write(lambda: self._connections.purge(now - DELETED_KEPT)):
            removed += count
        while count := await self._database.write(lambda: self._requests.purge(now - KEPT)):
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
