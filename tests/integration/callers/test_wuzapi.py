"""What this service makes of WUZAPI's answers, asked over a socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.fakes.http_server import Answer, Request
from tests.fakes.wuzapi import FakeWuzapi, State, Trouble
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import Code, RateLimited, ServiceError, TimedOut, WuzapiError, WuzapiUnreachable
from wuzapi_manager_server.upstreams.wuzapi import Wuzapi, WuzapiUser

TOKEN = "token-of-ana"


@pytest.fixture
def fake() -> Iterator[FakeWuzapi]:
    with FakeWuzapi() as server:
        yield server


@pytest.fixture
async def wuzapi(fake: FakeWuzapi) -> AsyncIterator[Wuzapi]:
    client = Wuzapi(fake.url, timeout=5.0)
    yield client
    await client.close()


def soon() -> Deadline:
    return Deadline.after(5.0)


async def test_a_known_token_gives_its_user(fake: FakeWuzapi, wuzapi: Wuzapi) -> None:
    """The id, name and JID of the user come from the status answer."""
    identity = fake.add_user("Ana", TOKEN, jid="5581911111111@s.whatsapp.net")
    assert await wuzapi.session_status(TOKEN, soon()) == WuzapiUser(identity, "Ana", "5581911111111@s.whatsapp.net")
    assert fake.requests[0].headers["token"] == TOKEN
    assert "authorization" not in fake.requests[0].headers
    assert TOKEN not in fake.requests[0].path


async def test_a_user_without_a_phone_is_a_user(fake: FakeWuzapi, wuzapi: Wuzapi) -> None:
    """A user whose phone is not paired is known, without a JID."""
    identity = fake.add_user("Ana", TOKEN, state=State.NO_CLIENT)
    assert await wuzapi.session_status(TOKEN, soon()) == WuzapiUser(identity, "Ana", "")


async def test_integer_ids_become_text(fake: FakeWuzapi, wuzapi: Wuzapi) -> None:
    """The numbers that old versions use as ids are given as text."""
    fake.integer_ids = True
    fake.add_user("Ana", TOKEN)
    user = await wuzapi.session_status(TOKEN, soon())
    assert user is not None
    assert user.id == "1"


@pytest.mark.parametrize("state", State)
async def test_old_versions_accept_a_token_without_saying_whose(fake: FakeWuzapi, wuzapi: Wuzapi, state: State) -> None:
    """The answers before May 2025, also their 500 `No session`, mean that the token is good and the id not known."""
    fake.legacy_status = True
    fake.add_user("Ana", TOKEN, state=state)
    assert await wuzapi.session_status(TOKEN, soon()) == WuzapiUser("", "", "")
    assert await wuzapi.session_status("another-token", soon()) is None


@pytest.mark.parametrize("trouble", [Trouble.UNAUTHORIZED, Trouble.FORBIDDEN])
async def test_a_refusal_is_none(fake: FakeWuzapi, wuzapi: Wuzapi, trouble: Trouble) -> None:
    """401 and 403 are the only answers that refuse a token."""
    fake.add_user("Ana", TOKEN)
    fake.trouble = trouble
    assert await wuzapi.session_status(TOKEN, soon()) is None


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble.FAILURE,
        Trouble.FALSE_SUCCESS,
        Trouble.UNAVAILABLE,
        Trouble.NOT_FOUND,
        Trouble.REDIRECT,
        Trouble.EMPTY,
        Trouble.HTML,
        Trouble.GARBAGE,
        Trouble.OTHER_JSON,
        Trouble.DEEP_JSON,
        Trouble.HUGE,
    ],
)
async def test_any_other_answer_is_an_error_of_wuzapi(fake: FakeWuzapi, wuzapi: Wuzapi, trouble: Trouble) -> None:
    """An answer that is neither a user nor a refusal is neither taken for the one nor for the other."""
    fake.add_user("Ana", TOKEN)
    fake.trouble = trouble
    with pytest.raises(WuzapiError) as caught:
        await wuzapi.session_status(TOKEN, soon())
    assert caught.value.code is Code.UNAVAILABLE
    assert caught.value.text.pt == "Erro na comunicação com WUZAPI"
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("data", "user"),
    [
        ({"id": True, "name": "Ana"}, WuzapiUser("", "Ana", "")),
        ({"id": None, "name": 7, "jid": []}, WuzapiUser("", "", "")),
        ({"id": "7", "surprise": {"of": "tomorrow"}}, WuzapiUser("7", "", "")),
    ],
)
async def test_fields_of_another_type_are_not_believed(
    fake: FakeWuzapi, wuzapi: Wuzapi, monkeypatch: pytest.MonkeyPatch, data: dict[str, object], user: WuzapiUser
) -> None:
    """An id, name or JID that is no text is as if it were not told; keys that nobody knows do not matter."""
    fake.add_user("Ana", TOKEN)
    monkeypatch.setattr(fake, "as_json", lambda _: data)
    assert await wuzapi.session_status(TOKEN, soon()) == user


async def test_too_many_requests_tells_how_long_to_wait(fake: FakeWuzapi, wuzapi: Wuzapi) -> None:
    """A 429 hands on the wait that WUZAPI, or the proxy before it, asks for."""
    fake.trouble = Trouble.RATE_LIMITED
    with pytest.raises(RateLimited) as caught:
        await wuzapi.session_status(TOKEN, soon())
    assert caught.value.retry_after == 7.0
    assert caught.value.text.pt == "Muitas requisições"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0.0), ("99999999", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 5.0), ("-1", 5.0), ("²", 5.0)],
)
async def test_a_strange_retry_after_is_bounded(header: str, seconds: float) -> None:
    """Waits are between 0 and an hour; what is no number of seconds counts as 5."""

    class Busy(FakeWuzapi):
        def answer(self, request: Request) -> Answer:
            return super().answer(request)._replace(headers=(("Retry-After", header.encode().decode("latin-1")),))

    with Busy() as fake:
        fake.trouble = Trouble.RATE_LIMITED
        client = Wuzapi(fake.url, timeout=5.0)
        with pytest.raises(RateLimited) as caught:
            await client.session_status(TOKEN, soon())
        await client.close()
    assert caught.value.retry_after == seconds


async def test_a_broken_connection_is_unreachable(fake: FakeWuzapi, wuzapi: Wuzapi) -> None:
    """An answer that breaks off is WUZAPI not reached, and the next call goes through."""
    fake.add_user("Ana", TOKEN)
    fake.trouble = Trouble.CUT
    with pytest.raises(WuzapiUnreachable):
        await wuzapi.session_status(TOKEN, soon())
    fake.trouble = None
    assert await wuzapi.session_status(TOKEN, soon())


async def test_a_refused_connection_is_unreachable(fake: FakeWuzapi, wuzapi: Wuzapi) -> None:
    """A port where nobody listens says so in the product's words, without the address."""
    fake.close()
    with pytest.raises(WuzapiUnreachable) as caught:
        await wuzapi.session_status(TOKEN, soon())
    assert caught.value.text.pt == "Não foi possível conectar com WUZAPI"
    assert caught.value.suggestion is not None
    assert caught.value.suggestion.pt == "Verifique se o serviço está disponível"
    assert "127.0.0.1" not in str(caught.value)


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    """A host without an address is WUZAPI not reached."""
    client = Wuzapi("http://wuzapi.invalid", timeout=5.0)
    with pytest.raises(WuzapiUnreachable):
        await client.session_status(TOKEN, soon())
    await client.close()


