"""MaintenanceService over the wire: what operators can look at, and the values by key."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from grpc import StatusCode

from tests.behind import behind, damaging
from tests.contract.calls import refused
from tests.contract.server import ADMIN_TOKEN, World, world_in
from tests.e2e.refusals import call
from tests.e2e.samples import connection_of, create
from wuzapi_manager.v1 import branding_pb2 as branding
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_server.settings import Settings


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("maintenance")) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    with world_in(tmp_path) as made:
        yield made


def test_only_the_administrator_is_answered(world: World) -> None:
    """Without a token UNAUTHENTICATED, to a user PERMISSION_DENIED, at every RPC that a single message asks."""
    user = world.user("token-of-ana")
    service = pb.DESCRIPTOR.services_by_name["MaintenanceService"]
    for method in service.methods:
        if method.client_streaming:
            continue
        for caller, code in ((world.public, StatusCode.UNAUTHENTICATED), (user, StatusCode.PERMISSION_DENIED)):
            with refused(code):
                answer = getattr(caller.maintenance, method.name)(getattr(pb, method.input_type.name)())
                if method.server_streaming:
                    list(answer)


def test_server_info_tells_versions_and_settings_without_secrets(world: World) -> None:
    """Every setting with its value and origin; the administrator's token as stars."""
    info = world.admin.maintenance.GetServerInfo(pb.GetServerInfoRequest())
    assert (info.version, info.schema_version) > ("", 0)
    assert info.sqlite_version == apsw.sqlite_lib_version()
    assert info.uptime.ToNanoseconds() > 0
    settings = {each.name: (each.value, each.origin) for each in info.settings}
    assert set(settings) == {name.upper() for name in Settings.model_fields}
    assert settings["GRPC_PORT"] == ("0", "environment")
    assert settings["WUZAPI_ADMIN_TOKEN"] == ("***", "environment")
    assert settings["LOG_LEVEL"] == ("info", "default")
    assert ADMIN_TOKEN not in str(info)


def test_stats_count_what_is_there(fresh: World) -> None:
    """Connections by type and status, deleted ones, metadata, the audit log, the files and the pragmas."""
    create(fresh)
    create(fresh)
    fresh.admin.maintenance.SetMetadata(pb.SetMetadataRequest(key="a", value="b"))
    stats = fresh.admin.maintenance.GetStats(pb.GetStatsRequest())
    counts = {(each.type, each.status): each.count for each in stats.connection_counts}
    assert stats.connection_count == sum(counts.values()) == 2
    assert set(counts) == {("SQLITE", "INACTIVE")}
    assert (stats.deleted_connection_count, stats.metadata_count) == (0, 1)
    assert stats.audit_event_count >= 3
    file = stats.file
    assert file.wal_size_bytes > 0
    assert (file.used_bytes + file.free_bytes) % file.page_size_bytes == 0
    assert stats.pragmas["journal_mode"] == "wal"
    assert stats.pragmas["foreign_keys"] == "1"


def test_stats_tell_how_old_backups_are_and_how_fast_all_is(fresh: World) -> None:
    """The oldest and newest verified backup, hits of caches and percentiles; no backups where there is no folder."""
    calls = fresh.admin.maintenance
    none = calls.GetStats(pb.GetStatsRequest())
    assert (none.backups.count, none.backups.HasField("oldest_verified_time")) == (0, False)
    made = [calls.CreateBackup(pb.CreateBackupRequest()).backup for _ in range(3)]
    first = fresh.data / "backups" / made[0].name
    first.write_bytes(first.read_bytes()[:-1])
    with refused(StatusCode.DATA_LOSS):
        calls.VerifyBackup(pb.VerifyBackupRequest(name=made[0].name))
    user = fresh.user("token-of-bia")
    for _ in range(4):
        user.connections.ListUserConnections(connections.ListUserConnectionsRequest())
    stats = calls.GetStats(pb.GetStatsRequest())
    assert (stats.backups.count, stats.backups.verified_count) == (3, 2)
    assert stats.backups.oldest_verified_time == made[1].create_time
    assert stats.backups.newest_verified_time == made[2].create_time
    assert stats.backups.size_bytes == sum(backup.size_bytes for backup in made) - 1
    rates = {cache.name: cache.hit_rate for cache in stats.caches}
    assert rates["users"] == 0.75
    for times in (stats.query_times, stats.call_times):
        ordered = [each.ToNanoseconds() for each in (times.p50, times.p95, times.p99)]
        assert 0 < ordered[0] <= ordered[1] <= ordered[2]
    (fresh.data / "backups").rename(fresh.data / "away")
    (fresh.data / "backups").write_text("no folder")
    assert not calls.GetStats(pb.GetStatsRequest()).HasField("backups")


