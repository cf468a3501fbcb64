"""How long to wait before a request is sent again."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST = 0.1
_LONGEST = 2.0


def retry_after(header: str, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for, by a number or a date (RFC 9110); None where it has neither."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())


def backoff(attempt: int) -> float:
    """The seconds to wait after the attempt of that number, from 0: doubling, with jitter, at most 2."""
    return float(min(_FIRST * 2**attempt, _LONGEST) * random.uniform(0.5, 1.0))
