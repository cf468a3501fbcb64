"""Changes of a table within a transaction: all of them, or an error and none.

Every row is looked at once it is written: one that is not the owner's then, or not there (a trigger moved it, the
engine converted the owner's value), fails the whole. The write itself gives the row where nothing can change it
afterwards; else it is read back by its key once all are written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

import sqlalchemy as sa

from wuzapi_manager_server.domain.table import Cell, Key, Owner, Row
from wuzapi_manager_server.errors import QueryFailed, Text, record_not_found
from wuzapi_manager_server.sources.base import Change, Guard, Outcome
from wuzapi_manager_server.sources.sql_read import Finder
from wuzapi_manager_server.sources.sql_table import SqlTable

Check = Callable[[], None]
"""Raises where the work shall end."""

PARAMETERS = 1000
"""Values in one INSERT, unless a single row has more."""

Values = dict[str, object]
"""Raw values by the key of the column's element."""


def insert(
    connection: sa.Connection, table: SqlTable, rows: Sequence[Mapping[str, Cell]], owner: Owner | None, check: Check
) -> list[Outcome]:
    """Makes rows, many in one statement."""
    table.check_writable()
    raws = [_raw(table, row) for row in rows]
    written = _Written(connection, table, owner, check)
    for _, group in groupby(raws, key=lambda raw: raw.keys()):
        same = list(group)
        size = max(1, PARAMETERS // max(1, len(same[0])))
        for at in range(0, len(same), size):
            check()
            written.insert(same[at : at + size])
    return written.outcomes()


def update(
    connection: sa.Connection, table: SqlTable, changes: Sequence[Change], owner: Owner | None, check: Check
) -> list[Outcome]:
    """Changes rows."""
    table.check_writable()
    written = _Written(connection, table, owner, check)
    raws = [_raw(table, change.values) for change in changes]
    targets = written.targets([(change.key, change.guard) for change in changes])
    for row, raw in zip(targets, raws, strict=True):
        check()
        written.update(row, raw)
    return written.outcomes()


def delete(
    connection: sa.Connection,
    table: SqlTable,
    keys: Sequence[tuple[Key, Guard | None]],
    owner: Owner | None,
    check: Check,
) -> list[Outcome]:
    """Deletes rows."""
    table.check_writable()
    written = _Written(connection, table, owner, check)
    for row in written.targets(keys):
        check()
        result = connection.execute(sa.delete(table.element).where(written.finder.condition(row.key)))
        if result.rowcount != 1:
            raise _not_done()
    return [Outcome(None) for _ in keys]


def _raw(table: SqlTable, row: Mapping[str, Cell]) -> Values:
    """In the order of the table's columns, so that rows of the same columns look alike."""
    for name in row:
        table.column(name)
    return {str(column.element.key): column.bind(row[name]) for name, column in table.columns.items() if name in row}


class _Written:
    """The rows that one call writes: their keys, and where the writes give them whole, the rows themselves."""

    def __init__(self, connection: sa.Connection, table: SqlTable, owner: Owner | None, check: Check) -> None:
        self._connection = connection
        self._table = table
        self._check = check
        self.finder = Finder(connection, table, owner)
        self._keys: list[Key] = []
        self._rows: list[Row] = []

    def targets(self, wanted: Sequence[tuple[Key, Guard | None]]) -> list[Row]:
        """The rows to change, locked, each approved by its guard. NotFound, with its place, for one not there."""
        found = self.finder.many([key for key, _ in wanted], lock=True)
        rows = []
        for index, (key, guard) in enumerate(wanted):
            row = found.get(key) or self.finder.get(key, lock=True)
            if row is None:
                raise record_not_found(index)
            if guard is not None:
                guard(row)
            rows.append(row)
        return rows

    def insert(self, raws: list[Values]) -> None:
        """Makes rows of the same columns, by one statement."""
        # ABORT where the table says ON CONFLICT REPLACE: a row made must not take another's place.
        statement = sa.insert(self._table.element).prefix_with("OR ABORT", dialect="sqlite")
        self._execute(statement.values({key: sa.bindparam(key) for key in raws[0]}) if raws[0] else statement, raws)

    def update(self, row: Row, raw: Values) -> None:
        """Changes a row that `targets` gave."""
        if not raw:
            self._keys.append(row.key)
            self._rows.append(row)
            return
        statement = sa.update(self._table.element).prefix_with("OR ABORT", dialect="sqlite")
        self._execute(statement.where(self.finder.condition(row.key)).values(raw), [{}])

    def _execute(self, statement: sa.Insert | sa.Update, raws: list[Values]) -> None:
        shown = [column.shown for column in self.finder.shape.selected] if self._table.returns else []
        keys = [column.careful for column in self._table.key]
        returning = statement.returning(*([*shown, self.finder.owned.label("owned")] if shown else keys))
        with self._connection.execute(returning, raws if len(raws) > 1 else raws[0]) as result:
            written = result.fetchall()
        if len(written) != len(raws):
            raise _not_done()
        for raw in written:
            if not shown:
                self._keys.append(self._key(raw))
            elif raw[-1] is not True:
                raise _not_kept()
            else:
                row = self.finder.shape.row(raw[:-1])
                self._keys.append(row.key)
                self._rows.append(row)

    def _key(self, raw: Iterable[object]) -> Key:
        return tuple(column.scalar(column.caught(part)) for column, part in zip(self._table.key, raw, strict=True))

    def outcomes(self) -> list[Outcome]:
        """The rows as they are once all are written."""
        self._check()
        if self._table.returns:
            return [Outcome(row) for row in self._rows]
        found = self.finder.many(self._keys)
        outcomes = []
        for key in self._keys:
            row = found.get(key) or self.finder.get(key)
            if row is None:
                raise _not_kept()
            outcomes.append(Outcome(row))
        return outcomes


def _not_kept() -> QueryFailed:
    return QueryFailed(
        Text(
            "The table did not keep the row as it was written, so nothing was changed",
            "A tabela não manteve a linha como foi gravada; nada foi alterado",
        ),
        suggestion=Text(
            "Check the table's triggers and the type of its key and link columns",
            "Verifique os gatilhos da tabela e o tipo das colunas de chave e de vínculo",
        ),
    )


def _not_done() -> QueryFailed:
    return QueryFailed(
        Text("The table refused the change", "A tabela recusou a alteração"),
        suggestion=Text("Check the table's triggers", "Verifique os gatilhos da tabela"),
    )
