"""Writes of MySQL and MariaDB, which say of new rows at most the first number that the server gave."""

from collections.abc import Sequence

import sqlalchemy as sa

from wuzapi_manager_server.domain.table import Key, Row, Scalar
from wuzapi_manager_server.errors import QueryFailed, Text
from wuzapi_manager_server.sources.mysql_column import MysqlColumn
from wuzapi_manager_server.sources.mysql_driver import own
from wuzapi_manager_server.sources.mysql_errors import meaning
from wuzapi_manager_server.sources.mysql_types import Declared
from wuzapi_manager_server.sources.sql_pool import raw_of
from wuzapi_manager_server.sources.sql_table import SqlColumn
from wuzapi_manager_server.sources.sql_write import LARGEST, Values, Written, bytes_of, not_done

CUT = frozenset({1264, 1265, 1292, 1366, 1406})
"""Warnings and notes of values that were not kept whole: they come in strict mode too, for spaces and digits."""


class MysqlWritten(Written):
    """Rows are what the server gives back of them, or are read by the key that they were given or the server gave."""

    def insert(self, raws: list[Values]) -> None:
        """Makes rows of the same columns: by one statement, or a few where they are large."""
        batch: list[Values] = []
        size = 0
        for raw in map(self._without_nothing, raws):
            if batch and (size + bytes_of(raw) > LARGEST or raw.keys() != batch[0].keys()):
                self._insert(batch)
                batch, size = [], 0
            batch.append(raw)
            size += bytes_of(raw)
        self._insert(batch)

    def _without_nothing(self, raw: Values) -> Values:
        """Null for a number that the server gives is no number at all."""
        return {key: value for key, value in raw.items() if value is not None or key not in self._given_keys}

    @property
    def _given_keys(self) -> set[str]:
        return {str(column.element.key) for column in self.table.key if _declared(column).given}

    def _insert(self, raws: list[Values]) -> None:
        if len(raws) > 1 and not raws[0]:
            for raw in raws:
                self._insert([raw])
            return
        statement = sa.insert(self.table.element).values([*raws] if len(raws) > 1 else raws[0])
        if self.connection.dialect.insert_returning:
            self._insert_returning(statement, len(raws))
            return
        for column in self.table.key:
            if column.element.key not in raws[0] and not _declared(column).given:
                raise _key_needed(column.column.name)
        with self.connection.execute(statement) as result:
            if result.rowcount != len(raws):
                raise not_done()
            first = int(result.lastrowid)
        self._whole()
        step = own(raw_of(self.connection)).step
        for at, raw in enumerate(raws):
            number = first + at * step
            self.keys.append(self.key_of([raw.get(str(part.element.key), number) for part in self.table.key]))

    def _insert_returning(self, statement: sa.Insert, count: int) -> None:
        """As MariaDB does: no trigger of it changes a row of the same table once it is made."""
        shown = (column.shown for column in self.finder.shape.selected)
        with self.connection.execute(statement.returning(*shown, self.owned)) as result:
            made = result.cursor.fetchall()
        self._whole()
        rows = self.given_back(made, count)
        self.keys += rows.keys
        self.rows += rows

    def update(self, rows: Sequence[Row], raws: Sequence[Values]) -> None:
        """Changes rows that `targets` gave, all of the same columns, by one statement."""
        self.keys += map(self._key_after, rows, raws)
        if not raws[0]:
            return
        statement = sa.update(self.table.element).where(self.changing(rows)).values(self.values_of(rows, raws))
        with self.connection.execute(statement) as result:
            if result.rowcount != len(rows):
                raise not_done()
        self._whole()

    def _key_after(self, row: Row, raw: Values) -> Key:
        parts: list[Scalar] = []
        for column, part in zip(self.table.key, row.key, strict=True):
            key = str(column.element.key)
            parts.append(column.scalar(raw[key]) if key in raw else part)
        return tuple(parts)

    def _whole(self) -> None:
        """Nothing of the values was cut off, which the server may note without refusing it."""
        cut = own(raw_of(self.connection)).cut() & CUT
        if cut:
            raise meaning(min(cut))


def _declared(column: SqlColumn) -> Declared:
    assert isinstance(column, MysqlColumn)  # noqa: S101 - tables of this engine have no others
    return column.declared


def _key_needed(name: str) -> QueryFailed:
    return QueryFailed(
        Text(
            f"The key column '{name}' must be given: the server does not tell what it would put there",
            f"A coluna de chave '{name}' deve ser informada: o servidor não diz o valor que geraria",
        ),
        metadata={"column": name},
    )
