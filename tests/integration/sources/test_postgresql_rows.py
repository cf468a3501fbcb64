"""Rows of PostgreSQL tables: whose they are, what may be read and written, and with how many statements."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine, event

from tests.integration.sources.helpers import soon
from tests.integration.sources.postgresql import OpenTable, database, place, schema, source
from wuzapi_manager_server.domain.filter import Comparison, Op
from wuzapi_manager_server.domain.table import Cell, Key, Owner, Row
from wuzapi_manager_server.errors import NO_TEXT, AlreadyExists, Code, Conflict, NotFound, QueryFailed, etag_mismatch
from wuzapi_manager_server.sources.base import Change, Query, Sort
from wuzapi_manager_server.sources.postgresql import PostgresqlSource

__all__ = ["database", "place", "schema", "source"]


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What sources ask of servers meanwhile."""
    found: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if "pg_catalog" not in statement:
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


async def keys(source: PostgresqlSource, owner: Owner | None = None) -> list[Cell]:
    return [row.key[0] for row in await source.fetch(Query(owner, limit=1000), soon())]


@pytest.mark.parametrize(
    ("native", "own", "others"),
    [
        ("text", "ana", ["Ana", "ana ", " ana", "anã", "ana\u0301", "", "an_", "a%"]),
        ("varchar(20)", "ana", ["ANA", "ana ", "an"]),
        ("char(8)", "ana", ["Ana", "an", " ana"]),
        ("citext", "ana", ["Ana", "ANA", "ana "]),
        ('text COLLATE "loose"', "ana", ["Ana", "ANA", "ána"]),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", ["123e4567-e89b-12d3-a456-426614174001"]),
        ("integer", "42", ["43", "-42", "420"]),
        ("bigint", "9223372036854775807", ["9223372036854775806"]),
        ("numeric", "42", ["42.0", "42.00000000000000000001", "NaN"]),
        ("numeric(10, 2)", "42.00", ["42.01"]),
        ("bytea", "ana", ["Ana", "ana ", "\\x616e6100"]),
        ("jsonb", "ana", ['"Ana"', '["ana"]', '{"a": "ana"}', "null"]),
        ("json", "ana", ['"Ana"', '["ana"]']),
        ("boolean", "1", ["f"]),
        ("date", "2026-01-31", ["2026-02-01", "infinity"]),
        ("timestamptz", "2026-01-31T10:00:00Z", ["2026-01-31 10:00:00.000001+00"]),
        ("inet", "10.0.0.1", ["10.0.0.1/31", "10.0.0.2"]),
        ("colour", "red", ["Red", "dark red"]),
        ("positive", "7", ["8"]),
        ("interval", "PT24H", ["1 day"]),
    ],
)
async def test_a_row_is_the_owner_s_by_its_text_alone(
    database: psycopg.Connection, source: OpenTable, native: str, own: str, others: list[str]
) -> None:
    """Neither case, collation, padding, accents nor another spelling of a number makes a row another user's."""
    database.execute(
        "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public; CREATE TYPE colour AS ENUM ('red', 'Red', 'dark red');"
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
    )
    database.execute(f"CREATE TABLE t (id serial PRIMARY KEY, owner {native})".encode())
    spelled = {"json": f'"{own}"', "jsonb": f'"{own}"'}.get(native, own)
    for value in (spelled, *others, None):
        database.execute("INSERT INTO t (owner) VALUES (%s)", [value])
    opened = source()
    assert await keys(opened, Owner("owner", own)) == [1]
    hostile = (
        f"{own} ",
        own.upper() + "\u0130",
        f"{own}\0",
        "\ud800",
        "' OR 1=1 --",
        "%",
        "_",
        "0" + own,
        own + "\n",
        "",
    )
    for stranger in set(hostile) - set(others):
        owner = Owner("owner", stranger)
        assert await keys(opened, owner) == [], stranger
        assert await opened.count(owner, None, soon()) == 0
        assert await opened.get((1,), owner, soon()) is None
        with pytest.raises(NotFound):
            await opened.delete([((1,), None)], owner, soon())
    assert await opened.count(Owner("owner", own), None, soon()) == 1


