"""How every connection to the database is set, and the proof that it is."""

import time
from dataclasses import dataclass
from typing import Literal

import apsw

from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.storage.faults import refused

_SYNCHRONOUS = {"OFF": 0, "NORMAL": 1, "FULL": 2, "EXTRA": 3}
_TEMP_STORE = {"DEFAULT": 0, "FILE": 1, "MEMORY": 2}
_SETTINGS = {"journal_mode": "SQLITE_WAL_MODE", "busy_timeout": "SQLITE_TIMEOUT"}
_PAUSE = 0.01


@dataclass(frozen=True)
class Pragmas:
    """The settings of a connection; the defaults are those of the original application in production.

    `cache_pages` below 0 counts KiB. With several processes on one file `mmap_bytes` is to be 0.
    """

    wal: bool = True
    timeout_ms: int = 5_000
    cache_pages: int = 4_000
    synchronous: Literal["OFF", "NORMAL", "FULL", "EXTRA"] = "NORMAL"
    temp_store: Literal["DEFAULT", "FILE", "MEMORY"] = "MEMORY"
    mmap_bytes: int = 268_435_456
    foreign_keys: bool = True
    recursive_triggers: bool = True
    wal_autocheckpoint: int = 1_000

    def apply(self, connection: apsw.Connection) -> None:
        """Sets everything and reads it back. A DatabaseError names what SQLite did not take."""
        for name, wanted in (
            ("busy_timeout", self.timeout_ms),
            ("cache_size", self.cache_pages),
            ("synchronous", _SYNCHRONOUS[self.synchronous]),
            ("temp_store", _TEMP_STORE[self.temp_store]),
            ("mmap_size", self.mmap_bytes),
            ("foreign_keys", int(self.foreign_keys)),
            ("recursive_triggers", int(self.recursive_triggers)),
            ("wal_autocheckpoint", self.wal_autocheckpoint),
        ):
            connection.execute(f"PRAGMA {name} = {wanted}")
            _expect(name, wanted, _read(connection, name))
        self._set_journal_mode(connection)

    def _set_journal_mode(self, connection: apsw.Connection) -> None:
        """The mode lies in the file. Changing it needs the file alone, which SQLite itself does not wait for."""
        wanted = "wal" if self.wal else "delete"
        found = _read(connection, "journal_mode")
        end = time.monotonic() + self.timeout_ms / 1000
        while found != wanted:
            try:
                found = _read(connection, f"journal_mode = {wanted}")
            except apsw.BusyError:
                if time.monotonic() > end:
                    raise
                time.sleep(_PAUSE)
            else:
                break
        _expect("journal_mode", wanted, found)


def _read(connection: apsw.Connection, pragma: str) -> object:
    return connection.execute(f"PRAGMA {pragma}").get


def _expect(name: str, wanted: object, found: object) -> None:
    if found != wanted:
        setting = _SETTINGS.get(name, f"SQLITE_{name.upper()}")
        raise refused(
            f"SQLite was told {name} = {wanted} and answers {found}",
            f"O SQLite recebeu {name} = {wanted} e responde {found}",
            suggestion=Text(
                f"Change {setting}, or end other programs that use the file",
                f"Altere {setting} ou encerre outros programas que usam o arquivo",
            ),
        )


def has_wal_bug(version: str) -> bool:
    """Whether that SQLite can corrupt a WAL database with several connections (mended in 3.51.3, 3.50.7 and 3.44.6)."""
    major, minor, patch = (int(part) for part in version.split(".")[:3])
    mended = {(3, 44): 6, (3, 50): 7}.get((major, minor))
    return patch < mended if mended is not None else (major, minor, patch) < (3, 51, 3)
