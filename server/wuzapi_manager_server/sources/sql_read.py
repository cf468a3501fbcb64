"""Rows of a table within a transaction."""

from collections.abc import Sequence

import sqlalchemy as sa

from wuzapi_manager_server.domain.rows import NO_ROWS, Rows
from wuzapi_manager_server.domain.table import Key, Owner, Row
from wuzapi_manager_server.errors import QueryFailed, Text
from wuzapi_manager_server.sources.base import Query, Where
from wuzapi_manager_server.sources.sql_paging import Place, behind, places
from wuzapi_manager_server.sources.sql_shape import Shape
from wuzapi_manager_server.sources.sql_table import Condition, SqlTable
from wuzapi_manager_server.sources.sql_where import scope

ASKED_AT_ONCE = 500
"""Values of keys in one statement."""


def fetch(connection: sa.Connection, table: SqlTable, query: Query) -> Rows:
    """The rows of a query: those behind `after` where the table has a key, else those behind `offset`."""
    order = places(table, query.order)
    rows = _fetch(connection, table, query, order)
    return rows if table.key else rows.without_cursors()


def fetch_tied(connection: sa.Connection, table: SqlTable, query: Query) -> Rows:
    """As `fetch`, but with cursors also where only the table's tie tells its rows apart."""
    return _fetch(connection, table, query, places(table, query.order))


def _fetch(connection: sa.Connection, table: SqlTable, query: Query, order: tuple[Place, ...]) -> Rows:
    shape = Shape.of(table, order)
    if query.where is None and not query.after and not query.offset:
        return shape.first_rows(connection, query.owner, query.limit)
    conditions = scope(table, query.owner, query.where)
    segments: Sequence[Condition] = behind(order, query.after) if query.after else [sa.true()]
    parts: list[Rows] = []
    left = query.limit
    for segment in segments:
        if left is not None and left <= 0:
            break
        part = shape.rows(connection, [*conditions, segment], left, query.offset)
        parts.append(part)
        left = None if left is None else left - len(part)
    return Rows.joined(parts)


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

    def rows(self, size: int) -> Rows:
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
                rows = self._shape.rows_of(raws)
                return rows if self._table.key else rows.without_cursors()
            self.close()
        return NO_ROWS

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

    def condition(self, *keys: Key) -> Condition:
        """Whether a row is the owner's and has exactly one of those keys."""
        return sa.and_(*self._scope, sa.or_(sa.false(), *map(self._table.is_key, keys)))

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
