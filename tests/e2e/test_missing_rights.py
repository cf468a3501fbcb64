"""Tokens that may read and not write, or not even that: what the test of the connection says, and what a call gets."""

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import httpx
import pytest
from grpc import StatusCode

from tests.contract.airtable_source import AirtableUnderTest
from tests.contract.calls import refused
from tests.contract.nocodb_source import NocodbUnderTest
from tests.contract.server import World, world_in
from tests.contract.sources import PEOPLE, SourceUnderTest
from tests.fakes.airtable import FakeAirtable
from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager.v1 import connection_pb2 as pb
from wuzapi_manager.v1 import record_pb2

READER, BLIND, OUTSIDER = "token-of-a-reader", "token-without-schema", "token-of-an-outsider"
READS, SCHEMA, WRITES = "data.records:read", "schema.bases:read", "data.records:write"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def airtable() -> Iterator[pb.Connection]:
    with FakeAirtable() as fake:
        fake.tokens[READER] = frozenset({READS, SCHEMA})
        fake.tokens[BLIND] = frozenset({READS, WRITES})
        fake.tokens[OUTSIDER] = frozenset()
        yield shared(AirtableUnderTest(fake))


@pytest.fixture(scope="module")
def nocodb(nocodb_server: NocodbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[pb.Connection]:
    with closing(NocodbUnderTest(nocodb_server, tmp_path_factory.mktemp("nocodb"))) as source:
        yield shared(source)


def shared(source: SourceUnderTest) -> pb.Connection:
    """A connection of that source to a table of one row, for all."""
    made = source.source_of(source.make(PEOPLE, [[1, "ana", "Ana", 30]]))
    made.name, made.row_scope = "rights", pb.ROW_SCOPE_SHARED
    return made


def token_of(server: NocodbServer, base: str, *roles: str) -> str:
    """A token of a new person, who has those roles in the base."""
    email = f"{uuid4().hex}@example.com"
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as client:
        person = {"email": email, "password": "Secret-1234x"}
        session = client.post("/api/v1/auth/user/signup", json=person).raise_for_status().json()["token"]
        for role in roles:
            invited = {"email": email, "roles": role}
            owner = {"xc-auth": server.session}
            client.post(f"/api/v2/meta/bases/{base}/users", json=invited, headers=owner).raise_for_status()
        made = client.post("/api/v1/tokens", json={"description": "x"}, headers={"xc-auth": session})
        return str(made.raise_for_status().json()["token"])


def answer_of(world: World, connection: pb.Connection) -> pb.TestConnectionResponse:
    return world.admin.connections.TestConnection(pb.TestConnectionRequest(connection=connection))


def saved(world: World, connection: pb.Connection) -> int:
    made = pb.Connection()
    made.CopyFrom(connection)
    made.name = uuid4().hex
    return world.admin.connections.CreateConnection(pb.CreateConnectionRequest(connection=made)).connection.id


def insist_on_reading_alone(world: World, connection: pb.Connection) -> None:
    """The test passes and lists work; a create, a change and a delete are refused, and nothing is changed."""
    assert answer_of(world, connection).ok
    number, records = saved(world, connection), world.admin.records
    listed = record_pb2.ListRecordsRequest(connection_id=number)
    (before,) = records.ListRecords(listed).records
    record = record_pb2.Record()
    record.fields["name"] = "Bia"
    change = record_pb2.UpdateRecordRequest(connection_id=number, record_id=before.id, record=record)
    for write in (
        lambda: records.CreateRecord(record_pb2.CreateRecordRequest(connection_id=number, record=record)),
        lambda: records.UpdateRecord(change),
        lambda: records.DeleteRecord(record_pb2.DeleteRecordRequest(connection_id=number, record_id=before.id)),
    ):
        with refused(StatusCode.FAILED_PRECONDITION, "CREDENTIALS_REJECTED") as refusal:
            write()
        assert "may not do this" in refusal.message
        assert "write" in refusal.help
    assert list(records.ListRecords(listed).records) == [before]


def test_a_reader_of_airtable_reads(world: World, airtable: pb.Connection) -> None:
    """A token without data.records:write."""
    airtable.airtable.api_key = READER
    insist_on_reading_alone(world, airtable)


@pytest.mark.parametrize("role", ["viewer", "commenter"])
def test_a_reader_of_nocodb_reads(world: World, nocodb: pb.Connection, nocodb_server: NocodbServer, role: str) -> None:
    """Roles that NocoDB lets read alone."""
    nocodb.nocodb.token = token_of(nocodb_server, nocodb.nocodb.project_id, role)
    insist_on_reading_alone(world, nocodb)


@pytest.mark.parametrize("token", [BLIND, OUTSIDER])
def test_a_token_of_airtable_that_lacks_a_scope(world: World, airtable: pb.Connection, token: str) -> None:
    """Without the schema nothing can be read; the suggestion names what the token needs."""
    airtable.airtable.api_key = token
    last = answer_of(world, airtable).steps[-1]
    assert (last.name, last.fault) == ("authenticate", pb.TEST_FAULT_CONFIG)
    assert SCHEMA in last.suggestion


def test_a_token_of_nocodb_without_the_base(world: World, nocodb: pb.Connection, nocodb_server: NocodbServer) -> None:
    """It is told at `table`: the token is good, but not for that base."""
    nocodb.nocodb.token = token_of(nocodb_server, nocodb.nocodb.project_id)
    last = answer_of(world, nocodb).steps[-1]
    assert (last.name, last.fault) == ("table", pb.TEST_FAULT_CONFIG)
    assert last.suggestion
