"""Whose rows on MySQL and MariaDB: byte by byte, whatever the column's type and collation, and whatever triggers do."""

from collections.abc import Sequence
from contextlib import suppress

import pymysql
import pytest
from sqlalchemy import Engine, event

from tests.integration.sources.helpers import soon
from tests.integration.sources.mysql import OpenTable, Run, database, place, run, source
from wuzapi_manager_server.domain.filter import Comparison, Not, Op, Or
from wuzapi_manager_server.domain.table import Cell, Owner, Row, Scalar
from wuzapi_manager_server.errors import AlreadyExists, NotFound, QueryFailed
from wuzapi_manager_server.sources.base import Change, Query, Sort
from wuzapi_manager_server.sources.mysql import MysqlSource

__all__ = ["database", "place", "run", "source"]

LOOKALIKES = [
    *("token1", "TOKEN1", "Token1", "tóken1", "token1 ", "token1  ", " token1", "token1\t", "token1\0", "tok", ""),
    *("token12", "toKen1", "12", "012", "12.0", " 12", "12 ", "1.2e1", "12abc", "0", "-0", "0x0c", "1", "true", "null"),
    *(
        "%",
        "_",
        "token_",
        "*",
        "' OR 1=1 --",
        "\\",
        "\\'",
        "ß",
        "ss",
        "ﬁ",
        "fi",
        "\u0131",
        "i",
        "I",
        "İ",
        "é",
        "e\u0301",
        "e",
    ),
    *("token1\n", "9223372036854775808", "18446744073709551615", "2026", "26", "1.50", "1.5", "001.50", "10.000000"),
]
TEXTS = [
    *(f"VARCHAR(40) COLLATE utf8mb4_{name}" for name in ("general_ci", "unicode_ci", "bin", "unicode_520_ci")),
    "CHAR(40) COLLATE utf8mb4_general_ci",
    "TEXT COLLATE utf8mb4_unicode_ci",
    "VARCHAR(40) CHARACTER SET latin1",
    "VARCHAR(40) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci",
    "VARCHAR(40) CHARACTER SET ucs2",
    "VARBINARY(40)",
    "BLOB",
]
OTHERS = [
    *("INT", "BIGINT UNSIGNED", "TINYINT(1)", "INT(6) ZEROFILL", "BIT(9)", "YEAR", "DECIMAL(10,2)", "DECIMAL(20,6)"),
    *("FLOAT", "DOUBLE", "DATE", "DATETIME", "TIME", "JSON", "ENUM('token1','1','12','TOKEN2')", "SET('12','1')"),
    *("UUID", "INET6"),
]


async def owned(source: MysqlSource, value: str) -> list[Row]:
    return list(await source.fetch(Query(Owner("u", value), limit=1000), soon()))


def text_of(cell: Cell) -> str:
    return cell.decode() if isinstance(cell, bytes) else str(int(cell) if isinstance(cell, bool) else cell)


@pytest.mark.parametrize("index", ["", ", KEY i (u(20))"])
@pytest.mark.parametrize("declared", TEXTS)
async def test_only_exactly_equal_texts_are_the_owners(source: OpenTable, run: Run, declared: str, index: str) -> None:
    """Of texts that a collation takes for the same, an owner gets the very same ones; an index changes nothing."""
    run(f"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, u {declared}{index})")
    for value in LOOKALIKES:
        run("INSERT INTO t (u) VALUES (%s)", value)
    t = source()
    place = (await t.describe(soon())).index["u"]
    everything = [text_of(row.cells[place]) for row in await t.fetch(Query(None, limit=1000), soon())]
    assert len(everything) == len(LOOKALIKES)
    for value in LOOKALIKES:
        rows = await owned(t, value)
        assert [text_of(row.cells[place]) for row in rows] == [value] * everything.count(value)
        assert await t.count(Owner("u", value), None, soon()) == len(rows)


@pytest.mark.parametrize("declared", OTHERS)
async def test_other_types_are_an_owners_where_they_read_so(source: OpenTable, run: Run, declared: str) -> None:
    """Numbers and members in disguise find nothing: what an owner finds reads as exactly the owner's text."""
    run(f"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, u {declared})")
    values = ["12", "1", "0", "2026", "1970", "70", "1.5", "2026-01-01", "11:00", '"12"', "token1", "TOKEN2", "::c"]
    for value in [*values, "12345678-1234-1234-1234-123456789abc", None]:
        with suppress(pymysql.err.MySQLError):  # the column does not take this value
            run("SET STATEMENT sql_mode='STRICT_ALL_TABLES' FOR INSERT INTO t (u) VALUES (%s)", value)
    t = source()
    place = (await t.describe(soon())).index["u"]
    everything = [row.cells[place] for row in await t.fetch(Query(None, limit=1000), soon())]
    assert any(cell is not None for cell in everything)
    for value in [*LOOKALIKES, *values, "12345678-1234-1234-1234-123456789abc", "12345678123412341234123456789abc"]:
        for row in await owned(t, value):
            assert text_of(row.cells[place]) == value
        whole = [cell for cell in everything if isinstance(cell, int | str) and text_of(cell) == value]
        if declared not in {"DATE", "DATETIME"}:
            assert await t.count(Owner("u", value), None, soon()) >= len(whole)


