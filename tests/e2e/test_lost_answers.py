"""Creates whose outcome in NocoDB or Airtable nobody knows, asked for again under their request_id: no second row."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from grpc import StatusCode

from tests.contract.airtable_source import AirtableUnderTest
from tests.contract.calls import Caller, refused
from tests.contract.desk import Desk, connect, record_of
from tests.contract.nocodb_source import NocodbUnderTest
from tests.contract.server import World
from tests.contract.sources import PEOPLE, MadeTable
from tests.fakes.airtable import FakeAirtable, FakeTable
from tests.fakes.http_server import Answer, Request
from tests.fakes.nocodb import told
from tests.fakes.nocodb_proxy import NocodbProxy, blind, of_records, refusing
from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import record_pb2 as pb

TOKEN = "token-of-lost-answers"
RESTARTING = told(503, {"msg": "restarting"})
OK, FAILED, REFUSED = StatusCode.OK.value[0], StatusCode.UNAVAILABLE.value[0], StatusCode.FAILED_PRECONDITION.value[0]
UNKNOWN = StatusCode.DEADLINE_EXCEEDED.value[0]


class BehindProxy(NocodbUnderTest):
    """Tables of a NocoDB that the service reaches by way of a proxy."""

    def __init__(self, server: NocodbServer, folder: Path, proxy: NocodbProxy) -> None:
        super().__init__(server, folder)
        self.proxy = proxy

    def source_of(self, table: MadeTable) -> connections.Connection:
        """See SourceUnderTest."""
        made = super().source_of(table)
        made.nocodb.host = self.proxy.url
        return made


@pytest.fixture
def nocodb(nocodb_server: NocodbServer, tmp_path: Path) -> Iterator[BehindProxy]:
    with NocodbProxy(nocodb_server.url) as proxy, closing(BehindProxy(nocodb_server, tmp_path, proxy)) as made:
        yield made


@pytest.fixture
def table(nocodb: BehindProxy) -> Iterator[MadeTable]:
    made = nocodb.make(PEOPLE)
    yield made
    nocodb.disconnect(made)


@pytest.fixture
def ana(world: World) -> Caller:
    return world.user(TOKEN)


@pytest.fixture
def desk(world: World, nocodb: BehindProxy, table: MadeTable, ana: Caller) -> Desk:
    return Desk(ana, connect(world, nocodb, table, ana))


def told_of_unknown(desk: Desk, request_id: str) -> None:
    """The same create again is told at once that nobody knows; waiting would not help."""
    with refused(StatusCode.ABORTED, "CONFLICT") as refusal:
        desk.create({"name": "Marta"}, request_id=request_id)
    assert refusal.retry_after is None
    assert "not known" in refusal.message


def test_a_create_that_cannot_be_read_back_is_done_once(nocodb: BehindProxy, table: MadeTable, desk: Desk) -> None:
    """The row is made, its reading fails: the caller is told so, and so is whoever asks again, now and later."""
    request_id = str(uuid4())
    nocodb.proxy.fault = blind(RESTARTING)
    with refused(StatusCode.DEADLINE_EXCEEDED, "TIMEOUT_ERROR") as refusal:
        desk.create({"name": "Marta"}, request_id=request_id)
    assert "may be done" in refusal.message
    told_of_unknown(desk, request_id)
    nocodb.proxy.fault = lambda _: None
    told_of_unknown(desk, request_id.upper())
    assert [row[2] for row in nocodb.rows(table)] == ["Marta"]
    assert desk.column("name") == ["Marta"]


def test_a_create_that_was_refused_for_now_may_come_again(nocodb: BehindProxy, table: MadeTable, desk: Desk) -> None:
    """What is known not to be done frees its request_id."""
    request_id = str(uuid4())
    nocodb.proxy.fault = refusing(told(429, {}, retry_after="7"), after=0)
    with refused(StatusCode.RESOURCE_EXHAUSTED):
        desk.create({"name": "Marta"}, request_id=request_id)
    nocodb.proxy.fault = lambda _: None
    assert desk.create({"name": "Marta"}, request_id=request_id) == desk.create(
        {"name": "Marta"}, request_id=request_id
    )
    assert len(nocodb.rows(table)) == 1


def test_a_record_that_is_kept_otherwise_is_made_once(nocodb: BehindProxy, table: MadeTable, desk: Desk) -> None:
    """A trigger changes the new row: the create fails, but the row is there, and no other is made."""
    nocodb.run(
        table,
        "CREATE TRIGGER otherwise AFTER INSERT ON {t} BEGIN UPDATE {t} SET name = 'other' WHERE id = NEW.id; END",
    )
    request_id = str(uuid4())
    with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED") as refusal:
        desk.create({"name": "Marta"}, request_id=request_id)
    assert refusal.metadata == {"column": "name"}
    told_of_unknown(desk, request_id)
    assert [row[2] for row in nocodb.rows(table)] == ["other"]


def test_a_batch_has_the_same_answer_again(nocodb: BehindProxy, table: MadeTable, desk: Desk) -> None:
    """Of 220 records 100 are made, 100 cannot be read back, 20 are not tried; the same again makes none."""
    request_id = str(uuid4())
    names = [{"name": f"n{at}"} for at in range(220)]
    nocodb.proxy.fault = blind(RESTARTING, after=2)
    first = desk.create_many(names, request_id=request_id)
    assert [status.code for status in first.statuses] == [OK] * 100 + [UNKNOWN] * 100 + [FAILED] * 20
    assert [bool(record.id) for record in first.records] == [True] * 100 + [False] * 120
    nocodb.proxy.fault = lambda _: None
    assert desk.create_many(names, request_id=request_id) == first
    assert sorted(str(row[2]) for row in nocodb.rows(table)) == sorted(f"n{at}" for at in range(200))


def test_changes_and_deletions_keep_what_is_known(nocodb: BehindProxy, table: MadeTable, desk: Desk) -> None:
    """The first hundred are told as done where the next cannot be read back."""
    nocodb.add(table, [[at, TOKEN, "old", None] for at in range(1, 121)])
    ids = [record.id for page in desk.pages() for record in page.records]
    nocodb.proxy.fault = blind(RESTARTING, after=2)
    changed = desk.update_many([(identifier, {"name": "new"}, "") for identifier in ids])
    assert [status.code for status in changed.statuses] == [OK] * 100 + [UNKNOWN] * 20
    assert {row[2] for row in nocodb.rows(table)} == {"new"}
    nocodb.proxy.fault = blind(RESTARTING, after=2)
    gone = desk.delete_many(ids)
    assert [status.code for status in gone.statuses] == [OK] * 100 + [UNKNOWN] * 20
    assert nocodb.rows(table) == []


def test_an_import_that_cannot_be_read_back_is_done_once(nocodb: BehindProxy, table: MadeTable, desk: Desk) -> None:
    """Its rows are made, and the same import again is told that nobody knows."""
    request_id, lines = str(uuid4()), b'{"name": "a"}\n{"name": "b"}\n'
    nocodb.proxy.fault = blind(RESTARTING)
    with refused(StatusCode.DEADLINE_EXCEEDED, "TIMEOUT_ERROR"):
        desk.take_in(lines, request_id=request_id)
    nocodb.proxy.fault = lambda _: None
    with refused(StatusCode.ABORTED, "CONFLICT"):
        desk.take_in(lines, request_id=request_id)
    assert len(nocodb.rows(table)) == 2


def test_an_import_of_records_that_are_kept_otherwise_is_done_once(
    nocodb: BehindProxy, table: MadeTable, desk: Desk
) -> None:
    """Its first lines count as refused and are there all the same; after a failure it does not begin anew."""
    nocodb.run(
        table,
        "CREATE TRIGGER otherwise AFTER INSERT ON {t} BEGIN UPDATE {t} SET name = 'other' WHERE id = NEW.id; END",
    )
    request_id, lines = str(uuid4()), b'{"name": "a"}\n' * 201
    nocodb.proxy.fault = refusing(told(429, {}, retry_after="7"), after=2)
    with refused(StatusCode.RESOURCE_EXHAUSTED):
        desk.take_in(lines, request_id=request_id, skip=True)
    nocodb.proxy.fault = lambda _: None
    with refused(StatusCode.ABORTED, "CONFLICT"):
        desk.take_in(lines, request_id=request_id, skip=True)
    assert len(nocodb.rows(table)) == 200


def test_a_caller_that_goes_away_meanwhile(nocodb: BehindProxy, table: MadeTable, desk: Desk) -> None:
    """The caller waits no longer than a second for what takes longer to read: asked again, no second row is made."""
    request_id = str(uuid4())

    def slow(request: Request) -> Answer | None:
        if request.method == "GET" and of_records(request):
            nocodb.proxy.wait(3)
        return None

    nocodb.proxy.fault = slow
    asked = pb.CreateRecordRequest(connection_id=desk.id, record=record_of({"name": "Marta"}), request_id=request_id)
    with pytest.raises(grpc.RpcError):
        desk.rpc.CreateRecord(asked, timeout=1)
    nocodb.proxy.fault = lambda _: None
    with refused(StatusCode.ABORTED, "CONFLICT"):
        desk.create({"name": "Marta"}, request_id=request_id)
    assert len(nocodb.rows(table)) == 1


def test_a_batch_in_airtable_has_the_same_answer_again(world: World, ana: Caller) -> None:
    """Of ten records that are tried one by one three are made before the table is hidden: the same again makes none."""
    with FakeAirtable() as fake:
        source = AirtableUnderTest(fake)
        table = source.make(PEOPLE)
        place = table.place
        assert isinstance(place, FakeTable)
        desk = Desk(ana, connect(world, source, table, ana))
        request_id = str(uuid4())
        names = [{"name": f"n{at}"} for at in range(10)]
        place.fields[2].options = {"choices": [{"name": f"n{at}"} for at in range(9)]}

        def fault(request: Request) -> Answer | None:
            place.hidden = request.path.endswith(place.id) and len(place.records) >= 3
            return None

        fake.fault = fault
        first = desk.create_many(names, request_id=request_id)
        assert [status.code for status in first.statuses] == [OK] * 3 + [REFUSED] * 7
        fake.fault = lambda _: None
        place.hidden = False
        assert desk.create_many(names, request_id=request_id) == first
        assert [row[2] for row in source.rows(table)] == ["n0", "n1", "n2"]
