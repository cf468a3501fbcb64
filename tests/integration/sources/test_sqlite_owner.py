"""Whose rows: byte by byte, whatever the column's type, affinity and collation, and whatever triggers do."""

import pytest

from tests.integration.sources.conftest import Make, Open
from tests.integration.sources.helpers import read, soon
from wuzapi_manager_server.domain.filter import Comparison, Not, Op, Or
from wuzapi_manager_server.domain.table import Cell, Owner
from wuzapi_manager_server.errors import NotFound, QueryFailed
from wuzapi_manager_server.sources.base import Change, Query, Sort

LOOKALIKES: list[object] = [
    *("token1", "TOKEN1", "Token1", "token1 ", " token1", "token1\0", "token1\0x", "tok", "token12", "", "token\u0131"),
    *(b"token1", b"token1 ", b"\xfftoken1", 12, 12.0, "12", "012", "12.0", " 12", "1.2e1", "12 ", b"12", None, 0, 1),
    *("token1\n", "%", "_", "token_", "*", "' OR 1=1 --", "0", "-0", "1", "true", "9223372036854775807", 2**63 - 1),
    *("9223372036854775808", 9.2e18, "9.2e+18", float("inf"), "Inf", '"token1"', "[]", "1e2", 100),
]
DECLARED = [
    "TEXT",
    "TEXT COLLATE NOCASE",
    "TEXT COLLATE RTRIM",
    "VARCHAR(9) COLLATE NOCASE",
    "INTEGER",
    "NUMERIC",
    "REAL",
    "BLOB",
    "",
    "STRING",
    "BOOLEAN",
    "JSON",
    "DATETIME",
]
OWNERS = [str(value) for value in LOOKALIKES if isinstance(value, str) and "\0" not in value]


@pytest.mark.parametrize("index", ["", "CREATE INDEX i ON t (u)", "CREATE INDEX i ON t (u COLLATE NOCASE)"])
@pytest.mark.parametrize("declared", DECLARED)
async def test_only_exactly_equal_texts_are_the_owners(make: Make, source: Open, declared: str, index: str) -> None:
    """Of many values that look alike, an owner gets those whose text is the very same; an index changes nothing."""
    make(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, u {declared}); {index}",
        ("INSERT INTO t (u) VALUES (?)", [(value,) for value in LOOKALIKES]),
        ("INSERT INTO t (u) SELECT CAST(u AS TEXT) FROM t WHERE typeof(u) = ?", [("blob",)]),
    )
    t = source("t")
    place = (await t.describe(soon())).index["u"]
    everything = {row.key: row.cells[place] for row in await read(t)}
    for value in OWNERS:
        rows = await read(t, owner=Owner("u", value))
        for row in rows:
            cell = row.cells[place]
            text = cell.decode() if isinstance(cell, bytes) else cell if isinstance(cell, str) else _number(cell)
            assert text == value
        found = {row.key for row in rows}
        texts = {key for key, cell in everything.items() if isinstance(cell, str) and cell == value}
        assert texts <= found
        assert await t.count(Owner("u", value), None, soon()) == len(rows)


def _number(cell: Cell) -> str:
    document = getattr(cell, "document", cell)
    return str(int(document) if isinstance(document, bool) else document)


