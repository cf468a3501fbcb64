"""The calls of maintenance through the client, at a real server process."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.contract.server import ADMIN_TOKEN, World, world_in
from tests.e2e.samples import create
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_client import WuzapiManager, errors
from wuzapi_manager_server.settings import Settings


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("maintenance")) as made:
        yield made


@pytest.fixture
def admin(world: World) -> Iterator[WuzapiManager]:
    with WuzapiManager(world.address, admin_token=ADMIN_TOKEN, language="en") as client:
        yield client


def test_it_tells_what_runs_and_what_is_there(world: World, admin: WuzapiManager) -> None:
    """Settings without secrets, connections that are counted, and calls that are too."""
    info = admin.get_server_info()
    settings = {each.name: each.value for each in info.settings}
    assert set(settings) == {name.upper() for name in Settings.model_fields}
    assert settings["WUZAPI_ADMIN_TOKEN"] == "***"
    before = admin.get_stats().connection_count
    create(world)
    assert admin.get_stats().connection_count == before + 1
    assert admin.get_metrics().calls.by_code["OK"] >= 4


def test_a_check_is_as_deep_as_it_is_told_to_be(admin: WuzapiManager) -> None:
    """Quick where nothing is said; another depth is refused before anything is sent."""
    quick, full = admin.check_integrity(), admin.check_integrity("FULL")
    assert (quick.ok, quick.depth) == (True, pb.CHECK_DEPTH_QUICK)
    assert (full.ok, full.depth) == (True, pb.CHECK_DEPTH_FULL)
    with pytest.raises(ValueError, match="CHECK_DEPTH_DEEP"):
        admin.check_integrity("DEEP")  # type: ignore[arg-type]  # the mistake


def test_the_upkeep_tells_its_steps(admin: WuzapiManager) -> None:
    """A message at the start and the end of each of the five; a vacuum of a small database only when it is forced."""
    skipped = [step.step for step in admin.run_maintenance() if step.state == pb.STEP_STATE_SKIPPED]
    assert skipped == [pb.MAINTENANCE_STEP_VACUUM]
    steps = list(admin.run_maintenance(force_vacuum=True))
    assert [step.steps_done for step in steps] == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert {step.state for step in steps[1::2]} == {pb.STEP_STATE_DONE}


def test_caches_are_cleared(world: World, admin: WuzapiManager) -> None:
    """A user who was remembered is asked for anew."""
    with WuzapiManager(world.address, token=world.user("token-of-ana").token) as ana:
        list(ana.list_user_connections())
    assert admin.clear_caches()["users"] == 1
    assert admin.clear_caches()["users"] == 0


def test_values_by_key(admin: WuzapiManager) -> None:
    """Set, read, listed over pages in the order of their keys, deleted; what is not there is NotFound."""
    for key in ("app.c", "app.a", "app.b", "other"):
        made = admin.set_metadata(key, f"the value of {key}")
    assert (made.key, made.value, made.read_only) == ("other", "the value of other", False)
    assert admin.get_metadata("app.a").value == "the value of app.a"
    assert [entry.key for entry in admin.list_metadata("app.", page_size=2)] == ["app.a", "app.b", "app.c"]
    assert {"app.a", "other"} <= {entry.key for entry in admin.list_metadata()}
    admin.delete_metadata("app.a")
    with pytest.raises(errors.NotFound):
        admin.get_metadata("app.a")
    with pytest.raises(errors.NotFound):
        admin.delete_metadata("app.a")
    with pytest.raises(errors.PermissionDenied):
        admin.set_metadata("system.x", "1")


def test_the_audit_log_over_pages(admin: WuzapiManager) -> None:
    """Newest first, and every filter narrows it."""
    action = "/wuzapi_manager.v1.MaintenanceService/SetMetadata"
    before = datetime.now(UTC)
    for number in range(3):
        admin.set_metadata("audited", str(number))
    found = list(admin.list_audit_events(target="maintenance/audited", page_size=2))
    assert [event.action for event in found] == [action] * 3
    assert [event.id for event in found] == sorted((event.id for event in found), reverse=True)

    first = found[-1]
    assert first.time.ToDatetime(UTC) >= before
    second = found[1].time.ToDatetime(UTC)
    narrowed = admin.list_audit_events(
        actor="admin", action=action, target="maintenance/audited", outcome="OK", since=before, until=second
    )
    assert list(narrowed) == [first]
    assert list(admin.list_audit_events(request_id=first.request_id)) == [first]
    assert list(admin.list_audit_events(target="maintenance/audited", since=second)) == found[:2]
    for other in (
        admin.list_audit_events(target="maintenance/audited", actor="user"),
        admin.list_audit_events(target="maintenance/audited", actor_id="ana"),
        admin.list_audit_events(target="maintenance/audited", action="/other"),
        admin.list_audit_events(target="maintenance/audited", outcome="NOT_FOUND"),
    ):
        assert not list(other)


def test_a_time_without_its_zone_is_refused(admin: WuzapiManager) -> None:
    """Nobody has to guess which time is meant: the mistake is told before anything is sent."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the mistake
    with pytest.raises(ValueError, match="since must say its time zone"):
        admin.list_audit_events(since=naive)
    with pytest.raises(ValueError, match="until must say its time zone"):
        admin.list_audit_events(until=naive)


def test_users_may_do_none_of_it(world: World) -> None:
    """The refusal comes out of unary calls, pages and streams alike."""
    with WuzapiManager(world.address, token=world.user("token-of-ana").token) as ana:
        for call in (
            ana.get_server_info,
            ana.create_backup,
            lambda: list(ana.list_audit_events()),
            lambda: list(ana.run_maintenance()),
        ):
            with pytest.raises(errors.PermissionDenied):
                call()
