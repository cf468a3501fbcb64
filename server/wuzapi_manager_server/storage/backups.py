"""Makes backups of a database that is being written to, and proves that they restore."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import apsw

from wuzapi_manager_server.domain.backup import Backup, Origin
from wuzapi_manager_server.errors import Code, FileSystemError, Text
from wuzapi_manager_server.secret_box import SecretBox, Undecryptable
from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.backups_folder import BackupFolder, no_room, translated
from wuzapi_manager_server.storage.backups_sealed import Damaged, Digest, Watch, copy, key_of, seal, unseal
from wuzapi_manager_server.storage.integrity import problems_of
from wuzapi_manager_server.storage.migrations import APPLICATION_ID, STEPS, version_of
from wuzapi_manager_server.storage.models import Clock


class BackupMaker:
    """Makes and verifies backups in a folder. Each method is long work for a thread, while the folder is held.

    `watch` is called every few megabytes and may raise to end the work; nothing half is left then.
    """

    def __init__(self, database: Path, folder: BackupFolder, box: SecretBox, clock: Clock, *, encrypt: bool) -> None:
        self._database = database
        self._folder = folder
        self._box = box
        self._clock = clock
        self._encrypt = encrypt

    def make(self, origin: Origin, watch: Watch) -> Backup:
        """A backup of the database as it is now, on the disk and listed, not verified yet."""
        with self._scratch() as plain, self._scratch() as made, translated():
            copy_database(self._database, plain)
            watch()
            return self._publish(plain, made, origin, watch)

    def take_in(self, file: Path, watch: Watch) -> Backup:
        """Lists a file that was brought here, after it was opened and found whole; it is verified then."""
        key_id = key_of(file)
        digest = Digest(file.stat().st_size, _NOT_KNOWN)
        now = self._clock()
        name = self._folder.new_name(now, encrypted=bool(key_id))
        backup = Backup(name, digest.size, digest.sha256, 0, now, Origin.UPLOADED, key_id)
        with self._restored(file, backup, watch) as (plain, found), translated():
            schema, rows = _described(plain)
            backup = replace(backup, sha256=found.sha256, schema_version=schema, rows=rows, verify_time=self._clock())
            self._folder.publish(file, backup)
            return backup

    def verify(self, backup: Backup, watch: Watch) -> Backup:
        """Restores a backup to a scratch file and compares all that is known of it; it is verified then.

        FileSystemError DATA_LOSS names what is not as it was, FAILED_PRECONDITION tells which key is missing; it counts
        as not verified then.
        """
        try:
            with self.restored(backup, watch):
                done = replace(backup, verify_time=self._clock())
        except FileSystemError:
            self._folder.describe(replace(backup, verify_time=None))
            raise
        self._folder.describe(done)
        return done

    @contextmanager
    def restored(self, backup: Backup, watch: Watch) -> Iterator[Path]:
        """The database of a backup as a scratch file, after it was checked in full; it is gone afterwards."""
        file = self._folder.file(backup)
        with self._restored(file, backup, watch) as (plain, digest):
            if digest != Digest(backup.size, backup.sha256):
                raise damaged(backup.name, "its checksum is another")
            schema, rows = _described(plain)
            if schema != backup.schema_version or rows != dict(backup.rows):
                raise damaged(backup.name, "it holds other rows than when it was made")
            yield plain

    @contextmanager
    def _restored(self, file: Path, backup: Backup, watch: Watch) -> Iterator[tuple[Path, Digest]]:
        with self._scratch() as plain, translated():
            try:
                digest = unseal(file, plain, self._box, watch) if backup.encrypted else copy(file, plain, watch)
            except Damaged as error:
                raise damaged(backup.name, f"{error} is not as it was written") from error
            except Undecryptable as error:
                raise _no_key(backup.key_id) from error
            if digest.sha256 != backup.sha256 and backup.sha256 is not _NOT_KNOWN:
                raise damaged(backup.name, "its checksum is another")
            problem = _unfit(plain)
            if problem:
                raise damaged(backup.name, problem)
            problems = problems_of(plain, full=True)
            if problems:
                raise damaged(backup.name, problems[0])
            yield plain, digest

    def _publish(self, plain: Path, made: Path, origin: Origin, watch: Watch) -> Backup:
        schema, rows = _described(plain)
        digest = seal(plain, made, self._box, watch) if self._encrypt else copy(plain, made, watch)
        now = self._clock()
        backup = Backup(
            name=self._folder.new_name(now, encrypted=self._encrypt),
            size=digest.size,
            sha256=digest.sha256,
            schema_version=schema,
            create_time=now,
            origin=origin,
            key_id=self._box.key_ids[0] if self._encrypt else "",
            rows=rows,
        )
        self._folder.publish(made, backup)
        return backup

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        path = self._folder.scratch()
        try:
            yield path
        finally:
            for suffix in ("", "-journal", "-wal", "-shm"):
                with suppress(OSError):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)


_NOT_KNOWN = ""


def copy_database(source: Path, target: Path) -> None:
    """Copies a database to a new file as of one moment, in one step, while others write to it.

    In one step, because a backup in several starts over at every commit of another connection.
    """
    target.touch(mode=0o600, exist_ok=False)
    try:
        reading = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            reading.set_busy_timeout(5_000)
            writing = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                writing.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
                with writing.backup("main", reading, "main") as backup:
                    backup.step(-1)
                writing.execute("PRAGMA journal_mode = DELETE")  # a file of its own, without a log beside it
            finally:
                writing.close()
        finally:
            reading.close()
    except apsw.FullError as error:
        raise no_room() from error
    except apsw.Error as error:
        raise faults.translated(error) from error


def damaged(name: str, what: str) -> FileSystemError:
    """A backup is not as it was made."""
    return FileSystemError(
        Code.DATA_LOSS,
        Text(f"The backup {name} is damaged: {what}", f"O backup {name} está danificado: {what}"),
        suggestion=Text("Use another backup, and delete this one", "Use outro backup e exclua este"),
        metadata={"name": name},
    )


def _no_key(key_id: str) -> FileSystemError:
    return FileSystemError(
        Code.FAILED_PRECONDITION,
        Text(
            f"The backup is encrypted with the key {key_id}, which is not here",
            f"O backup está criptografado com a chave {key_id}, que não está disponível",
        ),
        suggestion=Text("Add that key to SECRET_KEYS", "Adicione essa chave a SECRET_KEYS"),
        metadata={"key_id": key_id},
    )


def _unfit(plain: Path) -> str:
    """Why a file is no database that this program can use; empty where it is one."""
    try:
        connection = apsw.Connection(str(plain), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            application = connection.execute("PRAGMA application_id").get
            version = version_of(connection)
        finally:
            connection.close()
    except apsw.Error:
        return "it is no database"
    if application != APPLICATION_ID:
        return "it is no database of this service"
    if version > len(STEPS):
        return f"it has schema version {version}, this program knows versions up to {len(STEPS)}"
    return ""


def _described(plain: Path) -> tuple[int, dict[str, int]]:
    """The schema version of a database, and how many rows each table has."""
    try:
        connection = apsw.Connection(str(plain), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            names = [
                str(name)
                for (name,) in connection.execute(
                    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
                )
            ]
            rows = {name: int(str(connection.execute(f'SELECT count(*) FROM "{name}"').get)) for name in names}  # noqa: S608 - names of the schema itself
            return version_of(connection), rows
        finally:
            connection.close()
    except apsw.Error as error:
        raise faults.translated(error) from error
