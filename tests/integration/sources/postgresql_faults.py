"""What the tests of PostgreSQL's faults share."""

import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace

import psycopg
import pytest

from tests.fakes.tcp_proxy import TcpProxy, tcp_proxy
from tests.integration.sources.helpers import soon
from tests.integration.sources.postgresql import GUARD, configuration
from tests.integration.sources.sql_faults import SLOW
from wuzapi_manager_server.domain.connection import Postgresql
from wuzapi_manager_server.domain.table import Fault
from wuzapi_manager_server.errors import (
    QueryFailed,
)
from wuzapi_manager_server.sources.base import Query
from wuzapi_manager_server.sources.postgresql import PostgresqlEngine, PostgresqlSource
from wuzapi_manager_server.sources.sql_pool import Limits
from wuzapi_manager_server.upstreams.addresses import AddressGuard


@asynccontextmanager
async def opened(where: Postgresql, longest: float = SLOW) -> AsyncIterator[PostgresqlSource]:
    with ThreadPoolExecutor(8) as executor:
        source = PostgresqlEngine(AddressGuard(GUARD), executor, Limits(longest, SLOW)).open(where)
        try:
            yield source
        finally:
            await source.close()


@pytest.fixture
def table(database: psycopg.Connection, place: str, schema: str) -> Postgresql:
    """A table of a few rows."""
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 9) g"
    )
    end = time.monotonic() + SLOW
    while backends(database):  # those of the test before, of which the server hears the end later
        assert time.monotonic() < end
    return configuration(place, "t", schema)


@asynccontextmanager
async def proxied(table: Postgresql) -> AsyncIterator[tuple[TcpProxy, PostgresqlSource]]:
    async with (
        tcp_proxy(table.host, table.port) as proxy,
        opened(replace(table, host="127.0.0.1", port=proxy.port)) as source,
    ):
        yield proxy, source


def backends(database: psycopg.Connection, what: str = "true") -> int:
    """How many connections of sources there are now."""
    row = database.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        f" AND application_name = 'wuzapi-manager' AND {what}".encode()
    ).fetchone()
    assert row is not None
    return int(row[0])


async def failing_step(source: PostgresqlSource, fault: Fault = Fault.TRANSIENT) -> str:
    step = (await source.test("", soon()))[-1]
    assert not step.ok
    assert step.message
    assert step.suggestion
    assert step.fault is fault
    return step.name


async def settled(source: PostgresqlSource) -> None:
    """One failure is allowed for each connection that the pool may hold."""
    for _ in range(5):
        try:
            await source.fetch(Query(None, limit=1), soon())
        except QueryFailed:
            continue
        return
    raise AssertionError("it did not settle")
