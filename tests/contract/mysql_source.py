"""MySQL or MariaDB as the suite sees it: tables made with the driver alone, in a database of this run."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import ClassVar, NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import pymysql
import pytest

from tests.contract.sources import Can, MadeTable, Shape, Spec, Value
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager_server.domain.table import ColumnType

KEY = 700
"""Characters of a text that is a key: an index holds 3,072 bytes."""

_DECLARED = {
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.DECIMAL: "DECIMAL(20, 6)",
    ColumnType.FLOAT: "DOUBLE",
    ColumnType.TEXT: "LONGTEXT",
    ColumnType.BYTES: "LONGBLOB",
    ColumnType.DATE: "DATE",
    ColumnType.DURATION: "TIME(6)",
    ColumnType.TIMESTAMP: "DATETIME(6)",
    ColumnType.TIMESTAMP_TZ: "TIMESTAMP(6)",
    ColumnType.UUID: "UUID",
    ColumnType.JSON: "JSON",
}


class MysqlPlace(NamedTuple):
    """Where the server is, and the database of this run."""

    host: str
    port: int
    user: str
    password: str
    database: str
    exact: str

    def connect(self) -> pymysql.Connection:
        """A connection in the database."""
        return connected(self.host, self.port, self.user, self.password, self.database)


def connected(host: str, port: int, user: str, password: str, database: str = "") -> pymysql.Connection:
    """A connection that stores what it is given."""
    return pymysql.connect(
        host=host,
        port=port,
        user=user,
        password=password,
        database=database or None,
        charset="utf8mb4",
        autocommit=True,
        init_command="SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES', time_zone='+00:00'",
    )


@contextmanager
def mysql_database() -> Iterator[MysqlPlace]:
    """A database of its own on the server of TEST_MYSQL_URL, else on this machine's; it is dropped at the end."""
    url = urlsplit(os.environ.get("TEST_MYSQL_URL") or "mysql://root@127.0.0.1:3306")
    host, port = url.hostname or "127.0.0.1", url.port or 3306
    user, password = unquote(url.username or "root"), unquote(url.password or "")
    try:
        connection = connected(host, port, user, password)
    except pymysql.err.OperationalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no MySQL or MariaDB answers (TEST_MYSQL_URL, else 127.0.0.1:3306): {error.args[0]}")
    database = f"contract_{uuid4().hex}"
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        row = cursor.fetchone()
        exact = "utf8mb4_nopad_bin" if row and "MariaDB" in row[0] else "utf8mb4_0900_bin"
        cursor.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4 COLLATE {exact}")
        try:
            yield MysqlPlace(host, port, user, password, database, exact)
        finally:
            connection.ping()
            cursor.execute(f"DROP DATABASE {database}")


class MysqlUnderTest:
    """Tables of one database; their texts are compared byte by byte, as the suite's model compares them."""

    can: ClassVar = Can(
        types=frozenset(_DECLARED),
        decimal_scale=6,
        infinities=False,
        longest_key=KEY,
        describes_late=True,
        computed="VIRTUAL",
    )
    _numbers = count(1)

    def __init__(self, place: MysqlPlace) -> None:
        self._place = place
        self._connection = place.connect()

    def close(self) -> None:
        """Leaves the server."""
        self._connection.close()

    def make(self, shape: Shape, rows: Sequence[Sequence[Value]] = ()) -> MadeTable:
        """See SourceUnderTest."""
        name = f"{shape.name or 'table'} {next(self._numbers)}"
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
        return connections.Connection(
            mysql=connections.MysqlSource(
                host=self._place.host,
                port=self._place.port,
                database=self._place.database,
                username=self._place.user,
                password=self._place.password,
                table_name=table.name,
            )
        )

    def add(self, table: MadeTable, rows: Sequence[Sequence[Value]]) -> None:
        """See SourceUnderTest."""
        marks = ", ".join(["%s"] * len(table.shape.columns))
        with self._connection.cursor() as cursor:
            for row in rows:
                cursor.execute(
                    f"INSERT INTO {quoted(table.name).replace('%', '%%')} VALUES ({marks})",
                    [_raw(value) for value in row],
                )

    def rows(self, table: MadeTable) -> list[tuple[Value, ...]]:
        """See SourceUnderTest."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {quoted(table.name)} ORDER BY 1")
            return list(cursor.fetchall())

    def run(self, table: MadeTable, statement: str) -> None:
        """See SourceUnderTest."""
        self._execute(statement.replace("{t}", quoted(table.name)))

    def _execute(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)


def quoted(name: str) -> str:
    """A name as MySQL writes it."""
    return "`" + name.replace("`", "``") + "`"


def _create(name: str, columns: Sequence[Spec]) -> str:
    parts = []
    for column in columns:
        short = column.type is ColumnType.TEXT and (column.key or column.unique)
        declared = f"{quoted(column.name)} {f'VARCHAR({KEY})' if short else _DECLARED[column.type]}"
        if column.given:
            declared += " AUTO_INCREMENT"
        declared += " NULL" if column.nullable else " NOT NULL"
        if column.unique:
            declared += " UNIQUE"
        parts.append(declared)
    keys = [quoted(column.name) for column in columns if column.key]
    if keys:
        parts.append(f"PRIMARY KEY ({', '.join(keys)})")
    return f"CREATE TABLE {quoted(name)} ({', '.join(parts)}) ENGINE=InnoDB"


def _raw(value: Value) -> Value:
    match value:
        case UUID():
            return str(value)
        case timedelta():
            return f"{'-' if value < timedelta() else ''}{_clock(abs(value))}"
        case dict() | list():
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        case _:
            return value


def _clock(span: timedelta) -> str:
    hours, seconds = divmod(span.days * 86_400 + span.seconds, 3600)
    return f"{hours}:{seconds // 60:02}:{seconds % 60:02}.{span.microseconds:06}"