async def test_no_call_reaches_another_owners_row(source: OpenTable, run: Run) -> None:
    """Filters, sorts, keys, pages, streams, updates and deletes of one owner never touch another's row."""
    run("CREATE TABLE t (id INT PRIMARY KEY, u VARCHAR(9) COLLATE utf8mb4_general_ci, n INT, KEY (u))")
    run("INSERT INTO t VALUES (1, 'ana', 1), (2, 'ANA', 2), (3, 'bob', 3), (4, 'aná', 4), (5, 'ana ', 5)")
    t, ana = source(), Owner("u", "ana")
    anything = Or(
        (
            Comparison[Cell]("n", Op.GE, (0,)),
            Not(Comparison[Cell]("n", Op.EQ, (5,))),
            Comparison[Cell]("u", Op.EQ, ("bob",)),
        )
    )
    assert [row.key for row in await t.fetch(Query(ana, anything, limit=9), soon())] == [(1,)]
    late = Query(ana, order=(Sort("n", descending=True),), after=(9, 9), limit=9)
    assert [row.key for row in await t.fetch(late, soon())] == [(1,)]
    assert [row.key async for rows in t.stream(Query(ana), soon) for row in rows] == [(1,)]
    for key in ((2,), (3,), (4,), (5,)):
        assert await t.get(key, ana, soon()) is None
        with pytest.raises(NotFound):
            await t.update([Change(key, {"n": 9})], ana, soon())
        with pytest.raises(NotFound):
            await t.delete([((1,), None), (key, None)], ana, soon())
    assert run("SELECT n FROM t ORDER BY id") == [(at,) for at in range(1, 6)]


async def test_a_key_is_exactly_that_of_its_row(source: OpenTable, run: Run) -> None:
    """Where a collation takes texts for the same, a row is found by its own key alone, and a twin is refused."""
    run("CREATE TABLE t (k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, u VARCHAR(9), n INT)")
    run("INSERT INTO t VALUES ('k1', 'bob', 1), ('Ação', 'ana', 2), ('7', 'ana', 3), ('x', 'ana', 4)")
    t, ana = source(), Owner("u", "ana")
    for key in ("k1", "K1", "acao", "AÇÃO", "07", "7.0", "7 ", "x ", "X", "x\0"):
        for owner in (ana, None):
            if (key, owner) != ("k1", None):
                assert await t.get((key,), owner, soon()) is None
                with pytest.raises(NotFound):
                    await t.delete([((key,), None)], owner, soon())
                with pytest.raises(NotFound):
                    await t.update([Change((key,), {"n": 9}), Change(("x",), {"n": 9})], owner, soon())
    others: list[Scalar] = [7, 7.0, None, b"x", True]
    for other in others:
        assert await t.get((other,), None, soon()) is None
    for taken in ("K1", "AÇAO", "k1 "):
        with pytest.raises(AlreadyExists):
            await t.insert([{"k": taken, "u": "ana"}], ana, soon())
    assert await t.update([Change(("Ação",), {"k": "AÇÃO"})], ana, soon())
    assert [row[0] for row in run("SELECT k FROM t ORDER BY n")] == ["k1", "AÇÃO", "7", "x"]


@pytest.mark.parametrize(
    ("declared", "value", "lookalikes"),
    [
        ("DECIMAL(10,2)", "1.50", ["1.5", "01.50", "1.500", "+1.50", "1.5e0", " 1.50"]),
        ("DATE", "2026-01-02", ["2026-1-2", "20260102", "26-01-02", "2026-01-02 00:00:00", "2026-01-02x"]),
        ("YEAR", 2026, [26, "2026", 2026.0]),
        ("BINARY(3)", b"ab\0", [b"ab", "ab", b"ab\0\0"]),
        ("UUID", "12345678-1234-1234-1234-123456789abc", ["12345678123412341234123456789abc", "x"]),
        ("INET6", "::1", ["0::1", "0:0:0:0:0:0:0:1", "::01", "x"]),
        ("ENUM('a','2')", "a", ["1", "A", 1, "2"]),
        ("TINYINT", 5, ["5", 5.0, "5x", 2**70]),
    ],
)
async def test_ids_that_the_server_would_convert_are_not_there(
    source: OpenTable, run: Run, declared: str, value: str | int | bytes, lookalikes: list[str | int | float | bytes]
) -> None:
    """A key of any type is found in its own spelling alone."""
    run(f"CREATE TABLE t (k {declared} PRIMARY KEY, u VARCHAR(9))")
    run("INSERT INTO t VALUES (%s, 'ana')", value)
    t = source()
    assert [row.key for row in await t.fetch(Query(None, limit=9), soon())] == [(value,)]
    assert await t.get((value,), None, soon())
    for other in lookalikes:
        assert await t.get((other,), None, soon()) is None