@pytest.mark.parametrize("depth", [pb.CHECK_DEPTH_UNSPECIFIED, pb.CHECK_DEPTH_QUICK, pb.CHECK_DEPTH_FULL])
def test_a_sound_database_passes_its_checks(world: World, depth: "pb.CheckDepth.ValueType") -> None:
    """Nothing is found, whatever the depth, and the answer tells which it was."""
    create(world)
    checked = world.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest(depth=depth))
    assert (checked.ok, list(checked.problems)) == (True, [])
    assert checked.depth == (depth or pb.CHECK_DEPTH_QUICK)


def test_a_full_check_finds_a_changed_audit_log_and_a_dangling_reference(fresh: World) -> None:
    """What a quick check cannot see is named by a full one."""
    create(fresh)
    create(fresh)
    with behind(fresh.database) as database:
        database.execute("UPDATE audit_events SET actor = 'user' WHERE id = 1")
    assert fresh.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest()).ok
    checked = fresh.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest(depth=pb.CHECK_DEPTH_FULL))
    assert not checked.ok
    assert "audit entry 1 was changed" in checked.problems
    with behind(fresh.database) as database:
        database.execute("INSERT INTO connection_assignments VALUES (99, x'00', 's', 0)")
    checked = fresh.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest(depth=pb.CHECK_DEPTH_FULL))
    assert any("refers to a missing row" in problem for problem in checked.problems)


@pytest.mark.parametrize("depth", [pb.CHECK_DEPTH_QUICK, pb.CHECK_DEPTH_FULL])
def test_what_is_not_the_service_s_is_named(fresh: World, depth: "pb.CheckDepth.ValueType") -> None:
    """A trigger; tables, views and indexes of other programs are left alone."""
    list(fresh.admin.maintenance.RunMaintenance(pb.RunMaintenanceRequest()))  # it makes SQLite's table of statistics
    with behind(fresh.database) as database:
        database.execute("CREATE TABLE others (x)")
        database.execute("CREATE INDEX fast ON others (x)")
        database.execute("CREATE VIEW seen AS SELECT 1")
        database.execute("CREATE TRIGGER t AFTER INSERT ON system_metadata BEGIN DELETE FROM others; END")
    checked = fresh.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest(depth=depth))
    assert list(checked.problems) == ["the trigger t is none of this service's"]


@pytest.mark.parametrize(("column", "value"), [("facts_after", "not json"), ("facts_before", "[1]")])
def test_an_audit_entry_that_cannot_be_read_is_damage(fresh: World, column: str, value: str) -> None:
    """DATA_LOSS to who asks for it, and a full check names it."""
    create(fresh)
    with behind(fresh.database) as database:
        database.execute(f"UPDATE audit_events SET {column} = ? WHERE id = 1", (value,))
    with refused(StatusCode.DATA_LOSS, "DATABASE_ERROR"):
        fresh.admin.maintenance.ListAuditEvents(pb.ListAuditEventsRequest())
    checked = fresh.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest(depth=pb.CHECK_DEPTH_FULL))
    assert list(checked.problems) == ["audit entry 1 cannot be read"]