@pytest.mark.parametrize("native", ["text", "varchar(20)", "char(20)", "uuid", "bigint", "numeric", "bytea", "date"])
async def test_an_index_on_the_link_column_is_used(
    database: psycopg.Connection, source: OpenTable, statements: list[str], native: str
) -> None:
    """The row scope is answered by an index, whatever the column's type."""
    values = {"uuid": "md5(g::text)::uuid", "bigint": "g", "numeric": "g", "date": "date '2000-01-01' + g"}
    spelled = values.get(native, f"g::text::{native}")
    database.execute(
        f"CREATE TABLE t (id serial PRIMARY KEY, owner {native});"
        f"INSERT INTO t (owner) SELECT {spelled} FROM generate_series(1, 20000) g;"
        "CREATE INDEX ON t (owner); ANALYZE t".encode()
    )
    own = {"uuid": "c4ca4238-a0b9-2382-0dcc-509a6f75849b", "date": "2000-01-02"}.get(native, "1")
    assert await source().count(Owner("owner", own), None, soon()) == 1
    asked = statements[-1]
    assert "count" in asked
    parameters = [part.partition(")s")[0] for part in asked.split("%(")[1:]]
    value = own.encode() if native == "bytea" else own
    plan = database.execute("EXPLAIN " + asked, dict.fromkeys(parameters, value)).fetchall()
    assert "Index" in "".join(line for (line,) in plan), plan


async def test_a_batch_is_few_statements(
    database: psycopg.Connection, source: OpenTable, statements: list[str]
) -> None:
    """1,000 rows of 5 columns are made by a statement for each 1,000 values, in their order; one row by one alone."""
    database.execute("CREATE TABLE t (id serial PRIMARY KEY, a int, b int, c text, d text, e text)")
    opened = source()
    await opened.describe(soon())
    rows: list[dict[str, Cell]] = [{"a": at, "b": -at, "c": "x", "d": None, "e": str(at)} for at in range(1000)]
    made = await opened.insert(rows, None, soon())
    assert len(statements) == 5
    assert all(statement.startswith("INSERT") for statement in statements)
    assert [one.row.cells[1] for one in made if one.row] == list(range(1000))
    statements.clear()
    await opened.insert(rows[:1], None, soon())
    assert len(statements) == 1
    statements.clear()
    changes = [Change((at,), {"a": 0}) for at in range(1, 101)]
    assert len(await opened.update(changes, None, soon())) == 100
    assert len(statements) == 2  # one that reads and locks all


async def test_a_batch_is_all_or_nothing(database: psycopg.Connection, source: OpenTable) -> None:
    """A row that is refused leaves none of the batch behind, in creates, updates and deletes."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, n int CHECK (n > 0)); INSERT INTO t VALUES (1, 1), (2, 2)")
    opened = source()
    with pytest.raises(QueryFailed):
        await opened.insert([{"id": 3, "n": 1}, {"id": 4, "n": -1}], None, soon())
    with pytest.raises(AlreadyExists):
        await opened.insert([{"id": 3, "n": 1}, {"id": 1, "n": 1}], None, soon())
    with pytest.raises(QueryFailed):
        await opened.update([Change((1,), {"n": 5}), Change((2,), {"n": 0})], None, soon())
    with pytest.raises(NotFound) as missing:
        await opened.update([Change((1,), {"n": 5}), Change((9,), {"n": 1})], None, soon())
    assert missing.value.metadata == {"index": "1"}
    with pytest.raises(NotFound):
        await opened.delete([((1,), None), ((9,), None)], None, soon())
    assert database.execute("SELECT * FROM t ORDER BY id").fetchall() == [(1, 1), (2, 2)]


@pytest.mark.parametrize("timing", ["BEFORE", "AFTER"])
async def test_a_trigger_that_gives_a_row_away_is_found_out(
    database: psycopg.Connection, source: OpenTable, timing: str
) -> None:
    """A row that is not the owner's once it is written, by a trigger before or after, undoes the write."""
    database.execute("CREATE TABLE t (id serial PRIMARY KEY, owner text, n int)")
    change = "NEW.owner = 'other'" if timing == "BEFORE" else "UPDATE t SET owner = 'other' WHERE id = NEW.id"
    database.execute(
        "CREATE FUNCTION give() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS"
        f" $$ BEGIN {change}; RETURN NEW; END $$;"
        f"CREATE TRIGGER give {timing} INSERT OR UPDATE ON t FOR EACH ROW WHEN (NEW.n = 1 AND NEW.owner <> 'other')"
        " EXECUTE FUNCTION give()".encode()
    )
    database.execute("INSERT INTO t VALUES (100, 'ana', 0)")
    opened, ana = source(), Owner("owner", "ana")
    await opened.describe(soon())
    row: dict[str, Cell] = {"owner": "ana", "n": 1}
    for count in (1, 2):
        with pytest.raises(QueryFailed, match="did not keep"):
            await opened.insert([row] * count, ana, soon())
    with pytest.raises(QueryFailed, match="did not keep"):
        await opened.update([Change((100,), {"n": 1})], ana, soon())
    assert database.execute("SELECT * FROM t").fetchall() == [(100, "ana", 0)]
    assert len(await opened.insert([{"owner": "ana", "n": 2}], ana, soon())) == 1


