"""The result of a connection's last test, kept with it."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.contract.calls import refused
from tests.contract.server import World
from tests.e2e.samples import connection_of, create, get, new_file, update
from wuzapi_manager.v1 import common_pb2 as common
from wuzapi_manager.v1 import connection_pb2 as pb


@pytest.fixture
def made(world: World) -> pb.Connection:
    """A connection that works."""
    connection = connection_of()
    connection.sqlite.database = new_file(world.sources).name
    return create(world, connection)


def tried(world: World, made: pb.Connection) -> pb.TestConnectionResponse:
    return world.admin.connections.TestConnection(pb.TestConnectionRequest(id=made.id))


def test_a_result_is_kept_with_the_connection(world: World, made: pb.Connection) -> None:
    """Get and List tell its steps and when it was, until another takes its place; before there is none."""
    assert not get(world, made.id).HasField("last_test")
    first = tried(world, made)
    last = get(world, made.id).last_test
    assert (last.ok, list(last.steps)) == (True, list(first.steps))
    assert abs(last.test_time.ToDatetime(UTC) - datetime.now(UTC)) < timedelta(seconds=60)
    (world.sources / made.sqlite.database).unlink()
    failed = tried(world, made)
    listed = world.admin.connections.ListConnections(pb.ListConnectionsRequest(page_size=1000)).connections
    (kept,) = [each.last_test for each in listed if each.id == made.id]
    assert (kept.ok, list(kept.steps)) == (False, list(failed.steps))
    assert (kept.steps[-1].name, kept.steps[-1].fault) == ("resolve", failed.steps[-1].fault)
    assert kept.test_time.ToDatetime(UTC) > last.test_time.ToDatetime(UTC)


def test_it_is_told_in_the_language_of_the_call(world: World, made: pb.Connection) -> None:
    """One result, read in English and in Portuguese, in any order."""
    tried(world, made)
    portuguese = world.admin.with_metadata(accept_language="pt-BR").connections
    for _ in range(2):
        said = portuguese.GetConnection(pb.GetConnectionRequest(id=made.id)).connection.last_test.steps[0].message
        assert said == "O arquivo foi encontrado"
        assert get(world, made.id).last_test.steps[0].message == "The file was found"


def test_it_goes_with_what_it_was_of(world: World, made: pb.Connection) -> None:
    """A new name leaves it; another file, link field or mapped column does not, nor does the same one put back."""
    tried(world, made)
    kept = get(world, made.id).last_test
    assert update(world, pb.Connection(id=made.id, name="another name")).last_test == kept
    changes = [
        pb.Connection(id=made.id, sqlite=pb.SqliteSource(database="another.db")),
        pb.Connection(id=made.id, user_link_field="another"),
        pb.Connection(id=made.id, field_mappings=[common.FieldMapping(field="name", column="another")]),
        pb.Connection(id=made.id, row_scope=pb.ROW_SCOPE_SHARED),
    ]
    for change in changes:
        whole = get(world, made.id)
        update(world, change)
        assert not get(world, made.id).HasField("last_test")
        whole.etag = ""
        request = pb.UpdateConnectionRequest(connection=whole, update_mask=FieldMask(paths=["*"]))
        world.admin.connections.UpdateConnection(request)
        assert not get(world, made.id).HasField("last_test")
        tried(world, made)


def test_nobody_sets_it_and_users_do_not_see_it(world: World, made: pb.Connection) -> None:
    """It says where a table lies, in a way, and is the service's own word."""
    tried(world, made)
    kept, ana = get(world, made.id).last_test, world.user("token-of-the-curious")
    forged = pb.Connection(id=made.id, name="x", last_test=pb.ConnectionTest(ok=False))
    assert update(world, forged).last_test == kept
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR"):
        request = pb.UpdateConnectionRequest(connection=forged, update_mask=FieldMask(paths=["last_test"]))
        world.admin.connections.UpdateConnection(request)
    world.admin.connections.AssignUsers(pb.AssignUsersRequest(id=made.id, users=["token-of-the-curious"]))
    own = ana.connections.ListUserConnections(pb.ListUserConnectionsRequest(page_size=1000)).connections
    (seen,) = [each for each in own if each.id == made.id]
    assert not seen.HasField("last_test")
