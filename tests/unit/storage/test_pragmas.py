"""Which SQLite may have a WAL."""

import pytest

from wuzapi_manager_server.storage.pragmas import has_wal_bug


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("3.40.1", True),
        ("3.44.5", True),
        ("3.44.6", False),
        ("3.45.0", True),
        ("3.50.6", True),
        ("3.50.7", False),
        ("3.51.1", True),
        ("3.51.2", True),
        ("3.51.3", False),
        ("3.54.1", False),
        ("4.0.0", False),
    ],
)
def test_the_wal_bug_is_known_by_the_version(version: str, *, affected: bool) -> None:
    """Every version before 3.51.3 has it, but for the two that were mended."""
    assert has_wal_bug(version) is affected
