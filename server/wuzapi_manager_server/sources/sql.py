"""What all SQL sources share: the record protocol over SQLAlchemy Core, each call one transaction in a thread."""

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import sqlalchemy as sa

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.rows import Rows
from wuzapi_manager_server.domain.table import Cell, Key, Owner, Row, Table
from wuzapi_manager_server.errors import QueryFailed, Text
from wuzapi_manager_server.sources import sql_read, sql_write
from wuzapi_manager_server.sources.base import Change, Guard, Outcome, Query, Where
from wuzapi_manager_server.sources.sql_table import SqlTable
from wuzapi_manager_server.sources.sql_work import Job

T = TypeVar("T")

DESCRIPTION_LIFE = 60.0
"""Seconds that `describe` answers without asking the database."""

LIST_SIZE = 500
"""Rows in one list of a stream: each is a short query of its own, so that no read transaction stays open."""

BATCH = 1000
"""The largest batch that is one transaction."""


class SqlSource(ABC):
    """A RecordSource over one table; the engine says how a transaction and a description are had."""

    writer: type[sql_write.Written] = sql_write.Written
    """What carries out the writes of one call."""

    alone = False
    """Whether one row is made by a statement that saves itself, where the table allows it."""

    def __init__(self) -> None:
        self._known: SqlTable | None = None
        self._known_at = 0.0

    @abstractmethod
    async def transaction(
        self, work: Callable[[sa.Connection, Job], T], deadline: Deadline, *, write: bool = False, alone: bool = False
    ) -> T:
        """Runs `work` in a thread within a transaction, which is committed where it returns, rolled back otherwise.

        `alone`: it is no transaction, but one statement that saves itself.
        Failures of the driver come out as the errors of the protocol.
        """

    @abstractmethod
    def described(self, connection: sa.Connection, known: SqlTable | None) -> SqlTable:
        """The table as it is now; `known` itself where that is still right. QueryFailed where there is none."""

    def _table(self, connection: sa.Connection, planned: Table | None = None) -> SqlTable:
        """The description, right for this transaction.

        QueryFailed where the columns are others than `planned`, or than `describe` said last: the caller counts on
        those, and would take the cells of one column for another's. The next `describe` gives them as they are.
        """
        known = self._known
        table = self._described(connection)
        expected = known.table if planned is None and known is not None else planned
        # Two first descriptions at once are two objects that say the same.
        if expected is not None and table.table is not expected and table.table != expected:
            raise _altered(table.table.name)
        return table

    def _described(self, connection: sa.Connection) -> SqlTable:
        known = self._known
        table = self.described(connection, known)
        if known is not None and table.table == known.table:
            table = replace(table, table=known.table)
        if table is not known:
            self._known, self._known_at = table, time.monotonic()
        return table

    def described_since(self) -> float:
        """Seconds since the description was made."""
        return time.monotonic() - self._known_at

    def forget(self) -> None:
        """Lets the next call ask the database for the description."""
        self._known = None

    async def describe(self, deadline: Deadline, *, anew: bool = False) -> Table:
        """See RecordSource."""
        if anew:
            self.forget()
        known = self._known
        if known is None or self.described_since() > DESCRIPTION_LIFE:
            known = await self.transaction(lambda connection, _: self._described(connection), deadline)
        return known.table

    async def fetch(self, query: Query, deadline: Deadline) -> Rows:
        """See RecordSource."""
        return await self.transaction(
            lambda connection, _: sql_read.fetch(connection, self._table(connection, query.table), query), deadline
        )

    async def stream(self, query: Query, deadline: Callable[[], Deadline]) -> AsyncGenerator[Rows]:
        """See RecordSource.

        A table without a primary key is read on by its row id, where it has one, else (views) by position.
        """
        left = query.limit
        while left is None or left > 0:
            asked = replace(query, limit=LIST_SIZE if left is None else min(left, LIST_SIZE))
            rows, query = await self.transaction(self._list_of(asked), deadline())
            if rows:
                yield rows
            if len(rows) < (asked.limit or 0):
                return
            left = None if left is None else left - len(rows)

    def _list_of(self, query: Query) -> Callable[[sa.Connection, Job], tuple[Rows, Query]]:
        def read(connection: sa.Connection, _: Job) -> tuple[Rows, Query]:
            table = self._table(connection, query.table)
            rows = sql_read.fetch_tied(connection, table, query)
            if not table.key and table.tie is None:
                return rows, replace(query, offset=query.offset + len(rows))
            further = replace(query, after=rows.cursors[-1], offset=0) if rows else query
            return (rows if table.key else rows.without_cursors()), further

        return read

    async def count(self, owner: Owner | None, where: Where | None, deadline: Deadline) -> int:
        """See RecordSource."""
        return await self.transaction(
            lambda connection, _: sql_read.count(connection, self._table(connection), owner, where), deadline
        )

    async def get(self, key: Key, owner: Owner | None, deadline: Deadline, *, table: Table | None = None) -> Row | None:
        """See RecordSource."""
        return await self.transaction(
            lambda connection, _: sql_read.get(connection, self._table(connection, table), key, owner), deadline
        )

    def _written(
        self, connection: sa.Connection, job: Job, owner: Owner | None, table: Table | None = None
    ) -> sql_write.Written:
        return self.writer(connection, self._table(connection, table), owner, job.check)

    async def insert(
        self,
        rows: Sequence[Mapping[str, Cell]],
        owner: Owner | None,
        deadline: Deadline,
        *,
        table: Table | None = None,
        stop: bool = False,  # noqa: ARG002 - all are made or none
    ) -> list[Outcome]:
        """See RecordSource."""
        known = self._known
        if self.alone and len(rows) == 1 and known is not None and known.returns and not known.doubtful:
            return await self.transaction(
                lambda connection, job: sql_write.insert(self._written_alone(connection, job, owner, table), rows),
                deadline,
                alone=True,
            )
        return await self.transaction(
            lambda connection, job: sql_write.insert(self._written(connection, job, owner, table), rows),
            deadline,
            write=True,
        )

    def _written_alone(
        self, connection: sa.Connection, job: Job, owner: Owner | None, planned: Table | None
    ) -> sql_write.Written:
        table = self._table(connection, planned)
        if not table.returns or table.doubtful:  # it has just got a trigger, or such a column
            raise _altered(table.table.name)
        return sql_write.WrittenAlone(connection, table, owner, job)

    async def update(
        self, changes: Sequence[Change], owner: Owner | None, deadline: Deadline, *, table: Table | None = None
    ) -> list[Outcome]:
        """See RecordSource."""
        return await self.transaction(
            lambda connection, job: sql_write.update(self._written(connection, job, owner, table), changes),
            deadline,
            write=True,
        )

    async def delete(
        self, keys: Sequence[tuple[Key, Guard | None]], owner: Owner | None, deadline: Deadline
    ) -> list[Outcome]:
        """See RecordSource."""
        return await self.transaction(
            lambda connection, job: sql_write.delete(self._written(connection, job, owner), keys),
            deadline,
            write=True,
        )


def _altered(name: str) -> QueryFailed:
    return QueryFailed(
        Text(f"Table '{name}' has just been altered", f"A tabela '{name}' acaba de ser alterada"),
        suggestion=Text("Try again", "Tente novamente"),
    )
