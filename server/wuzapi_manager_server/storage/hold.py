"""Who works on a database: many processes beside each other, or one alone.

Each holds a lock on an empty file beside the database. The lock ends with its process, however that ends, and is not
handed to the processes that it starts; the file stays.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".lock"


def lock_of(database: Path) -> Path:
    """The file that is locked, beside the real file of a database: links to it lead to the same lock."""
    real = Path(os.path.realpath(database))
    return real.with_name(real.name + _SUFFIX)


def take(database: Path, *, alone: bool) -> int:
    """Takes the lock of a database without waiting, to work on it beside others or alone. Who closes it gives it back.

    BlockingIOError where others stand in the way, another OSError where the file cannot be had.
    """
    if database.is_dir():
        raise IsADirectoryError(database)
    file = lock_of(database)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:  # what root does must not lock out the user whose database it is
            owner = (database if database.exists() else file.parent).stat()
            with suppress(PermissionError):
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
