"""The service's own database, read and written behind its back."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from wuzapi_manager_server.storage.checksums import row_checksum


@contextmanager
def behind(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection without transactions of its own. The rows that it writes have their checksums."""
    with _connected(database, row_checksum) as opened:
        yield opened


@contextmanager
def damaging(database: Path) -> Iterator[sqlite3.Connection]:
    """Likewise, but the rows that it writes do not have their checksums, as after damage on the disk."""
    with _connected(database, lambda *_: -1) as opened:
        yield opened


@contextmanager
def _connected(database: Path, checksum: Callable[..., int]) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, isolation_level=None)) as opened:
        opened.create_function("row_checksum", -1, checksum, deterministic=True)
        yield opened
