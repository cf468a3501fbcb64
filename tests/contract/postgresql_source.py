"""PostgreSQL as the suite sees it: a database of its own for each run, on a real server."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import ClassVar, NoReturn

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb

from tests.contract.sources import Can, MadeTable, Shape, Spec, Value
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager_server.domain.table import ColumnType

_URL = "postgresql://postgres@127.0.0.1:5432/postgres"

_DECLARED = {
    ColumnType.BOOLEAN: "boolean",
    ColumnType.INTEGER: "bigint",
    ColumnType.DECIMAL: "numeric(20, 6)",
    ColumnType.FLOAT: "double precision",
    ColumnType.TEXT: "text",
    ColumnType.BYTES: "bytea",
    ColumnType.DATE: "date",
    ColumnType.TIME: "time",
    ColumnType.TIMESTAMP: "timestamp",
    ColumnType.TIMESTAMP_TZ: "timestamptz",
    ColumnType.UUID: "uuid",
    ColumnType.JSON: "jsonb",
    ColumnType.OTHER: "xml",
}


class PostgresqlUnderTest:
    """Each table in the one database, whose parameters are `place`."""

    can: ClassVar = Can(
        types=frozenset(_DECLARED), decimal_scale=6, decimal_nan=True, describes_late=True, computed="STORED"
    )
    _numbers = count(1)

    def __init__(self, place: str) -> None:
        self.place = place
        self._connection = psycopg.connect(place, autocommit=True)

    def make(self, shape: Shape, rows: Sequence[Sequence[Value]] = ()) -> MadeTable:
        """See SourceUnderTest."""
        number = next(self._numbers)
        name = f"{shape.name} {number}" if shape.name else f"table {number}"
        base = f"{name} base" if shape.view else name
        table = MadeTable(base, shape)
        self._execute(_create(base, shape.columns))
        self.add(table, rows)
        if shape.view:
            self.run(table, f"CREATE VIEW {quoted(name)} AS SELECT * FROM {{t}}")
        table.name = name
        return table

    def source_of(self, table: MadeTable) -> connections.Connection:
        """See SourceUnderTest."""
        return source_at(self.place, table.name)

    def add(self, table: MadeTable, rows: Sequence[Sequence[Value]]) -> None:
        """See SourceUnderTest."""
        marks = ", ".join(["%s"] * len(table.shape.columns))
        with self._connection.cursor() as cursor:
            cursor.executemany(
                sql.SQL(f"INSERT INTO {quoted(table.name).replace('%', '%%')} VALUES ({marks})"),
                [[_raw(value, column) for value, column in zip(row, table.shape.columns, strict=True)] for row in rows],
            )
        for column in table.shape.columns:
            if column.given and rows:
                name, relation = quoted(column.name), quoted(table.name)
                self._execute(
                    f"SELECT setval(pg_get_serial_sequence($q${relation}$q$, $q${column.name}$q$),"
                    f" greatest(1, (SELECT max({name}) FROM {relation})))"
                )

    def rows(self, table: MadeTable) -> list[tuple[Value, ...]]:
        """See SourceUnderTest."""
        return self._execute(f"SELECT * FROM {quoted(table.name)} ORDER BY 1").fetchall()

    def run(self, table: MadeTable, statement: str) -> None:
        """See SourceUnderTest."""
        self._execute(statement.replace("{t}", quoted(table.name)))

    def columns(self, table: MadeTable) -> set[str]:
        """The names of its columns now."""
        found = self._execute(f"SELECT * FROM {quoted(table.name)} LIMIT 0").description or []
        return {column.name for column in found}

    def close(self) -> None:
        """Gives up the connection."""
        self._connection.close()

    def _execute(self, statement: str) -> psycopg.Cursor[tuple[Value, ...]]:
        return self._connection.execute(statement.encode())


def source_at(place: str, table: str, schema: str = "") -> connections.Connection:
    """A Connection message of a table at a place."""
    parts = conninfo_to_dict(place)
    return connections.Connection(
        postgresql=connections.PostgresqlSource(
            host=str(parts.get("host", "127.0.0.1")),
            port=int(str(parts.get("port", 5432))),
            database=str(parts["dbname"]),
            username=str(parts.get("user", "postgres")),
            password=str(parts.get("password", "")),
            table_name=table,
            schema=schema,
        )
    )


@contextmanager
def postgresql_database() -> Iterator[str]:
    """The parameters of an empty database on the server of TEST_POSTGRES_URL, dropped at the end.

    Without a server: a failure in CI, elsewhere a skip.
    """
    url = os.environ.get("TEST_POSTGRES_URL", _URL)
    name = f"wuzapi_manager_test_{secrets.token_hex(6)}"
    try:
        server = psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        _missing(error)
    with server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'".encode())
        try:
            yield make_conninfo(url, dbname=name)
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _missing(error: psycopg.Error) -> NoReturn:
    text = f"no PostgreSQL at TEST_POSTGRES_URL or on its default port: {error}"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _create(name: str, columns: Sequence[Spec]) -> str:
    parts = []
    keys = [quoted(column.name) for column in columns if column.key]
    for column in columns:
        declared = f"{quoted(column.name)} {_DECLARED[column.type]}"
        if column.given:
            declared += " GENERATED BY DEFAULT AS IDENTITY"
        if not column.nullable:
            declared += " NOT NULL"
        if column.unique:
            declared += " UNIQUE"
        parts.append(declared)
    if keys:
        parts.append(f"PRIMARY KEY ({', '.join(keys)})")
    return f"CREATE TABLE {quoted(name)} ({', '.join(parts)})"


def _raw(value: Value, column: Spec) -> Value:
    if column.type is ColumnType.OTHER and value is not None:
        return str(value)
    return Jsonb(value) if isinstance(value, dict | list) else value
