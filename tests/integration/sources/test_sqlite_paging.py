"""Pages by key give exactly what one sorted read gives: nothing skipped, nothing twice, whatever the values."""

import sqlite3
import string
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.sources.conftest import Make, Open
from tests.integration.sources.helpers import soon
from wuzapi_manager_server.domain.filter import Comparison, Op
from wuzapi_manager_server.domain.table import Key, Owner, Row
from wuzapi_manager_server.errors import InvalidInput
from wuzapi_manager_server.sources.base import Query, Sort
from wuzapi_manager_server.sources.sqlite import SqliteSource
from wuzapi_manager_server.sources.sqlite_folder import SqliteFolder

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-2, 2),
    st.floats(allow_nan=False),
    st.sampled_from([0.5, 2.0**53, -0.0, 1e19, float("inf")]),
    st.text(string.printable + "ñÑ\0", max_size=3),
    st.sampled_from(["a", "A", "a ", "1", "01", "1.0", "abc", "aBC", "\0x41", "\0t"]),
    st.binary(max_size=2),
    st.binary(max_size=2).map(lambda data: ("text", data)),
)
TYPES = ["", "TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB", "TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM", "DATETIME"]
KEYS = [
    "id INTEGER PRIMARY KEY, k {0}, a {1}, b {2}",
    "id INTEGER, k {0} PRIMARY KEY, a {1}, b {2}",
    "id INTEGER, k {0}, a {1}, b {2}, PRIMARY KEY (k, a)",
    "id INTEGER, k {0}, a {1}, b {2}, PRIMARY KEY (k COLLATE BINARY DESC, a)",
    "id INTEGER NOT NULL, k {0} NOT NULL, a {1}, b {2}, PRIMARY KEY (k, id)",
    "id INTEGER, k {0}, a {1}, b {2}",
]
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=25)
ORDERS = st.lists(st.tuples(st.sampled_from(["id", "k", "a", "b"]), st.booleans()), max_size=3)


def _fill(path: Path, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE t ({table})")
        for number, row in enumerate(rows):
            marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, tuple) else "?" for value in row)
            values = [value[1] if isinstance(value, tuple) else value for value in row]
            with suppress(sqlite3.IntegrityError):  # what a key does not take is left out
                connection.execute(f"INSERT INTO t VALUES (?, {marks})", (number, *values))


async def _pages(source: SqliteSource, order: tuple[Sort, ...], size: int) -> list[Row]:
    rows: list[Row] = []
    after: Key = ()
    while True:
        page = await source.fetch(Query(None, order=order, after=after, limit=size), soon())
        rows += page
        if len(page) < size:
            return rows
        after = page[-1].cursor
        assert len(rows) < 1000


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    rows=ROWS,
    key=st.sampled_from(KEYS),
    types=st.tuples(*[st.sampled_from(TYPES)] * 3),
    order=ORDERS,
    size=st.integers(1, 4),
)
async def test_pages_are_one_sorted_read(
    root: Path,
    executor: ThreadPoolExecutor,
    rows: list[tuple[object, ...]],
    key: str,
    types: tuple[str, ...],
    order: list[tuple[str, bool]],
    size: int,
) -> None:
    """For any rows, mixed in type, with nulls and broken texts, any key and any order."""
    _fill(root / "p.db", key.format(*types), rows)
    source = SqliteSource(SqliteFolder(root, [], executor), "p.db", "t")
    try:
        sorts = tuple(Sort(*each) for each in dict(order).items())
        whole = list(await source.fetch(Query(None, order=sorts, limit=1000), soon()))
        assert len(whole) == await source.count(None, None, soon())
        streamed = [row async for part in source.stream(Query(None, order=sorts), soon) for row in part]
        assert [row.cells for row in streamed] == [row.cells for row in whole]
        if (await source.describe(soon())).primary_key:
            assert await _pages(source, sorts, size) == whole
            for row in whole:
                if None not in row.key:
                    assert await source.get(row.key, None, soon()) == row._replace(cursor=_natural(source, row))
    finally:
        await source.close()


def _natural(source: SqliteSource, row: Row) -> Key:
    known = source._known
    assert known is not None
    return row.key if known.tie is None else (*row.key, row.cursor[-1])


BROKEN = ("text", b"5\xff")


