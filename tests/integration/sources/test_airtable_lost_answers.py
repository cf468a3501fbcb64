"""An Airtable that fails in the middle of a batch: what was written is told, and what was not is told so."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from tests.fakes.airtable import FakeAirtable, FakeTable
from tests.fakes.http_server import Answer, Request
from tests.integration.sources.airtable import ANA, Open, fake, opened, people, soon, told, too_many
from wuzapi_manager_server.domain.table import Owner
from wuzapi_manager_server.errors import (
    ConnectionFailed,
    CredentialsRejected,
    OutcomeUnknown,
    QueryFailed,
    RateLimited,
    WrittenOtherwise,
)
from wuzapi_manager_server.sources.airtable import AirtableSource
from wuzapi_manager_server.sources.base import Change, Outcome

__all__ = ["fake", "opened", "people"]

Write = Callable[[AirtableSource, Sequence[str]], Awaitable[list[Outcome]]]
WRITES: dict[str, Write] = {
    "insert": lambda source, keys: source.insert([{"name": "new", "owner": ANA.value}] * len(keys), ANA, soon()),
    "update": lambda source, keys: source.update([Change((key,), {"name": "new"}) for key in keys], ANA, soon()),
    "delete": lambda source, keys: source.delete([((key,), None) for key in keys], ANA, soon()),
}
FAULTS: dict[str, tuple[Answer, type[Exception], type[Exception]]] = {
    "hidden": (told(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"), QueryFailed, QueryFailed),
    "altered": (told(422, "UNKNOWN_FIELD_NAME"), QueryFailed, QueryFailed),
    "quota spent": (too_many("PUBLIC_API_BILLING_LIMIT_EXCEEDED"), RateLimited, RateLimited),
    "forbidden": (told(403, "INVALID_PERMISSIONS"), CredentialsRejected, CredentialsRejected),
    "500": (Answer(500, b"<html>", "text/html"), OutcomeUnknown, ConnectionFailed),
}


def failing(table: FakeTable, answer: Answer, after: int) -> Callable[[Request], Answer | None]:
    """A fault: so many writes are done, and those that follow get that answer."""
    writes = 0

    def fault(request: Request) -> Answer | None:
        nonlocal writes
        if not request.path.partition("?")[0].endswith(table.id):
            return None
        writes += 1
        return answer if writes > after else None

    return fault


def errors(outcomes: Sequence[Outcome]) -> list[type[object]]:
    return [type(outcome.error) for outcome in outcomes]


def mine(table: FakeTable) -> list[str]:
    """The 125 records of the owner as they were."""
    return [key for key, cells in table.records.items() if cells["owner"] == ANA.value and cells["name"] != "new"]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize(("answer", "second", "third"), FAULTS.values(), ids=FAULTS)
async def test_a_batch_keeps_what_is_known_of_it(
    people: FakeTable,
    fake: FakeAirtable,
    opened: Open,
    write: Write,
    answer: Answer,
    second: type[Exception],
    third: type[Exception],
) -> None:
    """Where the second of three requests fails the first ten are told as done, and nothing more is sent."""
    source = opened(people)
    keys = mine(people)
    await source.describe(soon())
    fake.fault = failing(people, answer, 1)
    outcomes = await write(source, keys[:25])
    assert errors(outcomes) == [type(None)] * 10 + [second] * 10 + [third] * 5
    assert (len(people.records) - 250, 125 - len(mine(people))) in {(10, 0), (0, 10), (-10, 10)}
    assert len([request for request in fake.requests if people.id in request.path and "list" not in request.path]) == 2


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_nothing_done_is_raised(people: FakeTable, fake: FakeAirtable, opened: Open, write: Write) -> None:
    """Where the first request is not taken the call fails, and may come again."""
    source = opened(people)
    keys = mine(people)
    await source.describe(soon())
    fake.fault = failing(people, told(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"), 0)
    with pytest.raises(QueryFailed):
        await write(source, keys[:25])
    assert (len(people.records), mine(people)) == (250, keys)


async def test_records_that_are_tried_alone_keep_their_outcomes(
    people: FakeTable, fake: FakeAirtable, opened: Open
) -> None:
    """Of ten that are refused together and go one by one, the table is hidden after three: those are told as made."""
    people.fields[0].options = {"choices": [{"name": "new"}]}
    source = opened(people)
    await source.describe(soon())
    fake.fault = failing(people, told(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"), 5)
    rows = [{"name": "new" if at != 2 else "no choice", "owner": ANA.value} for at in range(15)]
    outcomes = await source.insert(rows, ANA, soon())
    assert errors(outcomes) == [type(None)] * 2 + [QueryFailed] + [type(None)] + [QueryFailed] * 11
    assert len(people.records) == 253
    assert len({str(outcome.error) for outcome in outcomes[4:]}) == 1
    assert "no table" in str(outcomes[4].error)


async def test_records_that_are_kept_otherwise_are_written(people: FakeTable, fake: FakeAirtable, opened: Open) -> None:
    """Ten records come back with another value than was sent: that is no sign that nothing was written."""
    source = opened(people)
    await source.describe(soon())
    good, writes = fake.answer, 0

    def other(request: Request) -> Answer:
        nonlocal writes
        if not request.path.endswith(people.id):
            return good(request)
        writes += 1
        if writes > 1:
            return told(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
        told_of = good(request)
        return told_of._replace(body=told_of.body.replace(b'"new"', b'"NEW"'))

    fake.answer = other  # type: ignore[method-assign]  # for this test alone
    outcomes = await source.insert([{"name": "new", "owner": ANA.value}] * 15, ANA, soon())
    assert errors(outcomes) == [WrittenOtherwise] * 10 + [QueryFailed] * 5
    assert len(people.records) == 260


@pytest.mark.parametrize(
    "answer",
    [told(422, "INVALID_REQUEST_UNKNOWN"), told(404, "NOT_FOUND"), Answer(503, b"")],
    ids=["422", "404", "503"],
)
async def test_a_record_of_nobody_that_stays_is_no_failure(
    people: FakeTable, fake: FakeAirtable, opened: Open, answer: Answer
) -> None:
    """Records that come back as not the owner's, and cannot be deleted again, are made once and told as unknown."""
    source = opened(people)
    await source.describe(soon())
    good = fake.answer

    def other(request: Request) -> Answer:
        if request.method == "DELETE":
            return answer
        told_of = good(request)
        return told_of._replace(body=told_of.body.replace(b'"anas"', b'"ANAS"'))

    fake.answer = other  # type: ignore[method-assign]  # for this test alone
    outcomes = await source.insert([{"owner": "anas"}] * 2, Owner("owner", "anas"), soon())
    assert errors(outcomes) == [OutcomeUnknown] * 2
    assert len(people.records) == 252
