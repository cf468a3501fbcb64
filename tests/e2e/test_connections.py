"""Connections: made, deleted, brought back, given users and statuses, alone and in batches."""

import time
from collections.abc import Callable
from uuid import uuid4

import pytest
from grpc import StatusCode

from tests.contract.calls import refused
from tests.contract.server import World
from tests.e2e.bad_connections import altered
from tests.e2e.samples import (
    ANA,
    BRUNO,
    KINDS,
    SECRET,
    SECRETS,
    connection_of,
    create,
    get,
    kept,
    listed,
    rich,
    set_fields,
    stored_secret,
    update,
    without_secret,
)
from wuzapi_manager.v1 import connection_pb2 as pb


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_of_every_kind_comes_back_whole_but_for_its_secret(world: World, kind: str) -> None:
    """What is created is what Get, List and the answer give, with has_… in place of secrets, and times and etag."""
    given = rich(kind)
    made = create(world, given)
    assert made.id > 0
    assert made.etag
    assert abs(made.create_time.seconds - time.time()) < 60
    assert made.create_time == made.update_time
    assert not made.HasField("delete_time")
    assert made.type == pb.ConnectionType.Value(f"CONNECTION_TYPE_{kind.upper()}")
    expected = without_secret(given)
    expected.field_mappings[1].column = "total"
    outputs = ("id", "type", "etag", "create_time", "update_time")
    assert set_fields(made, *outputs) == set_fields(expected)
    assert get(world, made.id) == made
    listed = world.admin.connections.ListConnections(pb.ListConnectionsRequest(assigned_user=BRUNO, page_size=1000))
    assert made in list(listed.connections)
    assert SECRET not in str((made, listed))
    assert SECRET not in kept(world)
    assert bool(stored_secret(world, made.id)) is (kind in SECRETS)


def test_defaults_of_a_new_connection(world: World) -> None:
    """New ones are INACTIVE, link by TOKEN, show USER rows, prefer TLS, and fields of the output are passed over."""
    given = connection_of("mysql")
    given.id, given.etag, given.type = 77, "x", pb.CONNECTION_TYPE_SQLITE
    given.mysql.ClearField("password")
    given.mysql.has_password = True
    given.delete_time.GetCurrentTime()
    made = create(world, given)
    assert (made.status, made.user_link_value, made.row_scope, made.type, made.mysql.tls_mode) == (
        pb.CONNECTION_STATUS_INACTIVE,
        pb.USER_LINK_VALUE_TOKEN,
        pb.ROW_SCOPE_USER,
        pb.CONNECTION_TYPE_MYSQL,
        pb.TLS_MODE_PREFER,
    )
    assert not made.mysql.has_password
    assert not made.HasField("delete_time")
    assert made.etag != "x"


def test_a_dry_run_of_a_create_makes_nothing(world: World) -> None:
    """With validate_only the connection is checked and shown, without id, and nothing is kept."""
    before = kept(world)
    for kind in KINDS:
        request = pb.CreateConnectionRequest(
            connection=connection_of(kind), validate_only=True, request_id=str(uuid4())
        )
        shown = world.admin.connections.CreateConnection(request).connection
        assert (shown.id, shown.etag) == (0, "")
        assert SECRET not in str(shown)
        request.connection.name = ""
        with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD"):
            world.admin.connections.CreateConnection(request)
    world.admin.connections.BatchCreateConnections(
        pb.BatchCreateConnectionsRequest(connections=[connection_of()] * 3, validate_only=True)
    )
    assert kept(world) == before


def test_the_same_request_id_makes_one_connection(world: World) -> None:
    """The same id and body gives the stored answer; another body is refused; another administrator call is its own."""
    request = pb.CreateConnectionRequest(connection=connection_of("nocodb"), request_id=str(uuid4()))
    first = world.admin.connections.CreateConnection(request)
    after = kept(world)
    assert world.admin.connections.CreateConnection(request) == first
    request.request_id = request.request_id.upper()
    assert world.admin.connections.CreateConnection(request) == first
    assert kept(world) == after
    assert SECRET not in after
    request.connection.name += "x"
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        world.admin.connections.CreateConnection(request)
    assert "request_id" in refusal.violations
    assert kept(world) == after
    batch = pb.BatchCreateConnectionsRequest(connections=[connection_of()], request_id=request.request_id)
    made = world.admin.connections.BatchCreateConnections(batch)
    assert world.admin.connections.BatchCreateConnections(batch) == made
    assert made.connections[0].id != first.connection.id


