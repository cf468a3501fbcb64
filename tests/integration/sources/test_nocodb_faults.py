"""A NocoDB that refuses, hangs, breaks off, answers garbage, redirects, or says that it did what it did not do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from tests.fakes.http_server import Answer, Request
from tests.fakes.nocodb import BASE, TABLE, TOKEN, FakeNocodb, told
from wuzapi_manager_server.domain.connection import Nocodb
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Fault, Owner
from wuzapi_manager_server.errors import (
    Code,
    ConnectionFailed,
    CredentialsRejected,
    NocodbError,
    OutcomeUnknown,
    QueryFailed,
    RateLimited,
    ServiceError,
    TimedOut,
    WrittenOtherwise,
)
from wuzapi_manager_server.sources.base import Change, Query
from wuzapi_manager_server.sources.nocodb import NocodbEngine, NocodbSource
from wuzapi_manager_server.upstreams.addresses import AddressGuard

SECONDS = 20.0
ANA = Owner("owner", "ana")
HUGE = b"[" + b" " * (17 << 20)
SECRET = "stack at /srv/nocodb/secret.js: password=hunter2"


@pytest.fixture
def fake() -> Iterator[FakeNocodb]:
    with FakeNocodb() as made:
        yield made


@pytest.fixture
async def source(fake: FakeNocodb) -> AsyncIterator[NocodbSource]:
    engine = NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS)
    made = engine.open(Nocodb(fake.url, BASE, TABLE, secret=TOKEN))
    yield made
    await made.close()


def soon() -> Deadline:
    return Deadline.after(SECONDS)


def reads(source: NocodbSource) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: source.fetch(Query(ANA, limit=10), soon()),
        lambda: source.get((1,), ANA, soon()),
        lambda: source.count(ANA, None, soon()),
        lambda: source.count(None, None, soon()),
    ]


def writes(source: NocodbSource) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: source.insert([{"owner": "ana", "name": "new"}], ANA, soon()),
        lambda: source.update([Change((1,), {"name": "changed"})], ANA, soon()),
        lambda: source.delete([((1,), None)], ANA, soon()),
    ]


def always(answer: Answer) -> Callable[[Request], Answer]:
    return lambda _: answer


def of_writes(answer: Answer) -> Callable[[Request], Answer | None]:
    return lambda request: None if request.method == "GET" else answer


FAULTS = [
    (told(401, {"error": "ERR_AUTHENTICATION_REQUIRED", "msg": SECRET}), CredentialsRejected, Code.FAILED_PRECONDITION),
    (told(403, {"error": "ERR_FORBIDDEN", "msg": SECRET}), CredentialsRejected, Code.FAILED_PRECONDITION),
    (told(404, {"error": "ERR_TABLE_NOT_FOUND", "msg": SECRET}), QueryFailed, Code.FAILED_PRECONDITION),
    (Answer(404, SECRET.encode(), "text/html"), NocodbError, Code.UNAVAILABLE),
    (told(500, {"msg": SECRET, "innerError": {"stack": SECRET}}), NocodbError, Code.UNAVAILABLE),
    (Answer(500, f"<html>{SECRET}</html>".encode(), "text/html"), NocodbError, Code.UNAVAILABLE),
    (Answer(200, f"<html>{SECRET}</html>".encode(), "text/html"), NocodbError, Code.UNAVAILABLE),
    (Answer(200, b'{"list": [{"Id"'), NocodbError, Code.UNAVAILABLE),
    (Answer(200, b"\xff\x00\x01"), NocodbError, Code.UNAVAILABLE),
    (Answer(200, b"[]"), NocodbError, Code.UNAVAILABLE),
    (Answer(431, b""), QueryFailed, Code.FAILED_PRECONDITION),
    (told(302, {}, location="http://169.254.169.254/"), NocodbError, Code.FAILED_PRECONDITION),
    (told(429, {"msg": SECRET}, retry_after="70"), RateLimited, Code.RESOURCE_EXHAUSTED),
    (told(400, {"error": "ERR_DATABASE_OP_FAILED", "msg": SECRET}), QueryFailed, Code.FAILED_PRECONDITION),
]


@pytest.mark.parametrize(
    ("answer", "kind", "code"), FAULTS, ids=[f"{one[0].status} {one[0].body[:9]!r}" for one in FAULTS]
)
async def test_a_faulty_answer_is_its_own_error(
    fake: FakeNocodb, source: NocodbSource, answer: Answer, kind: type[ServiceError], code: Code
) -> None:
    """Each fault has its error and code, nothing that NocoDB said is in it, and the next call works when it is well."""
    fake.fault = always(answer)
    for call in [*reads(source), *writes(source)]:
        with pytest.raises(kind) as caught:
            await call()
        assert caught.value.code is code
        told_of = [*caught.value.text, *caught.value.metadata.values(), *(caught.value.suggestion or ())]
        assert not any("secret" in each or "hunter2" in each for each in told_of)
        if kind is RateLimited:
            assert caught.value.retry_after == 70
    assert not any(request.path.startswith("//") for request in fake.requests)
    fake.fault = None
    assert [row.key for row in await source.fetch(Query(ANA, limit=10), soon())] == [(1,)]
    assert fake.rows == [{"Id": 1, "owner": "ana", "name": "one"}]


@pytest.mark.parametrize(
    "answer",
    [Answer(200, b'[{"Id": 1}]', cut=True), told(500, {"msg": SECRET}), Answer(502, b"<html>", "text/html")],
    ids=["cut", "500", "502"],
)
async def test_a_write_whose_answer_is_lost_is_of_unknown_outcome(
    fake: FakeNocodb, source: NocodbSource, answer: Answer
) -> None:
    """Where NocoDB may have written and did not say so, the caller is told that, and it is not sent again."""
    await source.describe(soon())
    for call in writes(source):
        fake.requests.clear()
        fake.fault = of_writes(answer)
        with pytest.raises(OutcomeUnknown):
            await call()
        assert len([request for request in fake.requests if request.method != "GET"]) == 1


async def test_a_proxy_that_cannot_reach_nocodb_is_told(fake: FakeNocodb, source: NocodbSource) -> None:
    """502 with a page of HTML is NOCODB_ERROR, UNAVAILABLE."""
    fake.fault = always(Answer(502, b"<html>", "text/html"))
    with pytest.raises(NocodbError) as caught:
        await source.describe(soon())
    assert caught.value.code is Code.UNAVAILABLE


async def test_a_server_that_hangs_ends_with_the_deadline(fake: FakeNocodb, source: NocodbSource) -> None:
    """A read ends by its deadline, and the next call works."""
    await source.describe(soon())
    with fake.held(), pytest.raises(TimedOut):
        await source.fetch(Query(ANA, limit=10), Deadline.after(0.3))
    assert await source.fetch(Query(ANA, limit=10), soon())


async def test_a_write_that_hangs_is_of_unknown_outcome(fake: FakeNocodb, source: NocodbSource) -> None:
    """A write that was sent and not answered in time may have been done."""
    await source.describe(soon())
    with fake.held(), pytest.raises(OutcomeUnknown):
        await source.insert([{"owner": "ana", "name": "x"}], ANA, Deadline.after(0.3))


async def test_a_server_that_is_gone_cannot_be_reached(fake: FakeNocodb, source: NocodbSource) -> None:
    """A closed port is CONNECTION_FAILED, for reads and writes; nothing was sent."""
    fake.close()
    for call in [*reads(source), *writes(source)]:
        with pytest.raises(ConnectionFailed):
            await call()


async def test_what_was_not_written_is_told(fake: FakeNocodb, source: NocodbSource) -> None:
    """200 without effect is refused for each kind of write; what was asked for is not there."""
    fake.fault = of_writes(told(200, [{"Id": 1}]))
    updated = await source.update([Change((1,), {"name": "changed"})], ANA, soon())
    deleted = await source.delete([((1,), None)], ANA, soon())
    inserted = await source.insert([{"owner": "ana", "name": "new"}], ANA, soon())
    refusals = [type(each[0].error) for each in (updated, deleted, inserted)]
    assert refusals == [WrittenOtherwise, QueryFailed, WrittenOtherwise]
    fake.fault = of_writes(told(200, [{"Id": 99}]))
    [unknown] = await source.insert([{"owner": "ana", "name": "new"}], ANA, soon())
    assert isinstance(unknown.error, OutcomeUnknown)


async def test_a_row_of_another_is_never_given(fake: FakeNocodb, source: NocodbSource) -> None:
    """Where NocoDB gives more than it was asked for, rows of others are neither listed, counted, got nor changed."""
    fake.rows = [
        {"Id": at, "owner": owner, "name": "x"} for at, owner in enumerate(["ANA", "ana ", "bruno", None, "ana"])
    ]
    assert [row.key for row in await source.fetch(Query(ANA, limit=10), soon())] == [(4,)]
    assert await source.count(ANA, None, soon()) == 1
    assert await source.get((0,), ANA, soon()) is None
    for call in (
        source.update([Change((4,), {"name": "y"}), Change((2,), {"name": "y"})], ANA, soon()),
        source.delete([((4,), None), ((2,), None)], ANA, soon()),
    ):
        with pytest.raises(ServiceError) as caught:
            await call
        assert caught.value.reason == "NOT_FOUND"
        assert caught.value.metadata == {"index": "1"}
    assert {row["name"] for row in fake.rows} == {"x"}


async def test_a_token_that_is_no_header_is_never_sent(fake: FakeNocodb) -> None:
    """A token with line breaks or other letters is refused before anything is sent."""
    engine = NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS)
    for token in ("", "a\r\nx-admin: 1", "é", "a b"):
        source = engine.open(Nocodb(fake.url, BASE, TABLE, secret=token))
        with pytest.raises(CredentialsRejected):
            await source.describe(soon())
        await source.close()
    assert not fake.requests


@pytest.mark.parametrize("table", ["../x", "..", "a/b", "a?b=c", "a#b", "%2e%2e", "a\\b", " "])
async def test_an_id_of_a_table_reaches_no_other_path(fake: FakeNocodb, table: str) -> None:
    """Whatever stands in table_id, only a path below the metadata of tables is asked for."""
    source = NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS).open(Nocodb(fake.url, BASE, table, secret=TOKEN))
    with pytest.raises(QueryFailed):
        await source.describe(soon())
    await source.close()
    for request in fake.requests:
        place = request.path.removeprefix("/api/v2/meta/tables/")
        assert place != request.path
        assert not set(place) & set("/?#\\")


async def test_a_test_ends_at_the_step_that_fails(fake: FakeNocodb) -> None:
    """A refused token, an unknown table, an unknown base and a closed port each fail their own step."""
    engine = NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS)

    async def last(place: Nocodb) -> tuple[str, bool]:
        source = engine.open(place)
        steps = await source.test("owner", soon())
        await source.close()
        return steps[-1].name, steps[-1].ok

    assert await last(Nocodb(fake.url, BASE, TABLE, secret=TOKEN)) == ("read", True)
    assert await last(Nocodb(fake.url, BASE, TABLE, secret="other")) == ("authenticate", False)
    assert await last(Nocodb(fake.url, BASE, "mother", secret=TOKEN)) == ("table", False)
    assert await last(Nocodb(fake.url, "pother", TABLE, secret=TOKEN)) == ("table", False)
    assert await last(Nocodb("http://10.0.0.1:1", BASE, TABLE, secret=TOKEN)) == ("resolve", False)
    fake.close()
    assert await last(Nocodb(fake.url, BASE, TABLE, secret=TOKEN)) == ("connect", False)


async def test_a_closed_source_refuses_calls(source: NocodbSource) -> None:
    """After close a call is CONNECTION_FAILED."""
    await source.close()
    with pytest.raises(ConnectionFailed):
        await source.fetch(Query(ANA, limit=1), soon())


async def test_many_calls_at_once_are_answered(source: NocodbSource) -> None:
    """A source is safe to use from many tasks."""
    found = await asyncio.gather(*(source.fetch(Query(ANA, limit=1), soon()) for _ in range(50)))
    assert all(len(rows) == 1 for rows in found)


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/meta/tables/", lambda source: source.describe(soon())),
        ("/meta/bases/", lambda source: source.tables(("", ""), 10, soon())),
        ("/count", lambda source: source.count(None, None, soon())),
    ],
)
async def test_a_huge_answer_is_none_of_nocodb(
    fake: FakeNocodb, source: NocodbSource, path: str, call: Callable[[NocodbSource], Awaitable[object]]
) -> None:
    """Metadata and counts that are larger than any of NocoDB's are refused like other garbage."""
    fake.fault = lambda request: Answer(200, HUGE) if path in request.path else None
    with pytest.raises(NocodbError) as caught:
        await call(source)
    assert caught.value.code is Code.UNAVAILABLE


