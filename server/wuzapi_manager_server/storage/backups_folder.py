"""Where backups lie: a file each, and beside it its description (`.json`), which comes last and makes it listed."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from errno import EACCES, EDQUOT, EFBIG, ENOSPC, EPERM, EROFS
from pathlib import Path

import orjson

from wuzapi_manager_server.domain.audit import acting
from wuzapi_manager_server.domain.backup import NAME, Backup
from wuzapi_manager_server.errors import Code, Conflict, FileSystemError, NotFound, Text
from wuzapi_manager_server.storage.backups_described import dumped, loaded, undescribed
from wuzapi_manager_server.storage.backups_sealed import key_of
from wuzapi_manager_server.storage.files import sync_folder

_SCRATCH = ".scratch-"
_UPLOAD = ".upload-"
_UPLOADS_KEPT = 86_400.0
_LOCK = ".lock"
_LONGEST_NOTE = 2_000
_RETRY_AFTER = 5.0


class BackupFolder:
    """A folder of backups, which is made where it is not there. Several processes may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def make(self) -> None:
        """Makes the folder. FileSystemError where that fails, or nothing can be written in it."""
        with translated():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            os.close(descriptor)

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Holds the folder for one piece of work of all processes.

        Conflict tells what goes on where it is held, since when, and by which request.
        """
        self.make()
        descriptor = os.open(self.path / _LOCK, os.O_RDWR)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _held(os.pread(descriptor, _LONGEST_NOTE, 0)) from None
            with suppress(OSError):  # on a full disk there is no room for a note, and room must be made by deleting
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, _note(what), 0)
            yield
        finally:
            os.close(descriptor)

    def scratch(self) -> Path:
        """The name of a new file that is nobody's backup."""
        return self.path / f"{_SCRATCH}{secrets.token_hex(8)}"

    def upload(self, sha256: str) -> Path:
        """Where a file of that SHA-256 lies while it is brought here."""
        return self.path / f"{_UPLOAD}{sha256}"

    def sweep(self) -> None:
        """Removes what killed work left, and uploads that nobody went on with. Only while the folder is held.

        What has the name of a backup is never removed here: somebody may have brought it.
        """
        with suppress(OSError):
            old = time.time() - _UPLOADS_KEPT
            for file in self.path.iterdir():
                upload = file.name.startswith(_UPLOAD) and file.stat().st_mtime < old
                if upload or file.name.startswith(_SCRATCH):
                    file.unlink(missing_ok=True)

    @staticmethod
    def new_name(moment: datetime, *, encrypted: bool) -> str:
        """A name for a backup that is made at that moment: names sort as their moments do."""
        kind = "wzb" if encrypted else "db"
        return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(2)}.{kind}"

    def file(self, backup: Backup) -> Path:
        """Where a backup's file lies."""
        return self.path / backup.name

    def publish(self, file: Path, backup: Backup) -> None:
        """Gives a file that is on the disk its name, and lists it."""
        with translated():
            file.rename(self.path / backup.name)
            sync_folder(self.path)
            self.describe(backup)

    def describe(self, backup: Backup) -> None:
        """Writes what is known of a backup, whole or not at all."""
        with translated():
            beside = self.scratch()
            try:
                descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                with os.fdopen(descriptor, "wb") as opened:
                    opened.write(dumped(backup))
                    opened.flush()
                    os.fsync(opened.fileno())
                beside.rename(self.path / f"{backup.name}.json")
            finally:
                beside.unlink(missing_ok=True)
            sync_folder(self.path)

    def all(self) -> list[Backup]:
        """Every backup, newest first. One whose description is lost is among them, not verified.

        FileSystemError where the folder cannot be read.
        """
        with translated():
            try:
                names = [path.name for path in self.path.iterdir()]
            except FileNotFoundError:  # none was made yet
                names = []
        found = (self._read(name) for name in names)
        return sorted((each for each in found if each), key=lambda each: each.name, reverse=True)

    def get(self, name: str) -> Backup:
        """The backup of that name. NotFound where there is none, FileSystemError where the folder cannot be read."""
        found = self._read(name)
        if found is None:
            raise NotFound(
                Text("There is no such backup", "Backup não encontrado"),
                suggestion=Text("Ask for the list of backups", "Consulte a lista de backups"),
            )
        return found

    def remove(self, backup: Backup) -> None:
        """Removes a backup: without its file it is not listed."""
        with translated():
            (self.path / backup.name).unlink(missing_ok=True)
            sync_folder(self.path)
            (self.path / f"{backup.name}.json").unlink(missing_ok=True)

    def _read(self, name: str) -> Backup | None:
        if not NAME.fullmatch(name):
            return None
        file = self.path / name
        try:
            size = file.stat().st_size
            try:
                return replace(loaded(name, file.with_name(f"{name}.json").read_bytes()), size=size)
            except (OSError, ValueError, KeyError, TypeError):
                return undescribed(name, size, key_of(file))
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            raise of_system(error) from error


@contextmanager
def translated() -> Iterator[None]:
    """Turns what the system says of files into FileSystemErrors."""
    try:
        yield
    except OSError as error:
        raise of_system(error) from error


def of_system(error: OSError) -> FileSystemError:
    """What to raise for a failure of the system."""
    if error.errno in {ENOSPC, EDQUOT, EFBIG}:
        return no_room()
    if error.errno in {EACCES, EPERM, EROFS}:
        return FileSystemError(
            Code.FAILED_PRECONDITION,
            Text("The folder of backups cannot be written", "A pasta de backups não permite gravação"),
            suggestion=Text(
                "Check the owner and permissions of BACKUP_DIR", "Verifique o dono e as permissões de BACKUP_DIR"
            ),
        )
    return FileSystemError(
        Code.FAILED_PRECONDITION,
        Text("The folder of backups cannot be used", "A pasta de backups não pode ser usada"),
        suggestion=Text("Check that BACKUP_DIR is a folder", "Verifique se BACKUP_DIR é uma pasta"),
    )


def no_room() -> FileSystemError:
    """The disk of the backups is full."""
    return FileSystemError(
        Code.RESOURCE_EXHAUSTED,
        Text("There is no room left for backups", "Não há espaço em disco para backups"),
        suggestion=Text("Free some disk space, then try again", "Libere espaço em disco e tente novamente"),
    )


def _note(what: str) -> bytes:
    """What goes on, since when and by which request, for those who come meanwhile."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return orjson.dumps({"running": what, "since": since, "request_id": acting.get().request_id})


def _held(note: bytes) -> Conflict:
    told: dict[str, object] = {}
    with suppress(orjson.JSONDecodeError):  # there was no room for it, or it is being written
        told = orjson.loads(note)
    metadata = {"running": "other maintenance", **{key: str(value) for key, value in told.items() if value}}
    said = metadata["running"]
    return Conflict(
        Text(f"This is under way already: {said}", f"Já está em andamento: {said}"),
        suggestion=Text("Wait until it has ended", "Aguarde até que termine"),
        metadata=metadata,
        retry_after=_RETRY_AFTER,
    )
