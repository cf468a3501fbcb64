"""How long an upstream asks to be left alone, and how long we leave it alone by ourselves."""

from datetime import UTC, datetime

import pytest

from wuzapi_manager_server.upstreams.retry_after import backoff, retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 30 ", 30.0),
        ("Sun, 01 Mar 2026 12:00:07 GMT", 7.0),
        ("Sunday, 01-Mar-26 12:00:07 GMT", 7.0),
        ("Sun, 01 Mar 2026 14:00:07 +0200", 7.0),
        ("Sun, 01 Mar 2026 12:00:07 -0000", 7.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
    ],
)
def test_seconds_and_dates_are_read(header: str, seconds: float) -> None:
    """Both forms of the header, a date in any of its forms; one that has passed asks for no wait."""
    assert retry_after(header, NOW) == seconds


@pytest.mark.parametrize("header", ["", "soon", "-1", "1.5", "²", "٣", "Sun, 99 Mar 2026 12:00:00 GMT", "1 2", "\x00"])
def test_anything_else_asks_for_nothing(header: str) -> None:
    """No number and no date is no wish, never an error."""
    assert retry_after(header, NOW) is None


def test_waits_grow_to_a_bound() -> None:
    """Each attempt waits about twice as long as the one before, with jitter, and never more than two seconds."""
    for attempt, longest in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]):
        waits = [backoff(attempt) for _ in range(200)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
    assert backoff(1_000) <= 2.0
