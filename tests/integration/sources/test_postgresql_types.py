"""Every type of PostgreSQL: what was read can be written back, and nothing is lost on the way."""

import math
from datetime import date
from decimal import Decimal

import psycopg
import pytest

from tests.integration.sources.helpers import soon
from tests.integration.sources.postgresql import OpenTable, database, place, schema, source
from wuzapi_manager_server.domain.filter import Comparison, Op
from wuzapi_manager_server.domain.table import ColumnType, Json, Key, Table
from wuzapi_manager_server.domain.values import Refused, to_cell, to_json
from wuzapi_manager_server.errors import Code, QueryFailed
from wuzapi_manager_server.sources.base import Change, Query, Sort
from wuzapi_manager_server.sources.postgresql import PostgresqlSource

__all__ = ["database", "place", "schema", "source"]

VALUES: dict[str, tuple[ColumnType, list[str]]] = {
    "smallint": (ColumnType.INTEGER, ["-32768", "32767"]),
    "integer": (ColumnType.INTEGER, ["-2147483648", "2147483647"]),
    "bigint": (ColumnType.INTEGER, ["-9223372036854775808", "9223372036854775807"]),
    "numeric": (ColumnType.DECIMAL, ["1.50", "0.00000000000000000001", "NaN", "1e100", "-Infinity", "9" * 900]),
    "numeric(38, 18)": (ColumnType.DECIMAL, ["12345678901234567890.123456789012345678", "0"]),
    "money": (ColumnType.DECIMAL, ["12.34", "-92233720368547758.08"]),
    "real": (ColumnType.FLOAT, ["0.1", "3.4028235e38", "1e-45", "NaN", "Infinity", "16777216"]),
    "double precision": (ColumnType.FLOAT, ["0.1", "1.7976931348623157e308", "5e-324", "NaN", "-Infinity", "-0"]),
    "boolean": (ColumnType.BOOLEAN, ["t", "f"]),
    "text": (ColumnType.TEXT, ["", " a ", "é\U0001f99c\n\t\\ '\"", "null"]),
    "varchar(5)": (ColumnType.TEXT, ["abc  ", "ééééé"]),
    "char(5)": (ColumnType.TEXT, ["ab", "abcde"]),
    "citext": (ColumnType.TEXT, ["AbC"]),
    "name": (ColumnType.TEXT, ["a name"]),
    "mood": (ColumnType.TEXT, ["sad", "so so", 'it\'s "ok"']),
    "bytea": (ColumnType.BYTES, ["\\x", "\\x00ff5c"]),
    "date": (ColumnType.DATE, ["2026-02-28", "0001-01-01", "9999-12-31", "10000-01-01", "0044-03-15 BC", "infinity"]),
    "time": (ColumnType.TIME, ["13:05", "23:59:59.999999", "24:00:00"]),
    "time(2)": (ColumnType.TIME, ["13:05:00.25"]),
    "timetz": (ColumnType.OTHER, ["13:05:00.5-03:30"]),
    "timestamp": (
        ColumnType.TIMESTAMP,
        ["2026-02-28 13:05", "0001-01-01 00:00:00.000001", "294276-12-31 23:59:59", "4713-01-01 00:00 BC", "-infinity"],
    ),
    "timestamptz": (
        ColumnType.TIMESTAMP_TZ,
        [
            "2026-02-28 13:05-03",
            "2026-02-28 13:05:00.123456+05:45",
            "infinity",
            "10000-01-01 00:00+00",
            "0044-03-15 BC",
        ],
    ),
    "interval": (
        ColumnType.DURATION,
        ["1 mon 2 days 3 hours", "-1 year 2 mons -3 days 04:05:06.789", "24:00:00", "1 day", "0", "178000000 years"],
    ),
    "uuid": (ColumnType.UUID, ["123e4567-e89b-12d3-a456-426614174000"]),
    "json": (ColumnType.JSON, ['{"b": [1, 2.5, null, true], "a": "é"}', '"text"', "5"]),
    "jsonb": (ColumnType.JSON, ['{"b": [1, 2.5, null, true], "a": "é"}', '"text"', "[]"]),
    "xml": (ColumnType.OTHER, ["<a b='c'>d</a>", "text & no more".replace(" & ", " ")]),
    "inet": (ColumnType.OTHER, ["10.0.0.1/8", "::1", "10.0.0.1"]),
    "cidr": (ColumnType.OTHER, ["10.0.0.0/8", "2001:db8::/32"]),
    "macaddr": (ColumnType.OTHER, ["08:00:2b:01:02:03"]),
    "macaddr8": (ColumnType.OTHER, ["08:00:2b:01:02:03:04:05"]),
    "bit(4)": (ColumnType.OTHER, ["1010"]),
    "varbit(6)": (ColumnType.OTHER, ["", "101"]),
    "int4range": (ColumnType.OTHER, ["[1,5)", "empty", "(,)"]),
    "numrange": (ColumnType.OTHER, ["(1.5,2.5]"]),
    "tstzrange": (ColumnType.OTHER, ["[2026-01-01 00:00+00,)"]),
    "int4multirange": (ColumnType.OTHER, ["{[1,3),[5,8)}", "{}"]),
    "point": (ColumnType.OTHER, ["(1.5,-2)"]),
    "box": (ColumnType.OTHER, ["(2,2),(1,1)"]),
    "tsvector": (ColumnType.OTHER, ["'a':1 'b':2"]),
    "oid": (ColumnType.OTHER, ["4294967295"]),
    "pg_lsn": (ColumnType.OTHER, ["16/B374D848"]),
    '"char"': (ColumnType.OTHER, ["a"]),
    "pair": (ColumnType.OTHER, ['(1,"a ""b"" c")', "(,)"]),
    "hstore": (ColumnType.OTHER, ['"a"=>"1"', '"a"=>"2", "b"=>NULL', ""]),
    "ltree": (ColumnType.OTHER, ["a.b", "a"]),
    "positive": (ColumnType.INTEGER, ["7"]),
    "cents": (ColumnType.DECIMAL, ["1.25"]),
    "integer[]": (ColumnType.ARRAY, ["{}", "{1,NULL,-3}", "{{1,2},{3,4}}"]),
    "bigint[]": (ColumnType.ARRAY, ["{9223372036854775807}"]),
    "text[]": (ColumnType.ARRAY, ['{a,"b,c",NULL,"NULL","","\\"q\\" \\\\ {x}"}', '{{"a b"},{c}}']),
    "numeric[]": (ColumnType.ARRAY, ["{1.50,NaN}"]),
    "double precision[]": (ColumnType.ARRAY, ["{0.1,NaN,-Infinity}"]),
    "boolean[]": (ColumnType.ARRAY, ["{t,f,NULL}"]),
    "date[]": (ColumnType.ARRAY, ["{2026-01-01}"]),
    "timestamptz[]": (ColumnType.ARRAY, ['{"2026-01-01 00:00:00+00"}']),
    "uuid[]": (ColumnType.ARRAY, ["{123e4567-e89b-12d3-a456-426614174000}"]),
    "bytea[]": (ColumnType.ARRAY, ['{"\\\\x00ff"}']),
    "jsonb[]": (ColumnType.ARRAY, ['{"{\\"a\\": [1]}",NULL}']),
    "mood[]": (ColumnType.ARRAY, ['{sad,"so so"}']),
    "interval[]": (ColumnType.ARRAY, ['{"1 mon"}']),
    "box[]": (ColumnType.ARRAY, ["{(2,2),(1,1);(4,4),(3,3)}"]),
    "positive[]": (ColumnType.ARRAY, ["{1,2}"]),
    "cents[]": (ColumnType.ARRAY, ["{1.20,-3.00}"]),
    "char(3)[]": (ColumnType.ARRAY, ["{a,abc}"]),
    "money[]": (ColumnType.ARRAY, ["{$1.25,NULL,-$3.00}", "[0:1]={$1.25,$2.00}"]),
    "bigint[2]": (ColumnType.ARRAY, ["[0:1]={7,8}", "[-1:0][2:3]={{1,2},{3,4}}"]),
    "varchar(5)[]": (ColumnType.ARRAY, ['[2:3]={"a b",NULL}']),
    "interval day to second(0)": (ColumnType.DURATION, ["1 mon 2 days 3 hours 4 seconds"]),
    "interval year to month": (ColumnType.DURATION, ["1 year 2 mons"]),
    "timetz(1)": (ColumnType.OTHER, ["13:05:00.5-03:30"]),
    "priced": (ColumnType.OTHER, ['(1.50,"a ""b"" c",)', "(,,)", '(0.00,"",2026-01-01 00:00:00)']),
    "priced[]": (ColumnType.ARRAY, ['{"(1.50,a,)",NULL}']),
}
TYPES = """
    CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
    CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public;
    CREATE EXTENSION IF NOT EXISTS ltree SCHEMA public;
    CREATE TYPE mood AS ENUM ('sad', 'so so', 'it''s "ok"');
    CREATE TYPE pair AS (n integer, t text);
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE DOMAIN cents AS numeric(10, 2);
    CREATE DOMAIN prices AS numeric(5, 2)[];
    CREATE TYPE priced AS (price numeric(5, 2), name varchar(9), at timestamp(0));
    CREATE TYPE nested AS (p priced);
"""


