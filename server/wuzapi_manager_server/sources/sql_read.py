"""Rows of a table within a transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from wuzapi_manager_server.domain.table import Cell, Key, Owner, Row
from wuzapi_manager_server.errors import QueryFailed, Text
from wuzapi_manager_server.sources.base import Query, Where
from wuzapi_manager_server.sources.sql_paging import Place, behind, places
from wuzapi_manager_server.sources.sql_table import Condition, SqlColumn, SqlTable
from wuzapi_manager_server.sources.sql_where import scope

ASKED_AT_ONCE = 500
"""Values of keys in one statement."""


def fetch(connection: sa.Connection, table: SqlTable, query: Query) -> list[Row]:
    """The rows of a query: those behind `after` where the table has a key, else those behind `offset`."""
    order = places(table, query.order)
    rows = _fetch(connection, table, query, order)
    return rows if table.key else [row._replace(cursor=()) for row in rows]


def fetch_tied(connection: sa.Connection, table: SqlTable, query: Query) -> list[Row]:
    """As `fetch`, but with cursors also where only the table's tie tells its rows apart."""
    return _fetch(connection, table, query, places(table, query.order))


def _fetch(connection: sa.Connection, table: SqlTable, query: Query, order: tuple[Place, ...]) -> list[Row]:
    shape = Shape.of(table, order)
    conditions = scope(table, query.owner, query.where)
    segments: Sequence[Condition] = behind(order, query.after) if query.after else [sa.true()]
    rows: list[Row] = []
    for segment in segments:
        left = None if query.limit is None else query.limit - len(rows)
        if left is not None and left <= 0:
            break
        rows += shape.rows(connection, [*conditions, segment], left, query.offset)
    return rows


class Reading:
    """The rows of a query, read in lists within one transaction by cursors that the server keeps."""

    def __init__(self, connection: sa.Connection, table: SqlTable, query: Query) -> None:
        order = places(table, query.order)
        self._table = table
        self._shape = Shape.of(table, order)
        self._connection = connection
        self._conditions = scope(table, query.owner, query.where)
        self._segments: list[Condition] = behind(order, query.after) if query.after else [sa.true()]
        self._offset = query.offset
        self._left = query.limit
        self._result: sa.CursorResult[tuple[object, ...]] | None = None

    def rows(self, size: int) -> list[Row]:
        """The next rows, about `size`; none only at the end."""
        while self._left is None or self._left > 0:
            if self._result is None:
                if not self._segments:
                    break
                statement = self._shape.statement([*self._conditions, self._segments.pop(0)], self._left, self._offset)
                self._result = self._connection.execute(statement, execution_options={"yield_per": size})
            raws = self._result.fetchmany(size)
            if raws:
                self._left = None if self._left is None else self._left - len(raws)
                rows = [self._shape.row(raw) for raw in raws]
                return rows if self._table.key else [row._replace(cursor=()) for row in rows]
            self.close()
        return []

    def close(self) -> None:
        """Closes the cursor, where one is open."""
        if self._result is not None:
            self._result.close()
            self._result = None


def count(connection: sa.Connection, table: SqlTable, owner: Owner | None, where: Where | None) -> int:
    """How many rows match."""
    statement = sa.select(sa.func.count()).select_from(table.element).where(*scope(table, owner, where))
    return int(connection.execute(statement).scalar_one())


def get(connection: sa.Connection, table: SqlTable, key: Key, owner: Owner | None) -> Row | None:
    """The row of that key, or None. QueryFailed where the key does not tell rows apart."""
    return Finder(connection, table, owner).get(key)


