"""Updates of connections: masks, secrets, switched sources."""

import sqlite3
from contextlib import closing

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from tests.contract.calls import refused
from tests.contract.server import World
from tests.e2e.samples import (
    KINDS,
    SECRETS,
    connection_of,
    create,
    get,
    kept,
    rich,
    stored_secret,
    update,
    without_secret,
)
from wuzapi_manager.v1 import connection_pb2 as pb
from wuzapi_manager.v1 import record_pb2


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in SECRETS])
def test_a_secret_stays_until_it_is_named(world: World, kind: str) -> None:
    """Updates without the secret, of the whole source or by `*` keep it; a new one takes its place."""
    made = create(world, connection_of(kind))
    secret = stored_secret(world, made.id)
    assert secret
    patch = pb.Connection(id=made.id, name="renamed")
    assert update(world, patch).name == "renamed"
    getattr(patch, kind).CopyFrom(getattr(made, kind))
    for mask in (["name"], [kind], ["*"], [f"{kind}.table_id" if "table_id" in dir(getattr(made, kind)) else kind], []):
        patch.user_link_field = "owner"
        changed = update(world, patch, *mask)
        assert getattr(getattr(changed, kind), f"has_{SECRETS[kind]}")
        assert stored_secret(world, made.id) == secret
    setattr(getattr(patch, kind), SECRETS[kind], "another-secret")
    changed = update(world, patch, f"{kind}.{SECRETS[kind]}")
    assert getattr(getattr(changed, kind), f"has_{SECRETS[kind]}")
    assert "another-secret" not in str(changed)
    assert stored_secret(world, made.id) not in ("", secret)


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_password_is_cleared_when_the_mask_names_it(world: World, kind: str) -> None:
    """Named and empty it is gone, and the connection says so."""
    made = create(world, connection_of(kind))
    changed = update(world, pb.Connection(id=made.id), f"{kind}.password")
    assert not getattr(changed, kind).has_password
    assert not stored_secret(world, made.id)
    assert not getattr(get(world, made.id), kind).has_password


@pytest.mark.parametrize("kind", ["nocodb", "airtable"])
def test_a_required_secret_cannot_be_cleared(world: World, kind: str) -> None:
    """NocoDB and Airtable do not work without a token, so clearing it is refused and changes nothing."""
    made = create(world, connection_of(kind))
    secret = stored_secret(world, made.id)
    with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD") as refusal:
        update(world, pb.Connection(id=made.id), f"{kind}.{SECRETS[kind]}")
    assert set(refusal.violations) == {f"connection.{kind}.{SECRETS[kind]}"}
    assert stored_secret(world, made.id) == secret


@pytest.mark.parametrize("to", KINDS)
def test_a_source_may_be_switched(world: World, to: str) -> None:
    """Another kind of source takes the place of the first, and the first one's secret goes with it."""
    start = "postgresql" if to != "postgresql" else "mysql"
    made = create(world, connection_of(start))
    secret = stored_secret(world, made.id)
    patch = connection_of(to)
    patch.id = made.id
    if to in SECRETS and to not in ("mysql", "postgresql"):
        bare = pb.Connection()
        bare.CopyFrom(patch)
        getattr(bare, to).ClearField(SECRETS[to])
        with refused(StatusCode.INVALID_ARGUMENT):
            update(world, bare, to)
        assert get(world, made.id) == made
    changed = update(world, patch, to)
    assert changed.WhichOneof("source") == to
    assert changed.type == pb.ConnectionType.Value(f"CONNECTION_TYPE_{to.upper()}")
    assert getattr(changed, to) == getattr(without_secret(patch), to)
    assert changed.name == made.name
    assert stored_secret(world, made.id) != secret
    assert bool(stored_secret(world, made.id)) is (to in SECRETS)


def test_a_switched_source_does_not_inherit_a_password(world: World) -> None:
    """From MySQL to PostgreSQL without a password, there is none: it belongs to another server."""
    made = create(world, connection_of("mysql"))
    patch = connection_of("postgresql")
    patch.id = made.id
    patch.postgresql.ClearField("password")
    changed = update(world, patch, "postgresql")
    assert not changed.postgresql.has_password
    assert not stored_secret(world, made.id)


