"""Reading and writing the rows of SQLite files."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from tests.integration.sources.conftest import Make, Open
from tests.integration.sources.helpers import column, read, soon
from wuzapi_manager_server.domain.filter import Comparison, Op
from wuzapi_manager_server.domain.table import Cell, ColumnType, JsonDocument, Owner, Row
from wuzapi_manager_server.errors import AlreadyExists, Code, InvalidInput, NotFound, QueryFailed
from wuzapi_manager_server.sources.base import Change, Query, Sort

TYPES = """
CREATE TABLE kinds (
  id INTEGER PRIMARY KEY, flag BOOLEAN, whole BIGINT, price DECIMAL(10,2), ratio DOUBLE, name VARCHAR(40), day DATE,
  clock TIME, at DATETIME, doc JSON, uid UUID, raw BLOB, free, odd POINT, made TEXT AS (name || '!') STORED
)
"""


async def test_describes_columns_as_declared(make: Make, source: Open) -> None:
    """Every declared type has its type here, and every column says what it is."""
    make(TYPES)
    table = await source("kinds").describe(soon())
    assert {column.name: column.type for column in table.columns} == {
        "id": ColumnType.INTEGER,
        "flag": ColumnType.BOOLEAN,
        "whole": ColumnType.INTEGER,
        "price": ColumnType.DECIMAL,
        "ratio": ColumnType.FLOAT,
        "name": ColumnType.TEXT,
        "day": ColumnType.DATE,
        "clock": ColumnType.TIME,
        "at": ColumnType.TIMESTAMP,
        "doc": ColumnType.JSON,
        "uid": ColumnType.UUID,
        "raw": ColumnType.BYTES,
        "free": ColumnType.OTHER,
        "odd": ColumnType.OTHER,
        "made": ColumnType.TEXT,
    }
    key, made = table.columns[0], table.columns[-1]
    assert (key.primary_key, key.has_default, key.nullable, made.read_only) == (True, True, False, True)
    assert table.primary_key == ("id",)
    assert all(column.dynamic for column in table.columns)
    assert (table.capabilities.exact_numbers, table.capabilities.read_only_reason) == (False, None)


WRITTEN: dict[str, Cell] = {
    "flag": True,
    "whole": 2**63 - 1,
    "price": Decimal("12.50"),
    "ratio": 0.1,
    "name": "Zoë \U0001f600",
    "day": date(2026, 11, 23),
    "clock": time(13, 5, 0, 250000),
    "at": datetime(2026, 11, 23, 13, 5, 0, 120000, tzinfo=UTC),
    "doc": JsonDocument({"a": [1, None, 12345678901234567890123], "é": "x"}),
    "uid": UUID("12345678-1234-5678-1234-567812345678"),
    "raw": b"\x00\xff",
    "free": "loose",
    "odd": "POINT(1 2)",
}


async def test_what_is_written_is_read_and_stays(make: Make, source: Open) -> None:
    """A cell of every type comes back as it went in, and does so again when it is written back."""
    make(TYPES)
    kinds = source("kinds")
    [outcome] = await kinds.insert([WRITTEN], None, soon())
    table = await kinds.describe(soon())
    assert outcome.row is not None
    cells = dict(zip((column.name for column in table.columns), outcome.row.cells, strict=True))
    expected = WRITTEN | {"id": 1, "made": "Zoë \U0001f600!", "at": "2026-11-23T13:05:00.120000+00:00"}
    assert cells == expected
    back = {name: cell for name, cell in cells.items() if name not in {"id", "made"}}
    [again] = await kinds.update([Change((1,), back)], None, soon())
    assert again.row == outcome.row
    elsewhere_sees = await column(kinds, "at", Comparison("at", Op.EQ, (WRITTEN["at"],)))
    assert elsewhere_sees == ["2026-11-23T13:05:00.120000+00:00"]


async def test_dirty_values_are_returned(make: Make, source: Open) -> None:
    """Any value in any column is read, as it stands where it does not fit the column's type."""
    odd: list[object] = ["text", 7, 1.5, b"\xff\x00", None, "", float("inf")]
    columns = [name for name in WRITTEN if name != "made"]
    make(
        TYPES,
        *((f"INSERT INTO kinds ({name}) VALUES (?)", [(value,) for value in odd]) for name in columns),
        (
            "INSERT INTO kinds (name, doc, day, price) VALUES (CAST(? AS TEXT), ?, ?, ?)",
            [(b"\xff\x41", '{"a":"\\ud800"}', "2026-02-30", "1,5"), (b"ab\x00c", "[" * 5000, "2026-2-3", "١٢")],
        ),
    )
    kinds = source("kinds")
    rows = await read(kinds)
    assert len(rows) == len(odd) * len(columns) + 2
    table = await kinds.describe(soon())
    broken, nul = (dict(zip((c.name for c in table.columns), row.cells, strict=True)) for row in rows[-2:])
    assert (broken["name"], broken["doc"], broken["day"]) == ("\ufffdA", '{"a":"\\ud800"}', "2026-02-30")
    assert (nul["name"], nul["doc"], nul["price"]) == ("ab\0c", "[" * 5000, "١٢")
    assert rows[0].cells[1] == "text"
    assert await kinds.get(rows[-2].key, None, soon()) == rows[-2]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("price", Decimal("0.1234567890123456789")),
        ("price", Decimal("NaN")),
        ("price", Decimal("1E+2000")),
        ("whole", 2**63),
        ("ratio", 2**53 + 1),
        ("ratio", float("nan")),
        ("name", "a\0b"),
        ("name", "\ud800"),
        ("odd", "007"),
        ("odd", "1.50"),
        ("odd", "1e999"),
        ("doc", JsonDocument(12345678901234567890123)),
        ("doc", JsonDocument(float("nan"))),
        ("free", ["a", "list"]),
    ],
)
async def test_lossy_values_are_refused(make: Make, source: Open, name: str, cell: Cell) -> None:
    """A value that SQLite would change on its way in is refused, names its column, and changes nothing."""
    make(TYPES)
    kinds = source("kinds")
    with pytest.raises(QueryFailed) as caught:
        await kinds.insert([{name: cell}], None, soon())
    assert (caught.value.code, caught.value.metadata["column"]) == (Code.INVALID_ARGUMENT, name)
    assert await kinds.count(None, None, soon()) == 0


