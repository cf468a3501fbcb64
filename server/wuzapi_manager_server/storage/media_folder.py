"""Where media lies that users brought here to send: a file each, for an hour.

Several processes share the folder. A file's name has whose it is, as a digest; while it is being received it ends in
`.part`, and its process holds a lock on it that ends with the process. An empty file of the same name that ends in
`.sent` says that it was sent: such files go first where room is needed.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from typing import NamedTuple

from wuzapi_manager_server.errors import Code, FileSystemError, RateLimited, Text

KEPT = 3_600.0
"""Seconds from the last byte until a file goes."""
_MIB = 1 << 20
_SPARE = 16 * _MIB  # bytes of the disk that media leaves to others: the database first of all
_PART, _SENT, _LOCK = ".part", ".sent", ".lock"


@dataclass(frozen=True)
class Bounds:
    """How many bytes may lie here: of one user, and of all. A file counts as a MiB at least, so that few are many."""

    of_one: int = 256 * _MIB
    of_all: int = 2_048 * _MIB


_BOUNDS = Bounds()


class Incoming:
    """A file that is being received. It is gone when it is closed, unless it was kept."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def write(self, piece: bytes, at: int) -> None:
        """Writes a piece. FileSystemError where the disk is full."""
        with _translated():
            rest = memoryview(piece)
            while rest:
                written = os.pwrite(self._descriptor, rest, at)
                rest, at = rest[written:], at + written

    def keep(self) -> tuple[str, float]:
        """Puts it on the disk under its name; gives that, and until when it is kept (seconds since 1970)."""
        with _translated():
            os.fsync(self._descriptor)
            name = self._path.name.removesuffix(_PART)
            self._path.rename(self._path.with_name(name))
            return name, os.fstat(self._descriptor).st_mtime + KEPT

    def close(self) -> None:
        """Ends it."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        os.close(self._descriptor)


class MediaFolder:
    """A folder of media, which is made where it is not there, for this user's eyes alone."""

    def __init__(self, path: Path, bounds: Bounds = _BOUNDS) -> None:
        self._path = path.absolute()
        self._bounds = bounds

    def receive(self, owner: str, size: int) -> Incoming:
        """A new file of that size for an owner (hex digits).

        RateLimited where the owner, or all together, have too much here; FileSystemError where there is no room on the
        disk or the folder cannot be written.
        """
        with _translated(), self._alone():
            self._sweep()
            self._make_room(owner, size)
            path = self._path / f"{owner}-{secrets.token_hex(16)}{_PART}"
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            incoming = Incoming(path, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                _check_disk(descriptor, size)
                os.ftruncate(descriptor, size)  # others see from now on what it will take
            except BaseException:
                incoming.close()
                raise
            return incoming

    def open(self, name: str) -> int | None:
        """A descriptor to read a file by, which goes on where the file is removed; None where it is gone or too old."""
        with _translated():
            try:
                descriptor = os.open(self._path / name, os.O_RDONLY)
            except FileNotFoundError:
                return None
            if os.fstat(descriptor).st_mtime + KEPT <= time.time():
                os.close(descriptor)
                return None
            return descriptor

    def sent(self, name: str) -> None:
        """Notes that a file was sent: nobody needs it for a repeat any more."""
        with suppress(OSError):  # it only says what may go first
            os.close(os.open(self._path / f"{name}{_SENT}", os.O_CREAT | os.O_WRONLY, 0o600))

    def sweep(self) -> None:
        """Removes what has had its time, and what killed processes left."""
        if self._path.is_dir():
            with _translated(), self._alone():
                self._sweep()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the folder against others who look for room in it."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        end = time.time() - KEPT
        names = {file.name for file in self._files()}
        for file in self._files():
            path = self._path / file.name
            if path.suffix == _PART:
                gone = not _held(path)
            else:
                gone = file.since <= end or (path.suffix == _SENT and path.stem not in names)
            if gone:
                path.unlink(missing_ok=True)

    def _make_room(self, owner: str, size: int) -> None:
        self._fit(f"{owner}-", size, self._bounds.of_one, _YOURS)
        self._fit("", size, self._bounds.of_all, _ALL)

    def _fit(self, whose: str, size: int, most: int, said: Text) -> None:
        """Removes what was sent, oldest first, until so many bytes more are at most `most`."""
        named = [file for file in self._files() if file.name.startswith(whose)]
        sent = {file.name.removesuffix(_SENT) for file in named if file.name.endswith(_SENT)}
        files = [file for file in named if not file.name.endswith(_SENT)]
        over = sum(file.counted for file in files) + max(size, _MIB) - most
        for file in files:
            if over > 0 and file.name in sent:
                (self._path / file.name).unlink()
                over -= file.counted
        if over > 0:
            raise _too_much(said, most, max(1.0, files[0].since + KEPT - time.time()) if files else 1.0)

    def _files(self) -> list["_File"]:
        """What lies here, oldest first. Files come under their names, and go where they break off, at any time."""
        found = []
        for path in self._path.iterdir():
            with suppress(FileNotFoundError):
                known = path.stat()
                if path.name != _LOCK:
                    found.append(_File(path.name, max(known.st_size, _MIB), known.st_mtime))
        return sorted(found, key=lambda file: file.since)


_YOURS, _ALL = Text("You have", "Você tem"), Text("There is", "Há")


class _File(NamedTuple):
    name: str
    counted: int
    since: float


def _check_disk(descriptor: int, size: int) -> None:
    disk = os.fstatvfs(descriptor)
    if disk.f_bavail * disk.f_frsize < size + _SPARE:
        raise _no_room()


def _held(path: Path) -> bool:
    """Whether a process receives this file."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {ENOSPC, EDQUOT, EFBIG}:
            raise _no_room() from error
        raise FileSystemError(
            Code.FAILED_PRECONDITION,
            Text("The folder of uploaded media cannot be used", "A pasta de mídias enviadas não pode ser usada"),
            suggestion=Text(
                "Check that the folder `media` beside the database can be written",
                "Verifique se a pasta `media` junto ao banco de dados permite gravação",
            ),
        ) from error


def _no_room() -> FileSystemError:
    return FileSystemError(
        Code.RESOURCE_EXHAUSTED,
        Text("There is no room left for media", "Não há espaço em disco para mídias"),
        suggestion=Text("Free some disk space, then try again", "Libere espaço em disco e tente novamente"),
    )


def _too_much(whose: Text, most: int, seconds: float) -> RateLimited:
    mib = most // _MIB
    return RateLimited(
        Text(
            f"{whose.en} too much media here that was not sent: at most {mib} MiB are kept",
            f"{whose.pt} mídia demais aguardando envio: o máximo é {mib} MiB",
        ),
        suggestion=Text(
            "Send what was uploaded, or wait until it expires", "Envie o que foi carregado ou aguarde sua expiração"
        ),
        retry_after=seconds,
    )
