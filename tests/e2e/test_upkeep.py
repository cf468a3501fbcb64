"""MaintenanceService over a socket: the upkeep, figures of the process, caches, and the audit log."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from tests.contract.calls import refused
from tests.contract.server import World, world_in
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import maintenance_pb2 as pb


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("maintenance")) as made:
        yield made


def connect(world: World, name: str) -> connections.Connection:
    request = connections.CreateConnectionRequest(
        connection=connections.Connection(
            name=name,
            sqlite=connections.SqliteSource(database="x.db", table_name="t"),
            user_link_field="owner",
            assigned_users=["ana", "bia"],
        )
    )
    return world.admin.connections.CreateConnection(request).connection


def put(world: World, key: str, value: str) -> None:
    world.admin.maintenance.SetMetadata(pb.SetMetadataRequest(key=key, value=value))


def test_metrics_grow_with_use(tmp_path: Path) -> None:
    """Statements by kind, calls by code, times in order, and hits of the caches; no label tells a token."""
    with world_in(tmp_path, slow_query_ms="0") as world:
        ana = world.user("token-of-ana", identity="ana")
        connect(world, "one")
        for _ in range(4):
            ana.connections.ListUserConnections(connections.ListUserConnectionsRequest())
        with refused(StatusCode.NOT_FOUND):
            world.admin.connections.GetConnection(connections.GetConnectionRequest(id=999))
        found = world.admin.maintenance.GetMetrics(pb.GetMetricsRequest())
        assert found.queries.by_type["INSERT"] >= 2
        assert found.queries.total == sum(found.queries.by_type.values())
        assert 0 < found.queries.slow <= found.queries.total
        assert (found.queries.errors, found.queries.error_rate) == (0, 0.0)
        assert dict(found.calls.by_code) == {"OK": 5, "NOT_FOUND": 1}
        for times in (found.queries.times, found.calls.times):
            ordered = [each.ToNanoseconds() for each in (times.p50, times.p95, times.p99)]
            assert 0 < ordered[0] <= ordered[1] <= ordered[2]
            assert times.average.ToNanoseconds() > 0
        users = next(cache for cache in found.caches if cache.name == "users")
        assert (users.size, users.hits, users.misses, users.hit_rate) == (1, 3, 1, 0.75)
        assert "token" not in str(found)
        cleared = world.admin.maintenance.ClearCaches(pb.ClearCachesRequest()).cleared
        assert cleared["users"] == 1
        ana.connections.ListUserConnections(connections.ListUserConnectionsRequest())
        asked = [request for request in world.wuzapi.requests if request.path == "/session/status"]
        assert len(asked) == 2


def test_the_upkeep_tells_each_step(world: World) -> None:
    """Five steps, each begun and ended; a small database is vacuumed only when forced."""
    run = world.admin.maintenance.RunMaintenance
    wal = world.database.with_name("wuzapi.db-wal")
    for number in range(20):
        put(world, f"large-{number}", "x" * 60_000)
    assert wal.stat().st_size > 1_000_000
    told = list(run(pb.RunMaintenanceRequest()))
    steps = [pb.MaintenanceStep.Name(each.step).removeprefix("MAINTENANCE_STEP_") for each in told]
    assert steps == [name for name in ("INTEGRITY", "VACUUM", "ANALYZE", "CHECKPOINT", "CACHES") for _ in range(2)]
    assert [each.steps_done for each in told] == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert {each.state for each in told[::2]} == {pb.STEP_STATE_STARTED}
    ended = {each.step: each for each in told[1::2]}
    assert ended[pb.MAINTENANCE_STEP_VACUUM].state == pb.STEP_STATE_SKIPPED
    assert ended[pb.MAINTENANCE_STEP_INTEGRITY].message == "No problem was found"
    assert wal.stat().st_size < 100_000  # the audit entry of the run itself
    forced = {each.step: each.state for each in run(pb.RunMaintenanceRequest(force_vacuum=True))}
    assert forced[pb.MAINTENANCE_STEP_VACUUM] == pb.STEP_STATE_DONE


def test_a_vacuum_gives_room_back(tmp_path: Path) -> None:
    """What was deleted is gone from the file afterwards, and all else is there."""
    with world_in(tmp_path) as world:
        for number in range(100):
            put(world, f"key-{number:03}", "x" * 60_000)
        for number in range(1, 100):
            world.admin.maintenance.DeleteMetadata(pb.DeleteMetadataRequest(key=f"key-{number:03}"))
        list(world.admin.maintenance.RunMaintenance(pb.RunMaintenanceRequest()))
        before = world.admin.maintenance.GetStats(pb.GetStatsRequest()).file
        assert before.free_bytes > 5_000_000
        list(world.admin.maintenance.RunMaintenance(pb.RunMaintenanceRequest(force_vacuum=True)))
        after = world.admin.maintenance.GetStats(pb.GetStatsRequest()).file
        assert after.free_bytes == 0
        assert after.size_bytes < 500_000
        assert len(world.admin.maintenance.GetMetadata(pb.GetMetadataRequest(key="key-000")).entry.value) == 60_000


def test_the_audit_log_is_listed(world: World) -> None:
    """Newest first in pages, narrowed by filters; facts as JSON."""
    begin = Timestamp()
    begin.GetCurrentTime()
    made = connect(world, "audited")
    world.admin.connections.DeleteConnection(connections.DeleteConnectionRequest(id=made.id))
    place = f"connections/{made.id}"
    ask = world.admin.maintenance.ListAuditEvents
    found = ask(pb.ListAuditEventsRequest(target=place, since=begin)).events
    assert [event.action.rpartition("/")[2] for event in found] == ["DeleteConnection", "CreateConnection"]
    assert found[1].after["name"] == "audited"
    assert found[0].before["deleted"] is False
    assert (found[0].actor, found[0].outcome) == ("admin", "OK")
    assert found[0].request_id
    first = ask(pb.ListAuditEventsRequest(target=place, page_size=1))
    second = ask(pb.ListAuditEventsRequest(target=place, page_size=1, page_token=first.next_page_token))
    assert [*first.events, *second.events] == list(found)
    assert second.next_page_token == ""
    assert not ask(pb.ListAuditEventsRequest(target=place, actor="user")).events
    assert not ask(pb.ListAuditEventsRequest(until=Timestamp(seconds=1))).events


def test_a_bad_filter_is_told_whole(world: World) -> None:
    """Every bad part at once."""
    bad = pb.ListAuditEventsRequest(
        actor="root", page_size=-1, page_token="x", since=Timestamp(seconds=2**60), until=Timestamp(seconds=-(2**60))
    )
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        world.admin.maintenance.ListAuditEvents(bad)
    assert set(refusal.violations) == {"actor", "page_size", "page_token", "since", "until"}