async def test_what_a_trigger_fills_in_is_in_the_answer(database: psycopg.Connection, source: OpenTable) -> None:
    """The row that a create gives is the row as it stays, also where a trigger writes after it."""
    database.execute(
        "CREATE TABLE t (id serial PRIMARY KEY, n int, twice int);"
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN"
        " UPDATE t SET twice = 2 * n WHERE id = NEW.id; RETURN NULL; END $$;"
        "CREATE TRIGGER fill AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION fill()"
    )
    (made,) = await source().insert([{"n": 4}], None, soon())
    assert made.row is not None
    assert made.row.cells == (1, 4, 8)


async def test_columns_that_the_engine_fills_are_read_only(database: psycopg.Connection, source: OpenTable) -> None:
    """Generated and identity-always columns cannot be written; identities, serials and defaults may be left out."""
    database.execute(
        "CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b int GENERATED BY DEFAULT AS IDENTITY,"
        " c serial, d int DEFAULT 7 NOT NULL, e int GENERATED ALWAYS AS (d * 2) STORED, f int NOT NULL)"
    )
    opened = source()
    table = await opened.describe(soon())
    assert {column.name for column in table.columns if column.read_only} == {"a", "e"}
    assert {column.name for column in table.columns if column.has_default} >= {"a", "b", "c", "d"}
    assert not table.columns[5].nullable
    (made,) = await opened.insert([{"f": 1}], None, soon())
    assert made.row is not None
    assert made.row.cells == (1, 1, 1, 7, 14, 1)


async def test_kinds_of_relations(database: psycopg.Connection, source: OpenTable) -> None:
    """Views and keyless tables are read and say why they take no writes; the partitions of a table are one."""
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, -g FROM generate_series(1, 9) g;"
        "CREATE VIEW v AS SELECT * FROM t; CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE TABLE k (n int);"
        "CREATE TABLE p (id int, n int, PRIMARY KEY (id, n)) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (5);"
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (5) TO (100);"
        "INSERT INTO p SELECT g, g FROM generate_series(1, 9) g; INSERT INTO k SELECT g FROM generate_series(1, 9) g"
    )
    for name, reason in (("v", "view"), ("m", "materialized view"), ("k", "no primary key")):
        opened = source(name)
        table = await opened.describe(soon())
        assert table.capabilities.read_only_reason is not None
        assert reason in table.capabilities.read_only_reason.en
        assert table.view is (name in {"v", "m"})
        assert not table.capabilities.key_paging
        order = (Sort("n"),)
        rows = [
            int(str(row.cells[-1]))
            for at in range(0, 9, 3)
            for row in await opened.fetch(Query(None, order=order, offset=at, limit=3), soon())
        ]
        assert rows == sorted(rows)
        assert len(set(rows)) == 9
        assert sum([len(rows) async for rows in opened.stream(Query(None), soon)]) == 9
        with pytest.raises(QueryFailed):
            await opened.insert([{"n": 1}], None, soon())
    opened = source("p")
    assert (await opened.describe(soon())).capabilities.read_only_reason is None
    await opened.insert([{"id": 50, "n": 1}], None, soon())
    await opened.update([Change((1, 1), {"id": 60})], None, soon())
    assert database.execute("SELECT count(*) FROM p2").fetchone() == (7,)
    page = await opened.tables(("", ""), 100, soon())
    names = [table.name for table in page.tables if table.schema == (await opened.describe(soon())).schema]
    assert names == ["k", "m", "p", "t", "v"]