def changes(world: World, one: pb.Connection, etag: str) -> list[Callable[[bool], object]]:
    """Every change that takes an etag, given whether it is a dry run."""
    rpc = world.admin.connections
    patch = pb.Connection(id=one.id, name=f"{one.name}!", etag=etag)
    return [
        lambda dry: rpc.UpdateConnection(pb.UpdateConnectionRequest(connection=patch, validate_only=dry)),
        lambda dry: rpc.SetConnectionStatus(
            pb.SetConnectionStatusRequest(
                id=one.id, status=pb.CONNECTION_STATUS_DISCONNECTED, etag=etag, validate_only=dry
            )
        ),
        lambda dry: rpc.AssignUsers(
            pb.AssignUsersRequest(id=one.id, users=[str(uuid4())], etag=etag, validate_only=dry)
        ),
        lambda dry: rpc.UnassignUsers(pb.UnassignUsersRequest(id=one.id, users=[ANA], etag=etag, validate_only=dry)),
        lambda dry: rpc.DeleteConnection(pb.DeleteConnectionRequest(id=one.id, etag=etag, validate_only=dry)),
    ]


def test_every_change_minds_the_etag(world: World) -> None:
    """One that is not current is ABORTED with the current one, dry or not; the current one is taken and changes."""
    one = create(world, rich("mysql"))
    old, one = one.etag, update(world, pb.Connection(id=one.id, name="newer"))
    before = kept(world)
    for at in range(5):
        for etag in (old, "x", '"', "e" * 5000):
            for dry in (True, False):
                with refused(StatusCode.ABORTED, "CONFLICT") as refusal:
                    changes(world, one, etag)[at](dry)
                assert refusal.metadata["etag"] == one.etag
                assert refusal.help
    assert kept(world) == before
    for at in range(5):
        current = get(world, one.id)
        changes(world, one, current.etag)[at](True)
        assert get(world, one.id) == current
        changes(world, one, current.etag)[at](False)
        assert get(world, one.id).etag != current.etag
    gone = get(world, one.id)
    with refused(StatusCode.ABORTED, "CONFLICT"):
        world.admin.connections.UndeleteConnection(pb.UndeleteConnectionRequest(id=one.id, etag=old))
    world.admin.connections.UndeleteConnection(pb.UndeleteConnectionRequest(id=one.id, etag=gone.etag))


