"""Who is calling, asked of a WUZAPI over a socket."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.fakes.wuzapi import FakeWuzapi, State, Trouble
from wuzapi_manager_server.domain.caller import Caller, User
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import InvalidToken, ServiceError, TimedOut, WuzapiUnreachable
from wuzapi_manager_server.services.callers import Callers
from wuzapi_manager_server.upstreams.wuzapi import Wuzapi

ADMIN = "the-administrator's-token"
TOKEN = "token-of-ana"


@pytest.fixture
def fake() -> Iterator[FakeWuzapi]:
    with FakeWuzapi() as server:
        yield server


@pytest.fixture
async def callers(fake: FakeWuzapi) -> AsyncIterator[Callers]:
    wuzapi = Wuzapi(fake.url, timeout=5.0)
    yield Callers(ADMIN, wuzapi)
    await wuzapi.close()


async def identify(callers: Callers, token: str, seconds: float = 5.0) -> Caller:
    return await callers.identify(token=token, authorization=None, deadline=Deadline.after(seconds))


async def test_many_calls_are_one_request(fake: FakeWuzapi, callers: Callers) -> None:
    """Fifty calls at once and fifty after them are one question to WUZAPI."""
    identity = fake.add_user("Ana", TOKEN, jid="ana@s.whatsapp.net")
    expected = User(identity, "Ana", "ana@s.whatsapp.net", TOKEN)
    assert await asyncio.gather(*(identify(callers, TOKEN) for _ in range(50))) == [expected] * 50
    assert await asyncio.gather(*(identify(callers, TOKEN) for _ in range(50))) == [expected] * 50
    assert len(fake.requests) == 1


async def test_a_users_id_and_the_admins_token_are_no_users_tokens(fake: FakeWuzapi, callers: Callers) -> None:
    """Neither the id that WUZAPI gave a user nor the administrator's token names a user."""
    identity = fake.add_user("Ana", TOKEN)
    await identify(callers, TOKEN)
    for token in (identity, fake.admin_token, ADMIN):
        with pytest.raises(InvalidToken):
            await identify(callers, token)


@pytest.mark.parametrize("trouble", [trouble for trouble in Trouble if trouble is not Trouble.COOKIE])
async def test_no_trouble_makes_a_user(fake: FakeWuzapi, callers: Callers, trouble: Trouble) -> None:
    """Whatever WUZAPI answers, an unknown token never becomes a user, and only a refusal is called invalid."""
    fake.trouble = trouble
    with pytest.raises(ServiceError) as caught:
        await identify(callers, "unknown-token")
    assert isinstance(caught.value, InvalidToken) is (trouble in {Trouble.UNAUTHORIZED, Trouble.FORBIDDEN})


async def test_a_user_goes_on_when_wuzapi_goes_down(fake: FakeWuzapi, callers: Callers) -> None:
    """A user who was identified stays so; one who was not gets the truth, which is not a refusal."""
    fake.add_user("Ana", TOKEN)
    await identify(callers, TOKEN)
    fake.close()
    assert isinstance(await identify(callers, TOKEN), User)
    with pytest.raises(WuzapiUnreachable):
        await identify(callers, "token-of-bia")


async def test_a_slow_wuzapi_is_asked_once_more_after_all_left(fake: FakeWuzapi, callers: Callers) -> None:
    """Callers who gave up leave no question behind that a later caller would hang on."""
    fake.add_user("Ana", TOKEN, state=State.NO_CLIENT)
    with fake.held():
        for _ in range(3):
            with pytest.raises(TimedOut):
                await identify(callers, TOKEN, seconds=0.1)
    assert isinstance(await identify(callers, TOKEN), User)
