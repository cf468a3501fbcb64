"""What the modifier of an interval column keeps: `interval day`, `interval(0)`, `interval year to month`.

https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-INTERVAL-INPUT
"""

import re
from datetime import timedelta
from decimal import Decimal

_SPELLED = re.compile(
    r"P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d+(?:\.\d+)?)S)?)?", re.ASCII
)
_SECOND = 1_000_000
_FULL_PRECISION = 0xFFFF
_YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECONDS = (1 << place for place in (2, 1, 3, 10, 11, 12))
"""Bits of the units in the upper half of a modifier; the lower half counts the digits of a second."""


def kept_by(value: str | timedelta, modifier: int) -> bool:  # noqa: PLR0911 - one return a unit
    """Whether an interval (a text in ISO 8601) stays as it is in a column of that modifier; -1 is none."""
    if modifier < 0:
        return True
    found = _parts(value)
    if found is None:  # the server judges what it is
        return True
    months, days, micros = found
    units, digits = modifier >> 16, modifier & 0xFFFF
    if units & _SECONDS:
        return digits == _FULL_PRECISION or not micros % 10 ** max(0, 6 - digits)
    if units & _MINUTE:
        return not micros % (60 * _SECOND)
    if units & _HOUR:
        return not micros % (3600 * _SECOND)
    if units & _DAY:
        return not micros
    whole = not days and not micros
    return whole if units & _MONTH else whole and not months % 12


def _parts(value: str | timedelta) -> tuple[int, int, int] | None:
    """Months, days and microseconds, which PostgreSQL keeps apart."""
    if isinstance(value, timedelta):
        return 0, 0, value // timedelta(microseconds=1)
    found = _SPELLED.fullmatch(value)
    if found is None:
        return None
    years, months, days, hours, minutes = (int(part or 0) for part in found.groups()[:5])
    seconds = Decimal(found[6] or 0) + 3600 * hours + 60 * minutes
    return 12 * years + months, days, int(seconds * _SECOND)