def test_a_deleted_connection_can_be_brought_back(world: World) -> None:
    """Deleted softly it is shown by Get and show_deleted alone, refuses changes and users, and comes back as it was."""
    rpc, user = world.admin.connections, world.user("token-of-the-deleter")
    given = rich("mysql")
    given.assigned_users.append(user.identity)
    made = create(world, given)
    secret = stored_secret(world, made.id)
    wanted = {"name_contains": made.name, "assigned_user": user.identity}
    rpc.DeleteConnection(pb.DeleteConnectionRequest(id=made.id, validate_only=True))
    assert get(world, made.id) == made
    gone = rpc.DeleteConnection(pb.DeleteConnectionRequest(id=made.id)).connection
    assert gone.delete_time.seconds >= made.create_time.seconds
    assert get(world, made.id) == gone
    assert not listed(world, **wanted)
    assert listed(world, show_deleted=True, **wanted) == [gone]
    assert not user.connections.ListUserConnections(pb.ListUserConnectionsRequest()).connections
    for change in changes(world, made, ""):
        with refused(StatusCode.NOT_FOUND, "NOT_FOUND"):
            change(False)
    with refused(StatusCode.NOT_FOUND, "NOT_FOUND"):
        rpc.TestConnection(pb.TestConnectionRequest(id=made.id))
    with refused(StatusCode.NOT_FOUND, "NOT_FOUND"):
        rpc.DescribeSource(pb.DescribeSourceRequest(id=made.id))
    rpc.UndeleteConnection(pb.UndeleteConnectionRequest(id=made.id, validate_only=True))
    assert get(world, made.id) == gone
    back = rpc.UndeleteConnection(pb.UndeleteConnectionRequest(id=made.id)).connection
    assert not back.HasField("delete_time")
    assert (back.name, back.assigned_users, back.mysql) == (made.name, made.assigned_users, made.mysql)
    assert stored_secret(world, made.id) == secret
    assert [one.id for one in listed(world, **wanted)] == [made.id]
    assert user.connections.ListUserConnections(pb.ListUserConnectionsRequest()).connections
    with refused(StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"):
        rpc.UndeleteConnection(pb.UndeleteConnectionRequest(id=made.id))


def test_every_status_can_be_set(world: World) -> None:
    """Each of the six is kept, and nothing else changes."""
    made = create(world, rich("airtable"))
    for name, number in pb.ConnectionStatus.items():
        if number == 0:
            continue
        request = pb.SetConnectionStatusRequest(id=made.id, status=pb.ConnectionStatus.Value(name))
        changed = world.admin.connections.SetConnectionStatus(request).connection
        assert changed.status == number
        assert changed.airtable == made.airtable
        assert get(world, made.id) == changed


def test_users_are_added_and_removed_without_reading_them(world: World) -> None:
    """Adding twice and removing twice is as once, and leaves the etag; the others stay, in their order."""
    rpc, made = world.admin.connections, create(world, rich("sqlite"))

    def assign(*users: str) -> pb.Connection:
        return rpc.AssignUsers(pb.AssignUsersRequest(id=made.id, users=users)).connection

    def unassign(*users: str) -> pb.Connection:
        return rpc.UnassignUsers(pb.UnassignUsersRequest(id=made.id, users=users)).connection

    added = assign("carla-0003", ANA, "carla-0003")
    assert list(added.assigned_users) == [ANA, BRUNO, "carla-0003"]
    assert added.etag != made.etag
    assert assign("carla-0003") == added == get(world, made.id)
    removed = unassign(ANA, "nobody-here")
    assert list(removed.assigned_users) == [BRUNO, "carla-0003"]
    assert unassign(ANA) == removed
    dry = rpc.AssignUsers(pb.AssignUsersRequest(id=made.id, users=["dario"], validate_only=True)).connection
    assert list(dry.assigned_users) == [BRUNO, "carla-0003", "dario"]
    dry = rpc.UnassignUsers(pb.UnassignUsersRequest(id=made.id, users=[BRUNO], validate_only=True)).connection
    assert list(dry.assigned_users) == ["carla-0003"]
    assert get(world, made.id) == removed


def test_a_batch_makes_all_or_none(world: World) -> None:
    """Up to 1,000 in their order; one bad connection, named by its place, leaves none."""
    rpc = world.admin.connections
    rows = [connection_of(KINDS[at % 5]) for at in range(10)]
    made = rpc.BatchCreateConnections(pb.BatchCreateConnectionsRequest(connections=rows)).connections
    assert [one.name for one in made] == [one.name for one in rows]
    assert [get(world, one.id) for one in made] == list(made)
    assert SECRET not in str(made)
    before = kept(world)
    rows[3].name = ""
    rows[7].mysql.port = -1
    rows[7].ClearField("user_link_field")
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        rpc.BatchCreateConnections(pb.BatchCreateConnectionsRequest(connections=rows))
    assert set(refusal.violations) == {
        "connections[3].name",
        "connections[7].mysql.port",
        "connections[7].user_link_field",
    }
    with refused(StatusCode.NOT_FOUND, "NOT_FOUND") as refusal:
        rpc.BatchDeleteConnections(pb.BatchDeleteConnectionsRequest(ids=[made[0].id, 2**62, made[1].id]))
    assert refusal.metadata["id"] == str(2**62)
    ids = [one.id for one in made]
    rpc.BatchDeleteConnections(pb.BatchDeleteConnectionsRequest(ids=ids, validate_only=True))
    assert kept(world) == before
    gone = rpc.BatchDeleteConnections(pb.BatchDeleteConnectionsRequest(ids=ids)).connections
    assert [one.id for one in gone] == ids
    assert all(one.HasField("delete_time") for one in gone)
    with refused(StatusCode.NOT_FOUND):
        rpc.BatchDeleteConnections(pb.BatchDeleteConnectionsRequest(ids=ids[:1]))


def test_a_batch_whose_answer_nobody_could_read_is_refused(world: World) -> None:
    """Nothing is made or deleted of it; fewer at once are."""
    one = connection_of()
    for at in range(300):
        one.field_mappings.add(field=f"f{at}", column=f"c{at}", helper_text="h" * 1000)
    many = [one] * 13
    before = kept(world)
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        world.admin.connections.BatchCreateConnections(pb.BatchCreateConnectionsRequest(connections=many))
    assert "the answer would have" in refusal.violations["connections"]
    assert kept(world) == before
    made = []
    for half in (many[:7], many[7:]):
        request = pb.BatchCreateConnectionsRequest(connections=half)
        made += [each.id for each in world.admin.connections.BatchCreateConnections(request).connections]
    before = kept(world)
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        world.admin.connections.BatchDeleteConnections(pb.BatchDeleteConnectionsRequest(ids=made))
    assert "the answer would have" in refusal.violations["ids"]
    assert kept(world) == before
    gone = world.admin.connections.BatchDeleteConnections(pb.BatchDeleteConnectionsRequest(ids=made[:7])).connections
    assert [each.id for each in gone] == made[:7]


def test_a_dry_delete_tells_when_it_would_be_deleted(world: World) -> None:
    """The answer is that of the deletion, and the connection is there as it was."""
    one = create(world, connection_of())
    before = kept(world)
    shown = world.admin.connections.DeleteConnection(pb.DeleteConnectionRequest(id=one.id, validate_only=True))
    assert shown.connection.HasField("delete_time")
    assert kept(world) == before


def test_a_place_that_is_refused_is_told_by_its_number(world: World) -> None:
    """Of several connections, the one that points to where sources may not point."""
    bad = altered("mysql", mysql__host="169.254.169.254")
    request = pb.BatchCreateConnectionsRequest(connections=[connection_of(), bad])
    with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR") as refusal:
        world.admin.connections.BatchCreateConnections(request)
    assert refusal.metadata["index"] == "1"
