"""Requests that come again."""

import asyncio
from datetime import timedelta

import pytest

from tests.integration.storage.conftest import Clock
from tests.integration.storage.examples import connection
from wuzapi_manager_server.errors import Conflict, InvalidInput
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.connections import ConnectionFilter, ConnectionStore
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.idempotency import IdempotencyStore


@pytest.fixture
def requests(database: Database, box: SecretBox, clock: Clock) -> IdempotencyStore:
    return IdempotencyStore(database, box, clock, max_age=timedelta(minutes=2))


async def test_the_same_again_gives_the_stored_answer(database: Database, requests: IdempotencyStore) -> None:
    """Any bytes come back as they were, for that scope alone."""
    answer = bytes(range(256))
    assert await database.write(lambda: requests.begin(b"scope", b"body")) is None
    await database.write(lambda: requests.finish(b"scope", answer))
    assert await database.write(lambda: requests.begin(b"scope", b"body")) == answer
    assert await database.write(lambda: requests.begin(b"other scope", b"body")) is None


async def test_another_body_is_refused(database: Database, requests: IdempotencyStore) -> None:
    """The id of one request is not taken for another, whether or not the first was answered."""
    await database.write(lambda: requests.begin(b"scope", b"body"))
    for _ in range(2):
        with pytest.raises(InvalidInput) as raised:
            await database.write(lambda: requests.begin(b"scope", b"another"))
        assert [violation.field for violation in raised.value.violations] == ["request_id"]
        await database.write(lambda: requests.finish(b"scope", b""))


async def test_while_the_first_is_running_the_second_waits(database: Database, requests: IdempotencyStore) -> None:
    """ABORTED with a time to wait."""
    await database.write(lambda: requests.begin(b"scope", b"body"))
    with pytest.raises(Conflict) as raised:
        await database.write(lambda: requests.begin(b"scope", b"body"))
    assert raised.value.retry_after == 1.0


async def test_one_that_was_left_is_not_waited_for(database: Database, requests: IdempotencyStore) -> None:
    """Nothing runs any more: the outcome is not known from then on, and only who may begins it once more."""
    await database.write(lambda: requests.begin(b"scope", b"body"))
    await database.write(lambda: requests.leave(b"scope"))
    with pytest.raises(Conflict) as raised:
        await database.write(lambda: requests.begin(b"scope", b"body"))
    assert raised.value.retry_after is None
    assert "not known" in raised.value.text.en
    assert await database.write(lambda: requests.begin(b"scope", b"body", again=True)) is None
    with pytest.raises(Conflict) as raised:
        await database.write(lambda: requests.begin(b"scope", b"body"))
    assert raised.value.retry_after == 1.0


async def test_one_that_was_cut_off_is_not_done_again(
    database: Database, requests: IdempotencyStore, clock: Clock
) -> None:
    """After the longest time that a call may take, the outcome is not known: no waiting, but a look."""
    await database.write(lambda: requests.begin(b"scope", b"body"))
    clock.forward(minutes=2)
    with pytest.raises(Conflict) as raised:
        await database.write(lambda: requests.begin(b"scope", b"body"))
    assert raised.value.retry_after is None
    assert raised.value.suggestion is not None
    assert "new request_id" in raised.value.suggestion.en


async def test_one_that_was_left_is_not_done_again(database: Database, requests: IdempotencyStore) -> None:
    """What nobody waits for any more is told at once as of unknown outcome: waiting would not help."""
    await database.write(lambda: requests.begin(b"scope", b"body"))
    await database.write(lambda: requests.leave(b"scope"))
    with pytest.raises(Conflict, match="not known") as raised:
        await database.write(lambda: requests.begin(b"scope", b"body"))
    assert raised.value.retry_after is None


async def test_one_that_had_no_effect_may_come_again(database: Database, requests: IdempotencyStore) -> None:
    """After `abandon` the request is new, also with another body; abandoning what is not there does nothing."""
    await database.write(lambda: requests.begin(b"scope", b"body"))
    await database.write(lambda: requests.abandon(b"scope"))
    await database.write(lambda: requests.abandon(b"scope"))
    assert await database.write(lambda: requests.begin(b"scope", b"another")) is None


async def test_after_a_day_it_is_a_new_request(database: Database, requests: IdempotencyStore, clock: Clock) -> None:
    """Also when nothing swept the old one away; an answer that comes after the sweep is let go."""
    await database.write(lambda: requests.begin(b"scope", b"body"))
    await database.write(lambda: requests.finish(b"scope", b"answer"))
    clock.forward(hours=23)
    assert await database.write(lambda: requests.begin(b"scope", b"body")) == b"answer"
    clock.forward(hours=1, seconds=1)
    assert await database.write(lambda: requests.begin(b"scope", b"another")) is None
    await database.write(lambda: requests.purge(clock()))
    await database.write(lambda: requests.finish(b"scope", b"late"))
    assert await database.write(lambda: requests.begin(b"scope", b"body")) is None


async def test_a_create_and_its_answer_are_one_transaction(
    database: Database, requests: IdempotencyStore, store: ConnectionStore
) -> None:
    """Of many equal requests at once one makes the connection; all get its answer. A failure leaves nothing behind."""

    def create(*, fail: bool = False) -> bytes:
        kept = requests.begin(b"scope", b"body")
        if kept is not None:
            return kept
        made = store.create(connection())
        requests.finish(b"scope", str(made.id).encode())
        if fail:
            raise RuntimeError
        return str(made.id).encode()

    with pytest.raises(RuntimeError):
        await database.write(lambda: create(fail=True))
    assert store.version(1) is None
    answers = await asyncio.gather(*(database.write(create) for _ in range(10)))
    assert set(answers) == {b"1"}
    assert len(store.page(ConnectionFilter(), ("name", False), None, 9)) == 1


async def test_a_long_request_is_cut_off_later(database: Database, requests: IdempotencyStore, clock: Clock) -> None:
    """What may take longer is still under way when others of its age count as cut off."""
    longer = timedelta(seconds=100)
    assert await database.write(lambda: requests.begin(b"scope", b"body", again=True, longer=longer)) is None
    clock.forward(minutes=3, seconds=30)
    with pytest.raises(Conflict, match="still running"):
        await database.write(lambda: requests.begin(b"scope", b"body", again=True, longer=longer))
    clock.forward(seconds=15)
    assert await database.write(lambda: requests.begin(b"scope", b"body", again=True, longer=longer)) is None
