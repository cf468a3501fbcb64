"""Makes backups of a database that is being written to, and proves that they restore."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import apsw

from wuzapi_manager_server.domain.backup import Backup, Origin
from wuzapi_manager_server.errors import Code, DatabaseError, FileSystemError, ServiceError, Text
from wuzapi_manager_server.secret_box import SecretBox, Undecryptable
from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.backups_folder import BackupFolder, no_room, translated
from wuzapi_manager_server.storage.backups_sealed import Damaged, Digest, ReadOnce, Watch, copy, key_of, seal, unseal
from wuzapi_manager_server.storage.checksums import connected
from wuzapi_manager_server.storage.files import companions_of
from wuzapi_manager_server.storage.frozen import Frozen, Readable, frozen
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
        """A backup of the database as it is now, on the disk and listed, not verified yet.

        DatabaseError DATA_LOSS where the database is so damaged that its rows cannot be counted; one that is to keep
        what a restore replaces is made even so.
        """
        with self._as_of_now() as now, self._scratch() as made, translated():
            watch()
            try:
                schema, rows = _described(now.connection)
            except DatabaseError as error:
                if origin is not Origin.BEFORE_RESTORE or error.code is not Code.DATA_LOSS:
                    raise
                schema, rows = 0, {}
            known = replace(_ANY, origin=origin, schema_version=schema, rows=rows)
            return self._publish(now.file, made, known, watch)

    @contextmanager
    def _as_of_now(self) -> Iterator[Frozen]:
        """The database as it is now; copied where it cannot stand still."""
        with frozen(self._database) as now:
            if now is not None:
                yield now
                return
        with self._scratch() as plain, translated():
            copy_database(self._database, plain)
            with closing(_opened(plain)) as connection, plain.open("rb") as file:
                yield Frozen(connection, file)

    def take_in(self, file: Path, watch: Watch) -> Backup:
        """Lists a file that was brought here, after it was opened and found whole; it is verified then.

        One that is damaged is removed: FileSystemError DATA_LOSS. What else keeps it from being verified can be mended
        here.
        """
        try:
            return self._taken_in(file, watch)
        except ServiceError as error:
            if error.code is not Code.DATA_LOSS:
                raise
            with suppress(OSError):
                file.unlink()
            raise _damaged_upload(error) from error

    def _taken_in(self, file: Path, watch: Watch) -> Backup:
        key_id = key_of(file)
        now = self._clock()
        name = self._folder.new_name(now, encrypted=bool(key_id))
        backup = replace(_ANY, name=name, create_time=now, origin=Origin.UPLOADED, key_id=key_id)
        with self._restored(file, backup, watch) as (_, found), translated():
            backup = replace(found, verify_time=self._clock())
            self._folder.publish(file, backup)
            return backup

    def verify(self, backup: Backup, watch: Watch) -> Backup:
        """Restores a backup to a scratch file and compares all that is known of it; it is verified then.

        FileSystemError DATA_LOSS names what is not as it was, FAILED_PRECONDITION tells which key or which version is
        missing; it counts as not verified then. RESOURCE_EXHAUSTED says nothing of the backup.
        """
        with self.restored(backup, watch) as (_, found):
            done = replace(found, verify_time=self._clock())
        self._folder.describe(done)
        return done

    @contextmanager
    def restored(self, backup: Backup, watch: Watch) -> Iterator[tuple[Path, Backup]]:
        """The database of a backup as a scratch file, after it was checked in full; it is gone afterwards.

        Beside it the backup with what was found of it, where its description was lost. Errors as those of `verify`.
        """
        with self._restored(self._folder.file(backup), backup, watch, self._no_longer_verified) as found:
            yield found

    def _no_longer_verified(self, backup: Backup) -> None:
        if backup.described and backup.verify_time is not None:
            with suppress(FileSystemError):  # what is wrong with the backup is told, and found again
                self._folder.describe(replace(backup, verify_time=None))

    @contextmanager
    def _restored(
        self, file: Path, backup: Backup, watch: Watch, failed: Callable[[Backup], None] = lambda _: None
    ) -> Iterator[tuple[Path, Backup]]:
        with self._scratch() as plain, translated():
            try:
                found = self._checked(file, plain, backup, watch)
            except FileSystemError as error:
                if error.code is not Code.RESOURCE_EXHAUSTED:
                    failed(backup)
                raise
            yield plain, found

    def _checked(self, file: Path, plain: Path, backup: Backup, watch: Watch) -> Backup:
        """Restores a file to `plain`, and gives what was found, which is what was known."""
        with translated():
            if backup.key_id != key_of(file):
                raise damaged(backup.name, "its header is not as it was written")
            try:
                with file.open("rb") as opened:
                    source = ReadOnce(opened)
                    digest = unseal(source, plain, self._box, watch) if backup.encrypted else copy(source, plain, watch)
            except Damaged as error:
                raise damaged(backup.name, f"{error} is not as it was written") from error
            except Undecryptable as error:
                raise _no_key(backup.key_id) from error
        if backup.described and digest != Digest(backup.size, backup.sha256):
            raise damaged(backup.name, "its checksum is another")
        _refuse_unfit(plain, backup.name)
        with closing(_opened(plain)) as connection, ThreadPoolExecutor(1, thread_name_prefix="backup") as beside:
            described = beside.submit(_described, connection)
            try:
                problems = problems_of(plain, full=True, watch=watch)
            except BaseException:
                connection.interrupt()
                raise
            if problems:
                raise damaged(backup.name, problems[0])
            schema, rows = described.result()
        if backup.described and (schema != backup.schema_version or rows != dict(backup.rows)):
            raise damaged(backup.name, "it holds other rows than when it was made")
        return replace(backup, size=digest.size, sha256=digest.sha256, schema_version=schema, rows=rows)

    def _publish(self, plain: Readable, made: Path, known: Backup, watch: Watch) -> Backup:
        digest = seal(plain, made, self._box, watch) if self._encrypt else copy(plain, made, watch)
        now = self._clock()
        backup = replace(
            known,
            name=self._folder.new_name(now, encrypted=self._encrypt),
            size=digest.size,
            sha256=digest.sha256,
            create_time=now,
            key_id=self._box.key_ids[0] if self._encrypt else "",
        )
        self._folder.publish(made, backup)
        return backup

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        path = self._folder.scratch()
        try:
            yield path
        finally:
            for file in (path, *companions_of(path)):
                with suppress(OSError):
                    file.unlink(missing_ok=True)


_ANY = Backup("", 0, "", 0, datetime.min.replace(tzinfo=UTC), Origin.UNSPECIFIED)


def copy_database(source: Path, target: Path) -> None:
    """Copies a database to a new file as of one moment, in one step, while others write to it.

    In one step, because a backup in several starts over at every commit of another connection.
    """
    target.touch(mode=0o600, exist_ok=False)
    try:
        with closing(connected(source)) as reading, closing(connected(target)) as writing:
            reading.set_busy_timeout(5_000)
            writing.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").fetchall()
            with writing.backup("main", reading, "main") as backup:
                backup.step(-1)
            writing.execute("PRAGMA journal_mode = DELETE")  # a file of its own, without a log beside it
    except apsw.FullError as error:
        raise no_room() from error
    except apsw.Error as error:
        raise faults.translated(error) from error


class _DamagedError(FileSystemError):
    """A backup is not as it was made; `what` says where."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(
            Code.DATA_LOSS,
            Text(f"The backup {name} is damaged: {what}", f"O backup {name} está danificado: {what}"),
            suggestion=Text("Use another backup, and delete this one", "Use outro backup e exclua este"),
            metadata={"name": name},
        )
        self.what = what


