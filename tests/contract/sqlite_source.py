"""SQLite as the suite sees it: files made with Python's own module, not with what the service uses."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date, datetime, time
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from tests.contract.sources import Can, MadeTable, Shape, Spec, Value
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager_server.domain.table import ColumnType

DECLARED = {
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.INTEGER: "INTEGER",
    ColumnType.DECIMAL: "DECIMAL(20, 6)",
    ColumnType.FLOAT: "DOUBLE",
    ColumnType.TEXT: "TEXT",
    ColumnType.BYTES: "BLOB",
    ColumnType.DATE: "DATE",
    ColumnType.TIME: "TIME",
    ColumnType.TIMESTAMP: "DATETIME",
    ColumnType.UUID: "UUID",
    ColumnType.JSON: "JSON",
    ColumnType.OTHER: "",
}


class SqliteUnderTest:
    """Each table in a file of its own."""

    can: ClassVar = Can(types=frozenset(DECLARED), dirty_values=True, computed="VIRTUAL")
    _numbers = count(1)

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self, shape: Shape, rows: Sequence[Sequence[Value]] = ()) -> MadeTable:
        """See SourceUnderTest."""
        number = next(self._numbers)
        file = self._folder / f"contract-{number}.db"
        name = shape.name or f"table {number}"
        base = f"{name} base" if shape.view else name
        table = MadeTable(base, shape, file)
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(create_table(base, shape.columns))
        self.add(table, rows)
        if shape.view:
            self.run(table, f"CREATE VIEW {quoted(name)} AS SELECT * FROM {{t}}")
        table.name = name
        return table

    def source_of(self, table: MadeTable) -> connections.Connection:
        """See SourceUnderTest."""
        assert isinstance(table.place, Path)
        return connections.Connection(sqlite=connections.SqliteSource(database=table.place.name, table_name=table.name))

    def add(self, table: MadeTable, rows: Sequence[Sequence[Value]]) -> None:
        """See SourceUnderTest."""
        marks = ", ".join("?" * len(table.shape.columns))
        with self._open(table) as database, database:
            database.executemany(
                f"INSERT INTO {quoted(table.name)} VALUES ({marks})", [[raw(value) for value in row] for row in rows]
            )

    def rows(self, table: MadeTable) -> list[tuple[Value, ...]]:
        """See SourceUnderTest."""
        with self._open(table) as database:
            return list(database.execute(f"SELECT * FROM {quoted(table.name)} ORDER BY 1"))

    def run(self, table: MadeTable, statement: str) -> None:
        """See SourceUnderTest."""
        with self._open(table) as database, database:
            database.execute(statement.replace("{t}", quoted(table.name)))

    @staticmethod
    def _open(table: MadeTable) -> "closing[sqlite3.Connection]":
        assert isinstance(table.place, Path)
        return closing(sqlite3.connect(table.place))


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def create_table(name: str, columns: Sequence[Spec], types: Mapping[ColumnType, str] = DECLARED) -> str:
    """The statement that makes a table."""
    parts = []
    keys = [quoted(column.name) for column in columns if column.key]
    for column in columns:
        declared = f"{quoted(column.name)} {'INTEGER' if column.given else types[column.type]}"
        if column.given:
            declared += " PRIMARY KEY AUTOINCREMENT"
        if not column.nullable:
            declared += " NOT NULL"
        if column.unique:
            declared += " UNIQUE"
        parts.append(declared)
    if keys and not any(column.given for column in columns):
        parts.append(f"PRIMARY KEY ({', '.join(keys)})")
    return f"CREATE TABLE {quoted(name)} ({', '.join(parts)})"


def raw(value: Value) -> Value:
    """A value as SQLite keeps it."""
    match value:
        case bool():
            return int(value)
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case dict() | list():
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        case _:
            return value