async def described(source: PostgresqlSource) -> Table:
    return await source.describe(soon())


async def column_of(source: PostgresqlSource) -> list[Json]:
    """The values of column `v` in the order of the ids, as callers get them."""
    table = await described(source)
    rows = await source.fetch(Query(None, limit=1000), soon())
    return [to_json(row.cells[table.index["v"]]) for row in rows]


@pytest.mark.parametrize("native", VALUES)
async def test_what_is_read_is_written_back_and_read_alike(
    database: psycopg.Connection, source: OpenTable, native: str
) -> None:
    """For each type: the values that were read are written back, and what PostgreSQL holds is the same to the bit."""
    kind, values = VALUES[native]
    database.execute(TYPES)
    database.execute(f"CREATE TABLE t (id serial PRIMARY KEY, v {native})".encode())
    for value in values:
        database.execute("INSERT INTO t (v) VALUES (%s)", [value])
    database.execute("INSERT INTO t (v) VALUES (NULL)")
    opened = source()
    column = (await described(opened)).columns[1]
    assert (column.type, column.nullable, column.read_only) == (kind, True, False)
    held = database.execute("SELECT v::text FROM t ORDER BY id").fetchall()
    read = await column_of(opened)
    assert read[-1] is None
    changes = [Change((at + 1,), {"v": to_cell(value, column)}) for at, value in enumerate(read)]
    await opened.update([Change(change.key, {"v": None}) for change in changes], None, soon())
    assert await column_of(opened) == [None] * len(read)
    await opened.update(changes, None, soon())
    assert await column_of(opened) == read
    made = await opened.insert([change.values for change in changes], None, soon())
    assert [to_json(one.row.cells[1]) for one in made if one.row] == read
    if kind is ColumnType.JSON and native == "json":
        return  # the white space of a document is its own
    now = database.execute("SELECT v::text FROM t ORDER BY id").fetchall()
    assert now == held * 2


