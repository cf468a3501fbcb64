"""The checksum that each row carries of itself: a value that was damaged on the disk reads like any other to SQLite.

SQLite generates the column `checksum` with every write. A program that does not know the function can read and delete
rows, and is refused when it writes one. It tells damage, not a change by whoever can write to the file.
"""

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import apsw
import orjson
from peewee import Column, Function, Model, fn

SINCE = 6
"""The first version of the schema that has them."""

_PIECE = 5_000  # zlib gives other threads their turn before it works on more, and then waits for its own


def connected(path: Path) -> apsw.Connection:
    """A connection to a database that is there, which knows the functions of the checksums."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    install(connection)
    return connection


def install(connection: apsw.Connection) -> None:
    """Makes the functions of the checksums known to a connection.

    `row_checksum(value, ...)` gives the checksum of a row's values in the order of its columns. `intact(checksum,
    value, ...)` is 1, or a CorruptError where the values have another checksum; `is_intact` is 0 then.
    """
    for name, function in (("row_checksum", row_checksum), ("intact", _intact), ("is_intact", _is_intact)):
        connection.create_scalar_function(name, function, deterministic=True, flags=apsw.SQLITE_INNOCUOUS)


def row_checksum(*values: "apsw.SQLiteValue") -> int:
    """The CRC-32 of the values as a JSON array without spaces; bytes are `["bytes","(hex digits)"]`."""
    return checksum_of(values)


def checksum_of(values: Sequence[object]) -> int:
    """The same of values in a list, and of the JSON values that stand for bytes."""
    return checksum_of_text(orjson.dumps(values, default=bytes_as_json))


def checksum_of_text(data: bytes) -> int:
    """The same of values that were spelled as JSON already."""
    if len(data) <= _PIECE:
        return crc32(data)
    found = crc32(data[:_PIECE])
    for at in range(_PIECE, len(data), _PIECE):
        found = crc32(data[at : at + _PIECE], found)
    return found


def intact(table: type[Model]) -> Function:
    """The condition that a row is as it was written; where it is not, the statement fails as on any damage."""
    return fn.intact(*_checked(table))


def is_intact(table: type[Model]) -> Function:
    """Whether a row is as it was written."""
    return fn.is_intact(*_checked(table))


def _checked(table: type[Model]) -> list[Column]:
    meta = table._meta  # noqa: SLF001 - Peewee's documented place of a model's fields
    return [Column(meta.table, "checksum"), *meta.sorted_fields]


def _intact(*values: "apsw.SQLiteValue") -> int:
    if not _is_intact(*values):
        raise apsw.CorruptError("a row is not as it was written")
    return 1


def _is_intact(*values: "apsw.SQLiteValue") -> int:
    return int(values[0] == row_checksum(*values[1:]))


def bytes_as_json(value: object) -> list[str]:
    """What stands for bytes in the JSON of a row; TypeError for what JSON has no word for either."""
    if not isinstance(value, bytes):
        raise TypeError(type(value).__name__)
    return ["bytes", value.hex()]