class Finder:
    """Finds the rows of one owner by their keys."""

    def __init__(self, connection: sa.Connection, table: SqlTable, owner: Owner | None) -> None:
        self._connection = connection
        self._table = table
        self._scope = scope(table, owner, None)
        self.shape = Shape.of(table, places(table, ()))

    @property
    def owned(self) -> Condition:
        """Whether a row is the owner's."""
        return sa.and_(sa.true(), *self._scope)

    def many(self, keys: Sequence[Key], *, lock: bool = False) -> dict[Key, Row]:
        """Rows of those keys, with few statements, locked against others' changes where the engine has such locks.

        A row that is not among them may be there all the same: with null in its key, or under another spelling of it.
        """
        found: dict[Key, Row] = {}
        width = len(self._table.key)
        plain = [key for key in keys if len(key) == width and None not in key]
        size = max(1, ASKED_AT_ONCE // max(1, width))
        for at in range(0, len(plain), size):
            conditions = [*self._scope, self._table.is_one_of(plain[at : at + size])]
            found |= {row.key: row for row in self.shape.rows(self._connection, conditions, None, 0, lock=lock)}
        return found

    def condition(self, key: Key) -> Condition:
        """Whether a row is the owner's and has that key."""
        return sa.and_(*self._scope, self._table.is_key(key))

    def get(self, key: Key, *, lock: bool = False) -> Row | None:
        """The row of that key, or None; locked as by `many`. QueryFailed where the key does not tell rows apart."""
        rows = self.shape.rows(self._connection, [self.condition(key)], 2, 0, lock=lock)
        if len(rows) > 1:
            raise QueryFailed(
                Text("Several rows have this primary key", "Várias linhas têm esta chave primária"),
                suggestion=Text(
                    "Fill the nulls in the table's primary key",
                    "Preencha os valores nulos da chave primária da tabela",
                ),
            )
        return rows[0] if rows else None


_MOST_SHAPES = 64


@dataclass(frozen=True)
class Shape:
    """What a statement selects: all columns of the table, in order, and what the order needs beyond them.

    `converted` are the columns whose cells are not their raw values; `key` and `cursor` say where among the selected
    the parts of a key and a cursor stand.
    """

    table: SqlTable
    order: tuple[Place, ...]
    selected: tuple[SqlColumn, ...]
    converted: tuple[tuple[int, SqlColumn], ...]
    key: tuple[int, ...]
    cursor: tuple[int, ...]
    careful: bool = False

    @classmethod
    def of(cls, table: SqlTable, order: tuple[Place, ...]) -> "Shape":
        """The shape of full rows in that order; made once for each order that is asked for often."""
        found = table.shapes.get(order)
        if isinstance(found, cls):
            return found
        selected = tuple(dict.fromkeys([*table.columns.values(), *(place.column for place in order)]))
        made = cls(
            table,
            order,
            selected,
            tuple((at, column) for at, column in enumerate(table.columns.values()) if not column.plain),
            tuple(selected.index(column) for column in table.key),
            tuple(selected.index(place.column) for place in order),
        )
        if len(table.shapes) >= _MOST_SHAPES:
            table.shapes.clear()
        table.shapes[order] = made
        return made

    def rows(
        self,
        connection: sa.Connection,
        conditions: Sequence[Condition],
        limit: int | None,
        offset: int,
        *,
        lock: bool = False,
    ) -> list[Row]:
        """The rows that meet all conditions, in order."""
        statement = self.statement(conditions, limit, offset)
        if lock:
            statement = statement.with_for_update()
        try:
            with connection.execute(statement) as result:
                raws = result.fetchall()
        except UnicodeDecodeError:  # the driver meets a text that is none; asked carefully, every value comes
            if self.careful:
                raise
            return replace(self, careful=True).rows(connection, conditions, limit, offset, lock=lock)
        row = self._careful_row if self.careful else self.row
        return [row(raw) for raw in raws]

    def statement(
        self, conditions: Sequence[Condition], limit: int | None, offset: int
    ) -> sa.Select[tuple[object, ...]]:
        """What selects the rows that meet all conditions, in order."""
        statement = self._all.where(*conditions)
        if limit is not None:
            statement = statement.limit(limit)
        return statement.offset(offset) if offset else statement

    @cached_property
    def _all(self) -> sa.Select[tuple[object, ...]]:
        return (
            sa.select(*(column.careful if self.careful else column.shown for column in self.selected))
            .select_from(self.table.element)
            .order_by(*(place.clause() for place in self.order))
        )

    @cached_property
    def row(self) -> Callable[[Sequence[Any]], Row]:
        """What makes the row of values that were selected so. It runs for each row of everything that is read."""
        key_of, cursor_of, cells_of = self._scalars(self.key), self._scalars(self.cursor), self._cells()
        if self.key != self.cursor:
            return lambda raw: Row(key_of(raw), cursor_of(raw), cells_of(raw))

        def row(raw: Sequence[Any]) -> Row:
            key = key_of(raw)
            return Row(key, key, cells_of(raw))

        return row

    def _cells(self) -> Callable[[Sequence[Any]], tuple[Cell, ...]]:
        width, converted = len(self.table.columns), self.converted
        if not converted:
            return lambda raw: tuple(raw[:width])

        def cells_of(raw: Sequence[Any]) -> tuple[Cell, ...]:
            cells = list(raw[:width])
            for at, column in converted:
                cells[at] = column.read(raw[at])
            return tuple(cells)

        return cells_of

    def _scalars(self, places: tuple[int, ...]) -> Callable[[Sequence[Any]], Key]:
        columns = [(self.selected[at], at) for at in places]
        if len(places) == 1 and columns[0][0].raw_scalars:
            place = places[0]
            return lambda raw: (raw[place],)
        return lambda raw: tuple([column.scalar(raw[at]) for column, at in columns])

    def _careful_row(self, raw: Sequence[object]) -> Row:
        caught = [column.caught(value) for column, value in zip(self.selected, raw, strict=True)]
        cells = (column.read(value) for column, value in zip(self.table.columns.values(), caught, strict=False))
        return self.row(caught)._replace(cells=tuple(cells))
