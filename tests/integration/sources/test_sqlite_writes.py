"""Writes of SQLite that the table itself interferes with."""

from tests.integration.sources.conftest import Make, Open
from tests.integration.sources.helpers import column, soon


async def test_rows_that_go_with_others_may_be_deleted_with_them(make: Make, source: Open) -> None:
    """A batch may hold rows that a foreign key deletes with others of it."""
    make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, p REFERENCES t ON DELETE CASCADE)",
        ("INSERT INTO t VALUES (?, ?)", [(at, at - 1 or None) for at in range(1, 251)]),
    )
    t = source("t")
    await t.delete([((240,), None), ((241,), None)], None, soon())
    assert await t.count(None, None, soon()) == 239
    await t.delete([((at,), None) for at in range(3, 231)], None, soon())
    assert await column(t, "id") == [1, 2]