async def test_a_table_that_others_inherit_from(database: psycopg.Connection, source: OpenTable) -> None:
    """Its rows may share a key: it is read by position, so that none is skipped, and says why it takes no writes."""
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE c (x int) INHERITS (t);"
        "INSERT INTO t VALUES (1, 'a'), (2, 'b'); INSERT INTO c VALUES (1, 'c', 1), (3, 'd', 1)"
    )
    opened = source()
    table = await opened.describe(soon())
    assert table.primary_key == ()
    assert "inherit" in (table.capabilities.read_only_reason or NO_TEXT).en
    order = (Sort("v"),)
    pages = [await opened.fetch(Query(None, order=order, offset=at, limit=1), soon()) for at in range(5)]
    assert [row.cells[1] for rows in pages for row in rows] == ["a", "b", "c", "d"]
    assert len([row async for rows in opened.stream(Query(None), soon) for row in rows]) == 4
    with pytest.raises(QueryFailed):
        await opened.update([Change((1,), {"v": "x"})], None, soon())
    database.execute("DROP TABLE c")
    opened.forget()
    assert (await opened.describe(soon())).primary_key == ("id",)


async def test_names_of_any_kind_in_types_and_schemas(database: psycopg.Connection, source: OpenTable) -> None:
    """Quotes, percent signs and colons in the names of schemas, types and domains are only names."""
    database.execute(
        """CREATE SCHEMA "we""ird %s :x"; CREATE TYPE "we""ird %s :x"."ty""pe %s :y" AS ENUM ('a''b', '%s');"""
        """CREATE TABLE "we""ird %s :x"."ta""ble %s :z" (id int PRIMARY KEY, v "we""ird %s :x"."ty""pe %s :y")"""
    )
    opened = source('ta"ble %s :z', schema='we"ird %s :x')
    await opened.insert([{"id": 1, "v": "%s"}, {"id": 2, "v": "a'b"}], None, soon())
    for op in (Op.EQ, Op.CONTAINS):
        found = await opened.fetch(Query(None, Comparison("v", op, ("%s",)), limit=9), soon())
        assert [row.cells for row in found] == [(1, "%s")]
    paged = await opened.fetch(Query(None, order=(Sort("v"),), after=("a'b", 2), limit=9), soon())
    assert [row.key for row in paged] == [(1,)]
    page = await opened.tables(('we"ird %s :x', ""), 1, soon())
    assert page.tables[0].name == 'ta"ble %s :z'


async def test_rights_of_the_connection_s_user(database: psycopg.Connection, source: OpenTable, schema: str) -> None:
    """Columns that the user may not read are not there; what it may not do is refused as such."""
    database.execute("CREATE TABLE t (id serial PRIMARY KEY, name text, salary int); INSERT INTO t VALUES (1, 'a', 9)")
    database.execute("CREATE TABLE hidden (id int PRIMARY KEY)")
    role = f"wuzapi_test_{database.info.backend_pid}"
    database.execute(
        f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role};"
        f"GRANT SELECT (id, name), UPDATE (name) ON t TO {role}".encode()
    )
    try:
        opened = source("t", username=role)
        table = await opened.describe(soon())
        assert [(column.name, column.read_only) for column in table.columns] == [("id", True), ("name", False)]
        assert (await opened.update([Change((1,), {"name": "b"})], None, soon()))[0].row is not None
        for call in (opened.insert([{"name": "c"}], None, soon()), opened.delete([((1,), None)], None, soon())):
            with pytest.raises(QueryFailed) as refused:
                await call
            assert refused.value.code is Code.PERMISSION_DENIED
        with pytest.raises(QueryFailed):
            await source("hidden", username=role).describe(soon())
        page = await opened.tables(("", ""), 100, soon())
        assert "hidden" not in {table.name for table in page.tables}
        await opened.close()
    finally:
        database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


