"""A MySQL that refuses, hangs up, denies or changes: each gives its error in time, and nothing is half done."""

import asyncio
import time
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.fakes.tcp_proxy import tcp_proxy, tcp_server
from tests.integration.sources.helpers import soon
from tests.integration.sources.mysql import Run, database, place, run
from tests.integration.sources.mysql_faults import (
    GREETING,
    failing_step,
    opened,
    others,
    packet,
    proxied,
    table,
)
from tests.integration.sources.sql_faults import SLOW, until
from wuzapi_manager_server.domain.connection import Mysql
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
from wuzapi_manager_server.sources.mysql import MysqlSource

__all__ = ["database", "place", "run", "table"]


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


def error_packet(number: int, code: int) -> bytes:
    return packet(number, b"\xff" + code.to_bytes(2, "little") + b"#HY000secret text of the server")


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
        for cut in ("client", "server"):
            inserted = False

            def watch(side: str, data: bytes, cut: str = cut) -> bool:
                nonlocal inserted
                inserted = inserted or (side == "client" and b"INSERT INTO" in data)
                return inserted and side == cut

            proxy.watch = watch
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
            committing = committing or (side == "client" and data.endswith(b"\x03COMMIT"))
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


async def test_a_connection_that_is_killed_amid_an_export(run: Run, table: Mysql) -> None:
    """The export ends as a source that cannot be reached, and its place is free for others."""
    run("ALTER TABLE t ADD x LONGTEXT")
    run("INSERT INTO t SELECT seq, 0, REPEAT('x', 9000) FROM seq_10_to_5000")

    async def export(source: MysqlSource) -> None:
        async for _ in source.stream(Query(None), soon):
            for each in others(run):
                run(f"KILL {each}")

    async with opened(table) as source:
        for _ in range(5):  # more than there are connections
            with pytest.raises(ConnectionFailed):
                await export(source)
        assert await source.count(None, None, soon()) == 5000
