"""Tables on SQL servers: a few connections each, made when they are needed, and transactions on them in threads."""

import asyncio
import select
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, Pool, QueuePool

from wuzapi_manager_server.domain.connection import SqlServer
from wuzapi_manager_server.domain.deadline import Deadline, timed_out
from wuzapi_manager_server.duty import finished
from wuzapi_manager_server.errors import ConnectionFailed, ServiceError, Text
from wuzapi_manager_server.observe import logger
from wuzapi_manager_server.sources.sql_driver import Driver
from wuzapi_manager_server.sources.sql_statements import Statements
from wuzapi_manager_server.sources.sql_table import Altered
from wuzapi_manager_server.sources.sql_work import LONGEST_WAIT, Job, Turn, Workers, crowded, outcome_unknown
from wuzapi_manager_server.upstreams.addresses import AddressGuard

T = TypeVar("T")

CONNECTIONS = 4
"""Transactions at once on one database as one user, and connections; at most one fewer more where writes are apart."""

LIFE = 1800.0
"""Seconds until a connection is replaced when it is next asked for."""

IDLE = 60.0
"""Seconds without work after which the connections are closed."""

UNPROVEN = 30.0
"""Seconds of rest after which a connection is asked whether it still answers before it works again."""


class Limits(NamedTuple):
    """The longest statement, and when one is logged as slow, in seconds."""

    timeout: float
    slow: float


class ServerPool:
    """The connections to one database, shared by `sources`. Nothing is contacted until the first `run`."""

    def __init__(
        self, server: SqlServer, driver: Driver, guard: AddressGuard, executor: Executor, limits: Limits
    ) -> None:
        self.server = server
        self.port = server.port or driver.port
        self.sources = 0
        self._driver = driver
        self._guard = guard
        self._executor = executor
        self._limits = limits
        self._workers = Workers(executor, CONNECTIONS, writers=CONNECTIONS - 1)
        self._thread = threading.local()
        self._making = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engines: dict[bool, sa.Engine] = {}
        self._resting: asyncio.TimerHandle | None = None
        self._disposal: asyncio.Future[None] | None = None
        self._users = 0

    async def resolve(self, deadline: Deadline) -> list[str]:
        """The server's addresses, every one of which is allowed. ConnectionFailed, PermissionDenied, TimedOut."""
        return await self._guard.resolve(self.server.host, self.port, deadline)

    def capped(self, deadline: Deadline) -> Deadline:
        """The deadline, no later than the longest statement takes."""
        return min(deadline, Deadline.after(self._limits.timeout), key=lambda moment: moment.at)

    async def run(
        self, work: Callable[[sa.Connection, Job], T], deadline: Deadline, *, write: bool = False, alone: bool = False
    ) -> T:
        """Runs `work` in a thread: a `write` as one transaction, else each statement for itself.

        `alone`: one of these statements writes.

        ConnectionFailed, CredentialsRejected, TimedOut, what the driver's errors mean, and OutcomeUnknown where the
        connection broke in COMMIT, or in a statement that saves itself.
        """
        with self._in_use():
            return await self._workers.run(
                lambda job: self._once(work, job, write=write), self.capped(deadline), write=write or alone
            )

    @asynccontextmanager
    async def session(self, deadline: Deadline) -> AsyncIterator["Session"]:
        """A connection for several pieces of work, one after another, in one transaction that is rolled back."""
        with self._in_use():
            async with self._workers.turn(deadline) as turn:
                session = Session(self, turn)
                try:
                    yield session
                finally:
                    await finished(session.end())

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Keeps the connections while somebody uses them, and closes them when nobody has for IDLE seconds."""
        self._loop = asyncio.get_running_loop()
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users and self._engines:
                self._resting = self._loop.call_later(IDLE, self._rest)

    def _rest(self) -> None:
        """Closes the connections. What SQLAlchemy has learned of the server, in five or six turns, it keeps."""
        self._resting = None
        if self._loop is not None:
            self._disposal = self._loop.run_in_executor(self._executor, _close, self._taken_pools())

    def _taken_pools(self) -> list[Pool]:
        """The pools of now: who comes next finds empty ones."""
        engines = list(self._engines.values())
        pools = [engine.pool for engine in engines]
        for engine in engines:
            engine.dispose(close=False)
        return pools

    def _once(self, work: Callable[[sa.Connection, Job], T], job: Job, *, write: bool) -> T:
        began = time.monotonic()
        try:
            with self.faults(job), self.connected(job, write=write) as connection, self._renewed(connection):
                if write:
                    self._driver.begin(raw_of(connection))
                result = work(connection, job)
                if write:
                    job.begin_commit()
                    connection.commit()
                return result
        finally:
            took = time.monotonic() - began
            if took > self._limits.slow:
                logger().warning("slow query", source=self._driver.name, write=write, duration_ms=round(took * 1000))

    @contextmanager
    def _renewed(self, connection: sa.Connection) -> Iterator[None]:
        """Closes the connections that count on a table as it was, once one of them has failed for it."""
        try:
            yield
        except exc.DBAPIError as error:
            told = self._driver.translated(error.orig)
            if isinstance(told, Altered) and told.stale:
                connection.invalidate()
                connection.engine.dispose()
            raise

    @contextmanager
    def faults(self, job: Job) -> Iterator[None]:
        """Turns the driver's failures within into those of the protocol."""
        try:
            yield
        except exc.TimeoutError as error:
            raise crowded() from error
        except exc.DBAPIError as error:
            if job.saving and error.connection_invalidated:
                raise outcome_unknown() from error
            job.check()
            raise self._driver.translated(error.orig) from error
        except self._driver.error as error:
            job.check()
            raise self._driver.translated(error) from error

    def connected(self, job: Job, *, write: bool = False) -> sa.Connection:
        """A connection of the pool that works for the job; in the thread that uses it."""
        self._thread.job = job
        apart = write and self._driver.writes_apart
        with self._making:
            engine = self._engines.get(apart)
            if engine is None:
                engine = self._engines[apart] = self._made(write=apart)
        return engine.connect()

    def adopt(self, connection: sa.Connection, job: Job) -> None:
        """Has a connection that is kept work for another job."""
        self._driver.adopt(raw_of(connection), job)

    def begin(self, connection: sa.Connection) -> None:
        """Begins a transaction."""
        self._driver.begin(raw_of(connection))

    def _made(self, *, write: bool) -> sa.Engine:
        engine = sa.create_engine(
            self._driver.url(),
            creator=partial(self._connect, write=write),
            poolclass=QueuePool,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=LONGEST_WAIT,
            pool_recycle=LIFE,
            pool_use_lifo=True,
            hide_parameters=True,
            execution_options={"compiled_cache": Statements()},
            **self._driver.options,
        )
        event.listen(engine, "checkin", _note_rest)
        event.listen(engine, "checkout", self._check)
        return engine

    def _connect(self, *, write: bool) -> DBAPIConnection:
        job: Job = self._thread.job
        addresses = self._addresses(job)
        for at, address in enumerate(addresses):
            job.check()
            try:
                patience = job.patience() / (len(addresses) - at)
                return self._driver.connect(self.server, address, self.port, patience, job, write=write)
            except self._driver.error as error:
                job.check()
                if at == len(addresses) - 1 or not isinstance(self._driver.translated(error), ConnectionFailed):
                    raise
        raise ConnectionFailed(Text("The host has no address", "O servidor não tem endereço"))

    def _addresses(self, job: Job) -> list[str]:
        """Resolved anew for each connection: the addresses that were checked are the ones connected to."""
        assert self._loop is not None  # noqa: S101 - set before any thread works
        asked = asyncio.run_coroutine_threadsafe(self.resolve(job.deadline), self._loop)
        try:
            return asked.result(job.deadline.remaining())
        except TimeoutError:
            asked.cancel()
            raise timed_out() from None
        except CancelledError:
            raise timed_out() from None

    def _check(self, raw: DBAPIConnection, entry: ConnectionPoolEntry, _: object) -> None:
        """Looks at a connection that has rested: what a server ended meanwhile is replaced unnoticed."""
        self._driver.adopt(raw, self._thread.job)
        since = entry.info.get(_SINCE)
        if since is None:
            return
        if _hung_up(self._driver.fileno(raw)):
            raise exc.DisconnectionError
        if time.monotonic() - since > UNPROVEN:
            try:
                self._driver.ping(raw)
            except self._driver.error as error:
                raise exc.DisconnectionError from error

    async def close(self) -> None:
        """Ends what runs, and closes the connections."""
        if self._resting is not None:
            self._resting.cancel()
        await self._workers.close()
        _close(self._taken_pools())


