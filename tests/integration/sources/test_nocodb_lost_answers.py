"""A real NocoDB that fails between a write and the reading back: what may be done is told so, and not done twice."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.nocodb_source import NocodbUnderTest
from tests.contract.sources import PEOPLE, MadeTable, Shape, Spec, Value
from tests.fakes.http_server import Answer, Request
from tests.fakes.nocodb import BASE, TABLE, TOKEN, FakeNocodb, told
from tests.fakes.nocodb_proxy import NocodbProxy, blind, of_records, refusing
from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager_server.domain.connection import Nocodb
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Cell, Owner
from wuzapi_manager_server.errors import (
    ConnectionFailed,
    NocodbError,
    OutcomeUnknown,
    QueryFailed,
    RateLimited,
    ServiceError,
)
from wuzapi_manager_server.sources.base import Change, Outcome, Query
from wuzapi_manager_server.sources.nocodb import NocodbEngine, NocodbSource
from wuzapi_manager_server.upstreams.addresses import AddressGuard

SECONDS = 60.0
ANA = Owner("owner", "ana")
MANY = 250
READ_BACK = {
    "503": told(503, {"msg": "restarting"}),
    "cut": Answer(200, b'{"list": [], "pageInfo": {}}', cut=True),
    "html": Answer(200, b"<html>", "text/html"),
    "403": told(403, {"error": "ERR_FORBIDDEN"}),
    "429": told(429, {}, retry_after="70"),
    "table gone": told(404, {"error": "ERR_TABLE_NOT_FOUND"}),
    "column gone": told(422, {"error": "ERR_INVALID_FILTER"}),
}
Write = Callable[[NocodbSource, int], Awaitable[list[Outcome]]]
WRITES: dict[str, Write] = {
    "insert": lambda source, count: source.insert([{"owner": "ana", "name": "new"}] * count, ANA, soon()),
    "update": lambda source, count: source.update(
        [Change((at,), {"name": "new"}) for at in range(1, count + 1)], ANA, soon()
    ),
    "delete": lambda source, count: source.delete([((at,), None) for at in range(1, count + 1)], ANA, soon()),
}


@pytest.fixture
def under_test(nocodb_server: NocodbServer, tmp_path: Path) -> Iterator[NocodbUnderTest]:
    with closing(NocodbUnderTest(nocodb_server, tmp_path)) as made:
        yield made


@pytest.fixture
def table(under_test: NocodbUnderTest) -> Iterator[MadeTable]:
    """A table of 250 rows of one owner."""
    made = under_test.make(PEOPLE, [[at, "ana", "old", None] for at in range(1, MANY + 1)])
    yield made
    under_test.disconnect(made)


@pytest.fixture
def proxy(nocodb_server: NocodbServer) -> Iterator[NocodbProxy]:
    with NocodbProxy(nocodb_server.url) as made:
        yield made


@pytest.fixture
async def source(under_test: NocodbUnderTest, table: MadeTable, proxy: NocodbProxy) -> AsyncIterator[NocodbSource]:
    """The table, by way of the proxy."""
    place = under_test.source_of(table).nocodb
    made = opened(Nocodb(proxy.url, place.project_id, place.table_id, secret=place.token))
    await made.describe(soon())
    yield made
    await made.close()


@pytest.fixture
def fake() -> Iterator[FakeNocodb]:
    with FakeNocodb() as made:
        yield made


@pytest.fixture
async def faked(fake: FakeNocodb) -> AsyncIterator[NocodbSource]:
    """A table of the fake."""
    made = opened(Nocodb(fake.url, BASE, TABLE, secret=TOKEN))
    yield made
    await made.close()


def opened(place: Nocodb) -> NocodbSource:
    return NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS).open(place)


def soon() -> Deadline:
    return Deadline.after(SECONDS)


def sent(requests: Sequence[Request]) -> int:
    """How many writes came in."""
    return len([request for request in requests if request.method != "GET"])


def touched(rows: Sequence[Sequence[Value]]) -> int:
    """How many of the 250 rows are not as they were, or not there, or were added."""
    return MANY - len([row for row in rows if row[2] == "old"]) + max(0, len(rows) - MANY)


def errors(outcomes: Sequence[Outcome]) -> list[type[object]]:
    return [type(outcome.error) for outcome in outcomes]


@pytest.mark.parametrize("answer", READ_BACK.values(), ids=READ_BACK)
async def test_a_write_that_cannot_be_read_back_is_of_unknown_outcome(
    under_test: NocodbUnderTest, table: MadeTable, proxy: NocodbProxy, source: NocodbSource, answer: Answer
) -> None:
    """It was sent once and is done, whatever the reading fails of; the next call works."""
    first = []
    for write in WRITES.values():
        proxy.requests.clear()
        proxy.fault = blind(answer)
        with pytest.raises(OutcomeUnknown):
            await write(source, 1)
        assert sent(proxy.requests) == 1
        proxy.fault = lambda _: None
        rows = under_test.rows(table)
        first.append((len(rows), *rows[0]))
        assert await source.count(ANA, None, soon()) == len(rows)
    assert first == [(251, 1, "ana", "old", None), (251, 1, "ana", "new", None), (250, 2, "ana", "old", None)]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_batch_keeps_what_is_known_of_it(
    under_test: NocodbUnderTest, table: MadeTable, proxy: NocodbProxy, source: NocodbSource, write: Write
) -> None:
    """Where the second of three requests cannot be read back, the first is done, and the third was not tried."""
    proxy.fault = blind(told(503, {"msg": "restarting"}), after=2)
    outcomes = await write(source, MANY)
    assert errors(outcomes) == [type(None)] * 100 + [OutcomeUnknown] * 100 + [ConnectionFailed] * 50
    assert [outcome.row is not None for outcome in outcomes] == [
        at < 100 and write is not WRITES["delete"] for at in range(MANY)
    ]
    assert sent(proxy.requests) == 2
    assert touched(under_test.rows(table)) == 200


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize(
    ("answer", "second", "third"),
    [
        (told(429, {}, retry_after="70"), RateLimited, RateLimited),
        (told(500, {"msg": "crashed"}), OutcomeUnknown, ConnectionFailed),
    ],
    ids=["429", "500"],
)
async def test_a_batch_ends_with_the_request_that_fails(
    under_test: NocodbUnderTest,
    table: MadeTable,
    proxy: NocodbProxy,
    source: NocodbSource,
    write: Write,
    answer: Answer,
    second: type[ServiceError],
    third: type[ServiceError],
) -> None:
    """What was done before is told; a refusal for lack of time is not taken for an unknown outcome, nor the reverse."""
    proxy.fault = refusing(answer, after=1)
    outcomes = await write(source, MANY)
    assert errors(outcomes) == [type(None)] * 100 + [second] * 100 + [third] * 50
    assert sent(proxy.requests) == 2
    assert touched(under_test.rows(table)) == 100


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_batch_of_one_request_is_told_item_by_item(
    under_test: NocodbUnderTest, table: MadeTable, proxy: NocodbProxy, source: NocodbSource, write: Write
) -> None:
    """Several rows of one request that cannot be read back are each of unknown outcome."""
    proxy.fault = blind(told(503, {"msg": "restarting"}))
    assert errors(await write(source, 5)) == [OutcomeUnknown] * 5
    assert touched(under_test.rows(table)) == 5


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_nothing_done_is_raised(
    under_test: NocodbUnderTest, table: MadeTable, proxy: NocodbProxy, source: NocodbSource, write: Write
) -> None:
    """Where the first request is not taken the call fails, and may come again."""
    proxy.fault = refusing(told(429, {}, retry_after="70"), after=0)
    with pytest.raises(RateLimited):
        await write(source, MANY)
    assert touched(under_test.rows(table)) == 0


async def test_a_deadline_between_write_and_reading_is_no_failure(
    under_test: NocodbUnderTest, table: MadeTable, proxy: NocodbProxy, source: NocodbSource
) -> None:
    """The row is made, and the time is over before it is read: unknown."""

    def slow(request: Request) -> None:
        if request.method == "GET" and of_records(request):
            proxy.wait(SECONDS)

    proxy.fault = slow
    with pytest.raises(OutcomeUnknown):
        await source.insert([{"owner": "ana", "name": "new"}], ANA, Deadline.after(2))
    assert touched(under_test.rows(table)) == 1


async def test_rows_that_are_tried_alone_keep_their_outcomes(fake: FakeNocodb, faked: NocodbSource) -> None:
    """Rows that are refused together go one by one; the one that fails ends that, and those before it are told."""
    fake.rows = [{"Id": at, "owner": "ana", "name": "old"} for at in range(1, 6)]
    single = refusing(told(429, {}, retry_after="70"), after=2)

    def fault(request: Request) -> Answer | None:
        if request.method != "GET" and request.body.count(b"{") > 1:
            return told(400, {"error": "ERR_DATABASE_OP_FAILED"})
        return single(request)

    fake.fault = fault
    made = await faked.insert([{"owner": "ana", "name": "new"}] * 5, ANA, soon())
    assert errors(made) == [type(None)] * 2 + [RateLimited] * 3
    single = refusing(told(500, {"msg": "crashed"}), after=2)
    changed = await faked.update([Change((at,), {"name": "new"}) for at in range(1, 6)], ANA, soon())
    assert errors(changed) == [type(None)] * 2 + [OutcomeUnknown] + [ConnectionFailed] * 2
    single = blind(told(503, {"msg": "restarting"}), after=2)
    changed = await faked.update([Change((at,), {"name": "newer"}) for at in range(1, 6)], ANA, soon())
    assert errors(changed) == [type(None)] + [OutcomeUnknown] + [ConnectionFailed] * 3
    single = refusing(told(429, {}), after=0)
    with pytest.raises(RateLimited):
        await faked.insert([{"owner": "ana", "name": "new"}] * 5, ANA, soon())
    assert [row["name"] for row in fake.rows] == ["newer", "newer", "old", "old", "old", "new", "new"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(told(503, {"msg": "restarting"}), NocodbError), (told(422, {"error": "ERR_INVALID_FILTER"}), QueryFailed)],
    ids=["503", "422"],
)
async def test_a_row_that_cannot_be_looked_for_is_not_made(
    under_test: NocodbUnderTest, proxy: NocodbProxy, answer: Answer, kind: type[ServiceError]
) -> None:
    """Rows of a composite key go one by one, each looked for before: where that fails, those before are told."""
    table = under_test.make(Shape((Spec("a", nullable=False, key=True), Spec("b", nullable=False, key=True))))
    place = under_test.source_of(table).nocodb
    source = opened(Nocodb(proxy.url, place.project_id, place.table_id, secret=place.token))
    reads = 0

    def fault(request: Request) -> Answer | None:
        nonlocal reads
        reads += request.method == "GET" and of_records(request)
        return answer if reads > 2 else None

    proxy.fault = fault
    outcomes = await source.insert([{"a": "x", "b": f"{at}"} for at in range(3)], None, soon())
    assert errors(outcomes) == [type(None), kind, kind]
    assert under_test.rows(table) == [("x", "0")]
    await source.close()
    under_test.disconnect(table)


async def test_a_table_that_changed_after_a_write_is_described_anew(fake: FakeNocodb, faked: NocodbSource) -> None:
    """A row that comes back with other columns is of unknown outcome once; the next write is made for those."""
    planned = await faked.describe(soon())
    fake.fault = blind(told(422, {"error": "ERR_INVALID_FILTER"}))
    with pytest.raises(OutcomeUnknown):
        await faked.insert([{"owner": "ana", "name": "new"}], ANA, soon(), table=planned)
    fake.fault = None
    fake.requests.clear()
    assert await faked.fetch(Query(ANA, limit=10), soon())
    assert next(request.path for request in fake.requests).endswith(f"/meta/tables/{TABLE}")


async def test_of_several_rows_the_one_that_is_sent_has_its_outcome(fake: FakeNocodb, faked: NocodbSource) -> None:
    """One of two rows is refused before it is sent; that does not make the other's outcome that of the call."""
    fake.fault = blind(told(503, {"msg": "restarting"}))
    rows: list[dict[str, Cell]] = [{"owner": "ana", "name": "new"}, {"owner": "ana", "Id": 7}]
    assert errors(await faked.insert(rows, ANA, soon())) == [OutcomeUnknown, QueryFailed]