@pytest.mark.parametrize(
    ("key", "types", "rows", "order"),
    [
        (3, ("TEXT COLLATE NOCASE", "", ""), [(text, 1, None) for text in ("b", "a", "A", "B")], ()),
        (0, ("", "", ""), [(value, None, None) for value in (BROKEN, 7, "6", b"x", None, 5.5, "5")], (Sort("k"),)),
        (0, ("INTEGER", "", ""), [(value, None, None) for value in (BROKEN, 7, "6x", b"x", None)], (Sort("k", True),)),
        (1, ("TEXT", "", ""), [(value, None, None) for value in (None, None, "x", None)], ()),
    ],
)
async def test_hard_keys_and_values(
    source: Open,
    root: Path,
    key: int,
    types: tuple[str, ...],
    rows: list[tuple[object, ...]],
    order: tuple[Sort, ...],
) -> None:
    """A key with a collation of its own, broken texts among numbers, and several null keys page row by row."""
    _fill(root / "shop.db", KEYS[key].format(*types), rows)
    t = source("t")
    whole = list(await t.fetch(Query(None, order=order, limit=1000), soon()))
    assert len(whole) == len(rows)
    for size in (1, 2, 3):
        assert await _pages(t, order, size) == whole
    for row in whole:
        if None not in row.key:
            found = await t.get(row.key, None, soon())
            assert found is not None
            assert found.cells == row.cells


async def test_rows_that_come_and_go_are_neither_skipped_nor_repeated(make: Make, source: Open) -> None:
    """Between two pages rows before and behind are made and deleted; those that stay come once, in order."""
    make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n)",
        ("INSERT INTO t VALUES (?, ?)", [(10 * i, i % 3) for i in range(1, 31)]),
    )
    t = source("t")
    seen: list[Key] = []
    after: Key = ()
    for turn in range(100):
        page = await t.fetch(Query(None, order=(Sort("n", descending=True),), after=after, limit=4), soon())
        if not page:
            break
        seen += [row.key for row in page]
        after = page[-1].cursor
        await t.insert([{"id": 1000 - turn, "n": 2}, {"id": 5000 + turn, "n": 5}], None, soon())
        await t.delete([(page[0].key, None)], None, soon())
    kept = [key for key in seen if key[0] in range(10, 301, 10)]
    assert len(kept) == len(set(kept)) == 30


ORDERED = [
    ((), (5,), ["SEARCH t USING INTEGER PRIMARY KEY (rowid>?)"]),
    ((Sort("n"),), ("x", 5), ["SEARCH t USING INDEX i (n=? AND rowid>?)", "SEARCH t USING INDEX i (n>?)"]),
    (
        (Sort("n", descending=True), Sort("id", descending=True)),
        ("x", 5),
        [
            "SEARCH t USING INDEX i (n=? AND rowid<?)",
            "SEARCH t USING INDEX i (n<?)",
            "SEARCH t USING INDEX i (n=?)",
        ],
    ),
    ((Sort("n"), Sort("id", descending=True)), (None, 5), None),
]


@pytest.mark.parametrize(("order", "after", "expected"), ORDERED)
async def test_every_segment_is_a_seek(
    make: Make, source: Open, plans: list[str], order: tuple[Sort, ...], after: Key, expected: list[str] | None
) -> None:
    """Reading on behind a row is a seek in an index, without a sort of the whole, also where values are null."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT); CREATE INDEX i ON t (n)")
    t = source("t")
    await t.fetch(Query(None, order=order, after=after, limit=10), soon())
    seeks = [plan for plan in plans if plan.startswith(("SEARCH", "SCAN"))]
    assert all(plan.startswith("SEARCH") for plan in seeks)
    if expected is not None:
        assert seeks == expected


@pytest.mark.parametrize("after", [(1, 2), ("\ud800",), (2**64,), ("\0xnothex",)])
async def test_what_is_no_cursor_is_refused(make: Make, source: Open, after: Key) -> None:
    """A cursor of another order, or with values that no column holds, is a bad request."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with pytest.raises(InvalidInput):
        await source("t").fetch(Query(None, after=after, limit=1), soon())


async def test_streams_in_lists_and_with_a_limit(make: Make, source: Open) -> None:
    """A stream gives lists of bounded size, all rows that match in order, and no more than its limit."""
    make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT); CREATE VIEW v AS SELECT * FROM t;"
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1700)"
        " INSERT INTO t SELECT x, iif(x % 2, 'a', 'b') FROM n"
    )
    for name in ("t", "v"):
        t = source(name)
        sizes = [len(rows) async for rows in t.stream(Query(None), soon)]
        assert (max(sizes), sum(sizes)) == (500, 1700)
        query = Query(Owner("u", "a"), Comparison("id", Op.GT, (100,)), limit=600)
        rows = [row.cells[0] async for part in t.stream(query, soon) for row in part]
        assert rows == list(range(101, 1300, 2))
