"""What the audit log holds after calls over the wire, read from the database."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask

from tests.contract.calls import Caller
from tests.contract.server import World, world_in
from wuzapi_manager.v1 import branding_pb2 as branding
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import maintenance_pb2 as maintenance
from wuzapi_manager.v1 import record_pb2 as records

PASSWORD, TOKEN = "planted-password-1", "planted-token-of-ana"


class Entry(NamedTuple):
    """An entry, as far as these tests look."""

    actor: str
    actor_id: str
    action: str
    target: str
    before: dict[str, object]
    after: dict[str, object]
    outcome: str


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_in(tmp_path) as made:
        yield made


def entries(world: World) -> list[Entry]:
    """All, oldest first. The database is in WAL mode, so that reading it beside the server disturbs nobody."""
    with closing(sqlite3.connect(f"file:{world.database}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT actor, actor_id, action, target, facts_before, facts_after, outcome, request_id, peer"
            " FROM audit_events ORDER BY id"
        ).fetchall()
    assert all(request_id and peer.startswith("ipv4:127.0.0.1:") for *_, request_id, peer in rows)
    return [
        Entry(actor, actor_id, action.rpartition("/")[2], target, json.loads(before), json.loads(after), outcome)
        for actor, actor_id, action, target, before, after, outcome, *_ in rows
    ]


def shared_table(world: World, users: list[str]) -> int:
    """A connection to a table of two rows, one of them Ana's."""
    with closing(sqlite3.connect(world.sources / "leads.db")) as database, database:
        database.execute("CREATE TABLE leads (id INTEGER PRIMARY KEY, owner TEXT, name TEXT)")
        database.execute("INSERT INTO leads VALUES (1, ?, 'one'), (2, 'another', 'two')", (TOKEN,))
    connection = connections.Connection(
        name="leads",
        sqlite=connections.SqliteSource(database="leads.db", table_name="leads"),
        user_link_field="owner",
        assigned_users=users,
    )
    request = connections.CreateConnectionRequest(connection=connection)
    return world.admin.connections.CreateConnection(request).connection.id


def refused(call: object, request: object) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as raised:
        call(request)  # type: ignore[operator]  # a method of a stub
    code = raised.value.code()
    assert isinstance(code, grpc.StatusCode)
    return code


def test_connections_are_told_with_facts_and_without_secrets(world: World) -> None:
    """Making, changing, assigning and deleting, each with what changed; no password and no user's token."""
    server = connections.MysqlSource(
        host="db.example.com", database="d", username="u", password=PASSWORD, table_name="t"
    )
    made = connections.Connection(name="shop", mysql=server, user_link_field="owner", assigned_users=[TOKEN])
    stub = world.admin.connections
    number = stub.CreateConnection(connections.CreateConnectionRequest(connection=made)).connection.id
    place = f"connections/{number}"
    change = connections.Connection(id=number, name="new name", mysql=connections.MysqlSource(password=PASSWORD + "2"))
    stub.UpdateConnection(
        connections.UpdateConnectionRequest(connection=change, update_mask=FieldMask(paths=["name", "mysql.password"]))
    )
    stub.UnassignUsers(connections.UnassignUsersRequest(id=number, users=[TOKEN]))
    stub.UnassignUsers(connections.UnassignUsersRequest(id=number, users=[TOKEN]))
    stub.DeleteConnection(connections.DeleteConnectionRequest(id=number))
    found = entries(world)
    assert [(each.actor, each.action, each.target, each.outcome) for each in found] == [
        ("admin", "CreateConnection", place, "OK"),
        ("admin", "UpdateConnection", place, "OK"),
        ("admin", "UnassignUsers", place, "OK"),
        ("admin", "DeleteConnection", place, "OK"),
    ]
    create, update, unassign, delete = found
    assert create.before == {}
    assert create.after["host"] == "db.example.com"
    assert create.after["secret"] == "given"
    assert update.before == {"name": "shop"}
    assert update.after == {"name": "new name", "secret": "replaced"}
    assert len(str(unassign.before["assigned_users"])) > 10
    assert unassign.after == {"assigned_users": []}
    assert (delete.before, delete.after) == ({"deleted": False}, {"deleted": True})
    assert PASSWORD not in str(found)
    assert TOKEN not in str(found)


