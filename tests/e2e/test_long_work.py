"""Work on the whole database may take longer than other calls."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import grpc

from tests.contract.calls import refused
from tests.contract.server import World, world_in
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager.v1.maintenance_pb2 import DESCRIPTOR
from wuzapi_manager_server.rpc.long_work import SECONDS, seconds_for

SHORT = "0.3"
HELD = 1.0


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
