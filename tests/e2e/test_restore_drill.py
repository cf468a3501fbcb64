"""The restore drill: a backup under load, its restore, and every row compared."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from grpc_health.v1 import health_pb2

from tests.behind import behind
from tests.contract.server import World, world_in
from tests.e2e.backup_files import Rows, made, rows, rows_in
from tests.e2e.samples import rich
from wuzapi_manager.v1 import branding_pb2 as branding
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import maintenance_pb2 as pb


def set_value(world: World, key: str, value: str) -> None:
    world.admin.maintenance.SetMetadata(pb.SetMetadataRequest(key=key, value=value))


def values(world: World) -> dict[str, str]:
    found = world.admin.maintenance.ListMetadata(pb.ListMetadataRequest(page_size=500)).entries
    return {entry.key: entry.value for entry in found if not entry.read_only}


def test_the_restore_drill(tmp_path: Path) -> None:
    """A backup made under load restores to every row of its moment; what it replaced comes back by another restore.

    While the content is exchanged health says NOT_SERVING, and what was cached or known by etag before is not served.
    """
    with world_in(tmp_path) as world:
        connection_id = fill_every_table(world)
        old = world.admin.connections.GetConnection(connections.GetConnectionRequest(id=connection_id)).connection
        world.admin.branding.UpdateBranding(
            branding.UpdateBrandingRequest(branding=branding.Branding(app_name="before"))
        )
        stop = threading.Event()
        written: list[int] = []

        def write() -> None:
            while not stop.is_set():
                set_value(world, f"load.{len(written)}", str(len(written)))
                written.append(1)

        load = threading.Thread(target=write)
        load.start()
        under_load = made(world)
        acknowledged = len(written)
        stop.set()
        load.join()
        assert acknowledged > 0
        present = rows(world.database)
        quiet = made(world)
        expected = rows_in(world, quiet.name)
        assert all(expected.values())
        assert {**expected, "audit_events": expected["audit_events"][: len(present["audit_events"])]} == {
            **present,
            "sqlite_sequence": expected["sqlite_sequence"],
        }

        set_value(world, "later", "x")
        world.admin.connections.UpdateConnection(
            connections.UpdateConnectionRequest(
                connection=connections.Connection(id=connection_id, name="renamed"),
                update_mask=FieldMask(paths=["name"]),
            )
        )
        world.admin.branding.UpdateBranding(
            branding.UpdateBrandingRequest(branding=branding.Branding(app_name="after"))
        )
        assert world.public.branding.GetBranding(branding.GetBrandingRequest()).branding.app_name == "after"
        with statuses(world) as seen:
            done = world.admin.maintenance.RestoreBackup(pb.RestoreBackupRequest(name=quiet.name), timeout=100)
            watch_for(lambda: seen.count(health_pb2.HealthCheckResponse.SERVING) >= 2)
        assert health_pb2.HealthCheckResponse.NOT_SERVING in seen
        assert (done.backup.name, done.replaced.origin) == (quiet.name, pb.BACKUP_ORIGIN_BEFORE_RESTORE)
        came_back(expected, world)
        again = world.admin.connections.GetConnection(connections.GetConnectionRequest(id=connection_id)).connection
        assert (again.name, again.etag == old.etag) == (old.name, False)
        assert world.public.branding.GetBranding(branding.GetBrandingRequest()).branding.app_name == "before"
        checked = world.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest(depth=pb.CHECK_DEPTH_FULL))
        assert checked.ok, checked.problems

        replaced = rows_in(world, done.replaced.name)
        world.admin.maintenance.RestoreBackup(pb.RestoreBackupRequest(name=done.replaced.name), timeout=100)
        came_back(replaced, world)
        assert values(world)["later"] == "x"
        assert world.public.branding.GetBranding(branding.GetBrandingRequest()).branding.app_name == "after"
        moment = rows_in(world, under_load.name)
        world.admin.maintenance.RestoreBackup(pb.RestoreBackupRequest(name=under_load.name), timeout=100)
        came_back(moment, world)
        kept = values(world)
        assert kept == {f"load.{number}": str(number) for number in range(len(kept))}
        assert 0 < len(kept) <= under_load.row_counts["system_metadata"]


def fill_every_table(world: World) -> int:
    """Something in each table; gives the id of a connection with a secret and users."""
    request = connections.CreateConnectionRequest(connection=rich("mysql"), request_id=str(uuid4()))
    made = world.admin.connections.CreateConnection(request).connection
    world.admin.branding.UpdateBranding(branding.UpdateBrandingRequest(branding=branding.Branding(app_name="first")))
    with behind(world.database) as database:
        database.execute("INSERT INTO user_changes (user_id, created_at) VALUES ('u', '2026-01-02T03:04:05.000000Z')")
    return made.id


def came_back(held: Rows, world: World) -> None:
    """Every row of every table of a backup is in the database as it was, and no other.

    But that versions, revisions and ids go on, that the log has what was done since, and that all processes are told
    to ask for their users anew.
    """
    found = rows(world.database)
    assert found.keys() == held.keys()
    version = position(world.database, "database_connections", "version")

    def unversioned(of: Rows) -> list[tuple[object, ...]]:
        return [(*row[:version], *row[version + 1 :]) for row in of["database_connections"]]

    assert unversioned(found) == unversioned(held)
    for before, after in zip(held["database_connections"], found["database_connections"], strict=True):
        assert int(str(after[version])) > int(str(before[version]))
    *revisions, newest = found["branding_config"]
    assert revisions == held["branding_config"]
    assert newest[1:] == revisions[-1][1:]
    assert found["audit_events"][: len(held["audit_events"])] == held["audit_events"]
    assert dict(found["sqlite_sequence"]).keys() == dict(held["sqlite_sequence"]).keys()  # type: ignore[arg-type]  # rows of two columns
    *changes, told = found["user_changes"]
    assert (changes, told[1]) == (held["user_changes"], "*")
    rest = held.keys() - {"database_connections", "branding_config", "audit_events", "user_changes", "sqlite_sequence"}
    assert {table: found[table] for table in rest} == {table: held[table] for table in rest}


def position(database: Path, table: str, column: str) -> int:
    """Which column of a row that is."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        return [name for _, name, *_ in opened.execute(f"PRAGMA table_info({table})")].index(column)


def _until_ended(watch: "Iterator[health_pb2.HealthCheckResponse]") -> Iterator[health_pb2.HealthCheckResponse]:
    try:
        yield from watch
    except grpc.RpcError:
        return


def watch_for(true: Callable[[], bool]) -> None:
    """Waits until something holds, at most half a minute."""
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        threading.Event().wait(0.02)


@contextmanager
def statuses(world: World) -> Iterator[list[int]]:
    """What a watcher of readiness is told meanwhile."""
    seen: list[int] = []
    stub: grpc.UnaryStreamMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse] = (
        world.channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
    )
    watch = stub(health_pb2.HealthCheckRequest(service="readiness"))
    watching = threading.Thread(target=lambda: seen.extend(each.status for each in _until_ended(watch)))
    watching.start()
    try:
        yield seen
    finally:
        watch.cancel()
        watching.join()
