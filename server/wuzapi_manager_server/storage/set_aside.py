"""Makes room for a restore where the database that is there cannot be used, without losing it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import apsw

from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.checksums import connected
from wuzapi_manager_server.storage.files import companions_of, sync_folder
from wuzapi_manager_server.storage.integrity import problems_of
from wuzapi_manager_server.storage.migrations import APPLICATION_ID, STEPS, version_of


def is_unusable(path: Path) -> bool:
    """Whether a database is there that this program refuses, because it is damaged or of a newer schema."""
    if not path.is_file():
        return False
    if problems_of(path, full=False):
        return True
    try:
        with closing(connected(path)) as connection:
            ours = connection.execute("PRAGMA application_id").get == APPLICATION_ID
            return ours and version_of(connection) > len(STEPS)
    except apsw.Error as error:
        raise faults.translated(error) from error


@contextmanager
def put_in_place(path: Path) -> Iterator[tuple[Path, Path]]:
    """Gives the paths of a new database, and of where the one at `path` will be kept.

    When the context ends the new one is in place, in one step; where it ends by an error all is as it was.
    DatabaseError where files cannot be moved.
    """
    fresh = path.with_name(f".{path.name}.restored")
    kept = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    _remove(fresh)
    try:
        yield fresh, kept
        try:
            for file, target in zip((path, *companions_of(path)), (kept, *companions_of(kept)), strict=True):
                _keep(file, target)
            sync_folder(path.parent)
            for file in companions_of(path):
                file.unlink(missing_ok=True)
            fresh.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            raise faults.of_system(error) from error
    finally:
        _remove(fresh)


def _keep(file: Path, kept: Path) -> None:
    if file.is_file():
        try:
            os.link(file, kept)
        except OSError:  # not every file system has links
            shutil.copy2(file, kept)


def _remove(path: Path) -> None:
    for file in (path, *companions_of(path)):
        file.unlink(missing_ok=True)