@pytest.mark.parametrize("native", [native for native, (kind, _) in VALUES.items() if kind is not ColumnType.ARRAY])
async def test_every_type_is_sorted_paged_and_compared(
    database: psycopg.Connection, source: OpenTable, native: str
) -> None:
    """Every row is met once, page by page, in both directions, with null before every value; and is found again."""
    kind, values = VALUES[native]
    database.execute(TYPES)
    database.execute(f"CREATE TABLE t (id serial PRIMARY KEY, v {native})".encode())
    for value in (*values, None, *values, None):
        database.execute("INSERT INTO t (v) VALUES (%s)", [value])
    opened = source()
    every = [row.key for row in await opened.fetch(Query(None, limit=1000), soon())]
    column = (await described(opened)).columns[1]
    if kind is not ColumnType.JSON:
        for descending in (False, True):
            order = (Sort("v", descending),)
            whole = [row.key for row in await opened.fetch(Query(None, order=order, limit=1000), soon())]
            assert sorted(whole) == sorted(every)
            paged: list[Key] = []
            after: Key = ()
            while rows := await opened.fetch(Query(None, order=order, after=after, limit=1), soon()):
                paged.append(rows[0].key)
                after = rows[0].cursor
            assert paged == whole
            streamed = [row.key async for rows in opened.stream(Query(None, order=order), soon) for row in rows]
            assert streamed == whole
            nulls = whole[-2:] if descending else whole[:2]
            assert sorted(nulls) == [(len(values) + 1,), (2 * len(values) + 2,)]
        for at, read in enumerate(await column_of(opened)):
            where = Comparison("v", Op.IS_NULL) if read is None else Comparison("v", Op.EQ, (to_cell(read, column),))
            found = [row.key for row in await opened.fetch(Query(None, where, limit=1000), soon())]
            assert (at + 1,) in found
            if read is not None:
                below = [Comparison("v", op, where.values) for op in (Op.LT, Op.LE, Op.GT, Op.GE)]
                counts = [await opened.count(None, each, soon()) for each in below]
                assert counts[0] + counts[3] == counts[1] + counts[2] == 2 * len(values)
            assert len(found) == (4 if native == "interval" and read in ("P1D", "PT24H") else 2)  # these are equal
    assert await opened.count(None, Comparison("v", Op.IS_NULL), soon()) == 2


