"""Files of a database and folders on the disk."""

import os
from collections.abc import Iterator
from pathlib import Path

_COMPANIONS = ("-wal", "-shm", "-journal")


def companions_of(database: Path) -> Iterator[Path]:
    """Where SQLite keeps what belongs to a database beside it, whether or not anything is there."""
    for suffix in _COMPANIONS:
        yield database.with_name(database.name + suffix)


def sync_folder(folder: Path) -> None:
    """Has the names in a folder on the disk: a loss of power afterwards does not lose them."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
