"""A file that comes in pieces, and has its name only once it is whole."""

import hashlib
import os
from pathlib import Path
from typing import Self


class PartialFile:
    """What has come of a file: it lies beside it as `<its name>.part`, readable to its owner alone.

    Whoever leaves its block before `finish` leaves that file there, to go on behind it. `size` is how many bytes of it
    have come.
    """

    def __init__(self, target: Path) -> None:
        if target.is_dir():
            raise IsADirectoryError(f"Give the path of a file, not of a folder: {target}")
        self._target = target
        self._part = target.with_name(f"{target.name}.part")
        self._file = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "ab+")
        self.size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self.size == 0:
            self._part.unlink(missing_ok=True)

    def append(self, piece: bytes) -> None:
        """Adds the next bytes."""
        self._file.write(piece)
        self.size += len(piece)

    def discard(self) -> None:
        """Throws away what has come."""
        self._file.truncate(0)
        self.size = 0

    def sha256(self) -> str:
        """The SHA-256 of what has come, in hex."""
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def finish(self) -> None:
        """Gives the file its name, in place of what had it; a loss of power afterwards does not lose it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._part.replace(self._target)
        folder = os.open(self._target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
