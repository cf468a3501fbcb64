"""A PostgreSQL that refuses, hangs up, denies or changes: each gives its error in time, and nothing is lost."""

import asyncio
import struct
import time
from dataclasses import replace

import psycopg
import pytest

from tests.fakes.tcp_proxy import tcp_proxy, tcp_server
from tests.integration.sources.helpers import soon
from tests.integration.sources.postgresql import database, place, schema
from tests.integration.sources.postgresql_faults import (
    backends,
    failing_step,
    opened,
    proxied,
    table,
)
from tests.integration.sources.sql_faults import SLOW, until
from wuzapi_manager_server.domain.connection import Postgresql
from wuzapi_manager_server.domain.table import Fault
from wuzapi_manager_server.errors import (
    ConnectionFailed,
    CredentialsRejected,
    OutcomeUnknown,
    PermissionDenied,
    QueryFailed,
    ServiceError,
    TimedOut,
)
from wuzapi_manager_server.sources.base import Query
from wuzapi_manager_server.sources.postgresql import PostgresqlSource

__all__ = ["database", "place", "schema", "table"]


async def test_a_server_that_refuses(table: Postgresql) -> None:
    """Nothing listens: the error comes at once, and the test of the connection ends at `connect`."""
    async with tcp_proxy(table.host, table.port) as proxy:
        port = proxy.port
    async with opened(replace(table, host="127.0.0.1", port=port)) as source:
        with pytest.raises(ConnectionFailed):
            await source.describe(soon())
        assert await failing_step(source) == "connect"


async def test_a_name_without_address_and_a_host_that_may_not_be(table: Postgresql) -> None:
    """Neither is connected to; the test of the connection ends at `resolve`."""
    async with opened(replace(table, host="no-such-host.invalid")) as source:
        with pytest.raises(ConnectionFailed):
            await source.describe(soon())
        assert await failing_step(source) == "resolve"
    async with opened(replace(table, host="10.1.2.3")) as source:
        with pytest.raises(PermissionDenied):
            await source.describe(soon())


async def test_a_server_that_says_nothing(table: Postgresql) -> None:
    """A socket that accepts and is silent costs no more than the deadline, and ends at `tls`."""
    async with proxied(table) as (proxy, source):
        proxy.deaf = True
        began = time.monotonic()
        with pytest.raises((TimedOut, ConnectionFailed)):
            await source.describe(soon(1.0))
        assert time.monotonic() - began < SLOW / 2
        assert await failing_step(source) == "tls"
        proxy.deaf = False
        assert await source.count(None, None, soon()) == 9


def error_response(state: str) -> bytes:
    fields = b"SFATAL\0VFATAL\0C" + state.encode() + b"\0Msecret text of the server\0\0"
    return b"E" + struct.pack("!I", len(fields) + 4) + fields


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("28P01", CredentialsRejected),
        ("28000", CredentialsRejected),
        ("3D000", QueryFailed),
        ("53300", ConnectionFailed),
        ("57P03", ConnectionFailed),
        ("42501", QueryFailed),
    ],
)
async def test_a_server_that_lets_nobody_in(table: Postgresql, state: str, error: type[ServiceError]) -> None:
    """What the server says while connecting is told by its code, without its words; the test ends at `authenticate`."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(8):
            writer.write(b"N")
            if await reader.read(1000):
                writer.write(error_response(state))

    async with tcp_server(refuse) as port, opened(replace(table, port=port)) as source:
        with pytest.raises(error) as refused:
            await source.describe(soon())
        assert "secret" not in refused.value.text.en
        fault = Fault.TRANSIENT if error is ConnectionFailed else Fault.CONFIG
        assert await failing_step(source, fault) == "authenticate"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"S" + b"\0" * 100, b"E" + b"\xff" * 100])
async def test_a_server_that_is_something_else(table: Postgresql, answer: bytes) -> None:
    """Garbage in place of PostgreSQL is a source that cannot be reached."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(answer)

    async with tcp_server(babble) as port, opened(replace(table, port=port)) as source:
        with pytest.raises(ConnectionFailed):
            await source.describe(soon(10.0))
        assert await failing_step(source) in {"tls", "authenticate"}


