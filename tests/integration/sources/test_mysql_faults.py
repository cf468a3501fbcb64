"""A MySQL that refuses, hangs, hangs up, denies or changes: each gives its error in time, and nothing is half done."""

import asyncio
import select
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from tests.contract.mysql_source import MysqlPlace
from tests.fakes.tcp_proxy import TcpProxy, tcp_proxy, tcp_server
from tests.integration.server.certificates import Authority
from tests.integration.sources.helpers import soon
from tests.integration.sources.mysql import GUARD, Run, configuration, database, place, run
from wuzapi_manager_server.domain.connection import Mysql, TlsMode
from wuzapi_manager_server.domain.table import Fault
from wuzapi_manager_server.errors import (
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
from wuzapi_manager_server.sources.mysql import MysqlEngine, MysqlSource
from wuzapi_manager_server.sources.sql_pool import Limits
from wuzapi_manager_server.upstreams.addresses import AddressGuard

__all__ = ["database", "place", "run"]

SLOW = 30.0
"""Seconds that a busy machine may take for what a test does not measure."""


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


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what another process does."""
    end = time.monotonic() + SLOW
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


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


async def test_a_server_that_refuses(table: Mysql) -> None:
    """Nothing listens: the error comes at once, and the test of the connection ends at `connect`."""
    async with tcp_proxy(table.host, table.port) as proxy:
        port = proxy.port
    async with opened(replace(table, host="127.0.0.1", port=port)) as source:
        with pytest.raises(ConnectionFailed):
            await source.describe(soon())
        assert await failing_step(source) == "connect"


async def test_a_server_that_says_nothing(table: Mysql) -> None:
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


def packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def error_packet(number: int, code: int) -> bytes:
    return packet(number, b"\xff" + code.to_bytes(2, "little") + b"#HY000secret text of the server")


GREETING = b"\x0a5.5.5-10.11.0-MariaDB\0" + b"\1\0\0\0" + b"saltsalt\0" + b"\x0f\xf7" + b"\x2d\2\0" + b"\x0f\x80\x15"
GREETING += b"\0" * 10 + b"saltsaltsalt\0" + b"mysql_native_password\0"


@pytest.mark.parametrize(
    ("code", "error", "step"),
    [
        (1045, CredentialsRejected, "authenticate"),
        (1698, CredentialsRejected, "authenticate"),
        (1044, PermissionDenied, "authenticate"),
        (1049, QueryFailed, "authenticate"),
        (1130, CredentialsRejected, "tls"),
        (1040, ConnectionFailed, "tls"),
    ],
)
async def test_a_server_that_lets_nobody_in(table: Mysql, code: int, error: type[ServiceError], step: str) -> None:
    """What the server says while connecting is told by its number, without its words, and so is the step."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if step == "tls":
            writer.write(error_packet(0, code))
        else:
            writer.write(packet(0, GREETING))
            if await reader.read(1000):
                writer.write(error_packet(2, code))
        await writer.drain()
        await reader.read(1000)

    async with tcp_server(refuse) as port, opened(replace(table, port=port)) as source:
        with pytest.raises(error) as refused:
            await source.describe(soon())
        assert "secret" not in refused.value.text.en
        assert await failing_step(source) == step


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", packet(0, b"\x0a" * 40), packet(0, b"\x09old"), b"\xff" * 99]
)
async def test_a_server_that_is_something_else(table: Mysql, answer: bytes) -> None:
    """Garbage in place of MySQL is a source that cannot be reached."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with tcp_server(babble) as port, opened(replace(table, port=port)) as source:
        with pytest.raises(ServiceError) as refused:
            await source.describe(soon(10.0))
        assert isinstance(refused.value, ConnectionFailed)
        assert await failing_step(source) == "tls"


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"dialog"])
async def test_a_password_is_not_given_in_clear_text(table: Mysql, plugin: bytes) -> None:
    """A server that asks for the password itself does not get it where anybody could read along."""
    heard = bytearray()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(0, GREETING))
        heard.extend(await reader.read(1000))
        writer.write(packet(2, b"\xfe" + plugin + b"\0\x04Password: "))
        heard.extend(await reader.read(1000))

    async with tcp_server(ask) as port, opened(replace(table, port=port, secret="a secret of mine")) as source:
        with pytest.raises(QueryFailed):
            await source.describe(soon())
    assert heard
    assert b"a secret" not in heard


async def test_wrong_credentials_and_missing_rights(run: Run, table: Mysql) -> None:
    """A wrong password, a database and a table that the user may not see, and what is not there, are told apart."""
    user = f"u{uuid4().hex[:20]}"
    run(f"CREATE USER {user}@'%' IDENTIFIED BY 'right é'")
    try:
        mine = replace(table, username=user, secret="right é")
        async with opened(replace(mine, secret="wrong")) as source:
            with pytest.raises(CredentialsRejected):
                await source.describe(soon())
            assert await failing_step(source) == "authenticate"
        async with opened(mine) as source:
            with pytest.raises(PermissionDenied):
                await source.describe(soon())
        run("CREATE TABLE hidden (id INT PRIMARY KEY)")
        run(f"GRANT SELECT ON t TO {user}@'%'")
        async with opened(mine) as source:
            assert await source.count(None, None, soon()) == 9
            with pytest.raises(PermissionDenied):
                await source.insert([{"id": 10}], None, soon())
            assert [table.name for table in (await source.tables(("", ""), 10, soon())).tables] == ["t"]
        async with opened(replace(mine, table_name="hidden")) as source:
            with pytest.raises(QueryFailed):
                await source.describe(soon())
            assert await failing_step(source) == "table"
    finally:
        run(f"DROP USER {user}@'%'")
    async with opened(replace(table, database="no such database")) as source:
        with pytest.raises(QueryFailed):
            await source.describe(soon())


async def test_a_connection_that_is_cut_in_mid_answer(table: Mysql) -> None:
    """A read fails as a source that cannot be reached; the next call works, by another connection."""
    async with proxied(table) as (proxy, source):
        await source.describe(soon())
        proxy.watch = lambda side, _: side == "server"
        with pytest.raises(ConnectionFailed):
            await source.fetch(Query(None, limit=9), soon())
        proxy.watch = lambda *_: False
        assert len(await source.fetch(Query(None, limit=9), soon())) == 9


async def test_a_write_that_is_cut_before_it_is_saved(table: Mysql) -> None:
    """Nothing is written, and the error says that nothing was."""
    async with proxied(table) as (proxy, source):
        await source.describe(soon())
        for words in (b"INSERT", b"SELECT `"):
            proxy.watch = lambda side, data, words=words: side == "client" and words in data  # type: ignore[misc]  # one a turn
            with pytest.raises(ConnectionFailed):
                await source.insert([{"id": at, "n": 1} for at in range(10, 20)], None, soon())
            proxy.watch = lambda *_: False
            assert await source.count(None, None, soon()) == 9
        assert len(await source.insert([{"id": 10, "n": 1}], None, soon())) == 1


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_write_that_is_cut_while_it_is_saved(run: Run, table: Mysql, *, arrives: bool) -> None:
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
        await until(lambda: run("SELECT COUNT(*) FROM t")[0][0] == (10 if arrives else 9))
        assert await source.count(None, None, soon()) == (10 if arrives else 9)


async def test_connections_that_the_server_ended_are_replaced_unnoticed(run: Run, table: Mysql) -> None:
    """A server that kills connections between two calls costs no call."""
    async with opened(table) as source:
        await asyncio.gather(*(source.count(None, None, soon()) for _ in range(8)))
        alive = others(run)
        assert 1 <= len(alive) <= 4
        for each in alive:
            run(f"KILL {each}")
        await until(lambda: not others(run))
        assert await source.count(None, None, soon()) == 9
        assert len(await source.insert([{"id": 10, "n": 1}], None, soon())) == 1


def slow_view(run: Run, table: Mysql) -> Mysql:
    run("CREATE VIEW slow AS SELECT id, CAST(SLEEP(20) AS CHAR) AS s FROM t")
    return replace(table, table_name="slow")


SLEEPING = "STATE = 'User sleep'"


async def test_a_statement_ends_with_the_deadline(run: Run, table: Mysql) -> None:
    """At the caller's deadline the call ends; the server stops soon, by a bound of its own, and the next call works."""
    async with opened(slow_view(run, table)) as source:
        await source.describe(soon())
        began = time.monotonic()
        with pytest.raises(TimedOut):
            await source.fetch(Query(None, limit=9), soon(0.8))
        assert time.monotonic() - began < SLOW / 2
        await until(lambda: not others(run, SLEEPING))
        source.forget()
        assert (await source.describe(soon())).columns
    async with opened(replace(table, table_name="slow"), longest=1.0) as source:
        with pytest.raises(TimedOut):
            await source.fetch(Query(None, limit=9), soon())


