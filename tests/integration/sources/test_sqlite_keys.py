"""Rows of SQLite files by their keys."""

from pathlib import Path

import pytest

from tests.integration.sources.conftest import Make, Open
from tests.integration.sources.helpers import column, elsewhere, read, soon
from wuzapi_manager_server.domain.table import Key
from wuzapi_manager_server.errors import NotFound, QueryFailed
from wuzapi_manager_server.sources.base import Change


@pytest.mark.parametrize(
    "key",
    [(), (1, 2), (2**70,), ("\ud800",), ("\0xzz",), (float("nan"),), ("1; DROP TABLE t",), (b"\x00",), (None,)],
)
async def test_keys_that_no_row_has(make: Make, source: Open, key: Key) -> None:
    """Any forged key finds nothing and breaks nothing."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 'a')")
    t = source("t")
    assert await t.get(key, None, soon()) is None
    with pytest.raises(NotFound):
        await t.delete([(key, None)], None, soon())


@pytest.mark.parametrize(
    ("declared", "keys"),
    [
        ("a TEXT PRIMARY KEY", [("x",), ("x ",), ("X",), ("",), ("a\0b",)]),
        ("a BLOB PRIMARY KEY", [(b"",), (b"\xff\x00",), ("text",), (1,)]),
        ("a TEXT COLLATE NOCASE PRIMARY KEY", [("x",), ("y",)]),
        ("a PRIMARY KEY", [("1",), (1,), (1.5,), (b"1",), ("\0x41",)]),
        ("a INTEGER PRIMARY KEY DESC", [(3,), (-5,)]),
        ("a REAL PRIMARY KEY", [(0.1,), (1e300,)]),
    ],
)
@pytest.mark.parametrize("without_rowid", ["", "WITHOUT ROWID"])
async def test_keys_of_any_kind(make: Make, source: Open, declared: str, keys: list[Key], without_rowid: str) -> None:
    """Rows with text, blob, real and untyped keys are found, changed and deleted by the key that a read gave."""
    make(
        f"CREATE TABLE t ({declared}, n INTEGER) {without_rowid}",
        ("INSERT INTO t VALUES (?, 0)", keys),
        ("INSERT INTO t VALUES (CAST(? AS TEXT), 0)", [(b"\xff\xfe",)] if declared == "a TEXT PRIMARY KEY" else []),
    )
    t = source("t")
    found = [row.key for row in await read(t)]
    assert len(set(found)) == len(keys) + (declared == "a TEXT PRIMARY KEY")
    for place, key in enumerate(found, start=1):
        [outcome] = await t.update([Change(key, {"n": place})], None, soon())
        assert outcome.row is not None
        assert (outcome.row.key, outcome.row.cells[1]) == (key, place)
    await t.delete([(key, None) for key in found], None, soon())
    assert await read(t) == []


async def test_composite_keys_and_key_order(make: Make, source: Open) -> None:
    """A key of several columns stands in the key's own order."""
    make("CREATE TABLE t (n, b TEXT, a INTEGER, PRIMARY KEY (a, b)); INSERT INTO t VALUES ('x', 'k', 1), ('y', 'l', 1)")
    t = source("t")
    assert (await t.describe(soon())).primary_key == ("a", "b")
    row = await t.get((1, "l"), None, soon())
    assert row is not None
    assert row.cells == ("y", "l", 1)
    [moved] = await t.update([Change((1, "l"), {"a": 5})], None, soon())
    assert moved.row is not None
    assert moved.row.key == (5, "l")


async def test_nulls_in_a_primary_key(make: Make, source: Open) -> None:
    """SQLite lets keys be null: such a row is found, unless several have the same key, which is told."""
    make("CREATE TABLE t (a TEXT, b TEXT, n, PRIMARY KEY (a, b)); INSERT INTO t VALUES (NULL, 'x', 1), (NULL, 'y', 2)")
    t = source("t")
    [one] = await t.update([Change((None, "x"), {"n": 5})], None, soon())
    assert one.row is not None
    assert one.row.cells == (None, "x", 5)
    elsewhere_insert = await t.insert([{"b": "z"}], None, soon())
    assert elsewhere_insert[0].row is not None
    with pytest.raises(QueryFailed):
        await t.insert([{"b": "z"}], None, soon())
    assert await t.count(None, None, soon()) == 3


async def test_several_rows_of_one_null_key_are_not_changed_together(make: Make, source: Open, root: Path) -> None:
    """A key that does not tell rows apart changes none of them."""
    make("CREATE TABLE t (a TEXT PRIMARY KEY, n); INSERT INTO t VALUES (NULL, 1), (NULL, 2)")
    t = source("t")
    for call in (t.get((None,), None, soon()), t.delete([((None,), None)], None, soon())):
        with pytest.raises(QueryFailed):
            await call
    assert await column(t, "n") == [1, 2]
    elsewhere(root / "shop.db", "DELETE FROM t WHERE n = 1")
    assert await t.get((None,), None, soon()) is not None
