"""An Airtable that fails, limits or is late: each has its error, and the next call works."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.fakes.airtable import FakeAirtable, FakeTable
from tests.fakes.http_server import Answer
from tests.integration.sources.airtable import (
    ANA,
    Open,
    fake,
    opened,
    people,
    soon,
    told,
    too_many,
)
from wuzapi_manager_server.errors import (
    AirtableError,
    ConnectionFailed,
    CredentialsRejected,
    OutcomeUnknown,
    QueryFailed,
    RateLimited,
    ServiceError,
)
from wuzapi_manager_server.sources.airtable import AirtableSource
from wuzapi_manager_server.sources.airtable_rate import Rates
from wuzapi_manager_server.sources.base import Query

__all__ = ["fake", "opened", "people"]


FAULTS: dict[str, tuple[Answer, type[ServiceError], type[ServiceError]]] = {
    "401": (told(401, "AUTHENTICATION_REQUIRED"), CredentialsRejected, CredentialsRejected),
    "403": (told(403, "INVALID_PERMISSIONS"), CredentialsRejected, CredentialsRejected),
    "403 or missing": (told(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"), QueryFailed, QueryFailed),
    "404 text": (Answer(404, b'{"error": "NOT_FOUND"}'), QueryFailed, QueryFailed),
    "404 object": (told(404, "NOT_FOUND"), QueryFailed, QueryFailed),
    "422": (told(422, "INVALID_REQUEST_UNKNOWN"), QueryFailed, QueryFailed),
    "413": (Answer(413, b"<html>SECRET WORDS"), QueryFailed, QueryFailed),
    "429": (too_many("RATE_LIMIT_REACHED"), RateLimited, RateLimited),
    "spent": (too_many("PUBLIC_API_BILLING_LIMIT_EXCEEDED"), RateLimited, RateLimited),
    "500": (Answer(500, b"Traceback SECRET WORDS", "text/html"), AirtableError, OutcomeUnknown),
    "302": (Answer(302, b"", headers=(("Location", "http://127.0.0.1:1/SECRET"),)), AirtableError, AirtableError),
    "html": (Answer(200, b"<html>SECRET WORDS</html>", "text/html"), AirtableError, OutcomeUnknown),
    "no records": (Answer(200, b'{"records": 5}'), AirtableError, OutcomeUnknown),
    "strange records": (Answer(200, b'{"records": [{"id": 5}, null]}'), AirtableError, OutcomeUnknown),
    "cut": (Answer(200, b'{"records": []}' + b" " * 1000, cut=True), ConnectionFailed, OutcomeUnknown),
}


async def made(source: AirtableSource) -> None:
    """Makes a record. Raises why it is refused."""
    [outcome] = await source.insert([{"name": "new"}], None, soon(10))
    if outcome.error is not None:
        raise outcome.error


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_has_its_error_and_the_next_call_works(
    people: FakeTable, fake: FakeAirtable, opened: Open, fault: str
) -> None:
    """A read and a write that fail say why in our own words, promptly; what was not carried out was not written."""
    answer, of_reads, of_writes = FAULTS[fault]
    held = dict(people.records)
    calls: list[tuple[Callable[[AirtableSource], Awaitable[object]], type[ServiceError]]] = [
        (lambda source: source.fetch(Query(ANA, limit=5), soon(10)), of_reads),
        (lambda source: source.count(ANA, None, soon(10)), of_reads),
        (made, of_writes),
    ]
    for call, kind in calls:
        source = opened(people)
        await source.describe(soon())
        fake.trouble = [answer] * 10
        with pytest.raises(kind) as caught:
            await asyncio.wait_for(call(source), 15)
        assert type(caught.value) is kind
        assert "SECRET" not in f"{caught.value} {caught.value.text} {caught.value.suggestion} {caught.value.metadata}"
        fake.trouble = []
        if fault == "429":
            assert caught.value.retry_after
            source = opened(people)  # the cool-down is of the other's turns
        assert await source.count(ANA, None, soon()) == 125
    assert people.records == held


async def test_the_turns_of_a_base_are_shared_and_kept(people: FakeTable, fake: FakeAirtable, opened: Open) -> None:
    """Many calls of two connections of a base go out four a second, together, and all are answered."""
    rates = Rates()
    sources = [opened(people, rates=rates) for _ in range(2)]
    key = next(iter(people.records))
    begun = time.monotonic()
    for source in sources:
        await source.describe(soon())
    await asyncio.gather(*(source.get((key,), None, soon(60)) for source in sources for _ in range(5)))
    assert len(fake.requests) == 12
    assert time.monotonic() - begun >= 11 / 4


async def test_after_429_nobody_asks_for_a_while(people: FakeTable, fake: FakeAirtable, opened: Open) -> None:
    """The first is told when to come again, others of the base too, without a request; who has time waits."""
    rates = Rates(1_000_000, cool_down=1.5)
    source = opened(people, rates=rates)
    await source.describe(soon())
    fake.rate, fake.pause = 1, 1.0
    key = next(iter(people.records))
    with pytest.raises(RateLimited) as caught:
        await asyncio.gather(*(source.get((key,), None, soon(1)) for _ in range(4)))
    assert caught.value.retry_after is not None
    fake.rate = 0
    asked = len(fake.requests)
    with pytest.raises(RateLimited) as caught:
        await opened(people, rates=rates).describe(soon(0.5))
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 1.5
    assert len(fake.requests) == asked
    assert await source.get((key,), None, soon(30)) is not None


async def test_a_spent_quota_is_not_asked_again(people: FakeTable, fake: FakeAirtable, opened: Open) -> None:
    """A monthly quota is no matter of waiting: one request, no time to come again."""
    source = opened(people)
    await source.describe(soon())
    asked = len(fake.requests)
    fake.trouble = [Answer(429, b'{"errors": [{"error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED"}]}')] * 5
    with pytest.raises(RateLimited) as caught:
        await source.count(None, None, soon())
    assert caught.value.retry_after is None
    assert len(fake.requests) == asked + 1


async def test_a_write_whose_answer_is_late_is_not_repeated(
    people: FakeTable, fake: FakeAirtable, opened: Open
) -> None:
    """A create that Airtable does not answer in time is told as unknown, and sent once."""
    source = opened(people)
    await source.describe(soon())
    with fake.held(), pytest.raises(OutcomeUnknown):
        await source.insert([{"name": "once"}], None, soon(0.5))
    await source.count(None, None, soon())
    writes = [request for request in fake.requests if request.path.endswith(people.id)]
    assert len(writes) == 1
