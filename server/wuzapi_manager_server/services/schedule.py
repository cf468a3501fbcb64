"""Work at the times of a cron expression."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from datetime import datetime

from cronsim import CronSim

from wuzapi_manager_server.duty import Duty
from wuzapi_manager_server.errors import Conflict
from wuzapi_manager_server.observe import logger

RETRY = 60.0
"""Seconds until what failed is tried again."""

SOON = 5.0
"""Seconds until what other work was in the way of is tried again: less than from one time to the next."""

_LONGEST_SLEEP = 3_600.0


class Schedule(Duty):
    """Looks at the clock when it is started and when something may be due. Times are in UTC."""

    def __init__(self, expression: str, clock: Callable[[], datetime]) -> None:
        self._expression = expression
        self._clock = clock
        self._waits_since: datetime | None = None

    @abstractmethod
    async def turn(self) -> float:
        """Does what is due, if anything is, and says how many seconds later to look again. Never raises."""

    def _after(self, moment: datetime) -> datetime:
        """The next time behind a moment."""
        return next(CronSim(self._expression, moment))

    def _behind(self, what: str, due: datetime, error: Conflict) -> float:
        """Seconds to wait for other work, which is in the log once for each time."""
        if self._waits_since != due:
            self._waits_since = due
            logger().info(f"{what} of the schedule waits", running=error.metadata.get("running"), seconds=SOON)
        return SOON

    def _until(self, due: datetime) -> float:
        """Seconds to wait: the clock may be set meanwhile, so never for long."""
        return min(max(0.0, (due - self._clock()).total_seconds()), _LONGEST_SLEEP)

    async def _run(self) -> None:
        left = 0.0
        while True:
            await asyncio.sleep(left)
            left = await self.turn()
