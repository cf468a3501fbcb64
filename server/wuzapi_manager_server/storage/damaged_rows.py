"""Finds the rows that are not as they were written.

Many rows come as one text, in which SQLite has spelled each as JSON. A thread that asks SQLite for each row waits for
its turn in Python each time, which in a process that is busy makes minutes of a second.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apsw
import orjson
from peewee import BlobField, Field, Model

from wuzapi_manager_server.storage.checksums import checksum_of, checksum_of_text
from wuzapi_manager_server.storage.models import (
    Assignment,
    AuditEntry,
    BrandingRevision,
    DatabaseConnection,
    IdempotencyRequest,
    SystemMetadata,
    UserChange,
)

_AT_ONCE = 128
_NAMED_BY: Mapping[type[Model], str] = {
    DatabaseConnection: "id",
    Assignment: "connection_id",
    BrandingRevision: "id",
    SystemMetadata: "key",
    IdempotencyRequest: "created_at",
    AuditEntry: "id",
    UserChange: "id",
}
"""What tells a row of each table."""

_KEYS: Mapping[type[Model], tuple[str, ...]] = {
    Assignment: ("user_hash", "connection_id"),
    IdempotencyRequest: ("scope",),
}
"""The primary keys of the tables where that does not tell it."""


_Row = Mapping[str, Any]


class Sweep:
    """A look at every row of every table, by two threads that begin at either end and meet.

    Each takes a connection of its own, and gives a sentence for each damaged row; where they meet, both may name one.
    CorruptError where not even what names a row can be read.
    """

    def __init__(self) -> None:
        self._first = _Way(0, forwards=True)
        self._last = _Way(len(_READERS) - 1, forwards=False)

    def forwards(self, connection: apsw.Connection) -> Iterator[str]:
        """From the first row to where the other one is."""
        return self._first.damaged(connection, self._last)

    def backwards(self, connection: apsw.Connection) -> Iterator[str]:
        """From the last row to where the other one is."""
        return self._last.damaged(connection, self._first)


class _Way:
    """How far one of the two has come: a table by its number, and the last row of it that was looked at."""

    def __init__(self, table: int, *, forwards: bool) -> None:
        self._forwards = forwards
        self.place: tuple[int, _Row | None] = (table, None)  # as one value: the other thread reads it

    def damaged(self, connection: apsw.Connection, other: "_Way") -> Iterator[str]:
        """The rest of its way. Where rows cannot be read together they are read one by one."""
        singly = 0
        step = 1 if self._forwards else -1
        while True:
            (number, after), (others, until) = self.place, other.place
            if (others - number) * step < 0:
                return
            part = _Part(after, until if others == number else None, 1 if singly else _AT_ONCE, self._forwards)
            try:
                found, last = _READERS[number].damaged(connection, part)
            except _Unreadable:
                if not singly:
                    singly = _AT_ONCE
                    continue
                found, last = _READERS[number].unreadable(connection, part)
            singly = max(0, singly - 1)
            self.place = (number, last) if last else (number + step, None)
            yield from found


class _Part(NamedTuple):
    """So many rows of a table behind one row and before another."""

    after: _Row | None
    until: _Row | None
    most: int
    forwards: bool


class _Unreadable(apsw.CorruptError):
    """Among some rows is a value that is none: bytes in place of a text, or a text that is no UTF-8."""


class _Reader:
    """Reads a table in the order of its key or against it, bytes as `["bytes", "(hex digits)"]`."""

    def __init__(self, table: type[Model], key: tuple[str, ...], name: str) -> None:
        meta = table._meta  # noqa: SLF001 - Peewee's documented place of a model's fields
        self.table = str(meta.table_name)
        self._name = name
        self._fields: list[Field] = meta.sorted_fields
        self._keys = [meta.fields[each] for each in key]
        self._telling = [*self._keys, meta.fields[name]]

    def damaged(self, connection: apsw.Connection, part: "_Part") -> tuple[list[str], "_Row | None"]:
        """A sentence for each damaged row of a part, and the last row of it; None where there is no row."""
        sums, lines = self._rows(connection, part, self._fields)
        rows = [self._row(line) for line in _differing(sums, lines)]
        return [self._said_of(row) for row in rows], self._row(lines[-1]) if lines else None

    def unreadable(self, connection: apsw.Connection, part: "_Part") -> tuple[list[str], "_Row"]:
        """The same of a part that is one row with a value that is none."""
        _, lines = self._rows(connection, part, self._telling)
        row = dict(zip(_names(self._telling), _loaded(lines[0]), strict=True))
        return [self._said_of(row)], row

    def _said_of(self, row: "_Row") -> str:
        return f"the row with {self._name} {row[self._name]} of {self.table} is not as it was written"

    def _row(self, line: bytes) -> dict[str, Any]:
        return dict(zip(_names(self._fields), _loaded(line), strict=True))

    def _rows(
        self, connection: apsw.Connection, part: "_Part", fields: Sequence[Field]
    ) -> tuple[list[int], list[bytes]]:
        """The checksums of the rows of a part, and those fields of each as a JSON array."""
        values = ", ".join(map(_as_json, fields))
        conditions, bound = self._bounds(part)
        order = ", ".join(f"{name} {'ASC' if part.forwards else 'DESC'}" for name in _names(self._keys))
        rows = (
            f"SELECT checksum, json_array({values}) AS line FROM {self.table}"  # noqa: S608 - names of the models
            f" WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT {part.most}"
        )
        text = f"SELECT json_group_array(checksum), CAST(group_concat(line, char(10)) AS BLOB) FROM ({rows})"  # noqa: S608 - likewise
        try:
            sums, lines = next(connection.execute(text, bound))
        except apsw.SQLError as error:  # bytes in place of a text
            raise _Unreadable("rows cannot be read") from error
        return orjson.loads(str(sums)), lines.split(b"\n") if isinstance(lines, bytes) else []

    def _bounds(self, part: "_Part") -> tuple[list[str], dict[str, Any]]:
        """What is true of the rows of a part, and the values in it."""
        names = _names(self._keys)
        conditions: list[str] = ["TRUE"]
        bound: dict[str, Any] = {}
        behind, before = (">", "<") if part.forwards else ("<", ">")
        for end, row, sign in (("after", part.after, behind), ("until", part.until, before)):
            if row is not None:
                marks = ", ".join(_mark(key, end) for key in self._keys)
                conditions.append(f"({', '.join(names)}) {sign} ({marks})")
                bound |= {f"{end}_{name}": _bound(row[name]) for name in names}
        return conditions, bound


def _differing(sums: Sequence[int], lines: Sequence[bytes]) -> list[bytes]:
    """The rows that have another checksum. SQLite spells nearly all as the checksum is taken of them."""
    if list(map(checksum_of_text, lines)) == sums:
        return []
    return [line for known, line in zip(sums, lines, strict=True) if checksum_of(_loaded(line)) != known]


def _loaded(line: bytes) -> list[Any]:
    try:
        values: list[Any] = orjson.loads(line)
    except orjson.JSONDecodeError as error:  # a text that is none
        raise _Unreadable("rows cannot be read") from error
    return values


def _names(fields: Sequence[Field]) -> list[str]:
    return [field.column_name for field in fields]


def _as_json(field: Field) -> str:
    name = str(field.column_name)
    return f"json_array('bytes', lower(hex({name})))" if isinstance(field, BlobField) else name


def _mark(field: Field, bound: str) -> str:
    name = f":{bound}_{field.column_name}"
    return f"unhex({name})" if isinstance(field, BlobField) else name


def _bound(value: Any) -> Any:
    return value[1] if isinstance(value, list) else value


_READERS = tuple(_Reader(table, _KEYS.get(table, (name,)), name) for table, name in _NAMED_BY.items())
