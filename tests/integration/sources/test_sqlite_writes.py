"""Writes of SQLite that the table itself interferes with."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.integration.sources.conftest import Make, Open
from tests.integration.sources.helpers import column, read, soon
from wuzapi_manager_server.domain.table import JsonDocument
from wuzapi_manager_server.domain.values import to_cell, to_json
from wuzapi_manager_server.sources.base import Change


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


async def test_what_was_read_and_is_written_back_stays_as_it_was(root: Path, make: Make, source: Open) -> None:
    """Whatever a row holds, an update with what it shows leaves it alone; one with another value changes it."""
    make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB, n TEXT, j JSON, d DATETIME, x);"
        "INSERT INTO t VALUES (1, 'abcd', x'00ff', '{\"a\": 1.0, \"b\": 1234567890123456.789}', '2026-01-02T03:04:05',"
        " 1), (2, 'AA==', CAST(x'61ff' AS TEXT), 'null', 17, 5), (3, x'00', 'text', '[1]', '2026-01-02 03:04:05', NULL)"
    )
    t = source("t")
    table = await t.describe(soon())
    held = stored(root)
    changes = []
    for row in await read(t):
        shown = dict(zip(table.index, map(to_json, row.cells), strict=True))
        cells = {name: to_cell(value, table.columns[at]) for at, (name, value) in enumerate(shown.items())}
        del cells["id"]
        changes.append(Change(row.key, cells))
        (outcome,) = await t.update(changes[-1:], None, soon())
        assert outcome.row == row
    assert stored(root) == held
    await t.update(changes, None, soon())
    assert stored(root) == held
    await t.update([Change((1,), {"b": b"abc", "n": "AP8", "j": JsonDocument({"a": True})})], None, soon())
    assert stored(root)[0][2:5] == ("X'616263'", "'AP8'", "'{\"a\":true}'")


def stored(root: Path) -> list[tuple[str, ...]]:
    """The columns of all rows as SQL spells what is stored."""
    with closing(sqlite3.connect(root / "shop.db")) as connection:
        return connection.execute(
            "SELECT id, quote(CAST(n AS BLOB)) || typeof(n), quote(b), CASE WHEN id = 1 THEN quote(n) END, quote(j),"
            " quote(d), quote(x) FROM t ORDER BY id"
        ).fetchall()