@pytest.mark.parametrize(
    ("row", "error", "code"),
    [
        ({"id": 1}, AlreadyExists, Code.ALREADY_EXISTS),
        ({"id": 5, "u": 1}, AlreadyExists, Code.ALREADY_EXISTS),
        ({"id": 5, "needed": None}, QueryFailed, Code.FAILED_PRECONDITION),
        ({"id": 5, "parent": 99}, QueryFailed, Code.FAILED_PRECONDITION),
        ({"id": 5, "small": 99}, QueryFailed, Code.FAILED_PRECONDITION),
        ({"id": 5, "during": "[1,3)"}, AlreadyExists, Code.ALREADY_EXISTS),
        ({"id": 2**40}, QueryFailed, Code.INVALID_ARGUMENT),
        ({"id": 5, "fails": "x"}, QueryFailed, Code.FAILED_PRECONDITION),
    ],
)
async def test_constraints_are_told_by_their_kind(
    database: psycopg.Connection,
    source: OpenTable,
    row: dict[str, Cell],
    error: type[QueryFailed | AlreadyExists],
    code: Code,
) -> None:
    """Each violated constraint gives its error, without a word of the server's, and nothing is written."""
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, needed text NOT NULL DEFAULT 'x', parent int REFERENCES t,"
        " small int CHECK (small < 10), during int4range, fails text, EXCLUDE USING gist (during WITH &&));"
        "INSERT INTO t (id, u, during) VALUES (1, 1, '[1,5)');"
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'secret of the server'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.fails = 'x') EXECUTE FUNCTION refuse()"
    )
    with pytest.raises(error) as refused:
        await source().insert([row], None, soon())
    assert refused.value.code is code
    assert "secret" not in refused.value.text.en + str(refused.value.metadata)
    assert database.execute("SELECT count(*) FROM t").fetchone() == (1,)


async def test_of_two_writers_with_one_etag_one_wins(database: psycopg.Connection, source: OpenTable) -> None:
    """The guard sees the row locked, within the transaction: whoever comes second sees what the first made of it."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)")
    opened = source()

    def untouched(row: Row) -> None:
        if row.cells[1] != 0:
            raise etag_mismatch("another")

    results = await asyncio.gather(
        *(opened.update([Change((1,), {"n": at}, untouched)], None, soon()) for at in (1, 2, 3)), return_exceptions=True
    )
    assert sorted(isinstance(result, Conflict) for result in results) == [False, True, True]
    assert database.execute("SELECT n > 0 FROM t").fetchone() == (True,)


@pytest.mark.parametrize("native", ["smallint", "bigint", "numeric", "uuid", "date", "bytea", "boolean"])
async def test_a_key_that_no_row_can_have_is_not_found(
    database: psycopg.Connection, source: OpenTable, native: str
) -> None:
    """An update or delete of it says so, alone and among others, whatever the type of the key."""
    database.execute(f"CREATE TABLE t (id {native} PRIMARY KEY, v text)".encode())
    t = source()
    keys: list[Key] = [("none of them",), (2**70,), (b"\xff" * 40,), (1.5,)]
    for key in keys:
        if native == "bytea" and isinstance(key[0], bytes):
            continue
        assert await t.get(key, None, soon()) is None
        with pytest.raises(NotFound):
            await t.update([Change(key, {"v": "x"})], None, soon())
        with pytest.raises(NotFound):
            await t.delete([(key, None)], None, soon())
