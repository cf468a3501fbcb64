"""Backups by the clock, which the test sets: real backups in a real folder, and nobody waits."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import tzset

import pytest

from tests.integration.storage.conftest import Clock, deeds_of_the_system
from wuzapi_manager_server.domain.backup import Backup, Origin, Retention
from wuzapi_manager_server.observe import Metrics
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.audit import Audit
from wuzapi_manager_server.services.backups import Backups
from wuzapi_manager_server.services.backups_gauges import BackupGauges
from wuzapi_manager_server.services.backups_schedule import BackupSchedule
from wuzapi_manager_server.services.readiness import Readiness
from wuzapi_manager_server.services.schedule import SOON
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.backups import BackupMaker
from wuzapi_manager_server.storage.backups_folder import BackupFolder, no_room
from wuzapi_manager_server.storage.database import Database

DAILY = "30 3 * * *"


@pytest.fixture
async def backups(database: Database, box: SecretBox, clock: Clock) -> AsyncIterator[Backups]:
    folder = BackupFolder(database.path.parent / "backups")
    maker = BackupMaker(database.path, folder, box, clock, encrypt=False)
    made = Backups(database, folder, maker, box, Retention(3, 2, 2), Readiness(database.writable))
    yield made
    await made.close()


def at(day: int, hour: int, minute: int = 0, *, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


async def pass_until(schedule: BackupSchedule, clock: Clock, end: datetime) -> None:
    """Lets the schedule look whenever it wants to, until then."""
    while clock.now < end:
        left = await schedule.turn()
        clock.now = min(end, clock.now + timedelta(seconds=left))
    await schedule.turn()


def times(backups: Backups) -> list[datetime]:
    return [each.create_time.replace(second=0, microsecond=0) for each in reversed(backups.folder.all())]


def spoil(backups: Backups, backup: Backup) -> None:
    """Another byte in a backup."""
    file = backups.folder.file(backup)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(("zone", "forward"), [("America/New_York", (8, 2)), ("Europe/Lisbon", (29, 1))])
async def test_the_schedule_is_in_utc_whatever_the_machine_s_zone(
    backups: Backups, audit: Audit, clock: Clock, monkeypatch: pytest.MonkeyPatch, zone: str, forward: tuple[int, int]
) -> None:
    """On the day when clocks are put forward there is one backup, at the hour that is left out on the wall."""
    monkeypatch.setitem(os.environ, "TZ", zone)
    tzset()
    day, hour = forward
    clock.now = at(day - 1, 0)
    schedule = BackupSchedule(backups, audit, f"30 {hour} * * *", clock)
    await pass_until(schedule, clock, at(day + 1, 12))
    assert times(backups) == [at(each, hour, 30) for each in (day - 1, day, day + 1)]
    monkeypatch.undo()
    tzset()


async def test_each_time_has_one_backup(backups: Backups, audit: Audit, clock: Clock) -> None:
    """At its minute, verified, and not again before the next, however often the clock is looked at."""
    clock.now = at(1, 12)
    schedule = BackupSchedule(backups, audit, DAILY, clock)
    await pass_until(schedule, clock, at(2, 3, 29))
    assert times(backups) == []
    await pass_until(schedule, clock, at(3, 12))
    assert times(backups) == [at(2, 3, 30), at(3, 3, 30)]
    assert all(each.origin is Origin.SCHEDULE and each.verify_time for each in backups.folder.all())


async def test_a_time_that_was_missed_is_made_up_for_at_the_start(backups: Backups, audit: Audit, clock: Clock) -> None:
    """Once, where there are backups from before; what is there since that time counts, whoever made it."""
    clock.now = at(1, 3, 30)
    fresh = BackupSchedule(backups, audit, DAILY, clock)
    assert await fresh.turn() > 0
    assert times(backups) == []  # nothing was missed by a service that is new
    await backups.create(Origin.ASKED)
    clock.now = at(5, 12)  # it was off for days
    restarted = BackupSchedule(backups, audit, DAILY, clock)
    await pass_until(restarted, clock, at(5, 13))
    assert times(backups) == [at(1, 3, 30), at(5, 12)]
    again = BackupSchedule(backups, audit, DAILY, clock)
    await pass_until(again, clock, at(5, 14))
    assert len(times(backups)) == 2
    await pass_until(again, clock, at(6, 4))
    assert times(backups)[-1] == at(6, 3, 30)


async def test_what_was_brought_here_is_no_backup_of_a_time(
    backups: Backups, audit: Audit, clock: Clock, tmp_path: Path
) -> None:
    """A verified upload, and what a restore replaced, do not keep a missed one from being made.

    The upload does not make the backups fresh either, nor is it the newest one of the metrics.
    """
    metrics = Metrics()
    clock.now = at(1, 3, 30)
    first = await backups.create(Origin.SCHEDULE)
    clock.now = at(5, 12)
    (tmp_path / "brought").write_bytes(backups.folder.file(first).read_bytes())
    assert (await backups.take_in(tmp_path / "brought")).verify_time
    schedule = BackupSchedule(backups, audit, DAILY, clock)
    gauges = BackupGauges(backups, schedule, metrics.backups)
    await gauges.sample()
    assert not gauges.fresh
    assert metrics.backups.newest._value.get() == metrics.backups.oldest._value.get() == first.create_time.timestamp()
    assert metrics.backups.verified._value.get() == 2
    await backups.create(Origin.BEFORE_RESTORE)
    await schedule.turn()
    assert [each.origin for each in backups.folder.all()] == [
        Origin.SCHEDULE,
        Origin.BEFORE_RESTORE,
        Origin.UPLOADED,
        Origin.SCHEDULE,
    ]
    await gauges.sample()
    assert gauges.fresh


async def test_the_tiers_of_retention_hold_over_months(backups: Backups, audit: Audit, clock: Clock) -> None:
    """Three days, two weeks and two months have their newest; what somebody asked for stays besides."""
    clock.now = at(1, 0)
    asked = await backups.create(Origin.ASKED)
    schedule = BackupSchedule(backups, audit, DAILY, clock)
    await pass_until(schedule, clock, at(15, 12, month=4))
    days = [at(15, 3, 30, month=4), at(14, 3, 30, month=4), at(13, 3, 30, month=4)]
    weeks = [at(15, 3, 30, month=4), at(12, 3, 30, month=4)]
    months = [at(15, 3, 30, month=4), at(31, 3, 30)]
    found = [each for each in backups.folder.all() if each.name != asked.name]
    assert [each.create_time.replace(second=0, microsecond=0) for each in reversed(found)] == sorted(
        {*days, *weeks, *months}
    )
    assert backups.folder.get(asked.name) == asked
    files = {path.name for path in backups.folder.path.iterdir() if not path.name.startswith(".")}
    assert len(files) == 2 * len(backups.folder.all())


async def test_the_last_verified_backup_is_never_removed(backups: Backups, clock: Clock) -> None:
    """Also where it is older than all that is kept and each later one turned out to be damaged."""
    clock.now = at(1, 3, 30)
    old = await backups.create(Origin.SCHEDULE)
    for day in range(9, 17):
        clock.now = at(day, 3, 30)
        later = await backups.create(Origin.SCHEDULE)
        spoil(backups, later)
        with pytest.raises(Exception, match="damaged"):
            await backups.verify(later.name)
    clock.forward(days=400)
    await backups.prune()
    assert old.name in {each.name for each in backups.folder.all()}
    assert [each.name for each in backups.folder.all() if each.verify_time] == [old.name]
    with pytest.raises(Exception, match="only verified backup"):
        await backups.delete(old.name)


async def test_a_failure_is_tried_again_and_shows(
    backups: Backups, audit: Audit, clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is counted and logged, stale after two turns, and a minute after its cause is gone there is a backup."""
    metrics = Metrics()
    backups.failures = metrics.backups.failures
    clock.now = at(1, 3, 30)
    await backups.create(Origin.SCHEDULE)
    schedule = BackupSchedule(backups, audit, DAILY, clock)
    gauges = BackupGauges(backups, schedule, metrics.backups)
    await gauges.sample()
    assert (gauges.fresh, metrics.backups.stale._value.get()) == (True, 0)
    away = hide(backups.folder.path)
    clock.now = at(2, 3, 31)
    assert await schedule.turn() == 60
    assert await schedule.turn() == 60
    assert metrics.backups.failures._value.get() == 2
    assert "".join(capfd.readouterr()).count("backup failed") == 2
    away.rename(unhidden(backups.folder.path))
    clock.now = at(3, 3, 31)
    await gauges.sample()
    assert (gauges.fresh, metrics.backups.stale._value.get()) == (False, 1)
    assert await schedule.turn() > 60
    await gauges.sample()
    assert (gauges.fresh, metrics.backups.stale._value.get()) == (True, 0)
    assert times(backups) == [at(1, 3, 30), at(3, 3, 31)]


