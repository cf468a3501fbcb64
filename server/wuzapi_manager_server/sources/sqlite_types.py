"""What a declared type means in SQLite: its affinity (https://www.sqlite.org/datatype3.html) and our type."""

import re
from enum import Enum

from wuzapi_manager_server.domain.table import ColumnType


class Affinity(Enum):
    """How SQLite converts what is stored in a column and compared with it."""

    INTEGER = "INTEGER"
    NUMERIC = "NUMERIC"
    REAL = "REAL"
    TEXT = "TEXT"
    NONE = "NONE"

    @property
    def numeric(self) -> bool:
        """Whether text that looks like a number becomes one."""
        return self in {Affinity.INTEGER, Affinity.NUMERIC, Affinity.REAL}


def affinity_of(declared: str, *, strict: bool = False) -> Affinity:
    """The affinity of a declared type, by SQLite's own five rules; ANY in a STRICT table converts nothing."""
    name = declared.upper()
    if "INT" in name:
        return Affinity.INTEGER
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return Affinity.TEXT
    if "BLOB" in name or not name or (strict and name == "ANY"):
        return Affinity.NONE
    if any(part in name for part in ("REAL", "FLOA", "DOUB")):
        return Affinity.REAL
    return Affinity.NUMERIC


_TYPES = (
    (r"BOOL", ColumnType.BOOLEAN),
    (r"^JSON", ColumnType.JSON),
    (r"^(UUID|GUID|UNIQUEIDENTIFIER)\b", ColumnType.UUID),
    (r"^(DATETIME|TIMESTAMP)", ColumnType.TIMESTAMP),
    (r"^DATE\b", ColumnType.DATE),
    (r"^TIME\b", ColumnType.TIME),
    (r"^(INTERVAL|POINT)\b", ColumnType.OTHER),
    (r"INT", ColumnType.INTEGER),
    (r"CHAR|CLOB|TEXT|^STRING\b", ColumnType.TEXT),
    (r"BLOB|BINARY|^BYTEA\b", ColumnType.BYTES),
    (r"REAL|FLOA|DOUB", ColumnType.FLOAT),
    (r"DECIMAL|NUMERIC|^NUMBER\b|MONEY", ColumnType.DECIMAL),
)


def type_of(declared: str) -> ColumnType:
    """What a column of that declared type is meant to hold."""
    name = declared.upper()
    return next((kind for pattern, kind in _TYPES if re.search(pattern, name)), ColumnType.OTHER)
