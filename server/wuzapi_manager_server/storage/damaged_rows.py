"""Finds the rows that are not as they were written.

Many rows come as one text, in which SQLite has spelled each as JSON. A thread that asks SQLite for each row waits for
its turn in Python each time, which in a process that is busy makes minutes of a second.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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


def damaged_rows(connection: apsw.Connection) -> Iterator[str]:
    """A sentence for each of them. CorruptError where not even what names a row can be read."""
    for table, name in _NAMED_BY.items():
        reader = _Reader(table, _KEYS.get(table, (name,)), name)
        for named in reader.damaged(connection):
            yield f"the row with {name} {named} of {reader.table} is not as it was written"


class _Unreadable(apsw.CorruptError):
    """Among some rows is a value that is none: bytes in place of a text, or a text that is no UTF-8."""


class _Reader:
    """Reads a table in the order of its key, bytes as `["bytes", "(hex digits)"]`."""

    def __init__(self, table: type[Model], key: tuple[str, ...], name: str) -> None:
        meta = table._meta  # noqa: SLF001 - Peewee's documented place of a model's fields
        self.table = str(meta.table_name)
        self._name = name
        self._fields: list[Field] = meta.sorted_fields
        self._keys = [meta.fields[each] for each in key]
        self._telling = [*self._keys, meta.fields[name]]

    def damaged(self, connection: apsw.Connection) -> Iterator[object]:
        """What names each damaged row. Where rows cannot be read together they are read one by one."""
        last: Mapping[str, Any] | None = None
        singly = 0
        while True:
            try:
                sums, lines = self._rows(connection, last, self._fields, 1 if singly else _AT_ONCE)
                found = [self._row(line) for line in _differing(sums, lines)]
                last = self._row(lines[-1]) if lines else None
            except _Unreadable:
                if not singly:
                    singly = _AT_ONCE
                    continue
                _, lines = self._rows(connection, last, self._telling, 1)
                last = dict(zip(_names(self._telling), _loaded(lines[0]), strict=True))
                found = [last]
            singly = max(0, singly - 1)
            yield from (row[self._name] for row in found)
            if last is None:
                return

    def _row(self, line: bytes) -> dict[str, Any]:
        return dict(zip(_names(self._fields), _loaded(line), strict=True))

    def _rows(
        self, connection: apsw.Connection, after: Mapping[str, Any] | None, fields: Sequence[Field], most: int
    ) -> tuple[list[int], list[bytes]]:
        """The checksums of the rows behind `after`, and those fields of each as a JSON array."""
        values = ", ".join(map(_as_json, fields))
        key = ", ".join(_names(self._keys))
        behind = f"WHERE ({key}) > ({', '.join(map(_mark, self._keys))})" if after else ""
        text = (
            f"SELECT json_group_array(checksum), CAST(group_concat(json_array({values}), char(10)) AS BLOB)"  # noqa: S608 - names of the models
            f" FROM (SELECT * FROM {self.table} {behind} ORDER BY {key} LIMIT {most})"
        )
        bound = {name: _bound(after[name]) for name in _names(self._keys)} if after else {}
        try:
            sums, lines = next(connection.execute(text, bound))
        except apsw.SQLError as error:  # bytes in place of a text
            raise _Unreadable("rows cannot be read") from error
        return orjson.loads(str(sums)), lines.split(b"\n") if isinstance(lines, bytes) else []


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


def _mark(field: Field) -> str:
    return f"unhex(:{field.column_name})" if isinstance(field, BlobField) else f":{field.column_name}"


def _bound(value: Any) -> Any:
    return value[1] if isinstance(value, list) else value
