"""Which backups are kept."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from wuzapi_manager_server.domain.backup import Backup, Origin, Retention

NOW = datetime(2026, 6, 15, 3, 30, tzinfo=UTC)


def backup(age: timedelta, *, origin: Origin = Origin.SCHEDULE, verified: bool = True) -> Backup:
    made = NOW - age
    return Backup(f"{made:%Y%m%dT%H%M%S}", 1, "", 2, made, origin, verify_time=made if verified else None)


def kept(retention: Retention, backups: Sequence[Backup]) -> list[int]:
    """The ages in days of those that stay."""
    gone = {each.name for each in retention.expired(backups)}
    return [(NOW - each.create_time).days for each in backups if each.name not in gone]


def test_the_newest_of_each_day_week_and_month_stay() -> None:
    """Of a backup each day for a year, seven days, four weeks and twelve months have one."""
    every = [backup(timedelta(days=age)) for age in range(366)]
    stay = kept(Retention(), every)
    assert stay[:7] == [0, 1, 2, 3, 4, 5, 6]
    assert {(NOW - timedelta(days=age)).strftime("%Y-%m") for age in stay} >= {
        *(f"2026-{month:02}" for month in range(1, 7)),
        *(f"2025-{month:02}" for month in range(7, 13)),
    }
    assert len(stay) <= 7 + 4 + 12


def test_the_last_verified_one_stays_whatever_its_age() -> None:
    """Also where every later one failed, and where only one is to be kept."""
    old, failed = backup(timedelta(days=900)), backup(timedelta(days=1), verified=False)
    assert kept(Retention(1, 0, 0), [failed, old]) == [1, 900]


def test_what_is_not_verified_goes_once_a_later_one_is() -> None:
    """It is no use then, and before that it may be all there is."""
    older, newer = backup(timedelta(days=2), verified=False), backup(timedelta(days=1))
    assert kept(Retention(), [newer, older]) == [1]
    assert kept(Retention(), [older]) == [2]


@pytest.mark.parametrize("origin", [Origin.ASKED, Origin.BEFORE_RESTORE, Origin.UPLOADED])
def test_what_the_schedule_did_not_make_is_not_removed(origin: Origin) -> None:
    """What somebody asked for goes when somebody deletes it."""
    every = [backup(timedelta(days=age), origin=origin) for age in range(30)]
    assert Retention(1, 0, 0).expired(every) == []


def test_text_and_back() -> None:
    """Tiers may be left out; anything else is refused."""
    assert Retention.parse("7 daily 4 weekly 12 monthly") == Retention()
    assert Retention.parse("3 weekly") == Retention(0, 3, 0)
    assert str(Retention.parse("2 daily, 1 monthly")) == "2 daily 0 weekly 1 monthly"
    for text in ("", "daily", "0 daily", "7 daily 3 daily", "7 yearly", "-1 daily"):
        with pytest.raises(ValueError, match="not a retention"):
            Retention.parse(text)