@pytest.mark.parametrize(
    ("native", "value"),
    [
        ("smallint", 32768),
        ("integer", 2**31),
        ("bigint", str(2**63)),
        ("numeric(5, 2)", "1.005"),
        ("numeric(5, 2)", "1000"),
        ("cents", "0.001"),
        ("money", "0.001"),
        ("money", "NaN"),
        ("real", 0.123456789),
        ("real", 1e39),
        ("real", 16777217),
        ("varchar(3)", "abcd"),
        ("varchar(3)", "abc "),
        ("char(3)", "abcd"),
        ("char(3)", "ab "),
        ("name", "x" * 64),
        ('"char"', "ab"),
        ("bit(4)", "101"),
        ("bit(4)", "10101"),
        ("varbit(2)", "101"),
        ("time(2)", "13:05:00.123"),
        ("timestamp(0)", "2026-01-01T00:00:00.5"),
        ("mood", "none of them"),
        ("inet", "not an address"),
        ("integer[]", [1.5]),
        ("integer[]", ["x"]),
        ("integer[]", [[1], [2, 3]]),
        ("interval", "a while"),
        ("xml", "<a>"),
        ("jsonb", {"a": "\0"}),
        ("date", "2026-02-30"),
        ("ltree", "a..b"),
        ("tsvector", "'a"),
        ("jsonpath", "$.["),
        ("date", "0044-02-30 BC"),
        ("timestamp", "infinity and beyond"),
        ("numeric(5, 2)[]", ["1.239"]),
        ("numeric(5, 2)[]", [["1.23", "1.239"]]),
        ("numeric(5, 2)[]", "[0:0]={1.239}"),
        ("numeric(5, 2)[]", "[0:0]={1.2"),
        ("numeric(5, 2)[]", "[0:0]={x}"),
        ("prices", ["1.239"]),
        ("cents[]", ["1.239"]),
        ("money[]", ["1.239"]),
        ("varchar(3)[]", ["ab   "]),
        ("char(3)[]", ["ab "]),
        ("timestamp(0)[]", ["2026-01-01T00:00:00.6"]),
        ("timestamp(0)", "10000-01-01 00:00:00.6"),
        ("timestamp(0)", "0044-03-15 00:00:00.6 BC"),
        ("timestamptz(0)", "10000-01-01 00:00:00.6+00"),
        ("timetz(0)", "03:04:05.6+00"),
        ("timetz", "03:04:05.1234567+00"),
        ("interval(0)", "PT1.6S"),
        ("interval(0)[]", ["PT1.6S"]),
        ("interval day", "P1DT5H"),
        ("interval hour to minute", "PT5S"),
        ("interval year to month", "P1Y2M3D"),
        ("interval year", "P1Y2M"),
        ("priced", "(1.239,a,)"),
        ("priced", "(1.23,abcdefghi ,)"),
        ("priced", "(1.23,a,2026-01-01 00:00:00.6)"),
        ("priced[]", ["(1.239,a,)"]),
        ("nested", '("(1.239,a,)")'),
    ],
)
async def test_what_a_column_would_not_keep_whole_is_refused(
    database: psycopg.Connection, source: OpenTable, native: str, value: Json
) -> None:
    """A value that the column would cut, round or pad is refused as the caller's fault, and nothing is written."""
    database.execute(TYPES)
    database.execute(f"CREATE TABLE t (id serial PRIMARY KEY, v {native})".encode())
    opened = source()
    column = (await described(opened)).columns[1]
    with pytest.raises((QueryFailed, Refused)) as refused:
        await opened.insert([{"v": to_cell(value, column)}], None, soon())
    assert not isinstance(refused.value, QueryFailed) or refused.value.code is Code.INVALID_ARGUMENT
    assert database.execute("SELECT count(*) FROM t").fetchone() == (0,)