def hide(folder: Path) -> Path:
    """A file in place of a folder, and where that is now."""
    away = folder.with_name("away")
    folder.rename(away)
    folder.write_text("no folder")
    return away


def unhidden(folder: Path) -> Path:
    folder.unlink()
    return folder


async def test_what_is_in_the_way_is_waited_for(
    backups: Backups, audit: Audit, clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    """Seconds, not a minute, in which the same may be in the way again; it is no failure, and logged once."""
    metrics = Metrics()
    backups.failures = metrics.backups.failures
    clock.now = at(1, 3, 29)
    schedule = BackupSchedule(backups, audit, "* * * * *", clock)
    await schedule.turn()
    clock.now = at(1, 3, 30)
    with backups.folder.alone("maintenance"):
        assert [await schedule.turn() for _ in range(2)] == [SOON, SOON]
    assert times(backups) == []
    assert "".join(capfd.readouterr()).count("backup of the schedule waits") == 1
    assert await schedule.turn() > SOON
    assert times(backups) == [at(1, 3, 30)]
    assert metrics.backups.failures._value.get() == 0


async def test_the_audit_log_tells_what_was_done_by_itself(
    backups: Backups, audit: Audit, audits: AuditStore, clock: Clock
) -> None:
    """Each backup made, each removed and each failure, as done by the system."""
    clock.now = at(1, 0)
    schedule = BackupSchedule(backups, audit, DAILY, clock)
    await pass_until(schedule, clock, at(6, 12))
    kept = {f"maintenance/{each.name}" for each in backups.folder.all()}
    told = deeds_of_the_system(audits)
    made = [target for action, target, outcome in told if (action, outcome) == ("CreateBackup", "OK")]
    removed = [target for action, target, outcome in told if (action, outcome) == ("DeleteBackup", "OK")]
    assert len(told) == len(made) + len(removed)
    assert (len(made), len(removed)) == (6, 6 - len(kept))
    assert {*made} - {*removed} == kept
    away = hide(backups.folder.path)
    clock.now = at(7, 3, 31)
    for _ in range(3):
        assert await schedule.turn() == 60
    assert deeds_of_the_system(audits)[0] == ("CreateBackup", "maintenance", "FAILED_PRECONDITION")
    assert len(deeds_of_the_system(audits)) == len(told) + 1  # the same failure is told once
    away.rename(unhidden(backups.folder.path))


async def test_a_failure_that_nobody_waits_for_is_in_the_log(
    backups: Backups, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its caller went away meanwhile."""
    going, on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        going.set()
        await on.wait()
        raise no_room()

    call = asyncio.create_task(backups.alone("the work of one who went", work))
    await going.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    on.set()
    await backups.changed.wait()
    await asyncio.sleep(0)
    assert "".join(capfd.readouterr()).count("work on backups failed") == 1
