"""Who a caller is, by the tokens given."""

import asyncio
import time
from typing import NamedTuple

import pytest

from wuzapi_manager_server.domain.caller import Admin, Caller, Public, User
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import (
    Code,
    InvalidToken,
    ServiceError,
    Text,
    TimedOut,
    WuzapiError,
    WuzapiUnreachable,
)
from wuzapi_manager_server.services.callers import Callers
from wuzapi_manager_server.upstreams.wuzapi import WuzapiUser

ADMIN = "the-administrator's-token"
ANA = WuzapiUser("a" * 32, "Ana", "ana@s.whatsapp.net")
TOKEN = "token-of-ana"


class Book:
    """Tokens in a book: it answers when `open` is set, and fails with `failure` where there is one."""

    def __init__(self, users: dict[str, WuzapiUser] | None = None) -> None:
        self.users = {TOKEN: ANA} if users is None else users
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None
        self.asked: list[str] = []
        self.ended = 0

    async def session_status(self, token: str, deadline: Deadline) -> WuzapiUser | None:
        self.asked.append(token)
        assert deadline.remaining() > 0
        try:
            await self.open.wait()
        finally:
            self.ended += 1
        if self.failure:
            raise self.failure
        return self.users.get(token)


@pytest.fixture
async def book() -> Book:
    return Book()


async def identify(
    callers: Callers, token: str | None = None, authorization: str | None = None, seconds: float = 5.0
) -> Caller:
    return await callers.identify(token=token, authorization=authorization, deadline=Deadline.after(seconds))


async def identify_user(callers: Callers, token: str) -> User:
    caller = await identify(callers, token)
    assert isinstance(caller, User)
    return caller


async def running() -> None:
    """Lets every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_nobody_known_is_public(book: Book) -> None:
    """Without any token the caller is public, and nobody is asked."""
    assert await identify(Callers(ADMIN, book)) == Public()
    assert not book.asked


@pytest.mark.parametrize("authorization", [ADMIN, f"Bearer {ADMIN}", f"bearer {ADMIN}", f"BEARER   {ADMIN} "])
async def test_the_administrators_token_makes_an_admin(book: Book, authorization: str) -> None:
    """It is taken raw or after Bearer, in whatever case, and without asking WUZAPI."""
    assert await identify(Callers(ADMIN, book), authorization=authorization) == Admin()
    assert not book.asked


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        f"Basic {ADMIN}",
        f" {ADMIN}",
        f"{ADMIN} ",
        f"{ADMIN}x",
        ADMIN[:-1],
        ADMIN.upper(),
        f"Bearer {ADMIN} {ADMIN}",
        "short",
        "x" * 257,
        "ünïcödé-administrator",
        "\udcff" * 20,
        TOKEN,
    ],
)
async def test_any_other_authorization_is_refused(book: Book, authorization: str) -> None:
    """A wrong authorization is INVALID_TOKEN, also when a good user's token comes with it."""
    callers = Callers(ADMIN, book)
    for token in (None, TOKEN):
        with pytest.raises(InvalidToken) as caught:
            await identify(callers, token, authorization)
        assert caught.value.text.pt == "Token inválido ou expirado"
    assert not book.asked


async def test_an_empty_configured_token_admits_nobody(book: Book) -> None:
    """Where the configured token is empty no authorization fits it."""
    with pytest.raises(InvalidToken):
        await identify(Callers("", book), authorization="")


async def test_the_admin_stays_admin_beside_a_users_token(book: Book) -> None:
    """A good authorization decides alone."""
    assert await identify(Callers(ADMIN, book), "bad", ADMIN) == Admin()


async def test_a_token_that_wuzapi_knows_makes_a_user(book: Book) -> None:
    """The user has WUZAPI's id, name and JID, and the token that was given; the second time nobody is asked."""
    callers = Callers(ADMIN, book)
    expected = User(ANA.id, ANA.name, ANA.jid, TOKEN)
    assert await identify(callers, TOKEN) == expected
    assert await identify(callers, TOKEN) == expected
    assert book.asked == [TOKEN]
    assert (callers.hits, callers.misses, callers.questions, len(callers)) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "token", ["", "1234567", "x" * 257, "has space", "tab\there", "ação-token", "\x00" * 8, "\ud800" * 8]
)
async def test_a_malformed_token_is_refused_unasked(book: Book, token: str) -> None:
    """What cannot be a token is INVALID_TOKEN at once, and not kept."""
    callers = Callers(ADMIN, book)
    with pytest.raises(InvalidToken):
        await identify(callers, token)
    assert not book.asked
    assert len(callers) == 0


