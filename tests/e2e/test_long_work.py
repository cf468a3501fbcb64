"""Work on the whole database may take longer than other calls."""

import math
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import grpc

from tests.contract.calls import refused
from tests.contract.server import World, world_in
from tests.fakes.wuzapi import State
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager.v1 import relay_pb2
from wuzapi_manager.v1.maintenance_pb2 import DESCRIPTOR
from wuzapi_manager.v1.relay_pb2_grpc import RelayServiceStub
from wuzapi_manager_server.rpc.long_work import SECONDS, seconds_for, seconds_without_deadline, silence_for

SHORT = "0.3"
HELD = 1.0
WATCH = "/wuzapi_manager.v1.RelayService/WatchSession"
EXPORT = "/wuzapi_manager.v1.RecordService/ExportRecords"


@contextmanager
def held(world: World) -> Iterator[None]:
    """Nobody else can write the database for a second."""
    with closing(sqlite3.connect(world.database, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(HELD, other.rollback)
        timer.start()
        try:
            yield
        finally:
            timer.join()


def test_work_on_a_whole_database_is_not_bound_like_other_calls(tmp_path: Path) -> None:
    """A call that waits for the database ends at GRPC_MAX_DEADLINE; the upkeep and a restore go on to their end."""
    with world_in(tmp_path, grpc_max_deadline=SHORT, grpc_stream_idle=SHORT) as world:
        maintenance = world.admin.maintenance
        with held(world), refused(grpc.StatusCode.DEADLINE_EXCEEDED, "TIMEOUT_ERROR"):
            maintenance.SetMetadata(pb.SetMetadataRequest(key="a", value="b"))
        backup = maintenance.CreateBackup(pb.CreateBackupRequest()).backup
        with held(world):
            steps = [*maintenance.RunMaintenance(pb.RunMaintenanceRequest(force_vacuum=True))]
        assert steps[-1].steps_done == 5
        with held(world):
            restored = maintenance.RestoreBackup(pb.RestoreBackupRequest(name=backup.name))
        assert restored.backup.name == backup.name


def test_each_call_on_a_whole_database_has_an_hour() -> None:
    """Those alone, and more where the settings give all calls more."""
    service = DESCRIPTOR.services_by_name["MaintenanceService"]
    long = {name for name in service.methods_by_name if seconds_for(f"/{service.full_name}/{name}", 60.0) == SECONDS}
    assert long == {
        "CheckIntegrity",
        "CreateBackup",
        "DownloadBackup",
        "RestoreBackup",
        "RunMaintenance",
        "UploadBackup",
        "VerifyBackup",
    }
    assert seconds_for(f"/{service.full_name}/CreateBackup", 7_200.0) == 7_200.0
    assert seconds_for("/wuzapi_manager.v1.RecordService/CreateBackup", 60.0) == 60.0


def test_who_watches_a_session_waits_as_long_as_the_deadline(tmp_path: Path) -> None:
    """A QR code stays on the screen for longer than GRPC_STREAM_IDLE: the stream says nothing, and ends by itself."""
    with world_in(tmp_path, grpc_stream_idle=SHORT) as world:
        ana = world.user("token-of-ana")
        user = next(iter(world.wuzapi.users.values()))
        user.state, user.qr = State.CONNECTED, "2@a-code-that-stays"
        seen = [*ana.relay.WatchSession(relay_pb2.WatchSessionRequest(), timeout=4.0)]
        assert [response.state for response in seen] == [relay_pb2.SESSION_STATE_QR]
        # The stubs of the other tests set a deadline where a test sets none.
        undated = RelayServiceStub(world.channel).WatchSession(
            relay_pb2.WatchSessionRequest(), metadata=(("token", ana.token),)
        )
        states = [next(undated).state]
        scanned = threading.Timer(4 * float(SHORT), world.wuzapi.scan, [ana.token])
        scanned.start()
        states += [response.state for response in undated]
        assert states == [relay_pb2.SESSION_STATE_QR, relay_pb2.SESSION_STATE_LOGGED_IN]


def test_watching_a_session_alone_is_not_bound_by_silence() -> None:
    """It ends by the caller's deadline, or after an hour where there is none; other streams as the settings say."""
    assert (silence_for(WATCH, 60.0), seconds_without_deadline(WATCH)) == (math.inf, SECONDS)
    assert (silence_for(EXPORT, 60.0), seconds_without_deadline(EXPORT)) == (60.0, math.inf)
    backup = f"/{DESCRIPTOR.services_by_name['MaintenanceService'].full_name}/CreateBackup"
    assert silence_for(backup, 60.0) == SECONDS
