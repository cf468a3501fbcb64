"""A PostgreSQL that refuses, hangs, hangs up, denies or changes: each gives its error in time, and nothing is lost."""

import asyncio
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.fakes.tcp_proxy import TcpProxy, tcp_proxy, tcp_server
from tests.integration.server.certificates import Authority
from tests.integration.sources.helpers import soon
from tests.integration.sources.postgresql import GUARD, configuration, database, place, schema
from wuzapi_manager_server.domain.connection import Postgresql, TlsMode
from wuzapi_manager_server.domain.table import Fault
from wuzapi_manager_server.errors import (
    AlreadyExists,
    Conflict,
    ConnectionFailed,
    CredentialsRejected,
    OutcomeUnknown,
    PermissionDenied,
    QueryFailed,
    ServiceError,
    TimedOut,
)
from wuzapi_manager_server.sources.base import Change, Query
from wuzapi_manager_server.sources.postgresql import PostgresqlEngine, PostgresqlSource
from wuzapi_manager_server.sources.sql_pool import Limits
from wuzapi_manager_server.upstreams.addresses import AddressGuard

__all__ = ["database", "place", "schema"]

SLOW = 30.0
"""Seconds that a busy machine may take for what a test does not measure."""


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


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what another process does."""
    end = time.monotonic() + SLOW
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


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


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_write_that_is_cut_while_it_is_saved(
    database: psycopg.Connection, table: Postgresql, *, arrives: bool
) -> None:
    """Where COMMIT gets no answer, nobody can say whether it was carried out, and the error says that."""
    async with proxied(table) as (proxy, source):
        await source.describe(soon())
        committing = False

        def watch(side: str, data: bytes) -> bool:
            nonlocal committing
            committing = committing or (side == "client" and b"COMMIT" in data)
            return committing and (side == "server" or not arrives)

        proxy.watch = watch
        with pytest.raises(OutcomeUnknown):
            await source.insert([{"id": 10, "n": 1}], None, soon())
        proxy.watch = lambda *_: False
        assert await source.count(None, None, soon()) == (10 if arrives else 9)


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


def slow_view(database: psycopg.Connection, table: Postgresql) -> Postgresql:
    database.execute("CREATE VIEW slow AS SELECT g AS n, pg_sleep(60)::text AS s FROM generate_series(1, 9) g")
    return replace(table, table_name="slow")


SLEEPING = "state = 'active' AND wait_event = 'PgSleep'"


async def test_a_statement_ends_with_the_deadline(database: psycopg.Connection, table: Postgresql) -> None:
    """At the caller's deadline the server stops working too, and the connection is of use again."""
    async with opened(slow_view(database, table)) as source:
        await source.describe(soon())
        with pytest.raises(TimedOut):
            await source.fetch(Query(None, limit=9), soon(0.5))
        await until(lambda: backends(database, SLEEPING) == 0)
        assert (await source.describe(soon())).columns
    async with opened(replace(table, table_name="slow"), longest=0.5) as source:
        with pytest.raises(TimedOut):
            await source.fetch(Query(None, limit=9), soon())
        await until(lambda: backends(database, SLEEPING) == 0)


async def test_a_caller_who_leaves_stops_the_statement(database: psycopg.Connection, table: Postgresql) -> None:
    """When the call is cancelled, the server stops, and the slot is free again."""
    async with opened(slow_view(database, table)) as source:
        await source.describe(soon())
        calls = [asyncio.create_task(source.fetch(Query(None, limit=9), soon())) for _ in range(4)]
        await until(lambda: backends(database, SLEEPING) == 4)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await until(lambda: backends(database, SLEEPING) == 0)
        source.forget()
        assert (await source.describe(soon())).columns


async def test_a_dead_server_holds_no_thread(table: Postgresql) -> None:
    """A server that falls silent in mid-statement costs the deadline, and the thread comes free soon after."""
    async with proxied(table) as (proxy, source):
        await source.describe(soon())
        proxy.deaf = True
        calls: list[Awaitable[object]] = [source.count(None, None, soon(1.0)) for _ in range(6)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, TimedOut | ConnectionFailed) for result in results)
        proxy.deaf = False
        assert await source.count(None, None, soon()) == 9