async def test_a_huge_answer_to_a_test_is_told_at_its_step(fake: FakeNocodb, source: NocodbSource) -> None:
    """It is no fault of the service."""
    fake.fault = always(Answer(200, HUGE))
    last = (await source.test("owner", soon()))[-1]
    assert (last.name, last.fault) == ("authenticate", Fault.TRANSIENT)


async def test_a_huge_answer_to_a_diagnosis_hides_no_error(fake: FakeNocodb, source: NocodbSource) -> None:
    """Where records are an internal error of NocoDB and the count is garbage, that is what is told."""
    await source.describe(soon())
    fake.fault = lambda request: Answer(200, HUGE) if "/count" in request.path else told(500, {})
    with pytest.raises(NocodbError):
        await source.fetch(Query(ANA, limit=10), soon())


@pytest.mark.parametrize("records", [[1], [{"Id": 1, "owner": "ana", "name": "one"}, "x"]])
async def test_records_that_are_none_are_not_left_out(
    fake: FakeNocodb, source: NocodbSource, records: list[object]
) -> None:
    """A list that holds anything but records is no list of NocoDB."""
    fake.fault = lambda request: (
        told(200, {"list": records, "pageInfo": {"isLastPage": True}}) if "/records" in request.path else None
    )
    for call in reads(source)[:3]:
        with pytest.raises(NocodbError):
            await call()


async def test_odd_metadata_is_no_fault_of_the_service(fake: FakeNocodb, source: NocodbSource) -> None:
    """Tables without an id of text are left out; two columns of one title cannot be read."""
    ids: list[object] = [{"id": None}, {"id": 5}, {}, 7, {"id": TABLE}]
    fake.fault = lambda request: told(200, {"list": ids}) if request.path.endswith("/tables") else None
    assert [table.name for table in (await source.tables(("", ""), 10, soon())).tables] == [TABLE]
    column = {"id": "c1", "title": "owner", "uidt": "LongText"}
    twice = {"id": TABLE, "base_id": BASE, "columns": [column, {**column, "id": "c2"}]}
    fake.fault = lambda request: told(200, twice) if "/meta/tables/" in request.path else None
    with pytest.raises(NocodbError):
        await source.describe(soon())