HORRORS = ["a b", 'we"ird; DROP TABLE x--', "100%s", "%(x)s", "col:name", "ünï ção", "select", "(a)", "x'y", "[b]"]


@pytest.mark.parametrize("table", [*HORRORS[:7], "pragma_table_list", "a.b", "ROWID"])
async def test_names_of_any_kind(make: Make, source: Open, table: str) -> None:
    """Tables and columns of any name are described, read, filtered, sorted, written and deleted from."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in (table, *HORRORS)]
    make(f"CREATE TABLE {quoted[0]} (id INTEGER PRIMARY KEY, {', '.join(quoted[1:])})")
    odd = source(table)
    values: dict[str, Cell] = {name: f"v{name}" for name in HORRORS}
    await odd.insert([values, {HORRORS[0]: "other"}], None, soon())
    for name in HORRORS:
        found = await odd.fetch(
            Query(
                Owner(name, f"v{name}"), Comparison(name, Op.CONTAINS, (f"V{name}"[:1],)), (Sort(name, True),), limit=9
            ),
            soon(),
        )
        assert [row.key for row in found] == [(1,)]
    changed = await odd.update([Change((1,), dict.fromkeys(HORRORS[1:], "x"))], Owner("a b", "va b"), soon())
    assert changed[0].row is not None
    assert changed[0].row.cells == (1, "va b", *("x" for _ in HORRORS[1:]))


async def test_an_owner_is_not_lost_by_an_update(make: Make, source: Open) -> None:
    """An update that takes the row from its owner is undone."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT); INSERT INTO t VALUES (1, 'ana')")
    t = source("t")
    with pytest.raises(QueryFailed):
        await t.update([Change((1,), {"u": "bob"})], Owner("u", "ana"), soon())
    assert await column(t, "u") == ["ana"]


async def test_batches_are_all_or_nothing(make: Make, source: Open) -> None:
    """One bad item of a batch undoes the whole: a taken key, a missing row, a guard that refuses."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY, n UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    t = source("t")
    with pytest.raises(AlreadyExists):
        await t.insert([{"n": "c"}, {"n": "a"}], None, soon())
    with pytest.raises(NotFound) as missing:
        await t.update([Change((1,), {"n": "x"}), Change((9,), {"n": "y"})], None, soon())
    assert missing.value.metadata == {"index": "1"}
    with pytest.raises(NotFound):
        await t.delete([((1,), None), ((9,), None)], None, soon())

    def refuse(row: Row) -> None:
        assert row.cells == (2, "b")
        raise InvalidInput([])

    with pytest.raises(InvalidInput):
        await t.delete([((1,), None), ((2,), refuse)], None, soon())
    with pytest.raises(InvalidInput):
        await t.update([Change((1,), {"n": "x"}), Change((2,), {"n": "y"}, refuse)], None, soon())
    assert await column(t, "n") == ["a", "b"]


async def test_a_thousand_at_once(make: Make, source: Open) -> None:
    """A batch of 1,000 is made, changed and deleted, each in one call and in order."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, u TEXT)")
    t, owner = source("t"), Owner("u", "ana")
    made = await t.insert([{"n": n, "u": "ana"} for n in range(1000)], owner, soon())
    keys = [outcome.row.key for outcome in made if outcome.row]
    assert [outcome.row.cells[1] for outcome in made if outcome.row] == list(range(1000))
    changed = await t.update([Change(key, {"n": 7}) for key in reversed(keys)], owner, soon())
    assert [outcome.row.key for outcome in changed if outcome.row] == keys[::-1]
    gone = await t.delete([(key, None) for key in keys], owner, soon())
    assert len(gone) == 1000
    assert await t.count(None, None, soon()) == 0