def damaged(name: str, what: str) -> FileSystemError:
    """A backup is not as it was made."""
    return _DamagedError(name, what)


def _damaged_upload(error: ServiceError) -> FileSystemError:
    what = Text(error.what, error.what) if isinstance(error, _DamagedError) else error.text
    return FileSystemError(
        Code.DATA_LOSS,
        Text(f"The uploaded file is damaged: {what.en}", f"O arquivo enviado está danificado: {what.pt}"),
        suggestion=Text("Upload it again, or another backup", "Envie-o novamente ou envie outro backup"),
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


def _refuse_unfit(plain: Path, name: str) -> None:
    """FileSystemError where what came of a backup is no database that this program can use."""
    try:
        with closing(connected(plain)) as connection:
            application = connection.execute("PRAGMA application_id").get
            version = version_of(connection)
    except apsw.Error as error:
        raise damaged(name, "it is no database") from error
    if application != APPLICATION_ID:
        raise damaged(name, "it is no database of this service")
    if version < 1:
        raise damaged(name, "it does not tell the version of its schema")
    if version > len(STEPS):
        raise FileSystemError(
            Code.FAILED_PRECONDITION,
            Text(
                f"The backup {name} has schema version {version}; this program knows versions up to {len(STEPS)}",
                f"O backup {name} tem o esquema versão {version}; este programa conhece até a versão {len(STEPS)}",
            ),
            suggestion=Text(
                "Run the newer program, or use a backup made before the update",
                "Execute o programa mais novo ou use um backup anterior à atualização",
            ),
            metadata={"name": name},
        )


def _opened(plain: Path) -> apsw.Connection:
    try:
        return connected(plain)
    except apsw.Error as error:
        raise faults.translated(error) from error


def _described(connection: apsw.Connection) -> tuple[int, dict[str, int]]:
    """The schema version of a database, and how many rows each table has."""
    try:
        names = [
            str(name)
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            )
        ]
        rows = {name: int(str(connection.execute(f'SELECT count(*) FROM "{name}"').get)) for name in names}  # noqa: S608 - names of the schema itself
        return version_of(connection), rows
    except apsw.Error as error:
        raise faults.translated(error) from error
