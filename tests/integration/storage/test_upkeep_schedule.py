"""The upkeep by the clock, which the test sets: real upkeep of a real database, and nobody waits."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.storage.conftest import Clock, deeds_of_the_system
from wuzapi_manager_server.services.audit import Audit
from wuzapi_manager_server.services.schedule import RETRY, SOON
from wuzapi_manager_server.services.upkeep import Upkeep
from wuzapi_manager_server.services.upkeep_schedule import LAST_RUN, UpkeepSchedule
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.backups_folder import BackupFolder
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.metadata import MetadataStore
from wuzapi_manager_server.storage.models import moment_of

SUNDAYS = "0 4 * * 0"
SATURDAY, SUNDAY = datetime(2026, 11, 28, 12, tzinfo=UTC), datetime(2026, 11, 29, 4, tzinfo=UTC)


class Cached:
    """A cache that tells how often it was cleared."""

    name = "cached"
    hits = misses = 0

    def __init__(self) -> None:
        self.cleared = 0

    def __len__(self) -> int:
        return 1

    def clear(self) -> None:
        self.cleared += 1


@pytest.fixture
def cache() -> Cached:
    return Cached()


@pytest.fixture
def folder(database: Database) -> BackupFolder:
    return BackupFolder(database.path.parent / "backups")


@pytest.fixture
def metadata(database: Database, clock: Clock) -> MetadataStore:
    return MetadataStore(database, clock)


@pytest.fixture
def schedule(
    database: Database, metadata: MetadataStore, folder: BackupFolder, cache: Cached, audit: Audit, clock: Clock
) -> UpkeepSchedule:
    clock.now = SATURDAY
    return UpkeepSchedule(Upkeep(database, [cache], folder), database, metadata, audit, SUNDAYS, clock)


async def pass_until(schedule: UpkeepSchedule, clock: Clock, end: datetime) -> None:
    """Lets the schedule look whenever it wants to, until then."""
    while clock.now < end:
        left = await schedule.turn()
        clock.now = min(end, clock.now + timedelta(seconds=left))
    await schedule.turn()


async def test_it_runs_at_its_times(
    schedule: UpkeepSchedule, metadata: MetadataStore, cache: Cached, clock: Clock
) -> None:
    """Once at each, to the last step, and when it did is kept."""
    await pass_until(schedule, clock, SUNDAY - timedelta(minutes=1))
    assert cache.cleared == 0
    await pass_until(schedule, clock, SUNDAY + timedelta(days=1))
    assert cache.cleared == 1
    last = metadata.get(LAST_RUN)
    assert last is not None
    assert moment_of(last.value).replace(second=0, microsecond=0) == SUNDAY
    await pass_until(schedule, clock, SUNDAY + timedelta(days=7))
    assert cache.cleared == 2


async def test_processes_run_it_once_together(
    schedule: UpkeepSchedule,
    database: Database,
    metadata: MetadataStore,
    folder: BackupFolder,
    audit: Audit,
    clock: Clock,
) -> None:
    """Who comes second, later than the run took, sees that it was done; the next time is anybody's."""
    other = Cached()
    second = UpkeepSchedule(Upkeep(database, [other], folder), database, metadata, audit, SUNDAYS, clock)
    await second.turn()
    await pass_until(schedule, clock, SUNDAY)
    await second.turn()
    assert other.cleared == 0
    await pass_until(second, clock, SUNDAY + timedelta(days=7))
    assert other.cleared == 1


async def test_it_waits_for_a_backup(
    schedule: UpkeepSchedule, folder: BackupFolder, cache: Cached, clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    """While one is made it looks again seconds later, says so once, and runs then."""
    await pass_until(schedule, clock, SUNDAY - timedelta(minutes=1))
    clock.now = SUNDAY
    with folder.alone("a backup"):
        assert [await schedule.turn() for _ in range(2)] == [SOON, SOON]
    assert "".join(capfd.readouterr()).count("maintenance of the schedule waits") == 1
    assert cache.cleared == 0
    await schedule.turn()
    assert cache.cleared == 1


async def test_a_run_that_fails_is_not_repeated_before_its_time(
    schedule: UpkeepSchedule, database: Database, cache: Cached, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage does not go away by looking again: it is in the log, and looked for at the next time."""
    await pass_until(schedule, clock, SUNDAY - timedelta(minutes=1))
    monkeypatch.setattr("wuzapi_manager_server.services.upkeep.problems_of", lambda *_, **__: ("a page is damaged",))
    clock.now = SUNDAY
    assert await schedule.turn() > RETRY
    assert cache.cleared == 0
    monkeypatch.undo()
    await pass_until(schedule, clock, SUNDAY + timedelta(days=7))
    assert cache.cleared == 1


async def test_the_audit_log_tells_of_runs_and_failures(
    schedule: UpkeepSchedule, audits: AuditStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One entry a run, as done by the system; one that is put off is none."""
    await pass_until(schedule, clock, SUNDAY)
    assert deeds_of_the_system(audits) == [("RunMaintenance", "maintenance", "OK")]
    monkeypatch.setattr("wuzapi_manager_server.services.upkeep.problems_of", lambda *_, **__: ("a page is damaged",))
    await pass_until(schedule, clock, SUNDAY + timedelta(days=7))
    assert [outcome for _, _, outcome in deeds_of_the_system(audits)] == ["DATA_LOSS", "OK"]