async def test_no_call_reaches_another_owners_row(make: Make, source: Open) -> None:
    """Filters, sorts, keys, pages, streams, updates and deletes of one owner never touch another's row."""
    make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT COLLATE NOCASE, n INTEGER);"
        "CREATE INDEX i ON t (u); INSERT INTO t VALUES (1, 'ana', 1), (2, 'ANA', 2), (3, 'bob', 3)"
    )
    t, ana = source("t"), Owner("u", "ana")
    anything = Or(
        (
            Comparison[Cell]("n", Op.GE, (0,)),
            Not(Comparison[Cell]("n", Op.EQ, (5,))),
            Comparison[Cell]("u", Op.EQ, ("bob",)),
        )
    )
    assert [row.key for row in await read(t, anything, ana)] == [(1,)]
    assert [row.key for row in await t.fetch(Query(ana, order=(Sort("n", True),), after=(9, 9), limit=9), soon())] == [
        (1,)
    ]
    assert [row.key async for rows in t.stream(Query(ana), soon) for row in rows] == [(1,)]
    for key in ((2,), (3,)):
        assert await t.get(key, ana, soon()) is None
        with pytest.raises(NotFound):
            await t.update([Change(key, {"n": 9})], ana, soon())
        with pytest.raises(NotFound):
            await t.delete([((1,), None), (key, None)], ana, soon())
    assert [row.cells[2] for row in await read(t)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("declared", "value"), [("INTEGER", "012"), ("STRING", "1.50"), ("REAL", "12"), ("BOOLEAN", "1e2")]
)
async def test_an_owner_that_the_column_would_change_is_refused(
    make: Make, source: Open, declared: str, value: str
) -> None:
    """Where the affinity would turn the owner's value into another one, nothing is made."""
    make(f"CREATE TABLE t (id INTEGER PRIMARY KEY, u {declared})")
    t = source("t")
    with pytest.raises(QueryFailed):
        await t.insert([{"u": value}], Owner("u", value), soon())
    assert await t.count(None, None, soon()) == 0


async def test_an_insert_that_is_not_the_owners_is_undone(make: Make, source: Open) -> None:
    """The source verifies what its caller stamped."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT)")
    t = source("t")
    for cells in ({"u": "bob"}, {}):
        with pytest.raises(QueryFailed):
            await t.insert([{"u": "ana"}, cells], Owner("u", "ana"), soon())
    assert await t.count(None, None, soon()) == 0


@pytest.mark.parametrize(
    "trigger",
    [
        "AFTER INSERT ON t BEGIN UPDATE t SET u = 'bob' WHERE id = new.id; END",
        "AFTER INSERT ON t BEGIN UPDATE t SET id = new.id + 100 WHERE id = new.id; END",
        "AFTER INSERT ON t BEGIN DELETE FROM t WHERE id = new.id; END",
        "AFTER UPDATE ON t BEGIN UPDATE t SET u = 'bob' WHERE id = new.id; END",
        "AFTER UPDATE ON t BEGIN DELETE FROM t WHERE id = new.id; END",
    ],
)
async def test_triggers_that_take_the_row_away(make: Make, source: Open, trigger: str) -> None:
    """A trigger that gives the row to another owner, another key or nobody undoes the whole write."""
    make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT, n); INSERT INTO t VALUES (1, 'ana', 1);"
        f"CREATE TRIGGER x {trigger};"
    )
    t, ana = source("t"), Owner("u", "ana")
    write = (
        t.update([Change((1,), {"n": 2})], ana, soon())
        if "UPDATE ON" in trigger
        else t.insert([{"u": "ana"}], ana, soon())
    )
    with pytest.raises(QueryFailed):
        await write
    assert (1, "ana", 1) in [row.cells for row in await read(t)]
    assert not [row for row in await read(t) if row.cells[1] == "bob"]


async def test_an_owner_no_text_can_be(make: Make, source: Open) -> None:
    """An owner that is no text of any row finds nothing; an owner's column that is not there is told."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT); INSERT INTO t VALUES (1, 'a')")
    t = source("t")
    assert await read(t, owner=Owner("u", "\ud800")) == []
    with pytest.raises(QueryFailed) as caught:
        await read(t, owner=Owner("gone", "a"))
    assert caught.value.text.pt == "Campo 'gone' não encontrado na tabela 't'"


@pytest.mark.parametrize(("declared", "value"), [("TEXT", "ana"), ("TEXT COLLATE NOCASE", "ana"), ("INTEGER", "12")])
async def test_an_owners_rows_are_found_by_the_index(
    make: Make, source: Open, declared: str, value: str, plans: list[str]
) -> None:
    """The owner's condition can use the index on the link column, and the page behind a key goes on in it."""
    make(f"CREATE TABLE t (id INTEGER PRIMARY KEY, u {declared}); CREATE INDEX i ON t (u)")
    t = source("t")
    await t.describe(soon())
    await t.fetch(Query(Owner("u", value), after=(5,), limit=10), soon())
    assert plans == ["SEARCH t USING INDEX i (u=? AND rowid>?)"]
