"""Takes the files of backups in pieces, and goes on where a stream broke off."""

import asyncio
import fcntl
import hashlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

from wuzapi_manager_server.domain.backup import Backup
from wuzapi_manager_server.errors import Code, Conflict, FileSystemError, InvalidInput, Text, Violation
from wuzapi_manager_server.services.backups import Backups
from wuzapi_manager_server.storage.backups_folder import no_room, translated

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SPARE = 16 << 20  # bytes of the disk that an upload leaves to others


class Uploads:
    """What is being sent lies in the folder of backups under the SHA-256 that its sender names."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups

    async def take(self, sha256: str, size: int, offset: int, chunks: AsyncIterator[bytes]) -> Backup:
        """The backup of a file of that SHA-256 and size, of which the chunks are what lies behind `offset`.

        InvalidInput for what cannot be, or bytes that are others than promised; FileSystemError where the bytes before
        `offset` are not here, or there is no room.
        """
        _check(sha256, size, offset)
        self._backups.folder.make()
        part = self._backups.folder.upload(sha256)
        with translated():
            descriptor = os.open(part, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            await self._receive(descriptor, size, offset, chunks)
            if await asyncio.to_thread(_digest, part) != sha256:
                part.unlink(missing_ok=True)
                raise _other_bytes()
            return await self._backups.take_in(part)
        finally:
            os.close(descriptor)

    async def _receive(self, descriptor: int, size: int, offset: int, chunks: AsyncIterator[bytes]) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _twice() from None
        with translated():
            there = os.fstat(descriptor).st_size
            if offset > there:
                raise _gap(there)
            disk = os.fstatvfs(descriptor)
            if disk.f_bavail * disk.f_frsize < size - offset + _SPARE:
                raise no_room()
            os.ftruncate(descriptor, offset)
            at = offset
            async for chunk in chunks:
                if at + len(chunk) > size:
                    raise _other_bytes()
                await asyncio.to_thread(_write, descriptor, chunk, at)
                at += len(chunk)
            if at < size:
                raise _gap(at)
            await asyncio.to_thread(os.fsync, descriptor)


def _write(descriptor: int, chunk: bytes, at: int) -> None:
    while chunk:
        written = os.pwrite(descriptor, chunk, at)
        chunk, at = chunk[written:], at + written


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _check(sha256: str, size: int, offset: int) -> None:
    violations = []
    if not _SHA256.fullmatch(sha256):
        text = Text("must be 64 hexadecimal digits in lower case", "Deve ter 64 dígitos hexadecimais minúsculos")
        violations.append(Violation("sha256", text))
    if size < 0:
        violations.append(Violation("size_bytes", Text("must not be negative", "Não pode ser negativo")))
    if not 0 <= offset <= max(size, 0):
        text = Text("must be from 0 to size_bytes", "Deve estar entre 0 e size_bytes")
        violations.append(Violation("offset", text))
    if violations:
        raise InvalidInput(violations)


def _other_bytes() -> InvalidInput:
    text = Text("is not that of the bytes received", "Não corresponde aos bytes recebidos")
    return InvalidInput([Violation("sha256", text)])


def _twice() -> Conflict:
    return Conflict(
        Text("This file is being sent already", "Este arquivo já está sendo enviado"),
        suggestion=Text("Wait until the other stream has ended", "Aguarde o fim do outro envio"),
    )


def _gap(there: int) -> FileSystemError:
    return FileSystemError(
        Code.FAILED_PRECONDITION,
        Text(f"{there} bytes of this file are here", f"{there} bytes deste arquivo foram recebidos"),
        suggestion=Text("Go on from that offset", "Continue a partir dessa posição"),
        metadata={"offset": str(there)},
    )
