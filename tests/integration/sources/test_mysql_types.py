"""Every type of MySQL and MariaDB: what was read can be written back, and nothing is lost on the way."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from tests.integration.sources.helpers import soon
from tests.integration.sources.mysql import OpenTable, Run, database, place, run, source
from wuzapi_manager_server.domain.filter import Comparison, Op
from wuzapi_manager_server.domain.table import Cell, ColumnType, Json, JsonDocument, Key, Table
from wuzapi_manager_server.domain.values import Refused, to_cell, to_json
from wuzapi_manager_server.errors import Code, QueryFailed
from wuzapi_manager_server.sources.base import Change, Query, Sort
from wuzapi_manager_server.sources.mysql import MysqlSource

__all__ = ["database", "place", "run", "source"]

WHOLE, U = ColumnType.INTEGER, "UNSIGNED"
VALUES: dict[str, tuple[ColumnType, list[object]]] = {
    "TINYINT": (WHOLE, ["-128", "127"]),
    f"TINYINT {U}": (WHOLE, ["0", "255"]),
    "SMALLINT": (WHOLE, ["-32768", "32767"]),
    f"SMALLINT {U}": (WHOLE, ["65535"]),
    "MEDIUMINT": (WHOLE, ["-8388608", "8388607"]),
    f"MEDIUMINT {U}": (WHOLE, ["16777215"]),
    "INT": (WHOLE, ["-2147483648", "2147483647"]),
    f"INT(5) {U} ZEROFILL": (WHOLE, ["42", "4294967295"]),
    "BIGINT": (WHOLE, ["-9223372036854775808", "9223372036854775807"]),
    f"BIGINT {U}": (WHOLE, ["18446744073709551615", "9223372036854775808", "0"]),
    "YEAR": (WHOLE, ["1901", "2155", "0000"]),
    "BIT(9)": (WHOLE, [b"\x00\x00", b"\x01\xff"]),
    "BIT(64)": (WHOLE, [b"\xff" * 8]),
    "BIT(1)": (ColumnType.BOOLEAN, [b"\x00", b"\x01"]),
    "BOOLEAN": (ColumnType.BOOLEAN, ["0", "1", "2", "-1"]),
    "DECIMAL(38,18)": (ColumnType.DECIMAL, ["12345678901234567890.123456789012345678", "-0.000000000000000001", "0"]),
    "DECIMAL(65,30)": (ColumnType.DECIMAL, ["9" * 35 + "." + "9" * 30]),
    f"DECIMAL(5,2) {U} ZEROFILL": (ColumnType.DECIMAL, ["1.50"]),
    "FLOAT": (ColumnType.FLOAT, ["0.1", "3.4028234e38", "1e-40", "16777216", "-1234567.9", "0.30000001"]),
    "FLOAT(7,3)": (ColumnType.FLOAT, ["1234.567"]),
    "DOUBLE": (ColumnType.FLOAT, ["0.1", "1.7976931348623157e308", "2.2250738585072014e-308", "0.30000000000000004"]),
    "DATE": (ColumnType.DATE, ["2026-02-28", "0001-01-01", "9999-12-31", "0000-00-00", "2026-00-00", "2026-02-31"]),
    "DATETIME": (ColumnType.TIMESTAMP, ["2026-02-28 13:05:00", "0000-00-00 00:00:00", "9999-12-31 23:59:59"]),
    "DATETIME(3)": (ColumnType.TIMESTAMP, ["2026-02-28 13:05:00.123", "1000-01-01 00:00:00"]),
    "DATETIME(6)": (ColumnType.TIMESTAMP, ["2026-02-28 13:05:00.000001"]),
    "TIMESTAMP NULL": (ColumnType.TIMESTAMP_TZ, ["1970-01-01 00:00:01", "2038-01-19 03:14:07", "0000-00-00 00:00:00"]),
    "TIMESTAMP(6) NULL": (ColumnType.TIMESTAMP_TZ, ["2026-02-28 13:05:00.999999"]),
    "TIME": (ColumnType.DURATION, ["838:59:59", "-838:59:59", "00:00:00", "-00:00:01", "25:00:00"]),
    "TIME(6)": (ColumnType.DURATION, ["13:05:00.000001", "-00:00:00.500000"]),
    "CHAR(5)": (ColumnType.TEXT, ["", "ééééé", "a b"]),
    "VARCHAR(20)": (ColumnType.TEXT, ["", " a  ", "🦜\n\t\\ '\"", "null", "%s :x"]),
    "VARCHAR(20) CHARACTER SET latin1": (ColumnType.TEXT, ["ação", "€"]),
    "VARCHAR(20) CHARACTER SET sjis": (ColumnType.TEXT, ["日本", "\\"]),
    "VARCHAR(20) CHARACTER SET utf16": (ColumnType.TEXT, ["日本🦜"]),
    "TINYTEXT": (ColumnType.TEXT, ["x" * 255]),
    "TEXT": (ColumnType.TEXT, ["é" * 30_000]),
    "MEDIUMTEXT": (ColumnType.TEXT, ["a"]),
    "LONGTEXT": (ColumnType.TEXT, ["a\0b"]),
    "BINARY(3)": (ColumnType.BYTES, [b"\0\xff\\", b"a\0\0"]),
    "VARBINARY(9)": (ColumnType.BYTES, [b"", b"\xff\xfe'"]),
    "TINYBLOB": (ColumnType.BYTES, [b"a"]),
    "BLOB": (ColumnType.BYTES, [bytes(range(256))]),
    "LONGBLOB": (ColumnType.BYTES, [b"\0" * 100_000]),
    "ENUM('a,b','it''s','1','','\\\\x')": (ColumnType.TEXT, ["a,b", "it's", "1", "", "\\x"]),
    "SET('x','y z','1')": (ColumnType.ARRAY, ["", "x", "x,1", "x,y z,1"]),
    "JSON": (ColumnType.JSON, ['{"a": [1, 2.5, null, true, "ü"]}', "[]", '"text"', "null", "1e300"]),
    "UUID": (ColumnType.UUID, ["123e4567-e89b-12d3-a456-426614174000"]),
    "INET6": (ColumnType.OTHER, ["::1", "2001:db8::ff00:42:8329"]),
    "INET4": (ColumnType.OTHER, ["192.0.2.1"]),
}
UNWRITABLE = {"0000-00-00", "2026-00-00", "2026-02-31", "0000-00-00 00:00:00", "a\0b"}
"""What others stored and can be read, but is not taken from callers: dates that are none, U+0000."""


async def all_of(source: MysqlSource, query: Query | None = None) -> list[Cell]:
    place = (await source.describe(soon())).index["v"]
    return [row.cells[place] for row in await source.fetch(query or Query(None, limit=1000), soon())]


def made(run: Run, declared: str, values: Sequence[object]) -> None:
    run(f"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v {declared})")
    for value in [*values, None]:
        run("INSERT INTO t (v) VALUES (%s)", value)


def jsons(cells: Sequence[Cell]) -> list[Json]:
    return [to_json(cell) for cell in cells]


def back(table: Table, cell: Cell) -> Cell:
    return to_cell(to_json(cell), table.columns[table.index["v"]])


@pytest.mark.parametrize("declared", VALUES)
async def test_what_was_read_is_written_back_alike(source: OpenTable, run: Run, declared: str) -> None:
    """Read, travel, write, read is the identity for the caller and for the server, in updates and in creates."""
    kind, values = VALUES[declared]
    run("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
    made(run, declared, values)
    t = source()
    table = await t.describe(soon())
    assert table.columns[1].type is kind
    assert not table.columns[1].read_only
    held = run("SELECT HEX(v), v FROM t ORDER BY id")
    rows = await t.fetch(Query(None, limit=100), soon())
    assert len(rows) == len(values) + 1
    changes = [
        Change(row.key, {"v": back(table, row.cells[1])})
        for row, value in zip(rows, [*values, None], strict=True)
        if value not in UNWRITABLE
    ]
    await t.update([Change(change.key, {"v": None}) for change in changes], None, soon())
    outcomes = await t.update(changes[::-1], None, soon())
    assert [one.row.key for one in outcomes if one.row] == [change.key for change in changes[::-1]]
    assert jsons(await all_of(t)) == jsons([row.cells[1] for row in rows])
    for row, value in zip(rows, [*values, None], strict=True):
        assert (row.cells[1] is None) is (value is None)
        if value in UNWRITABLE:
            assert row.cells[1] == value
            continue
        cell = back(table, row.cells[1])
        (outcome,) = await t.update([Change(row.key, {"v": cell})], None, soon())
        assert outcome.row is not None
        assert jsons(outcome.row.cells) == jsons(row.cells)
        (outcome,) = await t.insert([{"v": cell}], None, soon())
        assert outcome.row is not None
        assert to_json(outcome.row.cells[1]) == to_json(row.cells[1])
    if kind is not ColumnType.JSON:
        assert run("SELECT HEX(v), v FROM t ORDER BY id")[: len(held)] == held


@pytest.mark.parametrize("declared", [each for each in VALUES if VALUES[each][0] is not ColumnType.JSON])
async def test_every_type_is_found_sorted_and_paged(source: OpenTable, run: Run, declared: str) -> None:
    """Every value finds itself by EQ and IN; a page of one row after another, either way, misses and repeats none."""
    kind, values = VALUES[declared]
    run("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
    made(run, declared, [*values, *values])
    t = source()
    cells = await all_of(t)
    if kind is not ColumnType.ARRAY:
        for cell in cells:
            if cell is None or to_json(cell) in UNWRITABLE:
                continue
            for where in (Comparison[Cell]("v", Op.EQ, (cell,)), Comparison[Cell]("v", Op.IN, (cell, cell))):
                found = await all_of(t, Query(None, where, limit=100))
                assert cell in found
                assert len(found) >= 2
            assert cell not in await all_of(t, Query(None, Comparison[Cell]("v", Op.GT, (cell,)), limit=100))
    for descending in (False, True):
        order = (Sort("v", descending),)
        after: Key = ()
        seen: list[Key] = []
        whole = [row.key for row in await t.fetch(Query(None, order=order, limit=100), soon())]
        while rows := await t.fetch(Query(None, order=order, after=after, limit=1), soon()):
            seen.append(rows[0].key)
            after = rows[0].cursor
        assert seen == whole
        assert len(seen) == len(cells)


@pytest.mark.parametrize(
    ("declared", "bad"),
    [
        ("TINYINT", [128, -129]),
        ("BOOLEAN", [1.5, 0.4, -0.5, Decimal("0.5")]),
        ("BIT(1)", [0.5]),
        ("BIGINT UNSIGNED", [-1, 2**64]),
        ("YEAR", [70, 1, 1900, 2156]),
        ("BIT(3)", [8, -1]),
        ("DECIMAL(5,2)", [Decimal("1.234"), Decimal(1000), Decimal("NaN"), Decimal("1e40")]),
        ("FLOAT", [0.123456789, 1e39, float("nan"), float("inf")]),
        ("DOUBLE(5,2)", [1.234]),
        ("DOUBLE", [float("inf")]),
        ("DATETIME", [datetime(2026, 1, 1, 0, 0, 0, 1)]),  # noqa: DTZ001 - a column without zone
        ("TIMESTAMP(3) NULL", [datetime(2026, 1, 1, 0, 0, 0, 1, UTC), datetime(1960, 1, 1, tzinfo=UTC)]),
        (
            "TIMESTAMP NULL",
            [
                datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
                datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=1))),
            ],
        ),
        ("TIME", [timedelta(hours=839), timedelta(microseconds=1)]),
        ("VARCHAR(3)", ["abcd", "abc "]),
        ("CHAR(3)", ["a "]),
        ("VARCHAR(3) CHARACTER SET latin1", ["日"]),
        ("TINYTEXT", ["x" * 256, "é" * 128]),
        ("VARBINARY(3)", [b"abcd"]),
        ("BINARY(3)", [b"ab"]),
        ("ENUM('a','b')", ["A", "1", "", "c"]),
        ("SET('a','b')", [["c"], ["a,b"], ["1"], [1]]),
        ("INET6", ["x", "1.2.3"]),
    ],
)
async def test_what_would_be_cut_is_refused(source: OpenTable, run: Run, declared: str, bad: list[Cell]) -> None:
    """A value that the column would round, cut, pad or take for another is refused, also within a batch."""
    run(f"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v {declared})")
    t = source()
    for value in bad:
        with pytest.raises(QueryFailed) as caught:
            await t.insert([{"v": None}, {"v": value}], None, soon())
        assert caught.value.code is Code.INVALID_ARGUMENT, value
    assert run("SELECT * FROM t") == []


async def test_geometries_are_read_as_text(source: OpenTable, run: Run) -> None:
    """A shape is well-known text, and is not written."""
    run("CREATE TABLE t (id INT PRIMARY KEY, v GEOMETRY, p POINT)")
    run("INSERT INTO t VALUES (1, ST_GeomFromText('LINESTRING(0 0,1 2)'), POINT(1, 2)), (2, NULL, NULL)")
    t = source()
    table = await t.describe(soon())
    assert [column.read_only for column in table.columns] == [False, True, True]
    assert await all_of(t) == ["LINESTRING(0 0,1 2)", None]
    for order in ("v", "p"):
        assert len(await t.fetch(Query(None, order=(Sort(order),), limit=1), soon())) == 1
    (outcome,) = await t.update([Change((1,), {"id": 5})], None, soon())
    assert outcome.row is not None
    assert outcome.row.cells[2] == "POINT(1 2)"


async def test_what_travels_wrongly_is_refused_before_the_server(source: OpenTable, run: Run) -> None:
    """A bit, a duration or a set of the wrong form is refused by its column."""
    run("CREATE TABLE t (id INT PRIMARY KEY, b BIT(1), d TIME, s SET('a'))")
    table = await source().describe(soon())
    for name, value in (("b", 1), ("d", "10:00"), ("s", "a")):
        with pytest.raises(Refused):
            to_cell(value, table.columns[table.index[name]])


@pytest.mark.parametrize("declared", ["TIMESTAMP NOT NULL", "TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"])
async def test_no_moment_is_not_the_present_one(source: OpenTable, run: Run, declared: str) -> None:
    """Null for a TIMESTAMP that holds none is refused: the server would put the present moment in its place."""
    run(f"CREATE TABLE t (id INT PRIMARY KEY, v {declared})")
    run("INSERT INTO t VALUES (1, '2026-01-01')")
    t = source()
    for write in (
        t.update([Change((1,), {"v": None})], None, soon()),
        t.insert([{"id": 2, "v": None}], None, soon()),
    ):
        with pytest.raises(QueryFailed) as refused:
            await write
        assert refused.value.code is Code.INVALID_ARGUMENT
    assert [str(row[0])[:19] for row in run("SELECT v FROM t")] == ["2026-01-01 00:00:00"]


async def test_the_null_of_json_stands_where_a_document_must(source: OpenTable, run: Run) -> None:
    """A column of documents that cannot be empty may hold the document null, and takes it back."""
    run("CREATE TABLE t (id INT PRIMARY KEY, v JSON NOT NULL)")
    run("INSERT INTO t VALUES (1, 'null'), (2, '5')")
    t = source()
    assert jsons(await all_of(t)) == [None, 5]
    await t.update([Change((key,), {"v": None}) for key in (1, 2)], None, soon())
    assert run("SELECT v FROM t") == [("null",)] * 2


async def test_numbers_of_documents_keep_their_digits(source: OpenTable, run: Run) -> None:
    """A number that no double holds is its digits."""
    run("CREATE TABLE t (id INT PRIMARY KEY, v JSON)")
    run("INSERT INTO t VALUES (1, '[12345678901234567.89, 0.1234567890123456789, 1e400, 1.5, 7]')")
    assert jsons(await all_of(source())) == [["12345678901234567.89", "0.1234567890123456789", "1e400", 1.5, 7]]


async def test_a_document_that_is_written_back_stays_as_it_is_spelled(source: OpenTable, run: Run) -> None:
    """An update with the document that the row shows leaves its white space and its numbers alone."""
    run("CREATE TABLE t (id INT PRIMARY KEY, v JSON, n INT)")
    spelled = '{"a":  1.0, "b": 12345678901234567.89}'
    run("INSERT INTO t VALUES (1, %s, 1)", spelled)
    t = source()
    table = await t.describe(soon())
    cell = back(table, (await all_of(t))[0])
    await t.update([Change((1,), {"v": cell})], None, soon())
    await t.update([Change((1,), {"v": cell, "n": 2})], None, soon())
    assert run("SELECT v, n FROM t") == [(spelled, 2)]
    await t.update([Change((1,), {"v": JsonDocument({"a": True})})], None, soon())
    assert run("SELECT v FROM t") == [('{"a":true}',)]