async def test_numbers_of_documents_keep_their_digits(database: psycopg.Connection, source: OpenTable) -> None:
    """A number that no double holds is its digits, whatever its form."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v jsonb)")
    database.execute("""INSERT INTO t VALUES (1, '[12345678901234567890, 0.1234567890123456789, 1e400, 1.5, 7]')""")
    assert await column_of(source()) == [["12345678901234567890", "0.1234567890123456789", "1" + "0" * 400, 1.5, 7]]


async def test_a_document_of_thousands_of_levels_is_not_a_crash(
    database: psycopg.Connection, source: OpenTable
) -> None:
    """What cannot be taken apart is given as its text."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v json)")
    deep = "[" * 5000 + "]" * 5000
    database.execute("INSERT INTO t VALUES (1, %s)", [deep])
    assert await column_of(source()) == [deep]


async def test_arrays_that_are_not_counted_from_one_stay_text(database: psycopg.Connection, source: OpenTable) -> None:
    """A list could not say where such an array begins."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v int[]); INSERT INTO t VALUES (1, '[0:1]={1,2}')")
    assert await column_of(source()) == ["[0:1]={1,2}"]


async def test_cells_are_of_python_s_own_types(database: psycopg.Connection, source: OpenTable) -> None:
    """Decimals are no floats, dates no texts, and floats no decimals."""
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n numeric, f float8, d date);"
        "INSERT INTO t VALUES (1, 1.10, 'NaN', '2026-01-01')"
    )
    (row,) = await source().fetch(Query(None, limit=1), soon())
    assert row.cells[1] == Decimal("1.10")
    assert str(row.cells[1]) == "1.10"
    assert isinstance(row.cells[2], float)
    assert math.isnan(row.cells[2])
    assert row.cells[3] == date(2026, 1, 1)


@pytest.mark.parametrize("native", ["json", "jsonb"])
async def test_the_null_of_json_stands_where_a_document_must(
    database: psycopg.Connection, source: OpenTable, native: str
) -> None:
    """A column of documents that cannot be empty may hold the document null, and takes it back."""
    database.execute(f"CREATE TABLE t (id int PRIMARY KEY, v {native} NOT NULL)".encode())
    database.execute("INSERT INTO t VALUES (1, 'null'), (2, '5')")
    opened = source()
    assert await column_of(opened) == [None, 5]
    await opened.update([Change((key,), {"v": None}) for key in (1, 2)], None, soon())
    assert database.execute("SELECT v::text FROM t").fetchall() == [("null",)] * 2


async def test_what_a_composite_cuts_is_not_written(database: psycopg.Connection, source: OpenTable) -> None:
    """An update or a batch with such a value changes nothing; numbers may be spelled in any way."""
    database.execute(TYPES)
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v priced, n text)")
    opened = source()
    await opened.insert([{"id": 1, "v": "(1.2,a,)"}, {"id": 2, "v": None}], None, soon())
    with pytest.raises(QueryFailed):
        await opened.update([Change((2,), {"n": "x"}), Change((1,), {"v": "(1.239,a,)"})], None, soon())
    assert database.execute("SELECT v::text, n FROM t ORDER BY id").fetchall() == [("(1.20,a,)", None), (None, None)]
