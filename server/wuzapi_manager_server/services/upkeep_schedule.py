"""The upkeep by the clock: once at each time for all worker processes."""

from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime

from wuzapi_manager_server.domain.audit import Deed
from wuzapi_manager_server.errors import Conflict, ServiceError
from wuzapi_manager_server.observe import failure, logger
from wuzapi_manager_server.services.audit import Audit
from wuzapi_manager_server.services.schedule import Schedule
from wuzapi_manager_server.services.upkeep import Upkeep
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.metadata import MetadataStore
from wuzapi_manager_server.storage.models import moment_of, moment_text

LAST_RUN = "system.maintenance_time"
"""The metadata key of when the schedule last began the upkeep."""


class UpkeepSchedule(Schedule):
    """Runs the upkeep at the times of a cron expression (UTC).

    Where a backup, a restore or another run is under way, it is tried again seconds later. A run that fails is logged
    and not repeated before its next time. A time that passed while nothing ran is skipped.
    """

    def __init__(
        self,
        upkeep: Upkeep,
        database: Database,
        metadata: MetadataStore,
        audit: Audit,
        expression: str,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(expression, clock)
        self._upkeep = upkeep
        self._database = database
        self._metadata = metadata
        self._audit = audit
        self._due: datetime | None = None

    async def turn(self) -> float:
        """See Schedule."""
        if self._due is None:
            self._due = self._after(self._clock())
        if self._due <= self._clock():
            try:
                await self._run_for(self._due)
            except Conflict as error:
                return self._behind("maintenance", self._due, error)
            except (ServiceError, OSError) as error:
                logger().error("maintenance of the schedule failed", **failure(error))
                outcome = error.code.value if isinstance(error, ServiceError) else "INTERNAL"
                await self._audit.by_itself("RunMaintenance", Deed("maintenance"), outcome)
            self._due = self._after(max(self._due, self._clock()))
        return self._until(self._due)

    async def _run_for(self, due: datetime) -> None:
        """Runs it, unless another process has for that time."""
        last = self._metadata.get(LAST_RUN)
        if last is not None and moment_of(last.value) >= due:
            return
        async with aclosing(self._upkeep.run(force_vacuum=False)) as steps:
            async for each in steps:
                if each.steps_done == 0:  # nothing else runs, so nobody else begins for the same time
                    await self._database.write(lambda: self._metadata.set(LAST_RUN, moment_text(self._clock())))
                logger().info(
                    "maintenance", step=each.step.value, state=each.state.value, seconds=round(each.seconds, 3)
                )
        await self._audit.by_itself("RunMaintenance", Deed("maintenance"))