async def test_a_server_that_bounds_its_statements_itself(run: Run, table: Mysql) -> None:
    """A statement that the server ends for its length is late, not broken."""
    async with opened(slow_view(run, table)) as source:
        await source.describe(soon())
        call = asyncio.create_task(source.fetch(Query(None, limit=9), soon(9.0)))
        await until(lambda: bool(others(run, SLEEPING)))
        for each in others(run, SLEEPING):
            run(f"KILL QUERY {each}")
        with pytest.raises((ConnectionFailed, TimedOut)):
            await call


async def test_a_caller_who_leaves_frees_the_slot(run: Run, table: Mysql) -> None:
    """When calls are cancelled their slots are free again at once, and the server stops soon."""
    async with opened(slow_view(run, table)) as source:
        await source.describe(soon())
        calls = [asyncio.create_task(source.fetch(Query(None, limit=9), soon(2.0))) for _ in range(4)]
        await until(lambda: len(others(run, SLEEPING)) == 4)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        source.forget()
        assert (await source.describe(soon())).columns
        await until(lambda: not others(run, SLEEPING))


async def test_a_dead_server_holds_no_thread(table: Mysql) -> None:
    """A server that falls silent in mid-statement costs the deadline, and the threads come free soon after."""
    async with proxied(table) as (proxy, source):
        await source.describe(soon())
        proxy.deaf = True
        calls: list[Awaitable[object]] = [source.count(None, None, soon(1.0)) for _ in range(6)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, TimedOut | ConnectionFailed) for result in results)
        proxy.deaf = False
        assert await source.count(None, None, soon()) == 9


