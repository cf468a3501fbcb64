"""What a statement selects of a table, and the rows of what it gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from wuzapi_manager_server.domain.rows import NO_ROWS, Rows
from wuzapi_manager_server.domain.table import Key, Owner
from wuzapi_manager_server.sources.sql_paging import Place
from wuzapi_manager_server.sources.sql_table import Condition, SqlColumn, SqlTable
from wuzapi_manager_server.sources.sql_where import scope

Selection = sa.Select[tuple[object, ...]]

_MOST_SHAPES = 64
_MOST_FIRSTS = 256


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
    _firsts: dict[tuple[Owner | None, int | None], Selection] = field(default_factory=dict, init=False, repr=False)

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
    ) -> Rows:
        """The rows that meet all conditions, in order."""

        def selection(shape: "Shape") -> Selection:
            statement = shape.statement(conditions, limit, offset)
            return statement.with_for_update() if lock else statement

        return self._selected(connection, selection)

    def first_rows(self, connection: sa.Connection, owner: Owner | None, limit: int | None) -> Rows:
        """The first rows of an owner."""
        return self._selected(connection, lambda shape: shape._first(owner, limit))  # noqa: SLF001 - of the same class

    def _first(self, owner: Owner | None, limit: int | None) -> Selection:
        """Kept: nothing is asked for as often, and SQLAlchemy knows its own statement again at a third of the time."""
        kept = self._firsts.get((owner, limit))
        if kept is None:
            if len(self._firsts) >= _MOST_FIRSTS:
                self._firsts.clear()
            kept = self._firsts[owner, limit] = self.statement(scope(self.table, owner, None), limit, 0)
        return kept

    def _selected(self, connection: sa.Connection, selection: Callable[["Shape"], Selection]) -> Rows:
        try:
            with connection.execute(selection(self)) as result:
                raws = _raws(result)
        except UnicodeDecodeError:  # the driver meets a text that is none; asked carefully, every value comes
            if self.careful:
                raise
            return replace(self, careful=True)._selected(connection, selection)  # noqa: SLF001 - of the same class
        return self.rows_of(raws)

    def statement(self, conditions: Sequence[Condition], limit: int | None, offset: int) -> Selection:
        """What selects the rows that meet all conditions, in order."""
        statement = self._all.where(*conditions)
        if limit is not None:
            statement = statement.limit(limit)
        return statement.offset(offset) if offset else statement

    @cached_property
    def _all(self) -> Selection:
        return (
            sa.select(*(column.careful if self.careful else column.shown for column in self.selected))
            .select_from(self.table.element)
            .order_by(*(place.clause() for place in self.order))
        )

    def rows_of(self, raws: Sequence[Sequence[Any]]) -> Rows:
        """The rows of values that were selected so."""
        if not raws:
            return NO_ROWS
        values: list[Sequence[Any]] = list(zip(*raws, strict=True))
        if self.careful:
            values = [list(map(column.caught, part)) for column, part in zip(self.selected, values, strict=True)]
        columns = values[: len(self.table.columns)]
        for at, column in enumerate(self.table.columns.values()) if self.careful else self.converted:
            columns[at] = column.read_many(values[at])
        cursors = self._scalars(self.cursor, values)
        keys = cursors if self.key == self.cursor else self._scalars(self.key, values)
        return Rows(keys, cursors, columns)

    def _scalars(self, places: tuple[int, ...], values: Sequence[Sequence[Any]]) -> Sequence[Key]:
        parts = [
            values[at] if self.selected[at].raw_scalars else list(map(self.selected[at].scalar, values[at]))
            for at in places
        ]
        return list(zip(*parts, strict=True)) if parts else [()] * len(values[0])


def _raws(result: sa.CursorResult[tuple[object, ...]]) -> Sequence[Sequence[Any]]:
    """All that the driver gives: to make SQLAlchemy's rows of it takes as long as the query itself."""
    return result.cursor.fetchall()
