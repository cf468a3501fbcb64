"""Reads the file of a database as of one moment, while others go on writing to the database.

In WAL mode whatever is written goes to the log, and from there into the file at checkpoints. A checkpoint moves nothing
that is newer than what the oldest read under way sees (https://sqlite.org/wal.html#concurrency). So once all of the log
is in the file, and a read begins before anything is added to the log, the file stays as it is until that read ends: it
is the database of that moment, and can be read byte by byte, at half the work of a copy made by SQLite.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import apsw

from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.checksums import connected

_TRIES, _PAUSE, _PATIENCE, _SHORT = 5, 0.1, 1.0, 0.0005

_IN_THE_WAY = (apsw.BusyError, apsw.ReadOnlyError, apsw.CorruptError, apsw.NotADBError)
"""What SQLite's own copy knows how to deal with."""

_MODES = slice(18, 20)
_ROLLBACK = b"\1\1"
"""The bytes of the header that say whether a log lies beside the file: https://sqlite.org/fileformat.html"""

_READ_AT_ONCE = 256 << 10
"""Bytes: APSW keeps all of Python waiting while it reads."""


class Readable(Protocol):
    """What a file's bytes come from, one after another."""

    def read(self, size: int, /) -> bytes:
        """The next bytes: as many as that, or fewer, none only at the end."""
        ...


class Frozen(NamedTuple):
    """A database as of one moment: a connection that sees it, and its file."""

    connection: apsw.Connection
    file: Readable


@contextmanager
def frozen(path: Path) -> Iterator[Frozen | None]:
    """The database of now, which stands still while the context lasts.

    None where it cannot: it has no log, or another's long read keeps part of the log from being moved into the file.
    Writes wait for some milliseconds at the beginning. DatabaseError where the database cannot be read.
    """
    try:
        with closing(_opened(path)) as reading:
            if not _begun(path, reading):
                yield None
                return
            # By SQLite's own way to files: closing one in another way would drop the locks of this process.
            file = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
            try:
                yield Frozen(reading, _File(file, _size(reading)))
            finally:
                file.xClose()
    except apsw.Error as error:
        raise faults.translated(error) from error


def _begun(path: Path, reading: apsw.Connection) -> bool:
    """Begins a read that sees what stands in the file itself; False where something newer stands in the log."""
    if reading.execute("PRAGMA journal_mode").get != "wal":
        return False
    for _ in range(_TRIES):
        if _try_to_begin(path, reading):
            return True
        time.sleep(_PAUSE)
    return False


def _try_to_begin(path: Path, reading: apsw.Connection) -> bool:
    with closing(_opened(path)) as writing, suppress(*_IN_THE_WAY):
        again = _insisting()
        writing.set_busy_handler(again)
        writing.execute("BEGIN IMMEDIATE")  # nobody adds to the log meanwhile
        while True:
            busy, logged, moved = reading.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()[0]
            if not busy or not again(0):  # busy: another checkpoint is under way, which the lock lets end
                break
        if not busy and logged == moved:
            reading.execute("BEGIN")
            reading.execute("PRAGMA user_version").fetchall()  # what reads nothing but the header fails on no damage
            return True
    return False


def _insisting() -> Callable[[int], bool]:
    """Asks for a lock twice a millisecond: between the writes of a busy service it is free no longer than that."""
    until = time.monotonic() + _PATIENCE

    def ask_again(_: int) -> bool:
        time.sleep(_SHORT)
        return time.monotonic() < until

    return ask_again


def _opened(path: Path) -> apsw.Connection:
    connection = connected(path)
    connection.set_busy_timeout(round(_PATIENCE * 1000))
    return connection


def _size(connection: apsw.Connection) -> int:
    pages, size = (int(str(connection.execute(f"PRAGMA {name}").get)) for name in ("page_count", "page_size"))
    return pages * size


class _File:
    """The bytes of a database's file, as those of a database without a log."""

    def __init__(self, file: apsw.VFSFile, size: int) -> None:
        self._file = file
        self._size = size
        self._at = 0

    def read(self, size: int, /) -> bytes:
        """See Readable. DatabaseError where the file ends early."""
        pieces = []
        end = min(self._at + size, self._size)
        while self._at < end:
            piece = self._file.xRead(min(_READ_AT_ONCE, end - self._at), self._at)
            if not piece:
                raise faults.corrupt()
            if self._at == 0:
                piece = piece[: _MODES.start] + _ROLLBACK + piece[_MODES.stop :]
            pieces.append(piece)
            self._at += len(piece)
        return b"".join(pieces)