async def test_a_full_pool(run: Run, table: Mysql) -> None:
    """Whoever finds all connections at work waits a bounded time, and is told so; then all is as before."""
    async with opened(slow_view(run, table)) as source:
        await source.describe(soon())
        calls = [asyncio.create_task(source.fetch(Query(None, limit=9), soon(4.0))) for _ in range(4)]
        await until(lambda: len(others(run, SLEEPING)) == 4)
        with pytest.raises(TimedOut):
            await source.count(None, None, soon(0.5))
        assert len(others(run)) == 4
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_row_that_another_holds_locked(run: Run, table: Mysql) -> None:
    """A lock is waited for a bounded time; nothing is written then, and later it is."""
    async with opened(table) as source:
        await source.describe(soon())
        run("BEGIN")
        run("UPDATE t SET n = 5 WHERE id = 1")
        with pytest.raises((TimedOut, ConnectionFailed)):
            await source.update([Change((1,), {"n": 7})], None, soon(0.7))
        with pytest.raises(Conflict):
            await source.update([Change((2,), {"n": 7}), Change((1,), {"n": 7})], None, soon())
        run("COMMIT")
        assert run("SELECT n FROM t WHERE id <= 2") == [(5,), (0,)]
        await source.update([Change((1,), {"n": 7})], None, soon())
        assert run("SELECT n FROM t WHERE id = 1") == [(7,)]


async def test_a_deadlock_is_a_conflict(run: Run, table: Mysql) -> None:
    """Of two writers that wait for each other, one is given up by the server, whole, and told to try again."""
    async with opened(table) as source:
        await source.describe(soon())
        run("BEGIN")
        run("UPDATE t SET n = 200 WHERE id BETWEEN 2 AND 9")  # the heavier of the two: the other is given up
        both = asyncio.create_task(source.update([Change((1,), {"n": 3}), Change((2,), {"n": 3})], None, soon()))
        await asyncio.wait({both}, timeout=1.0)  # it holds row 1 by now, and waits for row 2
        other = asyncio.get_running_loop().run_in_executor(None, run, "UPDATE t SET n = 200 WHERE id = 1")
        with pytest.raises(Conflict):
            await both
        await other
        run("COMMIT")
        assert run("SELECT DISTINCT n FROM t") == [(200,)]


