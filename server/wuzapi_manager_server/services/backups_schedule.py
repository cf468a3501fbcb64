"""Backups by the clock: made when they are due, once for all worker processes, and removed when their time is over."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from cronsim import CronSim

from wuzapi_manager_server.domain.audit import Deed
from wuzapi_manager_server.domain.backup import Origin
from wuzapi_manager_server.errors import Conflict, FileSystemError, ServiceError
from wuzapi_manager_server.observe import failure, logger
from wuzapi_manager_server.services.audit import Audit
from wuzapi_manager_server.services.backups import Backups
from wuzapi_manager_server.services.schedule import RETRY, Schedule

_STALE_AFTER = 2  # times the span between two of the schedule

OF_OTHERS = frozenset({Origin.UPLOADED})
"""What is not known to be of this database, or of this time."""

_NO_SUBSTITUTE = OF_OTHERS | {Origin.BEFORE_RESTORE}
"""What does not count as the backup of a time: it holds what was replaced."""


class BackupSchedule(Schedule):
    """Makes backups at the times of a cron expression (UTC). A failure is logged and tried again a minute later.

    Where other work is under way, it is tried again seconds later. When a time passed while nothing ran, one backup is
    made at the start, where there were backups before.
    """

    def __init__(self, backups: Backups, audit: Audit, expression: str, clock: Callable[[], datetime]) -> None:
        super().__init__(expression, clock)
        self._audit = audit
        self._backups = backups
        self._due: datetime | None = None
        self._told: datetime | None = None

    async def is_stale(self) -> bool:
        """Whether the newest verified backup that was made here is older than two turns of the schedule.

        FileSystemError where the folder cannot be read.
        """
        newest = await self._backups.latest_verified(but=OF_OTHERS)
        following = CronSim(self._expression, self._clock())
        first, second = next(following), next(following)
        return newest is None or newest.create_time < self._clock() - _STALE_AFTER * (second - first)

    async def turn(self) -> float:
        """See Schedule: makes the backup that is due, if one is."""
        try:
            if self._due is None:
                self._due = await self._first()
            if self._due <= self._clock() and not await self._made(self._due):
                return RETRY
            if self._due <= self._clock():
                self._due = self._after(max(self._due, self._clock()))
        except Conflict as error:
            return self._behind("backup", self._due or self._clock(), error)
        except (ServiceError, OSError) as error:
            if self._backups.failures is not None:
                self._backups.failures.inc()
            logger().error("backup failed", stale=True, **failure(error))
            return RETRY
        return self._until(self._due)

    async def _first(self) -> datetime:
        """The last time that passed where it was missed, else the next one."""
        now = self._clock()
        missed = next(CronSim(self._expression, now, reverse=True))
        made = await asyncio.to_thread(self._backups.folder.all)
        if made and not await self._is_there(missed):
            return missed
        return self._after(now)

    async def _made(self, due: datetime) -> bool:
        """Whether there is a backup for that time, which perhaps another process made. Conflict where others work."""
        try:
            if not await self._is_there(due):
                made = await self._backups.create(Origin.SCHEDULE)
                await self._audit.by_itself("CreateBackup", Deed(f"maintenance/{made.name}"))
                for name in await self._backups.prune():
                    await self._audit.by_itself("DeleteBackup", Deed(f"maintenance/{name}"))
        except Conflict:  # no failure
            raise
        except ServiceError as error:
            if self._told != due:  # it is tried again every minute
                self._told = due
                await self._audit.by_itself("CreateBackup", Deed("maintenance"), error.code.value)
            logger().error("backup failed", stale=await self._is_surely_stale(), **failure(error))
            return False
        return True

    async def _is_surely_stale(self) -> bool:
        try:
            return await self.is_stale()
        except FileSystemError:  # what cannot be read is no backup
            return True

    async def _is_there(self, due: datetime) -> bool:
        try:
            newest = await self._backups.latest_verified(but=_NO_SUBSTITUTE)
        except FileSystemError:  # making one will tell why
            return False
        return newest is not None and newest.create_time >= due - timedelta(seconds=1)
