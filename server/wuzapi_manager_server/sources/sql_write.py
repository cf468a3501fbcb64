"""Changes of a table within a transaction: all of them, or an error and none.

Every row is read back once all are written, by its key and its owner: one that is not there then (a trigger moved it,
the engine converted the owner's value) fails the whole.
"""

from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from wuzapi_manager_server.domain.table import Cell, Key, Owner, Row
from wuzapi_manager_server.errors import QueryFailed, Text, record_not_found
from wuzapi_manager_server.sources.base import Change, Guard, Outcome
from wuzapi_manager_server.sources.sql_read import Finder
from wuzapi_manager_server.sources.sql_table import SqlTable

Check = Callable[[], None]
"""Raises where the work shall end."""


def insert(
    connection: sa.Connection, table: SqlTable, rows: Sequence[Mapping[str, Cell]], owner: Owner | None, check: Check
) -> list[Outcome]:
    """Makes rows."""
    table.check_writable()
    # ABORT where the table says ON CONFLICT REPLACE: a row made must not take another's place.
    statement = (
        sa.insert(table.element)
        .prefix_with("OR ABORT", dialect="sqlite")
        .returning(*(column.careful for column in table.key))
    )
    finder = Finder(connection, table, owner)
    keys: list[Key] = []
    for row in rows:
        check()
        values = {table.column(name).element.key: table.column(name).bind(cell) for name, cell in row.items()}
        keys.append(_only(connection, table, statement.values(values)))
    return _read_back(finder, keys, check)


def update(
    connection: sa.Connection, table: SqlTable, changes: Sequence[Change], owner: Owner | None, check: Check
) -> list[Outcome]:
    """Changes rows."""
    table.check_writable()
    finder = Finder(connection, table, owner)
    keys: list[Key] = []
    for index, (key, values, guard) in enumerate(changes):
        check()
        row = _found(finder, index, key, guard)
        if not values:
            keys.append(row.key)
            continue
        statement = (
            sa.update(table.element)
            .prefix_with("OR ABORT", dialect="sqlite")
            .where(finder.condition(row.key))
            .values({table.column(name).element.key: table.column(name).bind(cell) for name, cell in values.items()})
            .returning(*(column.careful for column in table.key))
        )
        keys.append(_only(connection, table, statement))
    return _read_back(finder, keys, check)


def delete(
    connection: sa.Connection,
    table: SqlTable,
    keys: Sequence[tuple[Key, Guard | None]],
    owner: Owner | None,
    check: Check,
) -> list[Outcome]:
    """Deletes rows."""
    table.check_writable()
    finder = Finder(connection, table, owner)
    for index, (key, guard) in enumerate(keys):
        check()
        row = _found(finder, index, key, guard)
        result = connection.execute(sa.delete(table.element).where(finder.condition(row.key)))
        if result.rowcount != 1:
            raise _not_done()
    return [Outcome(None) for _ in keys]


def _only(connection: sa.Connection, table: SqlTable, statement: sa.Insert | sa.Update) -> Key:
    """The key of the one row that the statement wrote."""
    with connection.execute(statement) as result:
        written = result.fetchall()
    if len(written) != 1:
        raise _not_done()
    return tuple(column.scalar(column.caught(raw)) for column, raw in zip(table.key, written[0], strict=True))


def _found(finder: Finder, index: int, key: Key, guard: Guard | None) -> Row:
    row = finder.get(key)
    if row is None:
        raise record_not_found(index)
    if guard is not None:
        guard(row)
    return row


def _read_back(finder: Finder, keys: Sequence[Key], check: Check) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for key in keys:
        check()
        row = finder.get(key)
        if row is None:
            raise QueryFailed(
                Text(
                    "The table did not keep the row as it was written, so nothing was changed",
                    "A tabela não manteve a linha como foi gravada; nada foi alterado",
                ),
                suggestion=Text(
                    "Check the table's triggers and the type of its key and link columns",
                    "Verifique os gatilhos da tabela e o tipo das colunas de chave e de vínculo",
                ),
            )
        outcomes.append(Outcome(row))
    return outcomes


def _not_done() -> QueryFailed:
    return QueryFailed(
        Text("The table refused the change", "A tabela recusou a alteração"),
        suggestion=Text("Check the table's triggers", "Verifique os gatilhos da tabela"),
    )