async def test_a_users_id_is_no_token(book: Book) -> None:
    """Knowing an id gives nothing, before and after its user was identified."""
    callers = Callers(ADMIN, book)
    for _ in range(2):
        with pytest.raises(InvalidToken):
            await identify(callers, ANA.id)
        await identify(callers, TOKEN)


async def test_tokens_alike_at_their_beginning_are_told_apart() -> None:
    """Two tokens that differ in their last character are two users."""
    users = {f"{'x' * 255}{n}": WuzapiUser(str(n), f"user {n}", "") for n in range(5)}
    callers = Callers(ADMIN, Book(users))
    for _ in range(2):
        for token, user in users.items():
            caller = await identify_user(callers, token)
            assert caller.id == user.id


async def test_neither_tokens_nor_parts_of_them_are_kept(book: Book) -> None:
    """What is kept is under the SHA-256 and holds no token."""
    callers = Callers(ADMIN, book)
    await identify(callers, TOKEN)
    assert TOKEN[:8] not in repr(vars(callers._users))
    assert [len(key) for key in callers._users._entries] == [32]
    assert ADMIN not in repr(vars(callers))


async def test_refusals_are_kept_for_a_short_while(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused token is asked for again after 10 seconds, a user after 300."""
    now = [time.monotonic()]
    monkeypatch.setattr("wuzapi_manager_server.services.user_cache.time.monotonic", lambda: now[0])
    callers = Callers(ADMIN, book)
    with pytest.raises(InvalidToken):
        await identify(callers, "unknown-token")
    await identify(callers, TOKEN)
    now[0] += 9.9
    with pytest.raises(InvalidToken):
        await identify(callers, "unknown-token")
    assert book.asked == ["unknown-token", TOKEN]
    assert callers.hits == 1
    now[0] += 0.2
    book.users["unknown-token"] = WuzapiUser("b", "Bia", "")
    assert (await identify_user(callers, "unknown-token")).name == "Bia"
    now[0] += 280
    await identify(callers, TOKEN)
    assert len(book.asked) == 3
    now[0] += 11
    await identify(callers, TOKEN)
    assert len(book.asked) == 4


async def test_guesses_do_not_push_out_users(book: Book) -> None:
    """However many tokens are refused, a kept user stays, and what is kept is bounded."""
    callers = Callers(ADMIN, book, size=10)
    await identify(callers, TOKEN)
    for number in range(50):
        with pytest.raises(InvalidToken):
            await identify(callers, f"guess-number-{number}")
    await identify(callers, TOKEN)
    assert book.asked.count(TOKEN) == 1
    assert len(callers) == 11


async def test_not_knowing_is_not_kept(book: Book) -> None:
    """A WUZAPI that cannot be reached is an error, never a refusal, and the next call asks again."""
    callers = Callers(ADMIN, book)
    book.failure = WuzapiUnreachable(Text("away", "fora"))
    for _ in range(2):
        with pytest.raises(WuzapiUnreachable):
            await identify(callers, TOKEN)
    book.failure = None
    assert (await identify_user(callers, TOKEN)).name == "Ana"
    assert len(book.asked) == 3


async def test_a_known_user_goes_on_while_wuzapi_is_down(book: Book) -> None:
    """A user identified before works, others get WUZAPI's error."""
    callers = Callers(ADMIN, book)
    await identify(callers, TOKEN)
    book.failure = WuzapiUnreachable(Text("away", "fora"))
    assert (await identify_user(callers, TOKEN)).name == "Ana"
    with pytest.raises(WuzapiUnreachable):
        await identify(callers, "token-of-bia")


async def test_without_a_wuzapi_users_are_told_how_to_set_it() -> None:
    """Where none is configured a user's token is FAILED_PRECONDITION naming the setting; the admin works."""
    callers = Callers(ADMIN, None)
    with pytest.raises(WuzapiError) as caught:
        await identify(callers, TOKEN)
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert caught.value.suggestion is not None
    assert "WUZAPI_BASE_URL" in caught.value.suggestion.en
    assert "WUZAPI_BASE_URL" in caught.value.suggestion.pt
    assert await identify(callers, authorization=ADMIN) == Admin()
    assert await identify(callers) == Public()


async def test_calls_at_once_ask_once(book: Book) -> None:
    """A hundred calls with one token are one question; another token is another."""
    callers = Callers(ADMIN, book)
    book.users["token-of-bia"] = WuzapiUser("b", "Bia", "")
    tokens = [TOKEN] * 100 + ["token-of-bia"]
    found = await asyncio.gather(*(identify_user(callers, token) for token in tokens))
    assert sorted(book.asked) == ["token-of-ana", "token-of-bia"]
    assert [caller.token for caller in found] == tokens
    assert not callers._running


async def test_a_cancelled_first_caller_does_not_fail_the_others(book: Book) -> None:
    """The question goes on for those who still wait."""
    callers = Callers(ADMIN, book)
    book.open.clear()
    first, second = (asyncio.create_task(identify_user(callers, TOKEN)) for _ in range(2))
    await running()
    first.cancel()
    await running()
    book.open.set()
    assert (await second).name == "Ana"
    assert first.cancelled()
    assert book.asked == [TOKEN]


async def test_each_waits_to_its_own_deadline(book: Book) -> None:
    """An impatient first caller gets TimedOut and the patient one the answer."""
    callers = Callers(ADMIN, book)
    book.open.clear()
    patient = asyncio.create_task(identify_user(callers, TOKEN))
    with pytest.raises(TimedOut):
        await identify(callers, TOKEN, seconds=0.05)
    book.open.set()
    assert (await patient).name == "Ana"
    assert book.asked == [TOKEN]


async def test_a_deadline_that_has_passed_asks_nothing(book: Book) -> None:
    """Without time left nobody is asked."""
    callers = Callers(ADMIN, book)
    with pytest.raises(TimedOut):
        await identify(callers, TOKEN, seconds=0.0)
    assert not book.asked


async def test_a_question_nobody_waits_for_ends(book: Book) -> None:
    """When the last caller leaves the question is given up, and a later caller asks anew."""
    callers = Callers(ADMIN, book)
    book.open.clear()
    with pytest.raises(TimedOut):
        await identify(callers, TOKEN, seconds=0.05)
    await running()
    assert book.ended == 1
    assert not callers._running
    book.open.set()
    assert (await identify_user(callers, TOKEN)).name == "Ana"
    assert len(book.asked) == 2


async def test_a_late_caller_does_not_join_a_question_that_was_given_up(book: Book) -> None:
    """A caller that comes right after the last one left gets an answer of its own."""
    callers = Callers(ADMIN, book)
    book.open.clear()
    first = asyncio.create_task(identify_user(callers, TOKEN))
    await running()
    first.cancel()
    second = asyncio.create_task(identify_user(callers, TOKEN))
    await running()
    book.open.set()
    assert (await second).name == "Ana"


async def test_a_failure_that_nobody_sees_is_not_reported(book: Book) -> None:
    """When the caller is cancelled in the moment the question fails, asyncio has nothing to complain about."""
    callers = Callers(ADMIN, book)
    book.open.clear()
    book.failure = WuzapiUnreachable(Text("away", "fora"))
    caller = asyncio.create_task(identify_user(callers, TOKEN))
    await running()
    (question,) = callers._running.values()
    question.task.add_done_callback(lambda _: caller.cancel())
    book.open.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert question.task.done()
    assert not question.task._log_traceback
    assert not callers._running


class Told(NamedTuple):
    number: int
    user_id: str


class Log:
    """What processes tell each other, and whether they can."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.failure: ServiceError | None = None

    def since(self, seen: int) -> list[Told]:
        return [change for change in self.told if change.number >= seen]

    async def add(self, user_id: str) -> None:
        if self.failure:
            raise self.failure
        self.told.append(Told(self.told[-1].number + 1 if self.told else 1, user_id))


async def test_what_another_process_changed_is_asked_for_anew(book: Book) -> None:
    """A change told by another drops that user, also while a question about the user is under way."""
    log = Log()
    here, there = Callers(ADMIN, book, changes=log), Callers(ADMIN, book, changes=log)
    await identify(here, TOKEN)
    await there.changed(identity="someone else")
    await identify(here, TOKEN)
    assert len(book.asked) == 1
    await there.changed(identity=ANA.id)
    book.open.clear()
    asking = asyncio.create_task(identify(here, TOKEN))
    await running()
    await there.changed(identity=ANA.id)
    book.open.set()
    await asking
    await identify(here, TOKEN)
    assert len(book.asked) == 3


async def test_a_log_that_is_another_one_drops_all(book: Book) -> None:
    """After a restored database, or when what was seen is no longer told, everybody is asked for anew."""
    log = Log()
    callers = Callers(ADMIN, book, changes=log)
    await callers.changed(identity="someone")
    for told, questions in (([Told(1, "someone")], 1), ([], 2), ([Told(7, "other")], 2), ([Told(3, "other")], 3)):
        log.told = told
        await identify(callers, TOKEN)
        assert len(book.asked) == questions, told


async def test_a_change_counts_here_where_it_cannot_be_told(book: Book) -> None:
    """The log fails: the call that made the change does not, and this process forgets."""
    log = Log()
    callers = Callers(ADMIN, book, changes=log)
    await identify(callers, TOKEN)
    log.failure = WuzapiUnreachable(Text("x", "x"))
    await callers.changed(identity=ANA.id)
    await identify(callers, TOKEN)
    assert len(book.asked) == 2
