"""What a MySQL or MariaDB server says of its tables, in information_schema."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.types import NullType

from wuzapi_manager_server.domain.table import Capabilities, Column, Table
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.sources.derived import of_expressions
from wuzapi_manager_server.sources.mysql_column import MysqlColumn
from wuzapi_manager_server.sources.mysql_types import GEOMETRIES, Declared
from wuzapi_manager_server.sources.sql import BATCH
from wuzapi_manager_server.sources.sql_table import SqlTable, no_table

_KINDS = ("BASE TABLE", "SYSTEM VERSIONED", "VIEW", "SYSTEM VIEW")


def _catalogue(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column, NullType()) for column in columns), schema="information_schema")


_TABLES = _catalogue("TABLES", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_TYPE", "ENGINE")
_ENGINES = _catalogue("ENGINES", "ENGINE", "TRANSACTIONS")
_DECLARED = (
    *("COLUMN_NAME", "COLUMN_TYPE", "DATA_TYPE", "IS_NULLABLE", "COLUMN_DEFAULT", "EXTRA", "CHARACTER_SET_NAME"),
    *("COLLATION_NAME", "CHARACTER_MAXIMUM_LENGTH", "NUMERIC_PRECISION", "NUMERIC_SCALE", "DATETIME_PRECISION"),
    "GENERATION_EXPRESSION",
)
_COLUMNS = _catalogue("COLUMNS", "TABLE_SCHEMA", "TABLE_NAME", "ORDINAL_POSITION", *_DECLARED)
_KEYS = _catalogue("STATISTICS", "TABLE_SCHEMA", "TABLE_NAME", "INDEX_NAME", "SEQ_IN_INDEX", "COLUMN_NAME", "SUB_PART")
_CHECKS = _catalogue("CHECK_CONSTRAINTS", "CONSTRAINT_SCHEMA", "TABLE_NAME", "CHECK_CLAUSE")


class Listed(NamedTuple):
    """A table or view; `transactions` says whether its engine has them."""

    name: str
    kind: str
    engine: str
    transactions: bool

    @property
    def view(self) -> bool:
        """Whether it is a view."""
        return "VIEW" in self.kind


def listed(connection: sa.Connection, database: str, after: str, limit: int) -> list[Listed]:
    """The tables and views of the database whose names come behind `after` by their bytes, by those."""
    place = sa.cast(_TABLES.c.TABLE_NAME, sa.LargeBinary)
    conditions = [place > sa.literal(after.encode(), NullType())] if after else []
    return _listed(connection, database, conditions, place, limit)


def _listed(
    connection: sa.Connection,
    database: str,
    conditions: Iterable[sa.ColumnElement[bool]],
    order: sa.ColumnElement[bytes],
    limit: int,
) -> list[Listed]:
    statement = (
        sa.select(_TABLES.c.TABLE_NAME, _TABLES.c.TABLE_TYPE, _TABLES.c.ENGINE, _ENGINES.c.TRANSACTIONS)
        .select_from(_TABLES.outerjoin(_ENGINES, _ENGINES.c.ENGINE == _TABLES.c.ENGINE))
        .where(_text(database) == _TABLES.c.TABLE_SCHEMA, _TABLES.c.TABLE_TYPE.in_(_texts(_KINDS)), *conditions)
        .order_by(order)
        .limit(limit)
    )
    rows = connection.execute(statement).fetchall()
    return [Listed(name, kind, engine or "", transactions == "YES") for name, kind, engine, transactions in rows]


def described(connection: sa.Connection, database: str, name: str, *, mariadb: bool) -> SqlTable:
    """The table or view of that name, in any case where the server takes names so. QueryFailed where there is none."""
    order = sa.cast(_TABLES.c.TABLE_NAME, sa.LargeBinary)
    fit = _fits(name)
    found = _listed(connection, database, [_text(name) == _TABLES.c.TABLE_NAME], order, 3) if fit else []
    exact = [table for table in found if table.name == name] or found
    if len(exact) != 1:
        raise no_table(name)
    return describe_all(connection, database, exact, mariadb=mariadb)[0]


def _fits(name: str) -> bool:
    try:
        return bool(name.encode()) and "\0" not in name
    except UnicodeEncodeError:
        return False


def describe_all(
    connection: sa.Connection, database: str, tables: Sequence[Listed], *, mariadb: bool
) -> list[SqlTable]:
    """The tables and views, by three statements for all of them."""
    names = _texts(table.name for table in tables)
    columns: dict[str, list[Declared]] = defaultdict(list)
    documents = _documents(connection, database, names) if mariadb else set()
    statement = (
        sa.select(*(_COLUMNS.c[name] for name in ("TABLE_NAME", *_DECLARED)))
        .where(_text(database) == _COLUMNS.c.TABLE_SCHEMA, _COLUMNS.c.TABLE_NAME.in_(names))
        .order_by(_COLUMNS.c.TABLE_NAME, _COLUMNS.c.ORDINAL_POSITION)
    )
    for row in connection.execute(statement):
        columns[row[0]].append(_declared(tuple(row[1:]), json=(row[0], row[1]) in documents))
    keys: dict[str, list[str]] = defaultdict(list)
    statement = (
        sa.select(_KEYS.c.TABLE_NAME, _KEYS.c.COLUMN_NAME)
        .where(
            _text(database) == _KEYS.c.TABLE_SCHEMA,
            _KEYS.c.TABLE_NAME.in_(names),
            _text("PRIMARY") == _KEYS.c.INDEX_NAME,
        )
        .order_by(_KEYS.c.TABLE_NAME, _KEYS.c.SEQ_IN_INDEX)
    )
    for table, column in connection.execute(statement):
        keys[table].append(column)
    return [_table(database, table, columns[table.name], keys[table.name]) for table in tables]


def _documents(
    connection: sa.Connection, database: str, names: Sequence[sa.ColumnElement[str]]
) -> set[tuple[str, str]]:
    """The columns of MariaDB that hold JSON alone: texts with a check that says so."""
    statement = sa.select(_CHECKS.c.TABLE_NAME, _CHECKS.c.CHECK_CLAUSE).where(
        _text(database) == _CHECKS.c.CONSTRAINT_SCHEMA, _CHECKS.c.TABLE_NAME.in_(names)
    )
    start, end = "json_valid(`", "`)"
    return {
        (table, clause[len(start) : -len(end)].replace("``", "`"))
        for table, clause in connection.execute(statement)
        if clause.startswith(start) and clause.endswith(end)
    }


def _declared(row: tuple[object, ...], *, json: bool) -> Declared:
    name, kind, base, nullable, default, extra, charset, collation, length, precision, scale, fraction, expression = row
    return Declared(
        name=str(name),
        type=_said(kind),
        base=_said(base).lower(),
        nullable=nullable == "YES",
        default=None if default is None else _said(default),
        extra=str(extra or ""),
        charset=str(charset or ""),
        collation=str(collation or ""),
        length=_number(length),
        precision=_number(precision),
        scale=_number(scale),
        fraction=_number(fraction) or 0,
        json=json and charset is not None,
        expression=None if expression is None else _said(expression),
    )


def _said(value: object) -> str:
    """MySQL gives some texts of its catalogue as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _table(database: str, listed_as: Listed, declared: Sequence[Declared], key: Sequence[str]) -> SqlTable:
    generated = {column.name: column.expression for column in declared if column.generated}
    sources = of_expressions((column.name for column in declared), generated)
    columns = tuple(_column(column, key, sources) for column in declared)
    reason = _read_only(listed_as, key)
    table = Table(
        name=listed_as.name,
        columns=columns,
        primary_key=tuple(key),
        capabilities=Capabilities(
            transactions=listed_as.transactions,
            exact_numbers=True,
            count=True,
            search=True,
            key_paging=bool(key),
            max_batch_size=BATCH,
            verified_updates=True,
            read_only_reason=reason,
        ),
        view=listed_as.view,
    )
    element = sa.Table(
        quoted_name(listed_as.name, True),
        sa.MetaData(),
        *(sa.Column(quoted_name(column.name, True), NullType(), key=f"c{at}") for at, column in enumerate(columns)),
        schema=quoted_name(database, True),
    )
    found = {column.name: MysqlColumn(column, element.c[f"c{at}"], declared[at]) for at, column in enumerate(columns)}
    return SqlTable(
        table=table,
        element=element,
        columns=found,
        key=tuple(found[name] for name in key),
        tie=None,
        read_only=reason,
        version=None,
    )


def _column(declared: Declared, key: Sequence[str], sources: Mapping[str, frozenset[str] | None]) -> Column:
    return Column(
        name=declared.name,
        type=declared.kind,
        native_type=declared.type,
        nullable=declared.nullable,
        read_only=declared.generated or declared.base in GEOMETRIES,
        primary_key=declared.name in key,
        has_default=declared.has_default,
        dynamic=declared.base == "tinyint" and declared.type.startswith("tinyint(1)"),
        derived_from=sources.get(declared.name, frozenset()),
    )


def _read_only(table: Listed, key: Sequence[str]) -> Text | None:
    if table.view:
        return Text("It is a view", "É uma visão")
    if not key:
        return Text("It has no primary key", "Não tem chave primária")
    if not table.transactions:
        engine = table.engine or "unknown"
        return Text(
            f"Its storage engine ({engine}) has no transactions, so a change could stay half done",
            f"Seu mecanismo de armazenamento ({engine}) não tem transações; uma alteração poderia ficar pela metade",
        )
    return None


def _text(value: str) -> sa.ColumnElement[str]:
    return sa.literal(value, NullType())


def _texts(values: Iterable[str]) -> list[sa.ColumnElement[str]]:
    return [_text(value) for value in values]