def test_a_value_that_is_none_is_told(fresh: World) -> None:
    """DATA_LOSS to who asks for it, never something else or a fault of the service; a full check names each place."""
    calls = fresh.admin.connections
    kind, secret = create(fresh).id, create(fresh, connection_of("mysql")).id
    fresh.admin.maintenance.SetMetadata(pb.SetMetadataRequest(key="k", value="v"))
    with behind(fresh.database) as database:
        for damage in (
            f"UPDATE database_connections SET status = 'activf', version = version + 1 WHERE id = {kind}",
            (
                "UPDATE database_connections SET password = substr(password, 1, 40)"
                " || CASE substr(password, 41, 1) WHEN 'x' THEN 'y' ELSE 'x' END || substr(password, 42),"
                f" version = version + 1 WHERE id = {secret}"
            ),
            "UPDATE system_metadata SET created_at = '2O26' || substr(created_at, 5) WHERE key = 'k'",
        ):
            assert database.execute(damage).rowcount == 1
    with refused(StatusCode.DATA_LOSS, "DATABASE_ERROR") as refusal:
        calls.GetConnection(connections.GetConnectionRequest(id=kind))
    assert refusal.help
    with refused(StatusCode.DATA_LOSS, "DATABASE_ERROR"):
        calls.TestConnection(connections.TestConnectionRequest(id=secret))
    with refused(StatusCode.DATA_LOSS, "DATABASE_ERROR"):
        fresh.admin.maintenance.GetMetadata(pb.GetMetadataRequest(key="k"))
    assert fresh.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest()).ok
    checked = fresh.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest(depth=pb.CHECK_DEPTH_FULL))
    assert [problem.partition(" cannot be read")[0] for problem in checked.problems] == [
        *(f"connection {number}" for number in (kind, secret)),
        "the metadata",
    ]


def test_another_value_than_was_stored_is_told(fresh: World) -> None:
    """What a flipped bit makes of a plain value is DATA_LOSS, whatever it reads like; no change seals it as right."""
    made = create(fresh).id
    fresh.admin.maintenance.SetMetadata(pb.SetMetadataRequest(key="k", value="v"))
    fresh.admin.branding.UpdateBranding(branding.UpdateBrandingRequest(branding=branding.Branding(app_name="name")))
    assigned = connections.AssignUsersRequest(id=made, users=["ana"])
    fresh.admin.connections.AssignUsers(assigned)
    with damaging(fresh.database) as database:
        for damage in (
            "UPDATE database_connections SET name = 'other', version = version + 1",
            "UPDATE connection_assignments SET position = 7",
            "UPDATE system_metadata SET value = 'w'",
            "UPDATE branding_config SET app_name = 'other', id = id + 1",
            "UPDATE audit_events SET actor = 'system' WHERE id = (SELECT max(id) FROM audit_events)",
        ):
            assert database.execute(damage).rowcount == 1
    for request in (
        connections.GetConnectionRequest(id=made),
        connections.ListConnectionsRequest(),
        connections.SetConnectionStatusRequest(id=made, status=connections.CONNECTION_STATUS_ACTIVE),
        assigned,
        pb.GetMetadataRequest(key="k"),
        pb.ListMetadataRequest(),
        pb.ListAuditEventsRequest(),
        branding.GetBrandingRequest(),
    ):
        with refused(StatusCode.DATA_LOSS, "DATABASE_ERROR"):
            call(fresh.admin, request)
    checked = fresh.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest(depth=pb.CHECK_DEPTH_FULL))
    for place in (
        f"id {made} of database_connections",
        f"connection_id {made} of connection_assignments",
        "key k of system_metadata",
        "id 2 of branding_config",
    ):
        assert f"the row with {place} is not as it was written" in checked.problems
    assert sum("of audit_events is not as it was written" in problem for problem in checked.problems) == 1


