"""What the streams of maintenance make of a service that fails or goes away: its answers are written down here."""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]  # ships stubs, but no py.typed

from tests.integration.client.service import Refusal, Service
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_client import WuzapiManager, errors

AWAY = Refusal(grpc.StatusCode.UNAVAILABLE, "restarting")
SENDING = Refusal(grpc.StatusCode.ABORTED, "this file is being sent already")
DONE = pb.UploadBackupResponse(backup=pb.Backup(name="taken"))


def has(count: int) -> Refusal:
    """What a service says that has so many bytes of an upload."""
    details = (ErrorInfo(reason="FILE_SYSTEM_ERROR", metadata={"offset": str(count)}),)
    return Refusal(grpc.StatusCode.FAILED_PRECONDITION, f"{count} bytes are here", details)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "backup.wzb"
    made.write_bytes(b"0123456789")
    return made


def offsets(service: Service) -> list[int]:
    """Where each stream of an upload began."""
    sent = [request for request in service.requests("UploadBackup") if isinstance(request, pb.UploadBackupRequest)]
    return [request.offset for request in sent if request.sha256]


def test_a_step_that_fails_is_told_and_raised(service: Service, admin: WuzapiManager) -> None:
    """The message of the failed step comes out before its error."""
    failed = pb.RunMaintenanceResponse(step=pb.MAINTENANCE_STEP_VACUUM, state=pb.STEP_STATE_FAILED, steps_done=1)
    service.answers["RunMaintenance"] = (failed, Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room"))
    steps = admin.run_maintenance(force_vacuum=True)
    assert next(steps) == failed
    with pytest.raises(errors.ResourceExhausted, match="no room"):
        next(steps)
    assert service.requests("RunMaintenance") == [pb.RunMaintenanceRequest(force_vacuum=True)]


def test_an_upkeep_that_is_left_is_cancelled(service: Service, admin: WuzapiManager) -> None:
    """Leaving the loop early ends the call on the server too."""
    service.answers["RunMaintenance"] = repeat(pb.RunMaintenanceResponse(message="x" * 1000))
    steps = admin.run_maintenance()
    assert next(steps).message
    assert not service.stream_ended.is_set()
    del steps
    assert service.stream_ended.wait(10)


def test_a_download_that_ends_without_a_checksum_is_not_kept(
    service: Service, admin: WuzapiManager, tmp_path: Path
) -> None:
    """An end that comes too early, though it looks like one, is no file."""
    service.answers["DownloadBackup"] = (
        pb.DownloadBackupResponse(header=pb.Backup(name="a", size_bytes=10), remaining_bytes=10),
        pb.DownloadBackupResponse(chunk=b"01234", remaining_bytes=5),
    )
    with pytest.raises(errors.DataLoss):
        admin.download_backup("a", tmp_path / "backup.wzb")
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_refuses_what_it_is_asked_is_not_asked_again(
    service: Service, admin: WuzapiManager, tmp_path: Path
) -> None:
    """A download that is refused though nothing was left over does not begin anew."""
    service.answers["DownloadBackup"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "no")
    with pytest.raises(errors.InvalidArgument):
        admin.download_backup("a", tmp_path / "backup.wzb")
    assert len(service.seen) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_upload_goes_on_once_the_service_knows_that_it_broke_off(
    service: Service, admin: WuzapiManager, file: Path
) -> None:
    """It asks where it is to go on until it is told, and sends the bytes from there."""
    service.answers["UploadBackup"] = [has(0), AWAY, AWAY, SENDING, has(4), DONE]
    assert admin.upload_backup(file).name == "taken"
    assert offsets(service) == [10, 0, 10, 10, 10, 4]
    sent = service.requests("UploadBackup")[-1]
    assert isinstance(sent, pb.UploadBackupRequest)
    assert sent.chunk == b"456789"


def test_an_upload_that_gets_no_further_ends(service: Service, admin: WuzapiManager, file: Path) -> None:
    """A service that has no more bytes than before may have completed the upload: it is not sent a second time."""
    service.answers["UploadBackup"] = [has(4), AWAY, has(0)]
    with pytest.raises(errors.Unavailable, match="restarting"):
        admin.upload_backup(file)
    assert offsets(service) == [10, 4, 10]


def test_an_upload_whose_other_stream_goes_on_is_left_to_the_caller(
    service: Service, admin: WuzapiManager, file: Path
) -> None:
    """The client does not wait for somebody else's upload of the same file, nor for a service that is not there."""
    service.answers["UploadBackup"] = [SENDING, AWAY]
    with pytest.raises(errors.Conflict):
        admin.upload_backup(file)
    with pytest.raises(errors.Unavailable):
        admin.upload_backup(file)
    assert len(service.seen) == 2


def test_other_refusals_of_an_upload_are_raised(service: Service, admin: WuzapiManager, file: Path) -> None:
    """A precondition that is no offset, and a refusal amid the bytes."""
    no_key = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "its key is not here")
    service.answers["UploadBackup"] = [no_key, has(0), Refusal(grpc.StatusCode.DATA_LOSS, "no backup")]
    with pytest.raises(errors.FailedPrecondition, match="its key is not here"):
        admin.upload_backup(file)
    with pytest.raises(errors.DataLoss, match="no backup"):
        admin.upload_backup(file)


def test_what_reading_the_file_raises_is_raised(
    service: Service, admin: WuzapiManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that breaks amid an upload is told as that, not as a call that was cancelled."""

    def broken(*_: object) -> Iterator[bytes]:
        yield b"0"
        raise OSError("the disk broke")

    monkeypatch.setattr("wuzapi_manager_client.backup_files.pieces_of", broken)
    service.answers["UploadBackup"] = has(0)
    with pytest.raises(OSError, match="the disk broke"):
        admin.upload_backup(file)
