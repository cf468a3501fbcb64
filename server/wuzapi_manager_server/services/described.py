"""The fields of connected tables, judged by what their sources say of them."""

import time

from wuzapi_manager_server.domain.connection import Connection
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.fields import Fields
from wuzapi_manager_server.domain.row_scope import RowScope, require_link_column
from wuzapi_manager_server.domain.table import Table
from wuzapi_manager_server.errors import QueryFailed
from wuzapi_manager_server.sources.base import RecordSource

AGAIN = 1.0
"""Seconds that a table which lacks a column is not asked for anew: many calls must not ask for it all the time."""


class Described:
    """Keeps the fields of at most `most` shapes of scope and connection."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._fields: dict[tuple[int, bool, bool], tuple[int, Fields]] = {}
        self._asked_anew: dict[int, float] = {}

    def clear(self) -> None:
        """Forgets them."""
        self._fields.clear()
        self._asked_anew.clear()

    async def fields(
        self, source: RecordSource, connection: Connection, scope: RowScope, deadline: Deadline
    ) -> tuple[Table, Fields]:
        """The table and its fields. QueryFailed where the link column or a mapped one is not there.

        A column that is not in the description which the source keeps may be there by now: it is asked for anew then.
        """
        table = await source.describe(deadline)
        try:
            return table, self._judged(table, connection, scope)
        except QueryFailed:
            if time.monotonic() < self._asked_anew.get(connection.id, 0.0):
                raise
            while len(self._asked_anew) >= self._most:
                self._asked_anew.pop(next(iter(self._asked_anew)))
            self._asked_anew[connection.id] = time.monotonic() + AGAIN
            table = await source.describe(deadline, anew=True)
            return table, self._judged(table, connection, scope)

    def _judged(self, table: Table, connection: Connection, scope: RowScope) -> Fields:
        """The fields, made once for each shape of scope while the connection and the table stay as they are."""
        require_link_column(connection, table)
        key = (connection.id, scope.owner is None, scope.must_stamp)
        version, kept = self._fields.get(key, (0, None))
        if kept is None or version != connection.version or kept.table is not table:
            kept = Fields.of(table, connection, scope)
            while len(self._fields) >= self._most:
                self._fields.pop(next(iter(self._fields)))
            self._fields[key] = (connection.version, kept)
        return kept
