"""What the service and its commands open by the settings."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from wuzapi_manager_server.domain.backup import Retention
from wuzapi_manager_server.errors import CannotStart, DatabaseError, FileSystemError
from wuzapi_manager_server.observe import logger
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.backups import Backups
from wuzapi_manager_server.services.readiness import Readiness
from wuzapi_manager_server.settings import Settings
from wuzapi_manager_server.sources.sqlite_folder import SqliteFolder
from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.backups import BackupMaker
from wuzapi_manager_server.storage.backups_folder import BackupFolder
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.hold import lock_of, take
from wuzapi_manager_server.storage.models import now_utc
from wuzapi_manager_server.storage.place import folder_problem, place_problem
from wuzapi_manager_server.storage.pragmas import Pragmas
from wuzapi_manager_server.storage.secret_keys import KEYS_FILE, TOKEN_FILE, box_of, load_keys, open_box


@contextmanager
def beside_others(settings: Settings) -> Iterator[None]:
    """Works on the database while the context is open, as others may. CannotStart while a command has it alone."""
    with _held(settings, alone=False, refusal="A command has the database to itself: wait until it has ended"):
        yield


@contextmanager
def alone(settings: Settings, instead: str = "") -> Iterator[None]:
    """Has the database to itself while the context is open. CannotStart where a server, or another command, uses it.

    `instead` is what else can be done about that.
    """
    refusal = f"The server is running, or another command uses the database: stop it first{instead}"
    with _held(settings, alone=True, refusal=refusal):
        yield


@contextmanager
def _held(settings: Settings, *, alone: bool, refusal: str) -> Iterator[None]:
    path = settings.sqlite_db_path
    try:
        descriptor = take(path, alone=alone)
    except BlockingIOError:
        raise CannotStart(refusal) from None
    except OSError as error:
        problem = place_problem(path)
        raise (CannotStart(problem) if problem else faults.of_system(error)) from error
    try:
        yield
    finally:
        os.close(descriptor)


def open_database(settings: Settings) -> Database:
    """The service's own database as the settings say, migrated. DatabaseError says why not, or CannotStart."""
    pragmas = Pragmas(
        wal=settings.sqlite_wal_mode,
        timeout_ms=settings.sqlite_timeout,
        cache_pages=settings.sqlite_cache_size,
        synchronous=settings.sqlite_synchronous,
        temp_store=settings.sqlite_temp_store,
        mmap_bytes=settings.mmap_size,
        foreign_keys=settings.sqlite_foreign_keys,
        recursive_triggers=settings.sqlite_recursive_triggers,
        wal_autocheckpoint=settings.sqlite_wal_autocheckpoint,
    )
    try:
        return Database.open(settings.sqlite_db_path, pragmas, slow=settings.slow_query_ms / 1000)
    except DatabaseError as error:
        problem = place_problem(settings.sqlite_db_path)
        if problem:
            raise CannotStart(problem) from error
        raise


def open_secrets(settings: Settings, database: Database, *, make: bool = True) -> SecretBox:
    """The box for the database's secrets; its key is made at first start. DatabaseError says why not."""
    return open_box(database, _keys(settings), settings.sqlite_db_path.absolute().parent, make=make)


def open_keys(settings: Settings) -> SecretBox:
    """The same without the database, which may be damaged; a key is made only where there is none."""
    path = settings.sqlite_db_path.absolute()
    return box_of(load_keys(_keys(settings), path.parent, may_make=not path.exists()))


def _keys(settings: Settings) -> list[str]:
    return [key.get_secret_value() for key in settings.secret_keys]


def sqlite_folder(settings: Settings, pool: Executor) -> SqliteFolder:
    """Where SQLite sources may lie; the service's own files are none."""
    return SqliteFolder(
        settings.sqlite_sources_dir,
        _never_sources(settings),
        pool,
        settings.sql_timeout,
        settings.slow_query_ms / 1000,
    )


def open_backups(settings: Settings, database: Database, box: SecretBox, readiness: Readiness) -> Backups:
    """The backups of the database, in their folder."""
    folder, maker = backup_folder(settings), backup_maker(settings, box)
    return Backups(database, folder, maker, box, Retention.parse(settings.backup_keep), readiness)


def backup_maker(settings: Settings, box: SecretBox) -> BackupMaker:
    """What makes and verifies backups in their folder."""
    database = settings.sqlite_db_path.absolute()
    return BackupMaker(database, backup_folder(settings), box, now_utc, encrypt=settings.backup_encrypt)


def backup_folder(settings: Settings) -> BackupFolder:
    """Where the backups lie."""
    return BackupFolder(settings.backup_dir or settings.sqlite_db_path.absolute().parent / "backups")


def folder_problems(settings: Settings) -> list[str]:
    """A sentence for each folder of the settings that cannot be used, with what to do. None is made."""
    problems = []
    if settings.sqlite_sources_dir is not None:
        problems.append(folder_problem(settings.sqlite_sources_dir.absolute(), "SQLITE_SOURCES_DIR", written=False))
    backups = backup_folder(settings).path
    if settings.backup_dir is not None or backups.exists():
        problems.append(folder_problem(backups, "BACKUP_DIR", written=True))
    return [problem for problem in problems if problem]


def make_backup_folder(settings: Settings) -> None:
    """Makes the folder of backups where the settings ask for backups; the log tells where that fails."""
    if settings.backup_dir is None and settings.backup_schedule is None:
        return
    folder = backup_folder(settings)
    try:
        folder.make()
    except FileSystemError as error:
        logger().error("backups cannot be made", folder=str(folder.path), why=error.for_operator)


def media_path(settings: Settings) -> Path:
    """Where media lies that waits to be sent."""
    return settings.sqlite_db_path.absolute().parent / "media"


def _never_sources(settings: Settings) -> list[Path]:
    """The service's own files. The whole folder they lie in, unless the sources were put there too."""
    database = settings.sqlite_db_path.absolute()
    data, sources = database.parent, settings.sqlite_sources_dir
    own = [
        database,
        lock_of(database),
        data / KEYS_FILE,
        data / TOKEN_FILE,
        backup_folder(settings).path,
        media_path(settings),
    ]
    return own if sources is not None and sources.resolve().is_relative_to(data.resolve()) else [*own, data]
