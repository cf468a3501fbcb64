"""Databases that the tests did not make: the servers' own, and files of other programs."""

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest
from grpc import StatusCode
from psycopg import sql

from tests.contract.calls import refused
from tests.contract.desk import Desk
from tests.contract.mysql_source import mysql_database
from tests.contract.mysql_source import quoted as ticked
from tests.contract.postgresql_source import postgresql_database, source_at
from tests.contract.server import World
from tests.contract.sqlite_source import quoted
from tests.servers.nocodb_server import RUN, NocodbServer
from wuzapi_manager.v1 import connection_pb2 as pb

ROWS = 30
"""Rows of a table that are read."""


def described(world: World, source: pb.Connection, page_size: int = 200) -> list[pb.SourceTable]:
    """All tables of a source, by pages; each column has a name and a type."""
    found: list[pb.SourceTable] = []
    request = pb.DescribeSourceRequest(connection=source, page_size=page_size)
    while True:
        page = world.admin.connections.DescribeSource(request)
        assert len(page.tables) <= page_size
        found += page.tables
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert all(column.column and column.type for table in found for column in table.columns)
    assert len({(table.schema, table.name) for table in found}) == len(found)
    return found


def at(source: pb.Connection, table: str) -> pb.Connection:
    """That table of the source, all rows for everybody."""
    made = pb.Connection(name="not ours", row_scope=pb.ROW_SCOPE_SHARED)
    made.MergeFrom(source)
    getattr(made, made.WhichOneof("source") or "").table_name = table
    return made


def opened(world: World, source: pb.Connection, table: str) -> Desk:
    """The administrator at that table."""
    request = pb.CreateConnectionRequest(connection=at(source, table))
    return Desk(world.admin, world.admin.connections.CreateConnection(request).connection.id)


def values(world: World, source: pb.Connection, table: pb.SourceTable) -> tuple[int, Counter[str]]:
    """How many rows the first page has, and how many values each column has there; every column has its place."""
    records = opened(world, source, table.name).page(page_size=ROWS).records
    columns = {column.column for column in table.columns}
    assert all(set(record.fields.fields) == columns for record in records)
    return len(records), Counter(
        name for record in records for name, value in record.fields.fields.items() if not value.HasField("null_value")
    )


@contextmanager
def own_postgres() -> Iterator[tuple[psycopg.Connection, str]]:
    """The database `postgres` of the tests' server."""
    with postgresql_database() as place:
        url = psycopg.conninfo.make_conninfo(place, dbname="postgres")
        with psycopg.connect(url, autocommit=True) as database:
            yield database, url


def test_the_catalogs_of_postgresql_are_listed_where_they_are_asked_for(world: World) -> None:
    """A connection to a schema that every database has sees its tables and views; others see none of them."""
    with own_postgres() as (database, place):
        for schema in ("pg_catalog", "information_schema"):
            found = described(world, source_at(place, "", schema), 50)
            known = database.execute(
                "SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'v') AND c.relnamespace = %s::regnamespace",
                [schema],
            )
            assert {table.name for table in found if table.schema == schema} == {row[0] for row in known}
            assert all(table.columns for table in found)
        others = {table.schema for table in described(world, source_at(place, ""))}
        assert not others & {"pg_catalog", "information_schema", "pg_toast"}


