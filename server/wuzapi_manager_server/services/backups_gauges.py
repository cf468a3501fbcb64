"""Shows as metrics, and as a service of the health checks, how old the backups are."""

import asyncio
from contextlib import suppress

from wuzapi_manager_server.duty import Duty
from wuzapi_manager_server.errors import ServiceError
from wuzapi_manager_server.observe import BackupMetrics, failure, logger
from wuzapi_manager_server.services.backups import Backups
from wuzapi_manager_server.services.backups_schedule import OF_OTHERS, BackupSchedule


class BackupGauges(Duty):
    """Looks at the folder when it is started, after each work on backups, and every `interval` seconds.

    `fresh` is false where there is a `schedule` and the newest verified backup that was made here is older than two
    turns of it, or the folder cannot be read.
    """

    def __init__(
        self, backups: Backups, schedule: BackupSchedule | None, metrics: BackupMetrics, interval: float = 20.0
    ) -> None:
        self._backups = backups
        self._schedule = schedule
        self._metrics = metrics
        self._interval = interval
        self.fresh = True

    async def sample(self) -> None:
        """Sets the gauges. FileSystemError where the folder cannot be read."""
        everything = await asyncio.to_thread(self._backups.folder.all)
        verified = [each for each in everything if each.verify_time is not None]
        made = [each.create_time.timestamp() for each in verified if each.origin not in OF_OTHERS]
        self._metrics.verified.set(len(verified))
        self._metrics.newest.set(max(made, default=0))
        self._metrics.oldest.set(min(made, default=0))
        self._tell(fresh=self._schedule is None or not await self._schedule.is_stale())

    def _tell(self, *, fresh: bool) -> None:
        if fresh != self.fresh:
            (logger().info if fresh else logger().error)("backups", stale=not fresh)
        self.fresh = fresh
        self._metrics.stale.set(not fresh)

    async def _run(self) -> None:
        while True:
            self._backups.changed.clear()
            try:
                await self.sample()
            except (ServiceError, OSError) as error:
                logger().warning("backups not looked at", **failure(error))
                self._tell(fresh=self._schedule is None)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._backups.changed.wait()