def test_a_mask_sets_what_it_names_and_nothing_else(world: World) -> None:
    """Named fields are set, to empty too; the others stay; lists are replaced; nested names reach into the source."""
    made = create(world, rich("postgresql"))
    patch = pb.Connection(id=made.id, name="ignored", postgresql=pb.PostgresqlSource(host="new.test", port=1))
    patch.assigned_users.append("carla-0003")
    changed = update(world, patch, "postgresql.host", "assigned_users", "field_mappings", "view_configuration")
    expected = pb.Connection()
    expected.CopyFrom(made)
    expected.postgresql.host = "new.test"
    del expected.assigned_users[:]
    expected.assigned_users.append("carla-0003")
    del expected.field_mappings[:]
    expected.ClearField("view_configuration")
    expected.etag = changed.etag
    expected.update_time.CopyFrom(changed.update_time)
    assert changed == expected == get(world, made.id)
    assert changed.etag != made.etag
    assert changed.create_time == made.create_time


def test_without_a_mask_the_populated_fields_are_set(world: World) -> None:
    """What is not given stays, also within the source."""
    made = create(world, rich("mysql"))
    changed = update(world, pb.Connection(id=made.id, mysql=pb.MysqlSource(host="new.test")))
    assert (changed.mysql.host, changed.mysql.database, changed.mysql.has_password) == ("new.test", "crm", True)
    assert changed.name == made.name
    assert changed.assigned_users == made.assigned_users


def test_a_star_replaces_everything(world: World) -> None:
    """With `*` what is not given goes back to its default."""
    made = create(world, rich("sqlite"))
    patch = connection_of("sqlite", "whole")
    patch.id = made.id
    changed = update(world, patch, "*")
    assert changed.status == pb.CONNECTION_STATUS_INACTIVE
    assert changed.row_scope == pb.ROW_SCOPE_USER
    assert not changed.assigned_users
    assert not changed.field_mappings
    assert not changed.HasField("view_configuration")
    assert changed.create_time == made.create_time


def test_a_dry_run_of_an_update_shows_it_and_changes_nothing(world: World) -> None:
    """With validate_only the answer is what would be; a bad one is refused as it would be."""
    made = create(world, rich("nocodb"))
    before = kept(world)
    assert update(world, pb.Connection(id=made.id, name="other"), validate_only=True).name == "other"
    with refused(StatusCode.INVALID_ARGUMENT):
        update(world, pb.Connection(id=made.id), "name", validate_only=True)
    assert kept(world) == before
    assert get(world, made.id) == made


def test_a_mask_may_name_a_field_twice(world: World) -> None:
    """Paths that overlap are one."""
    made = create(world, rich("mysql"))
    patch = pb.Connection(id=made.id, mysql=made.mysql)
    patch.mysql.host = "twice.test"
    request = pb.UpdateConnectionRequest(connection=patch, update_mask=FieldMask(paths=["mysql.host", "mysql"]))
    changed = world.admin.connections.UpdateConnection(request).connection
    assert changed.mysql.host == "twice.test"
    assert changed.mysql.has_password


def test_a_change_of_anything_but_the_place_cuts_no_call_off(world: World) -> None:
    """An export goes on to its end while its connection is renamed."""
    count = 20_000
    with closing(sqlite3.connect(world.sources / "long.db")) as file, file:
        file.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        file.executemany("INSERT INTO t (text) VALUES (?)", (("x" * 1000,) for _ in range(count)))
    one = pb.Connection(
        name="long",
        sqlite=pb.SqliteSource(database="long.db", table_name="t"),
        row_scope=pb.ROW_SCOPE_SHARED,
    )
    identifier = create(world, one).id
    answers = world.admin.records.ExportRecords(record_pb2.ExportRecordsRequest(connection_id=identifier))
    lines = next(answers).chunk.count(b"\n")
    assert lines < count
    update(world, pb.Connection(id=identifier, name="renamed"))
    assert lines + sum(answer.chunk.count(b"\n") for answer in answers) == count
