"""An open SQLite file: its few connections, and transactions on them."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from cysqlite import Error as DriverError
from cysqlite._cysqlite import Connection as Driver
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.observe import logger
from wuzapi_manager_server.sources import sqlite_dialect
from wuzapi_manager_server.sources.sql_statements import Statements
from wuzapi_manager_server.sources.sql_work import LONGEST_WAIT, Job, Workers
from wuzapi_manager_server.sources.sqlite_dialect import driver_of
from wuzapi_manager_server.sources.sqlite_errors import translated

T = TypeVar("T")

_FILE = "file"

CONNECTIONS = 4
"""Connections a file, and so transactions at once; one of them writes."""

STEPS = 20_000
"""Steps of SQLite's machine between two looks at the clock: about a millisecond."""


class SqliteFile:
    """A file that `users` sources share. The path is real: it holds no link.

    Transactions that take longer than `slow` seconds are logged.
    """

    def __init__(self, path: Path, executor: Executor, slow: float) -> None:
        self.path = path
        self._slow = slow
        self.users = 0
        self._workers = Workers(executor, CONNECTIONS)
        self._engine = sa.create_engine(
            URL.create(sqlite_dialect.NAME, database=str(path)),
            poolclass=QueuePool,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=LONGEST_WAIT,
            hide_parameters=True,
            execution_options={"compiled_cache": Statements()},
        )

    @property
    def writable(self) -> bool:
        """Whether the file, and the folder that its journal is made in, can be written."""
        return os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK | os.X_OK)

    async def run(self, work: Callable[[sa.Connection, Job], T], deadline: Deadline, *, write: bool) -> T:
        """Runs `work` in a thread within a transaction of its own."""

        def within(job: Job) -> T:
            began = time.monotonic()
            try:
                with self._transaction(job, write=write) as connection:
                    return work(connection, job)
            finally:
                took = time.monotonic() - began
                if took > self._slow:
                    logger().warning(
                        "slow query", source="sqlite", file=self.path.name, write=write, duration_ms=round(took * 1000)
                    )

        return await self._workers.run(within, deadline, write=write)

    @contextmanager
    def _transaction(self, job: Job, *, write: bool) -> Iterator[sa.Connection]:
        """A transaction that is committed at the end, rolled back at any error."""
        try:
            with self._engine.connect() as connection, _watched(connection, job) as driver:
                connection.info[_FILE] = self
                driver.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield connection
                if write:
                    job.begin_commit()
                    driver.set_busy_handler(job.patience())  # a COMMIT that others hold up is undone
                connection.commit()
        except DBAPIError as error:
            job.check()
            raise translated(error.orig) from error
        except DriverError as error:
            job.check()
            raise translated(error) from error

    async def close(self) -> None:
        """Ends what runs and closes the connections."""
        await self._workers.close()
        self._engine.dispose()


def file_of(connection: sa.Connection) -> SqliteFile:
    """The file that a connection within a transaction is to."""
    file = connection.info[_FILE]
    assert isinstance(file, SqliteFile)  # noqa: S101 - every transaction sets it
    return file


@contextmanager
def _watched(connection: sa.Connection, job: Job) -> Iterator[Driver]:
    """The driver's connection, which gives up when the job is to end and waits for locks no longer than it may."""
    driver = driver_of(connection)
    driver.set_busy_handler(job.patience())
    driver.progress(lambda: int(job.stopped()), STEPS)
    try:
        yield driver
    finally:
        driver.progress(None, 0)
        if driver.in_transaction:  # also where COMMIT failed, which SQLAlchemy takes for the end
            driver.rollback()
