"""An upstream that is not there, hangs, breaks off, talks nonsense or drips: what the caller learns of it."""

import asyncio
import socket
import time

import pytest

from tests.fakes.http_server import Answer
from tests.integration.upstreams.conftest import Open
from tests.integration.upstreams.script import OK, Script
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import PermissionDenied
from wuzapi_manager_server.upstreams.addresses import AddressGuard
from wuzapi_manager_server.upstreams.http import Late, TooLarge, Unavailable, Unreachable

GARBAGE = Answer(200, raw=b"\x16\x03\x01\x00\xff no HTTP at all\r\n\r\n")
HANGS_UP = Answer(200, raw=b"")
HALF_A_HEADER = Answer(200, raw=b"HTTP/1.1 200 OK\r\nContent-Le")
CUT = Answer(200, b"x" * 1000, cut=True)
ENDLESS_HEADERS = Answer(200, raw=b"HTTP/1.1 200 OK\r\n" + b"x-filler: y\r\n" * 20_000)


def soon() -> Deadline:
    return Deadline.after(10.0)


@pytest.mark.parametrize("fault", [GARBAGE, HANGS_UP, HALF_A_HEADER, CUT, ENDLESS_HEADERS])
async def test_what_breaks_off_may_have_been_carried_out(server: Script, upstream_of: Open, fault: Answer) -> None:
    """An effect is sent once, the failure says that it was sent, and the next call goes through."""
    upstream = upstream_of(server.url)
    server.answers = [fault, OK]
    with pytest.raises(Unreachable) as caught:
        await upstream.send("POST", "/", soon(), body=b"{}")
    assert (caught.value.stage, caught.value.sent) == ("answer", True)
    assert len(server.requests) == 1
    assert (await upstream.send("POST", "/", soon(), body=b"{}")).status == 200


@pytest.mark.parametrize("fault", [GARBAGE, HANGS_UP, HALF_A_HEADER, CUT])
async def test_what_may_be_sent_again_is(server: Script, upstream_of: Open, fault: Answer) -> None:
    """A read gets its answer although two attempts broke off."""
    server.answers = [fault, fault, OK]
    assert (await upstream_of(server.url).send("GET", "/", soon(), again=True)).body == OK.body
    assert len(server.requests) == 3


async def test_a_read_is_given_up_after_three_attempts(server: Script, upstream_of: Open) -> None:
    """What fails three times is Unreachable."""
    server.answers = [HANGS_UP]
    with pytest.raises(Unreachable):
        await upstream_of(server.url).send("GET", "/", soon(), again=True)
    assert len(server.requests) == 3


async def test_a_port_where_nobody_listens(server: Script, upstream_of: Open) -> None:
    """Nothing was sent, at the stage of connecting; when somebody listens again the next call goes through."""
    upstream = upstream_of(server.url)
    await upstream.send("GET", "/", soon())
    server.close()
    for again in (False, True):
        with pytest.raises(Unreachable) as caught:
            await upstream.send("POST", "/", soon(), again=again)
        assert (caught.value.stage, caught.value.sent) == ("connect", False)
        assert str(server.port) not in str(caught.value)


async def test_a_name_that_nobody_knows(upstream_of: Open) -> None:
    """The stage is that of finding the address."""
    with pytest.raises(Unreachable) as caught:
        await upstream_of("http://shop.invalid").send("GET", "/", soon())
    assert (caught.value.stage, caught.value.sent) == ("resolve", False)
    assert "shop" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "169.254.169.254"])
async def test_an_address_of_the_operator_is_no_matter_of_permission(upstream_of: Open, host: str) -> None:
    """Without a guard nobody is told that a source may not point there: it just cannot be reached."""
    with pytest.raises(Unreachable) as caught:
        await upstream_of(f"http://{host}:1").send("GET", "/", soon())
    assert (caught.value.stage, caught.value.sent) == ("resolve", False)


async def test_a_resolver_that_hangs_is_late(upstream_of: Open) -> None:
    """Nothing was sent when the name was not found in time."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def lookup(_: str) -> list[str]:
        asyncio.run_coroutine_threadsafe(ended.wait(), loop).result(30)
        return ["127.0.0.1"]

    upstream = upstream_of("http://slow.example", guard=AddressGuard(("slow.example",), lookup=lookup))
    with pytest.raises(Late) as caught:
        await upstream.send("GET", "/", Deadline.after(0.1))
    assert not caught.value.sent
    ended.set()


@pytest.mark.parametrize(("own", "callers"), [(1.5, 30.0), (30.0, 1.5)])
async def test_a_server_that_hangs_is_late(server: Script, upstream_of: Open, own: float, callers: float) -> None:
    """The earlier of the upstream's timeout and the caller's deadline ends the wait; the request had been sent."""
    upstream = upstream_of(server.url, timeout=own)
    begun = time.monotonic()
    with server.held(), pytest.raises(Late) as caught:
        await upstream.send("POST", "/", Deadline.after(callers))
    assert caught.value.sent
    assert time.monotonic() - begun < 25
    assert (await upstream_of(server.url).send("GET", "/", soon())).status == 200


async def test_an_answer_that_drips_is_late(server: Script, upstream_of: Open) -> None:
    """Bytes that keep coming do not stretch a call beyond its time."""
    server.answers = [Answer(200, b"x" * 10_000, drip=0.02)]
    with pytest.raises(Late) as caught:
        await upstream_of(server.url, timeout=1.5).send("GET", "/", soon(), again=True)
    assert caught.value.sent


async def test_an_address_that_swallows_packets_leaves_time_for_the_next(server: Script, upstream_of: Open) -> None:
    """A name of two addresses, of which the first never answers, is reached by the second."""
    with socket.socket() as full:
        full.bind(("127.0.0.2", server.port))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        guard = AddressGuard(("two.example",), lookup=lambda _: ["127.0.0.2", "127.0.0.1"])
        upstream = upstream_of(f"http://two.example:{server.port}", guard=guard, timeout=2.0)
        assert (await upstream.send("GET", "/", soon())).status == 200
        for filler in fillers:
            filler.close()


async def test_no_time_left_sends_nothing(server: Script, upstream_of: Open) -> None:
    """A deadline that has passed is Late before anything is done."""
    with pytest.raises(Late) as caught:
        await upstream_of(server.url).send("GET", "/", Deadline.after(0))
    assert not caught.value.sent
    assert server.connections_taken == 0


async def test_a_refused_address_is_refused_at_every_connection(server: Script, upstream_of: Open) -> None:
    """A name that was public and rebinds is refused when a new connection is made, and nothing reaches the server."""
    answers = [["127.0.0.1"], ["127.0.0.1", "10.0.0.1"]]
    guard = AddressGuard(("127.0.0.1",), lookup=lambda _: answers.pop(0))
    upstream = upstream_of(f"http://rebinds.example:{server.port}", guard=guard)
    assert (await upstream.send("GET", "/", soon())).status == 200
    server.cut_connections()
    with pytest.raises(PermissionDenied):
        await upstream.send("GET", "/", soon(), again=True)
    assert len(server.requests) == 1


async def test_faults_are_told_apart() -> None:
    """Their texts hold neither addresses nor what was sent."""
    assert "nothing was sent" in str(Unreachable("connect", sent=False))
    assert "perhaps carried out" in str(Late(sent=True))
    assert "1.5 s" in str(Unavailable(1.5))
    assert str(TooLarge()) == ""