def test_a_text_that_is_none_is_told(tmp_path: Path) -> None:
    """Bytes on the disk that are no UTF-8 any more: DATA_LOSS to who asks, and a full check names the row."""
    with world_in(tmp_path) as before:
        made = create(before, connection_of("sqlite", "a needle in the file")).id
        database = before.database
    content = database.read_bytes()
    assert b"a needle in the file" in content
    database.write_bytes(content.replace(b"a needle in the file", b"a n\xffedle in the file"))
    with world_in(tmp_path) as after:
        for request in (connections.GetConnectionRequest(id=made), connections.ListConnectionsRequest()):
            with refused(StatusCode.DATA_LOSS, "DATABASE_ERROR"):
                call(after.admin, request)
        checked = after.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest(depth=pb.CHECK_DEPTH_FULL))
        assert f"the row with id {made} of database_connections is not as it was written" in checked.problems


def test_an_unknown_depth_is_refused(world: World) -> None:
    """A number that is no depth is a bad field."""
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        world.admin.maintenance.CheckIntegrity(pb.CheckIntegrityRequest(depth=9))  # type: ignore[arg-type]  # the point
    assert list(refusal.violations) == ["depth"]


def test_metadata_is_set_read_listed_and_deleted(world: World) -> None:
    """A value by key through its whole life; pages are in the order of keys, and prefixes select."""
    calls = world.admin.maintenance
    for number in range(5):
        calls.SetMetadata(pb.SetMetadataRequest(key=f"app.{number}", value=f"v{number}"))
    calls.SetMetadata(pb.SetMetadataRequest(key="zzz", value=""))
    first = calls.GetMetadata(pb.GetMetadataRequest(key="app.3")).entry
    assert (first.value, first.read_only) == ("v3", False)
    again = calls.SetMetadata(pb.SetMetadataRequest(key="app.3", value="new")).entry
    assert again.create_time == first.create_time
    assert again.update_time.ToNanoseconds() > first.update_time.ToNanoseconds()
    keys, token = [], ""
    while True:
        page = calls.ListMetadata(pb.ListMetadataRequest(prefix="app.", page_size=2, page_token=token))
        keys += [entry.key for entry in page.entries]
        token = page.next_page_token
        if not token:
            break
    assert keys == [f"app.{number}" for number in range(5)]
    calls.DeleteMetadata(pb.DeleteMetadataRequest(key="app.3"))
    with refused(StatusCode.NOT_FOUND):
        calls.GetMetadata(pb.GetMetadataRequest(key="app.3"))
    with refused(StatusCode.NOT_FOUND):
        calls.DeleteMetadata(pb.DeleteMetadataRequest(key="app.3"))


def test_the_system_s_own_keys_are_read_only(world: World) -> None:
    """They are shown as such, and neither set nor deleted."""
    with behind(world.database) as database:
        database.execute(
            "INSERT INTO system_metadata VALUES"
            " ('system.x', '1', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')"
        )
    calls = world.admin.maintenance
    listed = calls.ListMetadata(pb.ListMetadataRequest(prefix="system.")).entries
    assert [entry.read_only for entry in listed] == [True]
    with refused(StatusCode.PERMISSION_DENIED):
        calls.SetMetadata(pb.SetMetadataRequest(key="system.x", value="2"))
    with refused(StatusCode.PERMISSION_DENIED):
        calls.DeleteMetadata(pb.DeleteMetadataRequest(key="system.x"))
    assert calls.GetMetadata(pb.GetMetadataRequest(key="system.x")).entry.value == "1"


@pytest.mark.parametrize(
    ("key", "value", "fields"),
    [("", "", ["key"]), ("a b", "", ["key"]), ("ã", "", ["key"]), ("a" * 101, "x" * 65537, ["key", "value"])],
)
def test_bad_keys_and_values_are_refused(world: World, key: str, value: str, fields: list[str]) -> None:
    """Every bad field is told at once."""
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        world.admin.maintenance.SetMetadata(pb.SetMetadataRequest(key=key, value=value))
    assert list(refusal.violations) == fields


def test_lists_refuse_what_is_no_page(world: World) -> None:
    """A negative size, a made-up token and a long prefix are named together."""
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        world.admin.maintenance.ListMetadata(pb.ListMetadataRequest(page_size=-1, page_token="x", prefix="p" * 101))
    assert list(refusal.violations) == ["page_size", "page_token", "prefix"]
