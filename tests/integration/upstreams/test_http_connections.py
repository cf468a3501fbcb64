"""Connections that end, are cancelled or closed at bad moments: none is lost, and no effect carried out twice."""

import asyncio
import threading

import httpcore
import pytest

from tests.fakes.http_server import Answer
from tests.integration.upstreams.conftest import Open
from tests.integration.upstreams.script import OK, Script
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.upstreams.addresses import AddressGuard
from wuzapi_manager_server.upstreams.http import Unreachable

HANGS_UP = Answer(200, raw=b"")


def soon() -> Deadline:
    return Deadline.after(10.0)


@pytest.mark.parametrize("again", [False, True])
async def test_a_connection_that_was_closed_while_idle_is_no_error(
    server: Script, upstream_of: Open, again: bool
) -> None:
    """A server that ends idle connections is met by a new connection, for effects too: each is carried out once."""
    upstream = upstream_of(server.url)
    for _ in range(5):
        await asyncio.gather(*(upstream.send("POST", "/", soon(), body=b"{}", again=again) for _ in range(3)))
        server.cut_connections()
    assert len(server.requests) == 15


async def test_a_connection_that_is_closed_at_the_next_request(server: Script, upstream_of: Open) -> None:
    """Whether an effect was carried out cannot be known then, and is said; a read is simply sent again."""
    upstream = upstream_of(server.url)
    server.answers = [OK, HANGS_UP, OK]
    await upstream.send("POST", "/", soon())
    with pytest.raises(Unreachable) as caught:
        await upstream.send("POST", "/", soon())
    assert caught.value.sent
    await upstream.send("POST", "/", soon())
    server.answers = [HANGS_UP, OK]
    assert (await upstream.send("GET", "/", soon(), again=True)).status == 200


async def test_connections_of_the_same_age_are_not_tried_one_by_one(server: Script, upstream_of: Open) -> None:
    """When one of three idle connections turns out to have ended, the read goes out on a new one."""
    upstream = upstream_of(server.url)
    with server.held():
        calls = [asyncio.create_task(upstream.send("GET", "/", soon())) for _ in range(3)]
        while len(server.requests) < 3:
            await asyncio.wait(calls, timeout=0.01)
    await asyncio.gather(*calls)
    assert server.connections_taken == 3
    server.answers = [HANGS_UP, OK]
    assert (await upstream.send("GET", "/", soon(), again=True)).status == 200
    assert server.connections_taken == 4


async def test_an_effect_of_which_nothing_left_is_sent_on_a_new_connection(
    server: Script, upstream_of: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that ends between the last look at it and the first byte: the write fails, and nothing is lost."""
    upstream = upstream_of(server.url)
    await upstream.send("POST", "/", soon(), body=b"{}")
    [idle] = upstream._connections._idle
    monkeypatch.setattr(httpcore.AsyncHTTPConnection, "has_expired", lambda _: False)
    assert idle._dial.stream is not None
    await idle._dial.stream.aclose()
    assert (await upstream.send("POST", "/", soon(), body=b"{}")).status == 200
    assert len(server.requests) == 2
    assert server.connections_taken == 2


async def test_a_cancelled_call_leaves_nothing_behind(server: Script, upstream_of: Open) -> None:
    """A thousand calls that are given up at any moment cost neither connections nor places."""
    upstream = upstream_of(server.url, in_flight=2)
    server.delay = 0.002
    for number in range(300):
        calls = [asyncio.create_task(upstream.send("GET", "/", soon(), again=True)) for _ in range(3)]
        await asyncio.wait(calls, timeout=number / 100_000)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    server.delay = 0.0
    answers = await asyncio.gather(*(upstream.send("GET", "/", soon()) for _ in range(10)))
    assert [answer.status for answer in answers] == [200] * 10
    assert len(upstream._connections._open) <= 2
    assert await asyncio.to_thread(server.connections_fall_to, 2)


async def test_closing_ends_the_calls_under_way(server: Script, upstream_of: Open) -> None:
    """They are Unreachable, as every call after it."""
    upstream = upstream_of(server.url)
    with server.held():
        call = asyncio.create_task(upstream.send("POST", "/", soon()))
        while not server.requests:
            await asyncio.wait({call}, timeout=0.01)
        await upstream.close()
        with pytest.raises(Unreachable):
            await call
    with pytest.raises(Unreachable) as caught:
        await upstream.send("GET", "/", soon(), again=True)
    assert not caught.value.sent


async def test_closing_ends_the_calls_that_are_about_to_connect(server: Script, upstream_of: Open) -> None:
    """Nothing is sent by an upstream that was closed while it looked for the address."""
    asked, found = threading.Event(), threading.Event()

    def lookup(_: str) -> list[str]:
        asked.set()
        assert found.wait(30)
        return ["127.0.0.1"]

    guard = AddressGuard(("slow.example",), lookup=lookup)
    upstream = upstream_of(f"http://slow.example:{server.port}", guard=guard)
    call = asyncio.create_task(upstream.send("POST", "/", soon()))
    assert await asyncio.to_thread(asked.wait, 30)
    await upstream.close()
    found.set()
    with pytest.raises(Unreachable) as caught:
        await call
    assert not caught.value.sent
    assert server.requests == []


async def test_idle_connections_end(server: Script, upstream_of: Open) -> None:
    """After its idle time a connection is not used again, and the next call that ends clears it away."""
    upstream = upstream_of(server.url, idle=0.05)
    await asyncio.gather(*(upstream.send("GET", "/", soon()) for _ in range(2)))
    before = server.connections_taken
    await asyncio.to_thread(threading.Event().wait, 0.2)
    await upstream.send("GET", "/", soon())
    assert server.connections_taken == before + 1
    assert len(upstream._connections._open) == 1


async def test_a_busy_upstream_sheds_what_it_does_not_need(server: Script, upstream_of: Open) -> None:
    """Connections that a burst left behind end although others are in use all the time."""
    upstream = upstream_of(server.url, idle=0.2)
    with server.held():
        calls = [asyncio.create_task(upstream.send("GET", "/", soon())) for _ in range(8)]
        while len(server.requests) < 8:
            await asyncio.wait(calls, timeout=0.01)
    await asyncio.gather(*calls)
    for _ in range(5_000):
        await upstream.send("GET", "/", soon())
        if len(upstream._connections._open) == 1:
            break
    assert len(upstream._connections._open) == 1
    assert await asyncio.to_thread(server.connections_fall_to, 1)


async def test_what_an_earlier_attempt_sent_is_not_forgotten(server: Script, upstream_of: Open) -> None:
    """A read whose second attempt did not even find the host says that the first may have been carried out."""
    answers = [["127.0.0.1"], []]
    guard = AddressGuard(("shop.example",), lookup=lambda _: answers.pop(0) if len(answers) > 1 else answers[0])
    server.answers = [HANGS_UP]
    with pytest.raises(Unreachable) as caught:
        await upstream_of(f"http://shop.example:{server.port}", guard=guard).send("GET", "/", soon(), again=True)
    assert (caught.value.stage, caught.value.sent) == ("resolve", True)
    assert len(server.requests) == 1