@pytest.mark.parametrize(
    ("schema", "tables"),
    [
        ("pg_catalog", ("pg_attribute", "pg_index", "pg_proc", "pg_rewrite", "pg_statistic", "pg_type", "pg_operator")),
        ("pg_catalog", ("pg_stats", "pg_stat_activity", "pg_settings", "pg_locks", "pg_timezone_names", "pg_roles")),
        ("information_schema", ("columns", "tables", "routines", "sql_features", "views", "triggers")),
    ],
)
def test_tables_of_postgresql_itself_are_read(world: World, schema: str, tables: Sequence[str]) -> None:
    """Types that only catalogs have (anyarray, int2vector, pg_node_tree, xid) come out, and no value is lost."""
    with own_postgres() as (database, place):
        source = source_at(place, "", schema)
        found = {table.name: table for table in described(world, source)}
        for name in tables:
            rows, counts = values(world, source, found[name])
            key = [column.column for column in found[name].columns if column.primary_key]
            if not key:
                continue
            counted = database.execute(
                sql.SQL("SELECT {} FROM (SELECT * FROM {} ORDER BY {} LIMIT {}) AS t").format(
                    sql.SQL(", ").join(
                        sql.SQL("count({})").format(sql.Identifier(column.column)) for column in found[name].columns
                    ),
                    sql.Identifier(schema, name),
                    sql.SQL(", ").join(map(sql.Identifier, key)),
                    sql.Literal(ROWS),
                )
            ).fetchone()
            assert counted == tuple(counts[column.column] for column in found[name].columns), name
            assert rows == ROWS or name == "pg_statistic"


def test_a_table_without_columns_hides_no_other(world: World) -> None:
    """PostgreSQL allows tables and views without a column: they are left out, in pages of any size."""
    with postgresql_database() as place, psycopg.connect(place, autocommit=True) as database:
        database.execute("CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE e (id int PRIMARY KEY)")
        for name in ("a", "c", "d", "f"):
            database.execute(f"CREATE TABLE {name} ()".encode())
        database.execute("CREATE VIEW g AS SELECT")
        for size in (1, 2, 3, 50):
            assert [table.name for table in described(world, source_at(place, ""), size)] == ["b", "e"]


