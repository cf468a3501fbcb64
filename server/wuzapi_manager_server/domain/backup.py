"""Backups, and which of them are kept for how long."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{4}\.(wzb|db)")
_TIER = re.compile(r"(\d{1,4}) (daily|weekly|monthly)")


class Origin(Enum):
    """Why a backup was made. Names are those of the protos without prefix."""

    UNSPECIFIED = "UNSPECIFIED"
    ASKED = "ASKED"
    SCHEDULE = "SCHEDULE"
    BEFORE_RESTORE = "BEFORE_RESTORE"
    UPLOADED = "UPLOADED"


@dataclass(frozen=True)
class Backup:
    """A backup that lies complete in its folder.

    `size` and `sha256` are those of the file as it lies there. `key_id` names the key that it is encrypted with, empty
    where it is not. `rows` counts the rows of every table. `verify_time` is when it was last restored to a scratch file
    and found whole; None where it never was, or last was not.

    Where its description is lost `sha256` is empty, `rows` too, and `origin` is UNSPECIFIED.
    """

    name: str
    size: int
    sha256: str
    schema_version: int
    create_time: datetime
    origin: Origin
    key_id: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    verify_time: datetime | None = None

    @property
    def encrypted(self) -> bool:
        """Whether it is encrypted."""
        return bool(self.key_id)

    @property
    def described(self) -> bool:
        """Whether it is known what was written."""
        return bool(self.sha256)


@dataclass(frozen=True)
class Retention:
    """How many backups are kept: the newest of each of the last so many days, weeks and months that have any."""

    daily: int = 7
    weekly: int = 4
    monthly: int = 12

    @classmethod
    def parse(cls, text: str) -> "Retention":
        """From `7 daily 4 weekly 12 monthly`, or some of it; what is not named is 0. ValueError for anything else."""
        words = " ".join(text.replace(",", " ").split())
        found = _TIER.findall(words)
        if not found or " ".join(f"{count} {tier}" for count, tier in found) != words:
            raise ValueError("not a retention")
        tiers = {tier: int(count) for count, tier in found}
        if len(tiers) != len(found) or not any(tiers.values()):
            raise ValueError("not a retention")
        return cls(tiers.get("daily", 0), tiers.get("weekly", 0), tiers.get("monthly", 0))

    def __str__(self) -> str:
        return f"{self.daily} daily {self.weekly} weekly {self.monthly} monthly"

    def expired(self, backups: Iterable[Backup]) -> list[Backup]:
        """Which backups of the schedule have had their time. Never the newest verified backup of all."""
        every = sorted(backups, key=lambda backup: backup.create_time, reverse=True)
        scheduled = [backup for backup in every if backup.origin is Origin.SCHEDULE]
        verified = [backup for backup in scheduled if backup.verify_time is not None]
        kept = {backup.name for backup in newest_verified(every)}
        for count, period in ((self.daily, _day), (self.weekly, _week), (self.monthly, _month)):
            kept.update(_newest_of_each(verified, count, period))
        newest = verified[0].create_time if verified else None
        return [
            backup
            for backup in scheduled
            # One that is not verified is no use once a later one is.
            if backup.name not in kept and newest is not None and backup.create_time <= newest
        ]


def newest_verified(backups: Iterable[Backup]) -> list[Backup]:
    """The newest backup that is verified, or none."""
    verified = [backup for backup in backups if backup.verify_time is not None]
    return [max(verified, key=lambda backup: backup.create_time)] if verified else []


def _newest_of_each(backups: Sequence[Backup], count: int, period: Callable[[datetime], object]) -> set[str]:
    """The names of the newest of each of the last `count` periods, of backups that are newest first."""
    chosen: dict[object, str] = {}
    for backup in backups:
        chosen.setdefault(period(backup.create_time), backup.name)
    return set(list(chosen.values())[:count])


def _day(moment: datetime) -> object:
    return moment.date()


def _week(moment: datetime) -> object:
    return moment.isocalendar()[:2]


def _month(moment: datetime) -> object:
    return (moment.year, moment.month)
