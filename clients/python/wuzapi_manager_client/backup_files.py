"""The calls of MaintenanceService that take a backup's file away and bring one. For the administrator."""

import hashlib
import os
import time
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

import grpc

from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_client.calls import STREAM_TIMEOUT, Calls, translated
from wuzapi_manager_client.errors import (
    Conflict,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    ManagerError,
    Unavailable,
)
from wuzapi_manager_client.partial_file import PartialFile
from wuzapi_manager_client.pieces import Requests, pieces_of

_PAUSES = (0.1, 0.3, 0.9)  # seconds before each try, as gRPC waits between tries of a read


class BackupFileCalls(Calls):
    """Downloads and uploads the files of backups. Both go on where they broke off. Memory stays constant."""

    def download_backup(self, name: str, path: str | PathLike[str], *, timeout: float = STREAM_TIMEOUT) -> pb.Backup:
        """Saves a backup's file under `path`, in place of what is there, once it is whole and its checksum is right.

        Until then it lies beside it as `<path>.part`. When the service goes away, the download goes on where it was, as
        often as it gets any further; after that Unavailable, and calling again goes on. `timeout` is that of each
        stretch. DataLoss where the file is not what its checksum says, and nothing of it is kept. OSError where it
        cannot be saved. One download at a time may write to a path.
        """
        with PartialFile(Path(path)) as part:
            while True:
                left_over = part.size > 0
                try:
                    backup = self._receive(name, part, timeout)
                except InvalidArgument as refusal:
                    too_long = left_over and "offset" in {violation.field for violation in refusal.violations}
                    if not too_long:
                        raise
                else:
                    if part.sha256() == backup.sha256:
                        part.finish()
                        return backup
                    if not left_over:
                        part.discard()
                        suggestion = "Download it again; where that does not help, use another backup"
                        raise _damaged(f"The file of {name} is not what its checksum says", suggestion)
                part.discard()  # of another backup: this one begins anew

    def _receive(self, name: str, part: PartialFile, timeout: float) -> pb.Backup:
        while True:
            before = part.size
            try:
                return self._receive_stretch(name, part, timeout)
            except Unavailable:
                if part.size == before:
                    raise

    def _receive_stretch(self, name: str, part: PartialFile, timeout: float) -> pb.Backup:
        request = pb.DownloadBackupRequest(name=name, offset=part.size)
        backup, digest, sha256 = pb.Backup(), hashlib.sha256(), ""
        with translated():
            stream = self._maintenance.DownloadBackup(request, timeout=timeout, metadata=self._metadata)
            try:
                for message in stream:
                    if message.HasField("header"):
                        backup = message.header
                    part.append(message.chunk)
                    digest.update(message.chunk)
                    sha256 = message.sha256
            finally:
                stream.cancel()
        if sha256 != digest.hexdigest():
            part.discard()
            raise _damaged(f"The download of {name} was damaged on its way", "Download it again")
        return backup

    def upload_backup(self, path: str | PathLike[str], *, timeout: float = STREAM_TIMEOUT) -> pb.Backup:
        """Brings a backup's file to the service, which verifies it and lists it under a new name.

        The service is asked first how much of the file it has: an upload that broke off within the last day goes on
        there. When the service goes away, the upload goes on likewise, as often as it gets any further; after that
        Unavailable, and `list_backups` tells whether it was completed. `timeout` is that of each stretch. DataLoss
        where the file is no backup that can be restored. What reading the file raises is raised here.
        """
        file = Path(path)
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            head = pb.UploadBackupRequest(sha256=hashlib.file_digest(opened, "sha256").hexdigest(), size_bytes=size)
        found = self._ask(head, timeout)
        while isinstance(found, int):
            try:
                return self._send_rest(file, head, found, timeout)
            except Unavailable as failure:
                found = self._ask_again(head, found, failure, timeout)
        return found

    def _ask(self, head: pb.UploadBackupRequest, timeout: float) -> pb.Backup | int:
        """How many bytes of the file the service has. Where it has all, that ends the upload: the backup."""
        head.offset = head.size_bytes
        try:
            return self._upload_backup([head], timeout)
        except FailedPrecondition as refusal:
            if "offset" in refusal.metadata:
                return int(refusal.metadata["offset"])
            raise

    def _ask_again(
        self, head: pb.UploadBackupRequest, before: int, failure: Unavailable, timeout: float
    ) -> pb.Backup | int:
        """The same once the service knows that a stream broke off. The failure of that where it got no further."""
        for pause in _PAUSES:
            time.sleep(pause)
            try:
                found = self._ask(head, timeout)
            except (Conflict, Unavailable):
                continue
            if isinstance(found, int) and found <= before:
                break
            return found
        raise failure

    def _send_rest(self, file: Path, head: pb.UploadBackupRequest, offset: int, timeout: float) -> pb.Backup:
        head.offset = offset
        with file.open("rb") as opened:
            opened.seek(offset)
            pieces = pieces_of(opened, "An upload")
            requests = Requests(head, pieces, lambda piece: pb.UploadBackupRequest(chunk=piece))
            try:
                return self._upload_backup(requests, timeout)
            except ManagerError:
                if requests.failure is not None:
                    raise requests.failure from None
                raise

    def _upload_backup(self, requests: Iterable[pb.UploadBackupRequest], timeout: float) -> pb.Backup:
        with translated():
            call = self._maintenance.UploadBackup
            return call(iter(requests), timeout=timeout, metadata=self._metadata).backup


def _damaged(message: str, suggestion: str) -> DataLoss:
    error = DataLoss(grpc.StatusCode.DATA_LOSS, message)
    error.suggestion = suggestion
    return error
