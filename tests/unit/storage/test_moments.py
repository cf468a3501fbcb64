"""Times as they are stored."""

from datetime import UTC, datetime, timedelta, timezone

from wuzapi_manager_server.storage.models import moment_of, moment_text, now_utc


def test_a_moment_comes_back_and_sorts_as_text() -> None:
    """Texts are UTC with microseconds, whatever the zone given, and stand in the order of their moments."""
    moments = [
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=UTC),
        datetime(2026, 1, 2, 1, 0, tzinfo=timezone(timedelta(hours=-3))),
        now_utc(),
    ]
    texts = [moment_text(moment) for moment in moments]
    assert texts[0] == "2026-01-02T03:04:05.000000Z"
    assert texts == sorted(texts)
    assert [moment_of(text) for text in texts] == moments
