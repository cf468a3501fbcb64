"""TLS to MySQL as the connection asks for it."""

import asyncio
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.tcp_proxy import tcp_server
from tests.integration.server.certificates import Authority
from tests.integration.sources.helpers import soon
from tests.integration.sources.mysql import database, place, run
from tests.integration.sources.mysql_faults import (
    GREETING,
    failing_step,
    opened,
    packet,
    table,
)
from tests.integration.sources.sql_faults import SLOW, TLS
from wuzapi_manager_server.domain.connection import Mysql, TlsMode
from wuzapi_manager_server.domain.table import Fault
from wuzapi_manager_server.errors import (
    QueryFailed,
)

__all__ = ["database", "place", "run", "table"]


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
    TLS,
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
