"""TLS to PostgreSQL as the connection asks for it, and long streams."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.fakes.tcp_proxy import tcp_proxy, tcp_server
from tests.integration.server.certificates import Authority
from tests.integration.sources.helpers import soon
from tests.integration.sources.postgresql import database, place, schema
from tests.integration.sources.postgresql_faults import (
    backends,
    failing_step,
    opened,
    table,
)
from tests.integration.sources.sql_faults import TLS
from wuzapi_manager_server.domain.connection import Postgresql, TlsMode
from wuzapi_manager_server.domain.table import Fault
from wuzapi_manager_server.errors import (
    ConnectionFailed,
    TimedOut,
)
from wuzapi_manager_server.sources.base import Query

__all__ = ["database", "place", "schema", "table"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.mark.parametrize(
    ("mode", "host", "trusted", "works"),
    TLS,
)
async def test_tls_as_the_connection_asks(
    monkeypatch: pytest.MonkeyPatch,
    authority: Authority,
    tmp_path: Path,
    table: Postgresql,
    mode: TlsMode,
    host: str,
    *,
    trusted: bool,
    works: bool,
) -> None:
    """Each mode checks what it says: the authority, and the name although the address is the one connected to."""
    (tmp_path / "other").mkdir()
    known = authority if trusted else Authority(tmp_path / "other", "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(known.file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("server"))
    async with (
        tcp_proxy(table.host, table.port, context) as proxy,
        opened(replace(table, host=host, port=proxy.port, tls_mode=mode)) as source,
    ):
        if works:
            assert await source.count(None, None, soon()) == 9
            assert all(step.ok for step in await source.test("n", soon()))
        else:
            with pytest.raises(ConnectionFailed):
                await source.count(None, None, soon())
            assert await failing_step(source, Fault.CONFIG) == "tls"


async def test_a_certificate_of_another_name(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, table: Postgresql
) -> None:
    """VERIFY_FULL refuses a certificate that holds for another host; VERIFY_CA takes it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("server", dns="another.example"))
    async with tcp_proxy(table.host, table.port, context) as proxy:
        for mode, works in ((TlsMode.VERIFY_FULL, False), (TlsMode.VERIFY_CA, True)):
            async with opened(replace(table, host="localhost", port=proxy.port, tls_mode=mode)) as source:
                steps = await source.test("n", soon())
                assert all(step.ok for step in steps) is works
                assert works or steps[-1].name == "tls"


@pytest.mark.parametrize("mode", [TlsMode.REQUIRE, TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL])
async def test_a_server_without_tls_where_that_is_asked_for(table: Postgresql, mode: TlsMode) -> None:
    """Nothing is said to it; the test of the connection ends at `tls`."""
    nothing: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(8):
            writer.write(b"N")
        nothing.append(await reader.read(1))

    async with tcp_server(plain) as port, opened(replace(table, port=port, tls_mode=mode)) as source:
        with pytest.raises(ConnectionFailed):
            await source.describe(soon())
        assert await failing_step(source, Fault.CONFIG) == "tls"
    assert not b"".join(nothing)


async def test_a_stream_of_many_rows_ends_early_and_late(database: psycopg.Connection, table: Postgresql) -> None:
    """A stream that is left gives its connection back; two may be read at once, and others wait."""
    database.execute("INSERT INTO t SELECT g, 0 FROM generate_series(10, 5000) g")
    async with opened(table) as source:
        for _ in range(5):
            stream = source.stream(Query(None), soon)
            assert len(await anext(stream)) == 1000
            await stream.aclose()
        one, two = source.stream(Query(None), soon), source.stream(Query(None), soon)
        await anext(one)
        await anext(two)
        assert await source.count(None, None, soon()) == 5000
        third = source.stream(Query(None), lambda: soon(0.3))
        with pytest.raises((TimedOut, ConnectionFailed)):
            await anext(third)
        assert sum([len(rows) async for rows in one]) == 4000
        await two.aclose()
        assert sum([len(rows) async for rows in source.stream(Query(None), soon)]) == 5000
        assert backends(database, "state LIKE 'idle in%'") == 0
