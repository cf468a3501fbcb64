"""A table on a SQL server as a source of records: what PostgreSQL and MySQL share."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple, TypeVar

import sqlalchemy as sa

from wuzapi_manager_server.domain.connection import SqlServer
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.rows import Rows
from wuzapi_manager_server.domain.table import SourceTables, Step, Table
from wuzapi_manager_server.errors import ConnectionFailed, QueryFailed, ServiceError, Text
from wuzapi_manager_server.sources.base import Query
from wuzapi_manager_server.sources.sql import DESCRIPTION_LIFE, SqlSource
from wuzapi_manager_server.sources.sql_pool import ServerPools
from wuzapi_manager_server.sources.sql_read import Reading
from wuzapi_manager_server.sources.sql_table import Altered, NoTable, SqlTable
from wuzapi_manager_server.sources.sql_work import LONGEST_WAIT, Job, closed
from wuzapi_manager_server.sources.trial import PORT_ANSWERS, addresses_found, table_steps, tried

T = TypeVar("T")

STREAMED = 1000
"""Rows in one list of a stream."""


class Place(NamedTuple):
    """Where a table is."""

    schema: str
    name: str


class ServerSource(SqlSource):
    """Table `place` of a server. The description is asked for once a minute, and after any doubt of it."""

    def __init__(self, pools: ServerPools, server: SqlServer, place: Place) -> None:
        super().__init__()
        self._pools = pools
        self._pool = pools.open(server)
        self._open = True
        self._place = place

    @abstractmethod
    def read_table(self, connection: sa.Connection, place: Place) -> SqlTable:
        """The table or view as the server describes it. QueryFailed where there is none."""

    @abstractmethod
    def listed(self, connection: sa.Connection, after: Place, limit: int) -> list[Place]:
        """At most `limit` tables and views that can be read, by schema and name, behind `after`."""

    @abstractmethod
    async def try_tls(self, addresses: list[str], deadline: Deadline) -> Text:
        """How the way is protected, as far as the server's first words tell. ConnectionFailed, QueryFailed."""

    async def transaction(
        self, work: Callable[[sa.Connection, Job], T], deadline: Deadline, *, write: bool = False, alone: bool = False
    ) -> T:
        """See SqlSource. What is no `write` is not one transaction: each of its statements is for itself."""
        if not self._open:
            raise closed()
        try:
            return await self._pool.run(work, deadline, write=write, alone=alone)
        except Altered as error:
            self.forget()
            raise altered(self._place.name) from error

    def described(self, connection: sa.Connection, known: SqlTable | None) -> SqlTable:
        """See SqlSource. Columns are asked for by name, so one is never taken for another meanwhile."""
        if known is not None and self.described_since() <= DESCRIPTION_LIFE:
            return known
        return self.read_table(connection, self._place)

    async def stream(self, query: Query, deadline: Callable[[], Deadline]) -> AsyncGenerator[Rows]:
        """See RecordSource: one statement, read by a cursor of the server; so all rows are as they were at its start.

        A connection is kept meanwhile.
        """
        async with self._pool.session(deadline()) as session:

            def begin(connection: sa.Connection, _: Job) -> Reading:
                reading = Reading(connection, self._table(connection, query.table), query)
                session.at_end = reading.close
                return reading

            try:
                reading = await session.run(begin, deadline())
                async with _ahead(lambda: session.run(lambda *_: reading.rows(STREAMED), deadline())) as following:
                    while rows := await following():
                        yield rows
            except Altered as error:
                self.forget()
                raise altered(self._place.name) from error

    async def tables(self, after: tuple[str, str], limit: int, deadline: Deadline) -> SourceTables:
        """See RecordSource. Tables without a column are left out, and those that vanish while they are looked at."""

        def read(connection: sa.Connection, job: Job) -> SourceTables:
            last, more = Place(*after), True
            tables: list[Table] = []
            while more and not tables:
                places = self.listed(connection, last, limit + 1)
                more = len(places) > limit
                for last in places[:limit]:
                    job.check()
                    with suppress(NoTable):
                        tables.append(self.read_table(connection, last).table)
            return SourceTables(tuple(tables), more=more)

        return await self.transaction(read, deadline)

    async def test(self, user_link_field: str, deadline: Deadline) -> list[Step]:
        """See RecordSource."""
        self.forget()
        deadline = self._pool.capped(deadline)
        addresses: list[str] = []

        async def resolve() -> Text:
            addresses.extend(await self._pool.resolve(deadline))
            return addresses_found(addresses)

        async def connect() -> Text:
            _, writer = await reach(addresses, self._pool.port, deadline)
            writer.close()
            return PORT_ANSWERS

        async def tls() -> Text:
            return await self.try_tls(addresses, deadline)

        async def authenticate() -> Text:
            await self._pool.run(lambda *_: None, deadline)
            return Text("The server accepts the credentials", "O servidor aceita as credenciais")

        steps = {"resolve": resolve, "connect": connect, "tls": tls, "authenticate": authenticate}
        return await tried(steps | table_steps(self, user_link_field, deadline))

    async def close(self) -> None:
        """See RecordSource."""
        if self._open:
            self._open = False
            await self._pools.release(self._pool)


@asynccontextmanager
async def _ahead(read: Callable[[], Awaitable[Rows]]) -> AsyncIterator[Callable[[], Awaitable[Rows]]]:
    """Reads the next list while the last one is used; what was read ahead of the end is given up."""
    pending = asyncio.ensure_future(read())

    async def following() -> Rows:
        nonlocal pending
        rows = await pending
        if rows:
            pending = asyncio.ensure_future(read())
        return rows

    try:
        yield following
    finally:
        pending.cancel()
        with suppress(asyncio.CancelledError, ServiceError):
            await pending


async def reach(
    addresses: list[str], port: int, deadline: Deadline
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the first address that takes one. ConnectionFailed, TimedOut."""
    for address in addresses:
        try:
            async with asyncio.timeout(deadline.cap(LONGEST_WAIT)):
                return await asyncio.open_connection(address, port)
        except (OSError, TimeoutError):
            continue
    deadline.cap(LONGEST_WAIT)
    raise unreachable()


def unreachable() -> ConnectionFailed:
    """The error for a server that takes no connection."""
    return ConnectionFailed(
        Text("The server cannot be reached", "O servidor não pode ser alcançado"),
        suggestion=Text(
            "Check the host and port, and that the server runs and lets this service in",
            "Verifique o host e a porta e se o servidor está ativo e acessível a este serviço",
        ),
        retry_after=1.0,
    )


def altered(table: str) -> QueryFailed:
    """The error for a table that is not as it was described."""
    return QueryFailed(
        Text(
            f"Table '{table}', or a column of it, was altered or is not there any more",
            f"A tabela '{table}' ou um campo dela foi alterado ou não existe mais",
        ),
        suggestion=Text(
            "Try again; if it stays so, check the connection's table and mappings",
            "Tente novamente; se persistir, verifique a tabela e os mapeamentos da conexão",
        ),
        metadata={"table": table},
    )
