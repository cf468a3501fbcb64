"""What a SQLite file says of its tables."""

from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.types import NullType

from wuzapi_manager_server.domain.table import Capabilities, Column, ColumnType, Table
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.sources.derived import of_expressions
from wuzapi_manager_server.sources.sql import BATCH
from wuzapi_manager_server.sources.sql_table import SqlTable, no_table
from wuzapi_manager_server.sources.sqlite_column import SqliteColumn
from wuzapi_manager_server.sources.sqlite_ddl import declarations
from wuzapi_manager_server.sources.sqlite_dialect import driver_of
from wuzapi_manager_server.sources.sqlite_types import Affinity, affinity_of, type_of

_ROWID_NAMES = ("rowid", "_rowid_", "oid")
_ROWID = Column("\0rowid", ColumnType.INTEGER, "INTEGER", nullable=False)
"""The row's own number, under a name that no column can have."""

_HIDDEN = 1  # of a virtual table's function arguments
_GENERATED = frozenset({2, 3})
_STATEMENT = sa.text("SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = :name")


class Listed(NamedTuple):
    """A line of PRAGMA table_list: `kind` is table, view, virtual or shadow."""

    name: str
    kind: str
    without_rowid: bool
    strict: bool


class _Declared(NamedTuple):
    """A line of PRAGMA table_xinfo."""

    name: str
    type: str
    not_null: bool
    default: str | None
    key: int
    hidden: int


def schema_version(connection: sa.Connection) -> int:
    """A number that changes with every change of the schema. It is the first read of a transaction."""
    return int(driver_of(connection).execute_scalar("PRAGMA main.schema_version"))


def listed(connection: sa.Connection, name: str | None = None) -> list[Listed]:
    """The tables and views of that name, or all, without SQLite's own, by name."""
    pragma = "PRAGMA main.table_list" if name is None else f"PRAGMA main.table_list({_quoted(name)})"
    rows = [tuple(row) for row in connection.exec_driver_sql(pragma)]
    found = (Listed(row[1], row[2], bool(row[4]), bool(row[5])) for row in rows if row[0] == "main")
    return sorted(table for table in found if table.kind != "shadow" and _is_shown(table.name))


def _is_shown(name: str) -> bool:
    return bool(name) and not name.lower().startswith("sqlite_")


def describe(connection: sa.Connection, name: str, *, writable: bool, version: object) -> SqlTable:
    """The table or view of that name (in any case of ASCII letters, as SQLite has it)."""
    try:
        fit = bool(name.encode()) and "\0" not in name
    except UnicodeEncodeError:
        fit = False
    tables = listed(connection, name) if fit else []
    if not tables:
        raise no_table(name)
    return _Description(connection, tables[0], writable=writable).table(version)


class _Description:
    """One table while it is described."""

    def __init__(self, connection: sa.Connection, table: Listed, *, writable: bool) -> None:
        self._connection = connection
        self._table = table
        self._writable = writable
        rows = self._pragma("table_xinfo", table.name)
        declared = [_Declared(row[1], row[2], bool(row[3]), row[4], row[5], row[6]) for row in rows]
        # SQLite allows one column without a name; nobody can ask for it, and a key that needs it is none to us.
        self._declared = [column for column in declared if column.hidden != _HIDDEN and column.name]
        key = sorted((column for column in declared if column.key), key=lambda column: column.key)
        self._key = [column.name for column in key] if all(column.name for column in key) else []
        self._key_collations = self._collations_of_key()
        # A key without an index of its own is the row's number itself.
        self._is_rowid = bool(self._key) and table.kind == "table" and self._key_collations is None

    def _pragma(self, pragma: str, name: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._connection.exec_driver_sql(f"PRAGMA main.{pragma}({_quoted(name)})")]

    def _collations_of_key(self) -> dict[str, str] | None:
        for row in self._pragma("index_list", self._table.name):
            if row[3] == "pk":
                return {part[2]: part[4] for part in self._pragma("index_xinfo", row[1]) if part[5]}
        return None

    def table(self, version: object) -> SqlTable:
        sources = self._sources()
        columns = tuple(
            replace(self._column(column), derived_from=sources.get(column.name, frozenset()))
            for column in self._declared
        )
        reason = self._read_only()
        described = Table(
            name=self._table.name,
            columns=columns,
            primary_key=tuple(self._key),
            capabilities=Capabilities(
                transactions=True,
                exact_numbers=False,
                count=True,
                search=True,
                key_paging=bool(self._key),
                max_batch_size=BATCH,
                verified_updates=True,
                read_only_reason=reason,
            ),
            view=self._table.kind == "view",
        )
        elements = [
            sa.Column(quoted_name(column.name, True), NullType(), key=f"c{at}") for at, column in enumerate(columns)
        ]
        rowid = self._rowid_name()
        if rowid is not None:
            elements.append(sa.Column(quoted_name(rowid, True), NullType(), key="rowid"))
        element = sa.Table(quoted_name(self._table.name, True), sa.MetaData(), *elements)
        found = {
            column.name: SqliteColumn(
                column,
                element.c[f"c{at}"],
                affinity_of(column.native_type, strict=self._table.strict),
                collation=self._collation(column.name),
                key_collation=(self._key_collations or {}).get(column.name, ""),
            )
            for at, column in enumerate(columns)
        }
        return SqlTable(
            table=described,
            element=element,
            columns=found,
            key=tuple(found[name] for name in self._key),
            tie=None if rowid is None else SqliteColumn(_ROWID, element.c["rowid"], Affinity.INTEGER),
            read_only=reason,
            version=version,
        )

    def _sources(self) -> dict[str, frozenset[str] | None]:
        """What the computed columns are computed from, as the statement that made the table says."""
        generated = [column.name for column in self._declared if column.hidden in _GENERATED]
        if not generated:
            return {}
        declared = declarations(self._connection.execute(_STATEMENT, {"name": self._table.name}).scalar_one())
        expressions = {name: declared.get(name.lower()) for name in generated}
        return of_expressions((column.name for column in self._declared), expressions)

    def _column(self, column: _Declared) -> Column:
        never_null = bool(column.key) and (self._is_rowid or self._table.without_rowid or self._table.strict)
        return Column(
            name=column.name,
            type=type_of(column.type),
            native_type=column.type,
            nullable=not (column.not_null or never_null),
            read_only=bool(column.hidden),
            primary_key=bool(column.key),
            has_default=column.default is not None or (self._is_rowid and bool(column.key)),
            dynamic=True,
        )

    def _collation(self, column: str) -> str:
        if self._table.kind != "table":
            return "BINARY"
        return str(driver_of(self._connection).table_column_metadata(self._table.name, column).collation)

    def _rowid_name(self) -> str | None:
        """The name of the row's number, where rows need it to be told apart: without a key, or with nulls in it."""
        if self._table.kind != "table" or self._table.without_rowid:
            return None
        sure = bool(self._key) and not any(self._column(column).nullable for column in self._declared if column.key)
        taken = {column.name.lower() for column in self._declared}
        return None if sure else next((name for name in _ROWID_NAMES if name not in taken), None)

    def _read_only(self) -> Text | None:
        if self._table.kind == "view":
            return Text("It is a view", "É uma visão")
        if self._table.kind != "table":
            return Text("It is a virtual table", "É uma tabela virtual")
        if not self._key:
            return Text("It has no primary key", "Não tem chave primária")
        if not self._writable:
            return Text("The database file is read-only", "O arquivo do banco é somente leitura")
        return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
