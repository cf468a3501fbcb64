"""Shows as metrics what the service's own database holds and how it lies on the disk."""

import asyncio
import os

from wuzapi_manager_server.duty import Duty
from wuzapi_manager_server.errors import ServiceError
from wuzapi_manager_server.observe import DatabaseMetrics, failure, logger
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.stats import stats_of


class DatabaseGauges(Duty):
    """Reads the database when it is started and every `interval` seconds, on a thread for long reads."""

    def __init__(self, database: Database, metrics: DatabaseMetrics, interval: float = 20.0) -> None:
        self._database = database
        self._metrics = metrics
        self._interval = interval
        self._shown: set[tuple[str, str]] = set()

    def sample(self) -> None:
        """Sets the gauges. A long read. DatabaseError or OSError where the file or its disk cannot be read."""
        stats, shown = stats_of(self._database), self._metrics
        disk = os.statvfs(self._database.path.parent)
        shown.size.set(stats.file.size)
        shown.free.set(stats.file.free_pages * stats.file.page_size)
        shown.wal.set(stats.file.wal_size)
        shown.disk_free.set(disk.f_bavail * disk.f_frsize)
        shown.disk.set(disk.f_blocks * disk.f_frsize)
        shown.schema.set(int(stats.pragmas["user_version"]))
        shown.audit.set(stats.audit_events)
        shown.queued.set(self._database.queued)
        self._shown.update(stats.connections)
        for kind, status in self._shown:  # also those that are gone meanwhile
            shown.connections.labels(kind, status).set(stats.connections.get((kind, status), 0))

    async def _run(self) -> None:
        while True:
            try:
                await self._database.read_long(self.sample)
            except (ServiceError, OSError) as error:
                logger().warning("database not measured", **failure(error))
            await asyncio.sleep(self._interval)