async def test_a_full_pool(database: psycopg.Connection, table: Postgresql) -> None:
    """Whoever finds all connections at work waits a bounded time, and is told so; then all is as before."""
    async with opened(slow_view(database, table)) as source:
        await source.describe(soon())
        calls = [asyncio.create_task(source.fetch(Query(None, limit=9), soon())) for _ in range(4)]
        await until(lambda: backends(database, SLEEPING) == 4)
        with pytest.raises(TimedOut):
            await source.count(None, None, soon(0.5))
        assert backends(database) == 4
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_row_that_another_holds_locked(database: psycopg.Connection, table: Postgresql) -> None:
    """A lock is waited for a bounded time; nothing is written then, and later it is."""
    async with opened(table) as source:
        await source.describe(soon())
        with database.transaction():
            database.execute("UPDATE t SET n = 5 WHERE id = 1")
            with pytest.raises((TimedOut, ConnectionFailed)):
                await source.update([Change((1,), {"n": 7})], None, soon(0.7))
        await until(lambda: backends(database, "wait_event_type = 'Lock'") == 0)
        assert database.execute("SELECT n FROM t WHERE id = 1").fetchone() == (5,)
        await source.update([Change((1,), {"n": 7})], None, soon())
        assert database.execute("SELECT n FROM t WHERE id = 1").fetchone() == (7,)


async def test_a_deadlock_is_a_conflict(place: str, database: psycopg.Connection, table: Postgresql) -> None:
    """Of two writers that wait for each other, the one that the server gives up is told to try again."""
    async with opened(table) as source:
        await source.describe(soon())
        database.execute("BEGIN; UPDATE t SET n = 1 WHERE id = 2")
        call = asyncio.create_task(source.update([Change((1,), {"n": 2}), Change((2,), {"n": 2})], None, soon()))
        with psycopg.connect(place, autocommit=True) as watching:
            await until(lambda: backends(watching, "wait_event_type = 'Lock'") == 1)
        other = asyncio.get_running_loop().run_in_executor(None, database.execute, "UPDATE t SET n = 1 WHERE id = 1")
        with pytest.raises(Conflict):
            await call
        await other
        database.execute("COMMIT")
        assert database.execute("SELECT n FROM t WHERE id <= 2").fetchall() == [(1,), (1,)]


async def test_what_fails_when_it_is_saved(database: psycopg.Connection, table: Postgresql) -> None:
    """A constraint that is checked by COMMIT gives its own error, and nothing is written."""
    database.execute("UPDATE t SET n = id; ALTER TABLE t ADD UNIQUE (n) DEFERRABLE INITIALLY DEFERRED")
    async with opened(table) as source:
        with pytest.raises(AlreadyExists):
            await source.insert([{"id": 10, "n": 1}], None, soon())
        assert await source.count(None, None, soon()) == 9


async def test_a_table_that_is_altered_between_two_calls(database: psycopg.Connection, table: Postgresql) -> None:
    """A column that is dropped, renamed or of another type costs one call at most, and no value stands elsewhere."""
    async with opened(table) as source:
        for _ in range(8):  # by now the statement is prepared on every connection
            await source.fetch(Query(None, limit=1), soon())
        database.execute("ALTER TABLE t ALTER n TYPE text")
        await settled(source)
        database.execute("ALTER TABLE t ADD COLUMN m text DEFAULT 'm'; ALTER TABLE t DROP COLUMN n")
        await settled(source)
        described = await source.describe(soon())
        assert [column.name for column in described.columns] == ["id", "m"]
        rows = await source.fetch(Query(None, limit=1, table=described), soon())
        assert [row.cells for row in rows] == [(1, "m")]
        database.execute("DROP TABLE t")
        for _ in range(2):
            with pytest.raises(QueryFailed):
                await source.fetch(Query(None, limit=1), soon())


async def settled(source: PostgresqlSource) -> None:
    """One failure is allowed for each connection that the pool may hold."""
    for _ in range(5):
        try:
            await source.fetch(Query(None, limit=1), soon())
        except QueryFailed:
            continue
        return
    raise AssertionError("it did not settle")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.mark.parametrize(
    ("mode", "host", "trusted", "works"),
    [
        (TlsMode.PREFER, "127.0.0.1", False, True),
        (TlsMode.REQUIRE, "127.0.0.1", False, True),
        (TlsMode.VERIFY_CA, "127.0.0.1", True, True),
        (TlsMode.VERIFY_CA, "127.0.0.1", False, False),
        (TlsMode.VERIFY_FULL, "localhost", True, True),
        (TlsMode.VERIFY_FULL, "127.0.0.1", True, True),
        (TlsMode.VERIFY_FULL, "localhost", False, False),
    ],
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
