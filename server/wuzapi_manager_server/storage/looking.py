"""Looks into databases without a trace: nothing in them changes, and nothing appears beside them."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import apsw

from wuzapi_manager_server.storage.files import companions_of

_MODE = slice(18, 20)
_IN_WAL_MODE = b"\2\2"
_TIMEOUT_MS = 5_000


@contextmanager
def looked_into(path: Path) -> Iterator[apsw.Connection]:
    """A connection that shows all that was committed, also where the database is in use or its program was killed.

    OSError where the file cannot be read, or an error of APSW.
    """
    with ExitStack() as stack:
        connection = _where_it_lies(path)
        if connection is None:
            connection = apsw.Connection(str(stack.enter_context(copied(path))))
        yield stack.enter_context(closing(connection))


@contextmanager
def copied(file: Path) -> Iterator[Path]:
    """A copy with what SQLite needs beside it: the log of writes, and the journal that undoes a write cut short."""
    folder = Path(tempfile.mkdtemp(prefix="wuzapi-manager-adopt-"))
    try:
        copy = folder / "copy.db"
        shutil.copyfile(file, copy)
        log, _, journal = zip(companions_of(file), companions_of(copy), strict=True)
        for source, target in (log, journal):
            with suppress(FileNotFoundError):
                shutil.copyfile(source, target)
        yield copy
    finally:
        try:
            shutil.rmtree(folder)
        finally:  # a signal may have ended the first: what lies there has plain passwords
            shutil.rmtree(folder, ignore_errors=True)


def _where_it_lies(path: Path) -> apsw.Connection | None:
    """A connection to the file itself; None where it can only be read once something is undone or made beside it."""
    with path.open("rb") as opened:
        in_wal_mode = opened.read(_MODE.stop)[_MODE] == _IN_WAL_MODE
    log, shared, _ = companions_of(path)
    how = "mode=ro"
    if in_wal_mode and not shared.exists():  # nobody has it open, and SQLite would make that file to read it
        if log.exists() and log.stat().st_size:
            return None
        how = "immutable=1"
    connection = apsw.Connection(
        f"{path.absolute().as_uri()}?{how}", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    try:
        connection.set_busy_timeout(_TIMEOUT_MS)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.ReadOnlyError:  # a write was cut short, which reading would undo
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection
