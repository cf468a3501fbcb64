"""Places, waiting lines, the breaker and the budget of retries, met over sockets."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.fakes.http_server import Answer
from tests.integration.upstreams.conftest import Open
from tests.integration.upstreams.script import OK, Script
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import PermissionDenied
from wuzapi_manager_server.upstreams.addresses import AddressGuard
from wuzapi_manager_server.upstreams.http import HttpAnswer, HttpUpstream, Late, Unavailable, Unreachable

HANGS_UP = Answer(200, raw=b"")
Call = asyncio.Task[HttpAnswer]


def soon() -> Deadline:
    return Deadline.after(20.0)


def begin(upstream: HttpUpstream, times: int, deadline: Deadline | None = None) -> list[Call]:
    return [asyncio.create_task(upstream.send("GET", "/", deadline or soon())) for _ in range(times)]


async def reached(server: Script, requests: int, calls: Sequence[Call]) -> None:
    """Waits until so many requests have come in, while the calls go on."""
    for _ in range(2_000):
        if len(server.requests) >= requests:
            return
        await asyncio.wait(calls, timeout=0.01)
    raise AssertionError(f"{len(server.requests)} of {requests} requests came in")


class Clock:
    """The clock of an upstream's breaker, which a test moves."""

    def __init__(self, upstream: HttpUpstream) -> None:
        self.now = 100.0
        upstream._host.breaker._clock = lambda: self.now


def busy(status: int, wait: str) -> Answer:
    return Answer(status, b"{}", headers=(("Retry-After", wait),))


async def test_so_many_calls_are_open_so_many_wait_and_more_are_refused(server: Script, upstream_of: Open) -> None:
    """Two are open, sixteen wait, the nineteenth is Unavailable at once; the others are answered in the end."""
    upstream = upstream_of(server.url, in_flight=2)
    with server.held():
        calls = begin(upstream, 18)
        await reached(server, 2, calls)
        with pytest.raises(Unavailable) as caught:
            await upstream.send("GET", "/", soon(), again=True)
        assert caught.value.retry_after > 0
        assert len(server.requests) == 2
    assert [answer.status for answer in await asyncio.gather(*calls)] == [200] * 18
    assert server.connections_taken == 2
    assert (await upstream.send("GET", "/", soon())).status == 200


async def test_a_wait_for_a_place_ends_at_the_deadline(server: Script, upstream_of: Open) -> None:
    """Nothing of such a call was sent, and its place in the line is free again."""
    upstream = upstream_of(server.url, in_flight=1)
    with server.held():
        calls = begin(upstream, 1)
        await reached(server, 1, calls)
        for _ in range(3):
            waiting = begin(upstream, 8, Deadline.after(0.05))
            for outcome in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(outcome, Late)
                assert not outcome.sent
    assert (await calls[0]).status == 200
    assert len(server.requests) == 1


async def test_a_slow_upstream_does_not_take_the_places_of_another(server: Script, upstream_of: Open) -> None:
    """Places are counted for each host and port."""
    with Script() as other, server.held():
        calls = begin(upstream_of(server.url, in_flight=1), 5)
        await reached(server, 1, calls)
        answers = await asyncio.gather(*begin(upstream_of(other.url, in_flight=1), 5))
        assert [answer.status for answer in answers] == [200] * 5
        for call in calls:
            call.cancel()


async def test_upstreams_of_one_host_share_its_places_and_its_breaker(server: Script, upstream_of: Open) -> None:
    """Two connections to one server cannot take twice its places, and what one finds out the other knows."""
    one, two = upstream_of(f"{server.url}/one", in_flight=2), upstream_of(f"{server.url}/two", in_flight=2)
    with server.held():
        calls = begin(one, 2)
        await reached(server, 2, calls)
        with pytest.raises(Late):
            await two.send("GET", "/", Deadline.after(0.05))
        assert len(server.requests) == 2
    await asyncio.gather(*calls)
    Clock(one)
    server.answers = [HANGS_UP]
    for _ in range(8):
        with pytest.raises(Unreachable):
            await one.send("GET", "/", soon())
    with pytest.raises(Unavailable):
        await two.send("GET", "/", soon())