async def test_on_conflict_clauses_of_the_table_do_not_take_rows(make: Make, source: Open) -> None:
    """Where the table replaces or ignores on conflict, a row of another owner still stays and the caller is told."""
    make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, n TEXT UNIQUE ON CONFLICT REPLACE,"
        " u TEXT NOT NULL ON CONFLICT IGNORE); INSERT INTO t VALUES (1, 'x', 'bob'), (2, 'y', 'ana')"
    )
    t, ana = source("t"), Owner("u", "ana")
    with pytest.raises(AlreadyExists):
        await t.insert([{"id": 1, "n": "z", "u": "ana"}], ana, soon())
    with pytest.raises(AlreadyExists):
        await t.update([Change((2,), {"n": "x"})], ana, soon())
    with pytest.raises(QueryFailed):
        await t.insert([{"id": 3, "n": "w", "u": None}], None, soon())
    assert await column(t, "n") == ["x", "y"]


@pytest.mark.parametrize(
    ("table", "reason"), [("v", "view"), ("bare", "primary key"), ("words", "virtual"), ("file", "read-only")]
)
async def test_what_takes_no_writes_says_why(
    make: Make, source: Open, monkeypatch: pytest.MonkeyPatch, table: str, reason: str
) -> None:
    """Views, virtual tables, tables without a primary key and read-only files are read, and refuse writes."""
    make(
        "CREATE TABLE bare (a, b); INSERT INTO bare VALUES (1, 'x'), (2, 'y'); CREATE VIEW v AS SELECT * FROM bare;"
        "CREATE VIRTUAL TABLE words USING fts5(a, b); INSERT INTO words VALUES (1, 'x'), (2, 'y');"
        "CREATE TABLE file (a INTEGER PRIMARY KEY, b); INSERT INTO file VALUES (1, 'x'), (2, 'y')"
    )
    if reason == "read-only":
        monkeypatch.setattr("os.access", lambda *_: False)  # as root every file can be written
    t = source(table)
    described = await t.describe(soon())
    assert described.capabilities.read_only_reason is not None
    assert reason in described.capabilities.read_only_reason.en
    rows = await t.fetch(Query(None, limit=1, offset=1), soon())
    assert rows[0].cells[1] == "y"
    if table != "file":
        assert (rows[0].key, rows[0].cursor, described.capabilities.key_paging) == ((), (), False)
        assert await t.get((1,), None, soon()) is None
    streamed = [row async for rows in t.stream(Query(None), soon) for row in rows]
    assert len(streamed) == 2
    for write in (
        t.insert([{"a": 1}], None, soon()),
        t.update([Change((1,), {"b": 1})], None, soon()),
        t.delete([((1,), None)], None, soon()),
    ):
        with pytest.raises(QueryFailed) as caught:
            await write
        assert caught.value.code is Code.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"id": "x"}, Code.INVALID_ARGUMENT),
        ({"id": 2}, Code.FAILED_PRECONDITION),
        ({"id": 2, "need": "a", "n": 5}, Code.FAILED_PRECONDITION),
        ({"id": 2, "need": "a", "parent": 9}, Code.FAILED_PRECONDITION),
        ({"id": 2, "need": "raise"}, Code.FAILED_PRECONDITION),
        ({"id": 2, "need": "skip"}, Code.FAILED_PRECONDITION),
        ({"id": 2, "need": "a", "made": "x"}, Code.FAILED_PRECONDITION),
        ({"id": 2, "none": "x"}, Code.FAILED_PRECONDITION),
        ({"id": 2, "need": "x" * (65 << 20)}, Code.INVALID_ARGUMENT),
    ],
)
async def test_refusals_of_the_engine(make: Make, source: Open, cells: dict[str, Cell], code: Code) -> None:
    """Every constraint, trigger and limit of the engine gives a plain error with the right code, no driver's text."""
    make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, need TEXT NOT NULL, n CHECK (n < 3), parent REFERENCES t,"
        " made AS (need || '!'));"
        "CREATE TRIGGER r BEFORE INSERT ON t WHEN new.need = 'raise' BEGIN SELECT RAISE(ABORT, 'secret'); END;"
        "CREATE TRIGGER i BEFORE INSERT ON t WHEN new.need = 'skip' BEGIN SELECT RAISE(IGNORE); END;"
    )
    t = source("t")
    with pytest.raises(QueryFailed) as caught:
        await t.insert([cells], None, soon())
    assert caught.value.code is code
    assert "secret" not in caught.value.text.en
    assert "constraint failed" not in caught.value.text.en
    assert await t.count(None, None, soon()) == 0