@pytest.mark.parametrize(("own", "callers"), [(0.2, 30.0), (30.0, 0.2)])
async def test_the_earlier_of_timeout_and_deadline_ends_the_wait(fake: FakeWuzapi, own: float, callers: float) -> None:
    """A WUZAPI that does not answer is given up at the timeout or at the caller's deadline, whichever comes first."""
    client = Wuzapi(fake.url, timeout=own)
    start = asyncio.get_running_loop().time()
    with fake.held(), pytest.raises(TimedOut) as caught:
        await client.session_status(TOKEN, Deadline.after(callers))
    assert asyncio.get_running_loop().time() - start < 5.0
    assert caught.value.text.pt == "Timeout na comunicação com WUZAPI"
    await client.close()


async def test_an_answer_that_drips_is_given_up() -> None:
    """The timeout holds for a call as a whole: an answer that comes a byte at a time does not stretch it."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        waiting = asyncio.create_task(ended.wait())
        while not waiting.done():
            writer.write(b" ")
            await asyncio.wait((waiting,), timeout=0.05)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        left.set()

    ended, left = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = Wuzapi(f"http://127.0.0.1:{port}", timeout=0.3)
    with pytest.raises(TimedOut):
        await client.session_status(TOKEN, soon())
    await client.close()
    ended.set()
    await left.wait()
    server.close()
    await server.wait_closed()


async def test_a_deadline_that_has_passed_asks_nothing(fake: FakeWuzapi, wuzapi: Wuzapi) -> None:
    """Without time left WUZAPI is not bothered."""
    with pytest.raises(TimedOut):
        await wuzapi.session_status(TOKEN, Deadline.after(0))
    assert not fake.requests


async def test_a_redirect_is_not_followed(fake: FakeWuzapi, wuzapi: Wuzapi) -> None:
    """The token goes to the configured address alone."""
    fake.trouble = Trouble.REDIRECT
    with pytest.raises(ServiceError):
        await wuzapi.session_status(TOKEN, soon())
    assert [request.path for request in fake.requests] == ["/session/status"]


async def test_the_proxies_of_the_environment_are_not_used(fake: FakeWuzapi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy variable does not send tokens elsewhere."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        fake.add_user("Ana", TOKEN)
        client = Wuzapi(fake.url, timeout=5.0)
        assert await client.session_status(TOKEN, soon())
        await client.close()


async def test_cookies_are_not_kept(fake: FakeWuzapi, wuzapi: Wuzapi) -> None:
    """What one user's answer sets is not sent with another user's question."""
    fake.add_user("Ana", TOKEN)
    fake.trouble = Trouble.COOKIE
    await wuzapi.session_status(TOKEN, soon())
    await wuzapi.session_status(TOKEN, soon())
    assert "cookie" not in fake.requests[1].headers


async def test_connections_are_used_again_and_bounded(fake: FakeWuzapi, wuzapi: Wuzapi) -> None:
    """Forty questions at once go through at most eight connections, and all are answered."""
    for number in range(40):
        fake.add_user(f"user {number}", f"token-number-{number}")
    users = await asyncio.gather(*(wuzapi.session_status(f"token-number-{n}", soon()) for n in range(40)))
    assert [user.name for user in users if user] == [f"user {n}" for n in range(40)]
    assert fake.connections_taken <= 8