async def test_a_table_that_is_altered_between_two_calls(run: Run, table: Mysql) -> None:
    """A column that is dropped, renamed or of another type costs one call at most, and no value stands elsewhere."""
    async with opened(table) as source:
        await source.fetch(Query(None, limit=1), soon())
        run("ALTER TABLE t MODIFY n VARCHAR(9)")
        await settled(source)
        run("ALTER TABLE t ADD COLUMN m VARCHAR(9) DEFAULT 'm', DROP COLUMN n")
        await settled(source)
        described = await source.describe(soon())
        assert [column.name for column in described.columns] == ["id", "m"]
        rows = await source.fetch(Query(None, limit=1, table=described), soon())
        assert [row.cells for row in rows] == [(1, "m")]
        run("DROP TABLE t")
        for _ in range(2):
            with pytest.raises(QueryFailed) as refused:
                await source.fetch(Query(None, limit=1), soon())
            assert "'t'" in refused.value.text.en


async def settled(source: MysqlSource) -> None:
    """One failure is allowed."""
    try:
        await source.fetch(Query(None, limit=1), soon())
    except QueryFailed:
        await source.fetch(Query(None, limit=1), soon())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = source.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def one(source: socket.socket) -> tuple[int, bytes]:
    header = exactly(source, 4)
    return header[3], exactly(source, int.from_bytes(header[:3], "little"))


def talk_tls(plain: socket.socket, table: Mysql, context: ssl.SSLContext) -> None:
    """Greets as the real server does, but with TLS, and passes on what comes through it."""
    with suppress(OSError, EOFError), plain, socket.create_connection((table.host, table.port)) as back:
        number, greeting = one(back)
        flags = greeting.index(b"\0", 1) + 1 + 4 + 8 + 1
        plain.sendall(packet(number, greeting[: flags + 1] + bytes([greeting[flags + 1] | 8]) + greeting[flags + 2 :]))
        one(plain)
        with context.wrap_socket(plain, server_side=True) as client:
            number, login = one(client)
            back.sendall(packet(number - 1, login[:1] + bytes([login[1] & ~8]) + login[2:]))
            number, answer = one(back)
            client.sendall(packet(number + 1, answer))
            while True:
                ready, _, _ = select.select([client, back], [], [])
                for source in ready:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    (back if source is client else client).sendall(data)


@contextmanager
def with_tls(table: Mysql, context: ssl.SSLContext) -> Iterator[int]:
    """The port of a server with TLS, one thread a client."""
    threads: list[threading.Thread] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threads.append(threading.Thread(target=talk_tls, args=(client, table, context)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads.append(threading.Thread(target=serve))
        threads[0].start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(SLOW)


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
    table: Mysql,
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
    with with_tls(table, context) as port:
        await try_tls(replace(table, host=host, port=port, tls_mode=mode), works=works)


async def try_tls(where: Mysql, *, works: bool) -> None:
    async with opened(where) as source:
        if works:
            assert await source.count(None, None, soon()) == 9
            steps = await source.test("n", soon())
            assert [step.message for step in steps if not step.ok] == []
            assert "TLS is used" in next(step.message.en for step in steps if step.name == "tls")
        else:
            with pytest.raises(QueryFailed):
                await source.count(None, None, soon())
            assert await failing_step(source) == "tls"


@pytest.mark.parametrize("mode", [TlsMode.REQUIRE, TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL])
async def test_a_server_without_tls(table: Mysql, mode: TlsMode) -> None:
    """Where TLS is asked for, nothing is told to a server that offers none."""
    heard = bytearray()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(0, GREETING))
        heard.extend(await reader.read(1000))

    async with tcp_server(greet) as port, opened(replace(table, port=port, tls_mode=mode, secret="mine")) as source:
        with pytest.raises(QueryFailed):
            await source.count(None, None, soon())
        step = (await source.test("n", soon()))[-1]
        assert (step.name, step.fault) == ("tls", Fault.CONFIG)
    assert not heard


async def test_a_schema_is_the_database_to_work_in(table: Mysql) -> None:
    """Where the connection names a schema, its tables are the ones read, not those of `database`."""
    async with opened(replace(table, database="information_schema", schema=table.database)) as source:
        assert await source.count(None, None, soon()) == 9
    async with opened(replace(table, schema="there_is_none")) as source:
        step = (await source.test("n", soon()))[-1]
        assert (step.name, step.fault) == ("authenticate", Fault.CONFIG)


async def test_a_certificate_of_another_name(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, table: Mysql
) -> None:
    """Only the mode that verifies the name refuses a certificate for another one."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("server", dns="other.example"))
    with with_tls(table, context) as port:
        for mode, works in ((TlsMode.VERIFY_CA, True), (TlsMode.VERIFY_FULL, False)):
            await try_tls(replace(table, host="localhost", port=port, tls_mode=mode), works=works)
