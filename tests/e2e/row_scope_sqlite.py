"""SQLite under the row-scope properties: any column may hold any value."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import ClassVar

from tests.e2e.row_scope_engine import COLUMNS, Raw, Row
from wuzapi_manager.v1 import connection_pb2 as connections

_KEYS = {
    "integer": ("a INTEGER PRIMARY KEY, b INTEGER", ")"),
    "composite": ("a TEXT, b INTEGER", ", PRIMARY KEY (a, b))"),
    "replacing": ("a INTEGER PRIMARY KEY ON CONFLICT REPLACE, b INTEGER", ")"),
    "text": ("a TEXT PRIMARY KEY, b INTEGER", ")"),
    "nocase": ("a TEXT COLLATE NOCASE PRIMARY KEY, b INTEGER", ")"),
    "untyped": ("a PRIMARY KEY, b INTEGER", ")"),
    "without rowid": ("a TEXT, b INTEGER", ", PRIMARY KEY (a, b)) WITHOUT ROWID"),
    "with link": ("a INTEGER, b INTEGER", ", PRIMARY KEY (owner, b))"),
    "none": ("a TEXT, b INTEGER", ")"),
}
"""The columns a and b, and the end of the statement that makes the table."""


class SqliteEngine:
    """Each table in a file of its own below the folder."""

    link_types: ClassVar[tuple[str, ...]] = (
        "TEXT",
        "TEXT COLLATE NOCASE",
        "TEXT COLLATE RTRIM",
        "VARCHAR(40) DEFAULT 'nobody'",
        "INTEGER",
        "NUMERIC",
        "DOUBLE",
        "BLOB",
        "",
    )
    texts: ClassVar[frozenset[str]] = frozenset({"TEXT", "TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM"})
    searched: ClassVar[frozenset[str]] = frozenset(
        kind for kind in link_types if not kind or "TEXT" in kind or "CHAR" in kind
    )
    keys: ClassVar[tuple[str, ...]] = tuple(_KEYS)
    given: ClassVar[Mapping[str, str]] = {}

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(
        self, name: str, key: str, link_type: str, rows: Sequence[Sequence[Raw]], *, replacing: bool = False
    ) -> None:
        """See Engine."""
        before, end = _KEYS[key]
        code = "code TEXT UNIQUE ON CONFLICT REPLACE" if replacing else "code TEXT UNIQUE"
        with closing(sqlite3.connect(self._file(name), isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = OFF")
            database.execute("BEGIN")
            database.execute(
                f"CREATE TABLE t ({before}, owner {link_type}, name TEXT, n INTEGER, note, {code},"
                f" mark TEXT, veil TEXT, tag INTEGER{end}"
            )
            marks = ", ".join("?" * len(COLUMNS))
            database.executemany(f"INSERT OR IGNORE INTO t VALUES ({marks})", rows)
            database.execute("COMMIT")

    def rows(self, name: str) -> list[Row]:
        """See Engine."""
        with closing(sqlite3.connect(self._file(name))) as database:
            database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
            chosen = ", ".join(COLUMNS)
            return [dict(zip(COLUMNS, row, strict=True)) for row in database.execute(f"SELECT {chosen} FROM t")]

    def drop(self, name: str) -> None:
        """See Engine."""
        self._file(name).unlink()

    def source_of(self, name: str) -> connections.Connection:
        """See Engine."""
        return connections.Connection(sqlite=connections.SqliteSource(database=self._file(name).name, table_name="t"))

    def owns(self, value: str, cell: Raw, link_type: str) -> bool:
        """See Engine: whole numbers are their digits, fractions nobody's, bytes a text where they are declared."""
        if isinstance(cell, bytes):
            return link_type == "BLOB" and cell == value.encode()
        return isinstance(cell, str | int) and str(cell) == value

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.db"