@pytest.mark.parametrize(
    "trigger",
    [
        "BEFORE INSERT ON t FOR EACH ROW SET NEW.u = 'bob'",
        "BEFORE UPDATE ON t FOR EACH ROW SET NEW.u = 'ANA'",
        "BEFORE UPDATE ON t FOR EACH ROW SET NEW.id = NEW.id + 100",
    ],
)
async def test_triggers_that_take_the_row_away(source: OpenTable, run: Run, trigger: str) -> None:
    """A trigger that gives the row to another owner or another key undoes the whole write."""
    run("CREATE TABLE t (id INT PRIMARY KEY, u VARCHAR(9) COLLATE utf8mb4_general_ci, n INT)")
    run("INSERT INTO t VALUES (1, 'ana', 1)")
    run(f"CREATE TRIGGER x {trigger}")
    t, ana = source(), Owner("u", "ana")
    write = (
        t.update([Change((1,), {"n": 2})], ana, soon())
        if "UPDATE" in trigger
        else t.insert([{"id": 5, "u": "ana"}], ana, soon())
    )
    with pytest.raises(QueryFailed):
        await write
    assert run("SELECT * FROM t") == [(1, "ana", 1)]


async def test_a_trigger_that_gives_a_new_row_another_key(source: OpenTable, run: Run) -> None:
    """The row is the owner's all the same, and is given back under the key that it has."""
    run("CREATE TABLE t (id INT PRIMARY KEY, u VARCHAR(9), n INT)")
    run("CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.id = NEW.id + 100, NEW.n = 7")
    (made,) = await source().insert([{"id": 5, "u": "ana"}], Owner("u", "ana"), soon())
    assert made.row is not None
    assert (made.row.key, made.row.cells) == ((105,), (105, "ana", 7))


async def test_an_insert_that_is_not_the_owners_is_undone(source: OpenTable, run: Run) -> None:
    """The source verifies what its caller stamped: another's, nobody's, and what the column would change."""
    run("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, u VARCHAR(5) COLLATE utf8mb4_general_ci)")
    t = source()
    bad: list[dict[str, Cell]] = [{"u": "bob"}, {}, {"u": "ANA"}]
    for cells in bad:
        with pytest.raises(QueryFailed):
            await t.insert([{"u": "ana"}, cells], Owner("u", "ana"), soon())
    assert await t.count(None, None, soon()) == 0


async def test_an_owner_no_text_can_be(source: OpenTable, run: Run) -> None:
    """An owner that is no text of any row finds nothing; an owner's column that is not there is told."""
    run("CREATE TABLE t (id INT PRIMARY KEY, u VARCHAR(9))")
    run("INSERT INTO t VALUES (1, 'a')")
    t = source()
    assert await owned(t, "\ud800") == []
    with pytest.raises(QueryFailed) as caught:
        await t.fetch(Query(Owner("gone", "a"), limit=1), soon())
    assert caught.value.text.pt == "Campo 'gone' não encontrado na tabela 't'"


@pytest.mark.parametrize(
    ("declared", "value"),
    [("VARCHAR(20) COLLATE utf8mb4_general_ci", "u7"), ("INT", "7"), ("VARCHAR(20) CHARACTER SET latin1", "u7")],
)
async def test_an_owners_rows_are_found_by_the_index(source: OpenTable, run: Run, declared: str, value: str) -> None:
    """The owner's condition uses the index on the link column, and the page behind a key goes on in it."""
    run(f"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, u {declared}, KEY i (u))")
    run(f"INSERT INTO t (u) SELECT CONCAT('{value[:-1]}', seq MOD 500) FROM seq_1_to_20000")
    run("ANALYZE TABLE t")
    t, asked = source(), []
    await t.describe(soon())

    def note(_: object, __: object, statement: str, parameters: Sequence[object], *___: object) -> None:
        asked.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert len(await t.fetch(Query(Owner("u", value), after=(5,), limit=10), soon())) == 10
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    ((statement, parameters),) = asked
    (plan,) = run(f"EXPLAIN {statement}", parameters)
    assert plan[5] == "i"
    assert "filesort" not in str(plan[-1])
