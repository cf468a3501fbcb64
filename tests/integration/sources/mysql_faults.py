"""What the tests of MySQL's faults share."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.contract.mysql_source import MysqlPlace
from tests.fakes.tcp_proxy import TcpProxy, tcp_proxy
from tests.integration.sources.helpers import soon
from tests.integration.sources.mysql import GUARD, Run, configuration
from tests.integration.sources.sql_faults import SLOW
from wuzapi_manager_server.domain.connection import Mysql
from wuzapi_manager_server.errors import (
    QueryFailed,
)
from wuzapi_manager_server.sources.base import Query
from wuzapi_manager_server.sources.mysql import MysqlEngine, MysqlSource
from wuzapi_manager_server.sources.sql_pool import Limits
from wuzapi_manager_server.upstreams.addresses import AddressGuard


@asynccontextmanager
async def opened(where: Mysql, longest: float = SLOW) -> AsyncIterator[MysqlSource]:
    with ThreadPoolExecutor(8) as executor:
        source = MysqlEngine(AddressGuard(GUARD), executor, Limits(longest, SLOW)).open(where)
        try:
            yield source
        finally:
            await source.close()


@pytest.fixture
def table(run: Run, place: MysqlPlace) -> Mysql:
    """A table of a few rows."""
    run("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
    run("INSERT INTO t SELECT seq, 0 FROM seq_1_to_9")
    return configuration(place, "t")


@asynccontextmanager
async def proxied(table: Mysql) -> AsyncIterator[tuple[TcpProxy, MysqlSource]]:
    async with (
        tcp_proxy(table.host, table.port) as proxy,
        opened(replace(table, host="127.0.0.1", port=proxy.port)) as source,
    ):
        yield proxy, source


def others(run: Run, what: str = "TRUE") -> list[int]:
    """The connections to the test's database but its own."""
    rows = run(
        "SELECT ID FROM information_schema.PROCESSLIST"
        f" WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND COMMAND <> 'Killed' AND ({what})"
    )
    return [int(str(row[0])) for row in rows]


async def failing_step(source: MysqlSource) -> str:
    step = (await source.test("", soon()))[-1]
    assert not step.ok
    assert step.message
    assert step.suggestion
    return step.name


def packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


GREETING = b"\x0a5.5.5-10.11.0-MariaDB\0" + b"\1\0\0\0" + b"saltsalt\0" + b"\x0f\xf7" + b"\x2d\2\0" + b"\x0f\x80\x15"


async def settled(source: MysqlSource) -> None:
    """One failure is allowed."""
    try:
        await source.fetch(Query(None, limit=1), soon())
    except QueryFailed:
        await source.fetch(Query(None, limit=1), soon())