@pytest.mark.parametrize("name", ["mysql", "information_schema", "performance_schema", "sys"])
def test_databases_of_mariadb_itself_are_read(world: World, name: str) -> None:
    """Each table and view of the server's own databases is described, and those that are read lose no value."""
    with mysql_database() as place, place.connect() as database, database.cursor() as cursor:
        source = pb.Connection(
            mysql=pb.MysqlSource(
                host=place.host, port=place.port, database=name, username=place.user, password=place.password
            )
        )
        found = described(world, source, 50)
        cursor.execute("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", [name])
        assert {table.name for table in found} >= {row[0] for row in cursor.fetchall()} - sequences(database, name)
        for table in found[:: max(1, len(found) // 15)]:
            rows, counts = values(world, source, table)
            if name != "mysql" or rows == ROWS:  # what the server makes up anew for each question
                continue
            columns = ", ".join(f"COUNT({ticked(column.column)})" for column in table.columns)
            cursor.execute(f"SELECT {columns} FROM {ticked(name)}.{ticked(table.name)}")
            assert cursor.fetchone() == tuple(counts[column.column] for column in table.columns), table.name


def sequences(database: pymysql.Connection, name: str) -> set[str]:
    """What is no table."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'SEQUENCE'",
            [name],
        )
        return {row[0] for row in cursor.fetchall()}


ODD = """
CREATE TABLE computed (id INTEGER PRIMARY KEY, a INT, b INT AS (a * 2) VIRTUAL, c TEXT AS (a || 'x') STORED);
INSERT INTO computed (a) VALUES (1), (NULL);
CREATE VIRTUAL TABLE words USING fts5 (title, body, tokenize = 'porter');
INSERT INTO words VALUES ('one', 'two three'), ('four', NULL);
CREATE VIRTUAL TABLE counted USING fts5vocab (words, row);
CREATE VIRTUAL TABLE boxes USING rtree (id, x0, x1);
INSERT INTO boxes VALUES (1, 0.5, 2.5);
CREATE TABLE bare (k TEXT, n INT, v BLOB, PRIMARY KEY (k, n)) WITHOUT ROWID;
INSERT INTO bare VALUES ('a', 1, x'00ff'), ('b', 2, NULL);
CREATE TABLE exact (id INTEGER PRIMARY KEY, i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT;
INSERT INTO exact VALUES (1, 2, 3.5, 't', x'01', x'02'), (2, NULL, 9e999, 'é', NULL, 'any'), (3, 1, -9e999, '', x'', 5);
CREATE TABLE "odd ""name" ("a b", "c""d" "MY TYPE", "é%s" DECIMAL(4, 1));
INSERT INTO "odd ""name" VALUES (1, x'ff', 'no number'), (NULL, 9e999, 9223372036854775807);
CREATE TABLE dirty (flag BOOLEAN, moment DATETIME, document JSON, broken TEXT);
INSERT INTO dirty VALUES ('maybe', 'some day', '{bad', CAST(x'ff41fe' AS TEXT)), (2, 1e18, x'ff', 'a' || char(0));
CREATE TABLE sorted (id INTEGER PRIMARY KEY, name TEXT COLLATE localized CHECK (own(name) <> ''));
INSERT INTO sorted VALUES (1, 'a');
CREATE INDEX own_order ON sorted (own(name));
CREATE VIEW joined AS SELECT computed.*, bare.k FROM computed, bare;
CREATE TABLE own_words (id INTEGER PRIMARY KEY, a INT, b INT AS (own(a)) VIRTUAL);
CREATE VIEW gone AS SELECT x FROM nowhere;
PRAGMA writable_schema = ON;
INSERT INTO sqlite_schema VALUES ('table', 'shapes', 'shapes', 0, 'CREATE VIRTUAL TABLE shapes USING unknown (a)');
"""
UNREADABLE = {"own_words", "gone", "shapes"}


def test_a_file_of_another_program_is_described_and_read(world: World) -> None:
    """Computed columns, virtual, STRICT and WITHOUT ROWID tables, and values that fit no type: all of it comes out.

    What needs functions or modules of that program alone is listed, and refused when it is read.
    """
    file = world.sources / "of another program.db"
    with closing(sqlite3.connect(file)) as database:
        database.create_collation("localized", lambda one, other: (one > other) - (one < other))
        database.create_function("own", 1, lambda value: value, deterministic=True)
        database.executescript(ODD)
    source = pb.Connection(sqlite=pb.SqliteSource(database=file.name))
    found = {table.name: table for table in described(world, source, 3)}
    assert set(found) == {
        *("computed", "words", "counted", "boxes", "bare", "exact", 'odd "name', "dirty", "sorted", "joined"),
        *UNREADABLE,
    }
    with closing(sqlite3.connect(file)) as database:
        for name in set(found) - UNREADABLE:
            insist_on_all_values(world, source, found[name], database)
    for name in UNREADABLE:
        desk = opened(world, source, name)
        with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED"):
            desk.page()


def insist_on_all_values(
    world: World, source: pb.Connection, table: pb.SourceTable, database: sqlite3.Connection
) -> None:
    """As many values come as SQLite itself counts in the columns of a table."""
    rows, counts = values(world, source, table)
    if rows < ROWS:
        columns = ", ".join(f"COUNT({quoted(column.column)})" for column in table.columns)
        counted = database.execute(f"SELECT {columns} FROM {quoted(table.name)}").fetchone()
        assert counted == tuple(counts[column.column] for column in table.columns), table.name


def test_the_database_of_a_nocodb_is_described_and_read(world: World, nocodb_server: NocodbServer) -> None:
    """NocoDB's own SQLite file, a hundred tables made by a program that we know nothing of."""
    live = Path(os.environ[RUN]) / "nocodb" / "noco.db"
    if not live.exists():
        pytest.skip(f"the file of the NocoDB at {urlsplit(nocodb_server.url).netloc} is not at hand")
    file = world.sources / "noco.db"
    with closing(sqlite3.connect(live)) as one, closing(sqlite3.connect(file)) as other:
        one.backup(other)
    source = pb.Connection(sqlite=pb.SqliteSource(database=file.name))
    found = described(world, source, 50)
    assert "nc_users_v2" in {table.name for table in found}
    with closing(sqlite3.connect(file)) as database:
        for table in found:
            if database.execute(f"SELECT 1 FROM {quoted(table.name)} LIMIT 1").fetchone():
                insist_on_all_values(world, source, table, database)