async def test_a_connection_that_is_cut_in_mid_answer(table: Postgresql) -> None:
    """A read fails as a source that cannot be reached; the next call works, by another connection."""
    async with proxied(table) as (proxy, source):
        await source.describe(soon())
        proxy.watch = lambda side, _: side == "server"
        with pytest.raises(ConnectionFailed):
            await source.fetch(Query(None, limit=9), soon())
        proxy.watch = lambda *_: False
        assert len(await source.fetch(Query(None, limit=9), soon())) == 9


async def test_a_write_that_is_cut_before_it_is_saved(database: psycopg.Connection, table: Postgresql) -> None:
    """Nothing is written, and the error says that nothing was."""
    async with proxied(table) as (proxy, source):
        await source.describe(soon())
        proxy.watch = lambda side, data: side == "client" and b"INSERT" in data
        with pytest.raises(ConnectionFailed):
            await source.insert([{"id": at, "n": 1} for at in range(10, 20)], None, soon())
        proxy.watch = lambda *_: False
        assert await source.count(None, None, soon()) == 9
        assert len(await source.insert([{"id": 10, "n": 1}], None, soon())) == 1


@pytest.mark.parametrize(("count", "saved_by"), [(1, b"INSERT"), (2, b"COMMIT")])
@pytest.mark.parametrize("arrives", [False, True])
async def test_a_write_that_is_cut_while_it_is_saved(
    database: psycopg.Connection, table: Postgresql, count: int, saved_by: bytes, *, arrives: bool
) -> None:
    """Where what saves it gets no answer, nobody can say whether it was carried out, and the error says that."""
    async with proxied(table) as (proxy, source):
        await source.describe(soon())
        saving = False

        def watch(side: str, data: bytes) -> bool:
            nonlocal saving
            saving = saving or (side == "client" and saved_by in data)
            return saving and (side == "server" or not arrives)

        proxy.watch = watch
        with pytest.raises(OutcomeUnknown):
            await source.insert([{"id": 10 + at, "n": 1} for at in range(count)], None, soon())
        proxy.watch = lambda *_: False
        await until(lambda: not backends(database, "state = 'active'"))
        assert await source.count(None, None, soon()) == (9 + count if arrives else 9)


async def test_one_row_that_gets_no_answer(table: Postgresql) -> None:
    """A server that falls silent over it: nobody can say, and the call does not wait for long."""
    async with proxied(table) as (proxy, source):
        await source.describe(soon())
        proxy.deaf = True
        with pytest.raises(OutcomeUnknown):
            await source.insert([{"id": 10, "n": 1}], None, soon(0.5))


async def test_connections_that_the_server_ended_are_replaced_unnoticed(
    database: psycopg.Connection, table: Postgresql
) -> None:
    """A server that restarts between two calls costs no call."""
    async with opened(table) as source:
        await asyncio.gather(*(source.count(None, None, soon()) for _ in range(8)))
        alive = backends(database)
        assert 1 <= alive <= 4
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'wuzapi-manager'"
        )
        await until(lambda: backends(database) == 0)
        assert await source.count(None, None, soon()) == 9
        assert len(await source.insert([{"id": 10, "n": 1}], None, soon())) == 1


async def test_a_connection_that_is_killed_amid_an_export(database: psycopg.Connection, table: Postgresql) -> None:
    """The export ends as a source that cannot be reached, and its place is free for others."""
    database.execute("ALTER TABLE t ADD x text")
    database.execute("INSERT INTO t SELECT g, 0, repeat('x', 9000) FROM generate_series(10, 5000) g")

    async def export(source: PostgresqlSource) -> None:
        async for _ in source.stream(Query(None), soon):
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'wuzapi-manager'"
            )

    async with opened(table) as source:
        for _ in range(5):  # more than there are connections
            with pytest.raises(ConnectionFailed):
                await export(source)
        assert await source.count(None, None, soon()) == 5000