async def test_a_trigger_that_spares_a_row_fails_the_delete(make: Make, source: Open) -> None:
    """A delete or update that a trigger swallows is not reported as done."""
    make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 'a');"
        "CREATE TRIGGER d BEFORE DELETE ON t BEGIN SELECT RAISE(IGNORE); END;"
        "CREATE TRIGGER u BEFORE UPDATE ON t BEGIN SELECT RAISE(IGNORE); END;"
    )
    t = source("t")
    with pytest.raises(QueryFailed):
        await t.delete([((1,), None)], None, soon())
    with pytest.raises(QueryFailed):
        await t.update([Change((1,), {"n": "b"})], None, soon())
    assert (await t.update([Change((1,), {})], None, soon()))[0].row is not None
    assert await column(t, "n") == ["a"]


async def test_deferred_constraints_are_told_at_commit(make: Make, source: Open) -> None:
    """A foreign key that is checked at the end of the transaction still undoes it."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY, p REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
    t = source("t")
    with pytest.raises(QueryFailed):
        await t.insert([{"p": 9}], None, soon())
    await t.insert([{"id": 1, "p": 2}, {"id": 2, "p": 1}], None, soon())
    assert await t.count(None, None, soon()) == 2


async def test_collations_of_other_programs(root: Path, source: Open) -> None:
    """A table whose collation only its own program knows is read, sorted, filtered and paged; a write says why not."""
    with closing(sqlite3.connect(root / "shop.db")) as connection, connection:
        connection.create_collation("own", lambda a, b: (a > b) - (a < b))
        connection.execute("CREATE TABLE t (a TEXT COLLATE own PRIMARY KEY, n TEXT COLLATE own)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [("b", "x"), ("a", "y")])
    t = source("t")
    rows = await t.fetch(
        Query(Owner("n", "y"), Comparison("n", Op.IN, ("x", "y")), (Sort("n", True),), limit=5), soon()
    )
    assert [row.key for row in rows] == [("a",)]
    assert [row.key async for rows in t.stream(Query(None), soon) for row in rows] == [("a",), ("b",)]
    with pytest.raises(QueryFailed):
        await t.insert([{"a": "c"}], None, soon())


async def test_strict_tables(make: Make, source: Open) -> None:
    """A STRICT table's own refusals are told as a bad value, and its ANY columns keep what they are given."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, free ANY) STRICT")
    t = source("t")
    with pytest.raises(QueryFailed) as caught:
        await t.insert([{"n": "abc"}], None, soon())
    assert caught.value.code is Code.INVALID_ARGUMENT
    [outcome] = await t.insert([{"free": "007"}], None, soon())
    assert outcome.row is not None
    assert outcome.row.cells[2] == "007"


async def test_utf_16_files(make: Make, source: Open) -> None:
    """A file that keeps its text as UTF-16 is read, filtered and written."""
    make(
        "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT, n TEXT)",
        ("INSERT INTO t (u, n) VALUES (?, ?)", [("zoë", "é"), ("bob", "é")]),
    )
    t, owner = source("t"), Owner("u", "zoë")
    assert [row.cells for row in await read(t, Comparison("n", Op.EQ, ("é",)), owner)] == [(1, "zoë", "é")]
    await t.insert([{"u": "zoë", "n": "\U0001f600"}], owner, soon())
    assert len(await read(t, Comparison("n", Op.CONTAINS, ("\U0001f600",)), owner)) == 1


async def test_the_null_of_json_stands_where_a_document_must(root: Path, make: Make, source: Open) -> None:
    """A column of documents that cannot be empty may hold the document null, and takes it back."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY, v JSON NOT NULL); INSERT INTO t VALUES (1, 'null'), (2, '5')")
    await source("t").update([Change((key,), {"v": None}) for key in (1, 2)], None, soon())
    with closing(sqlite3.connect(root / "shop.db")) as connection:
        assert connection.execute("SELECT v FROM t").fetchall() == [("null",)] * 2


async def test_numbers_of_documents_keep_their_digits(make: Make, source: Open) -> None:
    """A number that no double holds is its digits."""
    make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v JSON);"
        "INSERT INTO t VALUES (1, '[12345678901234567.89, 1e400, 1e-400, 1e-99999999999999999999, 1.5, 2e3]')"
    )
    assert await column(source("t"), "v") == [
        JsonDocument(["12345678901234567.89", "1e400", "1e-400", "1e-99999999999999999999", 1.5, 2e3])
    ]