@pytest.mark.parametrize("fault", [HANGS_UP, Answer(502), Answer(503, b"<html>", "text/html"), Answer(504)])
async def test_an_upstream_that_keeps_failing_is_left_alone(server: Script, upstream_of: Open, fault: Answer) -> None:
    """After eight failures calls are refused unsent; then one trial goes out, and its success opens the way for all."""
    upstream = upstream_of(server.url)
    server.answers = [fault]
    clock = Clock(upstream)
    for _ in range(8):
        await asyncio.gather(upstream.send("GET", "/", soon()), return_exceptions=True)
    with pytest.raises(Unavailable):
        await upstream.send("GET", "/", soon(), again=True)
    assert len(server.requests) == 8
    server.answers = [OK]
    clock.now += 1.0
    with server.held():
        calls = begin(upstream, 20)
        pending = set(calls)
        while len(pending) > 1:
            _, pending = await asyncio.wait(pending, timeout=10.0, return_when=asyncio.FIRST_COMPLETED)
        await reached(server, 9, list(pending))
    [trial] = pending
    assert (await trial).status == 200
    assert all(isinstance(call.exception(), Unavailable) for call in calls if call is not trial)
    assert [answer.status for answer in await asyncio.gather(*begin(upstream, 20))] == [200] * 20


async def test_the_failure_that_opens_the_breaker_is_told_as_what_it_is(server: Script, upstream_of: Open) -> None:
    """A read whose first attempt was the eighth failure is not sent again, and says that it had been sent."""
    upstream = upstream_of(server.url)
    Clock(upstream)
    server.answers = [HANGS_UP]
    await asyncio.gather(*begin(upstream, 7), return_exceptions=True)
    with pytest.raises(Unreachable) as caught:
        await upstream.send("GET", "/", soon(), again=True)
    assert caught.value.sent
    assert len(server.requests) == 8


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
async def test_what_an_upstream_says_of_a_request_is_no_failure_of_its_own(
    server: Script, upstream_of: Open, status: int
) -> None:
    """Refusals and errors of single requests never keep others away."""
    server.answers = [Answer(status)]
    for _ in range(30):
        assert (await upstream_of(server.url).send("GET", "/", soon())).status == status


async def test_callers_in_a_hurry_do_not_shut_an_upstream_off(server: Script, upstream_of: Open) -> None:
    """Deadlines far below the upstream's own timeout, and callers that leave, tell nothing about it."""
    upstream = upstream_of(server.url, in_flight=4)
    with server.held():
        for _ in range(5):
            outcomes = await asyncio.gather(*begin(upstream, 4, Deadline.after(0.02)), return_exceptions=True)
            assert all(isinstance(outcome, Late) for outcome in outcomes)
    assert (await upstream.send("GET", "/", soon())).status == 200


async def test_an_upstream_that_hangs_for_its_whole_time_is_left_alone(server: Script, upstream_of: Open) -> None:
    """Waiting out the timeout counts as a failure."""
    upstream = upstream_of(server.url, timeout=0.1)
    Clock(upstream)
    with server.held():
        await asyncio.gather(*begin(upstream, 8), return_exceptions=True)
        with pytest.raises(Unavailable):
            await upstream.send("GET", "/", soon())


async def test_a_refusal_of_the_guard_is_no_failure_of_the_upstream(server: Script, upstream_of: Open) -> None:
    """It stays PermissionDenied however often it is asked."""
    upstream = upstream_of(server.url, guard=AddressGuard())
    for _ in range(20):
        with pytest.raises(PermissionDenied):
            await upstream.send("GET", "/", soon(), again=True)
    assert server.connections_taken == 0


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_read_comes_back_when_it_was_asked_to(
    server: Script, upstream_of: Open, status: int, form: str
) -> None:
    """Retry-After in seconds and as a date is waited for, where it fits."""
    then = (datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0)
    server.answers = [busy(status, "1" if form == "seconds" else format_datetime(then, usegmt=True)), OK]
    assert (await upstream_of(server.url).send("GET", "/", soon(), again=True)).status == 200
    assert len(server.requests) == 2
    assert datetime.now(UTC) > then - timedelta(seconds=1 if form == "seconds" else 0.01)


@pytest.mark.parametrize(("again", "wait"), [(False, "0"), (True, "60"), (True, "soon"), (True, "")])
async def test_otherwise_the_wish_to_wait_is_the_answer(
    server: Script, upstream_of: Open, again: bool, wait: str
) -> None:
    """An effect, a wait beyond the deadline, and no wait that can be read: the caller gets the 429 at once."""
    server.answers = [busy(429, wait), OK]
    answer = await upstream_of(server.url).send("GET", "/", Deadline.after(15), again=again)
    assert (answer.status, answer.headers["retry-after"]) == (429, wait)
    assert len(server.requests) == 1


async def test_retries_are_a_tenth_of_the_calls(server: Script, upstream_of: Open) -> None:
    """A server that is overloaded gets ten retries at first, then one for ten calls, never three times the load."""
    upstream = upstream_of(server.url)
    server.answers = [busy(429, "0")]
    for _ in range(60):
        assert (await upstream.send("GET", "/", soon(), again=True)).status == 429
    assert 60 + 10 <= len(server.requests) <= 60 + 10 + 6