@pytest.mark.parametrize("nested", [lambda inner: {"a": inner}, lambda inner: [inner]], ids=["objects", "lists"])
def test_deeply_nested_facts_can_be_listed(world: World, nested: Callable[[object], object]) -> None:
    """As deep as a connection may have them: what no answer could carry is the text that it is."""
    table = shared_table(world, [])
    deepest = 0
    for levels in range(20, 60):
        view: object = 1
        for _ in range(levels):
            view = nested(view)
        change = connections.UpdateConnectionRequest(connection=connections.Connection(id=table))
        json_format.ParseDict({"v": view}, change.connection.view_configuration)
        change.update_mask.paths.append("view_configuration")
        try:
            world.admin.connections.UpdateConnection(change)
        except grpc.RpcError:
            break
        deepest = levels
        (event,) = world.admin.maintenance.ListAuditEvents(maintenance.ListAuditEventsRequest(page_size=1)).events
        assert unfolded(json_format.MessageToDict(event.after)["view_configuration"]["v"]) == unfolded(view)
    assert deepest > 28


def unfolded(value: object) -> str:
    """What is nested, with the texts of JSON in it as what they say, so many levels of what."""
    levels = 0
    while not isinstance(value, int | float):
        if isinstance(value, str):
            value = json.loads(value)
        levels += 1
        value = value["a"] if isinstance(value, dict) else value[0] if isinstance(value, list) else value
    return f"{levels} {value:g}"


def test_records_are_told_by_ids_and_fields(world: World) -> None:
    """Who wrote which rows and fields, and what was refused; never a value."""
    ana = world.user(TOKEN, identity="ana-id")
    number = shared_table(world, ["ana-id"])
    place = f"connections/{number}/records"
    values = {"name": "a planted value"}

    def record(identifier: str = "") -> records.Record:
        made = records.Record(id=identifier)
        made.fields.update(values)
        return made

    new = ana.records.CreateRecord(records.CreateRecordRequest(connection_id=number, record=record())).record.id
    ana.records.UpdateRecord(records.UpdateRecordRequest(connection_id=number, record=record("1")))
    other = records.UpdateRecordRequest(connection_id=number, record_id="2", record=record())
    assert refused(ana.records.UpdateRecord, other) is grpc.StatusCode.NOT_FOUND
    world.admin.records.DeleteRecord(records.DeleteRecordRequest(connection_id=number, record_id="1", as_user=TOKEN))
    made, changed, denied, deleted = entries(world)[1:]
    assert made == Entry(
        "user", "ana-id", "CreateRecord", place, {}, {"count": 1, "record_ids": [new], "fields": ["name"]}, "OK"
    )
    assert changed.after == {"count": 1, "record_ids": ["1"], "fields": ["name"]}
    assert denied == Entry("user", "ana-id", "UpdateRecord", f"{place}/2", {}, {}, "NOT_FOUND")
    assert (deleted.actor, deleted.after["record_ids"], deleted.outcome) == ("admin", ["1"], "OK")
    assert len(str(deleted.after["as_user"])) == 24
    assert "planted" not in str(entries(world))


def test_branding_is_told(world: World) -> None:
    """An update of the branding, with what changed."""
    world.admin.branding.UpdateBranding(branding.UpdateBrandingRequest(branding=branding.Branding(app_name="Loja")))
    [entry] = entries(world)
    assert (entry.action, entry.target) == ("UpdateBranding", "branding")
    assert entry.before == {"app_name": "WUZAPI", "revision": 0}
    assert entry.after == {"app_name": "Loja", "revision": 1}


def test_what_changes_nothing_is_not_told(world: World) -> None:
    """Reads, dry runs, bad input, repeats and calls of nobody leave no entry; what is denied to a known user does."""
    ana: Caller = world.user(TOKEN, identity="ana-id")
    stub = world.admin.connections
    request = connections.CreateConnectionRequest(
        connection=connections.Connection(
            name="x",
            sqlite=connections.SqliteSource(database="x.db", table_name="t"),
            user_link_field="owner",
        ),
        request_id="7d9f2f44-6a2b-4b5e-9f0c-0d6b8f1f2a3b",
    )
    dry = connections.CreateConnectionRequest()
    dry.CopyFrom(request)
    dry.validate_only = True
    stub.CreateConnection(dry)
    stub.ListConnections(connections.ListConnectionsRequest())
    assert refused(stub.CreateConnection, connections.CreateConnectionRequest()) is grpc.StatusCode.INVALID_ARGUMENT
    assert refused(world.public.connections.CreateConnection, request) is grpc.StatusCode.UNAUTHENTICATED
    assert entries(world) == []
    assert refused(ana.connections.CreateConnection, request) is grpc.StatusCode.PERMISSION_DENIED
    stub.CreateConnection(request)
    stub.CreateConnection(request)
    assert [(each.actor, each.outcome) for each in entries(world)] == [("user", "PERMISSION_DENIED"), ("admin", "OK")]