class ServerPools:
    """The pools of one engine: tables of the same database, reached by the same user in the same way, share one."""

    def __init__(self, driver: Driver, guard: AddressGuard, executor: Executor, limits: Limits) -> None:
        self._make = partial(ServerPool, driver=driver, guard=guard, executor=executor, limits=limits)
        self._pools: dict[SqlServer, ServerPool] = {}

    def open(self, server: SqlServer) -> ServerPool:
        """The pool of that database; each who opens it gives it back once with `release`."""
        key = replace(server, table_name="", schema="")
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = self._make(key)
        pool.sources += 1
        return pool

    async def release(self, pool: ServerPool) -> None:
        """Gives back a pool that was opened; the last one closes it."""
        pool.sources -= 1
        if pool.sources == 0:
            del self._pools[pool.server]
            await pool.close()


class Session:
    """A connection that somebody keeps; see ServerPool.session."""

    def __init__(self, pool: ServerPool, turn: Turn) -> None:
        self._pool = pool
        self._turn = turn
        self._connection: sa.Connection | None = None
        self.at_end: Callable[[], None] = lambda: None
        """What is to be closed before the transaction ends, in its thread."""

    async def run(self, work: Callable[[sa.Connection, Job], T], deadline: Deadline) -> T:
        """Runs `work` in a thread, within the transaction. After any failure the session is of no use any more."""

        def within(job: Job) -> T:
            with self._pool.faults(job):
                connection = self._connection
                if connection is None:
                    connection = self._connection = self._pool.connected(job)
                    self._pool.begin(connection)
                else:
                    self._pool.adopt(connection, job)
                return work(connection, job)

        return await self._turn.run(within, self._pool.capped(deadline))

    async def end(self) -> None:
        """Ends the transaction and gives the connection back; one that is still at work is closed."""

        def close(job: Job) -> None:
            connection = self._connection
            if connection is None:
                return
            with self._pool.faults(job):
                if not connection.invalidated:  # else only our own end is left to close
                    self._pool.adopt(connection, job)
                with connection:
                    self.at_end()

        with suppress(ServiceError, exc.InvalidRequestError):
            await self._turn.run(close, Deadline.after(LONGEST_WAIT))


def _close(pools: list[Pool]) -> None:
    for pool in pools:
        pool.dispose()


_SINCE = "resting since"


def _note_rest(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
    entry.info[_SINCE] = time.monotonic()


def _hung_up(socket: int) -> bool:
    """Whether a server said something, which on a resting connection is good-bye, or closed it."""
    if socket < 0:
        return True
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


def raw_of(connection: sa.Connection) -> DBAPIConnection:
    """The driver's own connection below SQLAlchemy's."""
    raw = connection.connection.dbapi_connection
    assert raw is not None  # noqa: S101 - None only after it was closed
    return raw
