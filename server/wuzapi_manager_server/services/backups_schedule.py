"""Backups by the clock: made when they are due, once for all worker processes, and removed when their time is over."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from cronsim import CronSim

from wuzapi_manager_server.domain.backup import Origin
from wuzapi_manager_server.errors import Conflict, ServiceError
from wuzapi_manager_server.observe import failure, logger
from wuzapi_manager_server.services.backups import Backups

_RETRY = 60.0
_LONGEST_SLEEP = 3_600.0
_STALE_AFTER = 2  # times the span between two of the schedule


class BackupSchedule:
    """Makes backups at the times of a cron expression (UTC). A failure is logged and tried again a minute later."""

    def __init__(self, backups: Backups, expression: str, clock: Callable[[], datetime]) -> None:
        self._backups = backups
        self._expression = expression
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to wait in the running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends waiting; a backup under way is the Backups' to end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def is_stale(self) -> bool:
        """Whether the newest verified backup is older than two turns of the schedule."""
        newest = await self._backups.latest_verified()
        following = CronSim(self._expression, self._clock())
        first, second = next(following), next(following)
        return newest is None or newest.create_time < self._clock() - _STALE_AFTER * (second - first)

    async def _run(self) -> None:
        due = next(CronSim(self._expression, self._clock()))
        while True:
            left = (due - self._clock()).total_seconds()
            if left > 0:
                await asyncio.sleep(min(left, _LONGEST_SLEEP))
                continue
            if await self._made(due):
                due = next(CronSim(self._expression, max(due, self._clock())))
            else:
                await asyncio.sleep(_RETRY)

    async def _made(self, due: datetime) -> bool:
        """Whether there is a backup for that time, which perhaps another process made."""
        try:
            if not await self._is_there(due):
                await self._backups.create(Origin.SCHEDULE)
                await self._backups.prune()
        except Conflict:
            return False
        except ServiceError as error:
            logger().error("backup failed", stale=await self.is_stale(), **failure(error))
            return False
        return True

    async def _is_there(self, due: datetime) -> bool:
        newest = await self._backups.latest_verified()
        return newest is not None and newest.create_time >= due - timedelta(seconds=1)
