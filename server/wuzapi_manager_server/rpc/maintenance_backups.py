"""MaintenanceService: backups."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import BinaryIO

from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_server.domain.audit import came_of, target
from wuzapi_manager_server.domain.backup import Backup
from wuzapi_manager_server.errors import FileSystemError, InvalidInput, Text, Violation
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.rpc.convert_common import timestamp_to
from wuzapi_manager_server.rpc.requests import Problems, binding, required
from wuzapi_manager_server.services.backups import Backups
from wuzapi_manager_server.services.backups_upload import Uploads
from wuzapi_manager_server.services.page_tokens import PageTokens, page_size
from wuzapi_manager_server.storage.backups_folder import translated

_DEFAULT_PAGE, _LARGEST_PAGE = 50, 500
_CHUNK = 64 * 1024
_READ = 16 * _CHUNK


class BackupCalls:
    """Answers the RPCs of backups."""

    def __init__(self, backups: Backups, uploads: Uploads, tokens: PageTokens) -> None:
        self._backups = backups
        self._uploads = uploads
        self._tokens = tokens

    async def create(self) -> pb.CreateBackupResponse:
        """A new one."""
        backup = await self._backups.create()
        target.set(f"maintenance/{backup.name}")
        return pb.CreateBackupResponse(backup=backup_to(backup))

    async def page(self, request: pb.ListBackupsRequest) -> pb.ListBackupsResponse:
        """A page of them."""
        problems = Problems()
        bound = binding(current().caller, request, "page_size", "page_token")
        size = problems.attempt(lambda: page_size(request.page_size, _DEFAULT_PAGE, _LARGEST_PAGE), 1)
        place = problems.attempt(lambda: self._tokens.take(request.page_token, bound), ())
        problems.settle()
        after = str(place[0]) if place else ""
        found = await asyncio.to_thread(self._backups.folder.all)
        left = [backup for backup in found if not after or backup.name < after]
        response = pb.ListBackupsResponse(backups=map(backup_to, left[:size]))
        if len(left) > size:
            response.next_page_token = self._tokens.give((left[size - 1].name,), bound)
        return response

    async def figures(self) -> pb.BackupFigures | None:
        """How many there are and how old they are; None where that cannot be read."""
        try:
            found = await asyncio.to_thread(self._backups.folder.all)
        except FileSystemError:
            return None
        verified = [backup.create_time for backup in found if backup.verify_time is not None]
        return pb.BackupFigures(
            count=len(found),
            verified_count=len(verified),
            oldest_verified_time=timestamp_to(min(verified, default=None)),
            newest_verified_time=timestamp_to(max(verified, default=None)),
            size_bytes=sum(backup.size for backup in found),
        )

    async def verify(self, request: pb.VerifyBackupRequest) -> pb.VerifyBackupResponse:
        """One, verified."""
        required(name=request.name)
        return pb.VerifyBackupResponse(backup=backup_to(await self._backups.verify(request.name)))

    async def delete(self, request: pb.DeleteBackupRequest) -> pb.DeleteBackupResponse:
        """One less."""
        required(name=request.name)
        await self._backups.delete(request.name)
        return pb.DeleteBackupResponse()

    async def restore(self, request: pb.RestoreBackupRequest) -> pb.RestoreBackupResponse:
        """One in place of the database, or whether it could be."""
        required(name=request.name)
        if request.validate_only:
            backup, schema = await self._backups.try_out(request.name)
            return pb.RestoreBackupResponse(backup=backup_to(backup), schema_version=schema)
        done = await self._backups.restore(request.name)
        came_of.set({"replaced": done.replaced.name})
        return pb.RestoreBackupResponse(
            backup=backup_to(done.backup), replaced=backup_to(done.replaced), schema_version=done.schema_version
        )

    async def download(self, request: pb.DownloadBackupRequest) -> AsyncGenerator[pb.DownloadBackupResponse]:
        """The file of one in chunks."""
        required(name=request.name)
        backup = self._backups.folder.get(request.name)
        if not 0 <= request.offset <= backup.size:
            text = Text(
                f"must be from 0 to the file's size, {backup.size}",
                f"Deve estar entre 0 e o tamanho do arquivo, {backup.size}",
            )
            raise InvalidInput([Violation("offset", text)])
        with translated():
            file = await asyncio.to_thread(self._backups.folder.file(backup).open, "rb")
        try:
            file.seek(request.offset)
            remaining = backup.size - request.offset
            yield pb.DownloadBackupResponse(header=backup_to(backup), remaining_bytes=remaining)
            digest = hashlib.sha256()
            async for chunk in _chunks(file):
                digest.update(chunk)
                remaining -= len(chunk)
                yield pb.DownloadBackupResponse(chunk=chunk, remaining_bytes=remaining)
            yield pb.DownloadBackupResponse(sha256=digest.hexdigest())
        finally:
            file.close()

    async def upload(self, requests: AsyncIterator[pb.UploadBackupRequest]) -> pb.UploadBackupResponse:
        """One that was brought here."""
        first = await anext(aiter(requests), None)
        if first is None:
            raise InvalidInput([Violation("", Text("the stream was empty", "O fluxo estava vazio"))])
        required(sha256=first.sha256, size_bytes=first.size_bytes)

        async def chunks() -> AsyncGenerator[bytes]:
            yield first.chunk
            async for message in requests:
                yield message.chunk

        backup = await self._uploads.take(first.sha256, first.size_bytes, first.offset, chunks())
        target.set(f"maintenance/{backup.name}")
        return pb.UploadBackupResponse(backup=backup_to(backup))


async def _chunks(file: BinaryIO) -> AsyncGenerator[bytes]:
    with translated():
        while piece := await asyncio.to_thread(partial(file.read, _READ)):
            for start in range(0, len(piece), _CHUNK):
                yield piece[start : start + _CHUNK]


def backup_to(backup: Backup) -> pb.Backup:
    """A backup as its message."""
    return pb.Backup(
        name=backup.name,
        size_bytes=backup.size,
        sha256=backup.sha256,
        schema_version=backup.schema_version,
        create_time=timestamp_to(backup.create_time),
        verify_time=timestamp_to(backup.verify_time),
        verified=backup.verify_time is not None,
        encrypted=backup.encrypted,
        key_id=backup.key_id,
        origin=pb.BackupOrigin.Value(f"BACKUP_ORIGIN_{backup.origin.value}"),
        row_counts=backup.rows,
    )
