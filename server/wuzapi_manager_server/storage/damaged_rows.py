"""Finds the rows that are not as they were written, in a database whose structure is sound.

Many rows come as one JSON text. A thread that asks SQLite for each row waits for its turn in Python each time, which in
a process that is busy makes minutes of a second.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apsw
import orjson
from peewee import BlobField, Field, Model

from wuzapi_manager_server.storage.checksums import checksum_of
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
        last: dict[str, Any] | None = None
        singly = 0
        while True:
            fields = self._fields
            try:
                found = self._rows(connection, last, fields, 1 if singly else _AT_ONCE)
            except _Unreadable:
                if not singly:
                    singly = _AT_ONCE
                    continue
                fields = self._telling
                found = self._rows(connection, last, fields, 1)
            if not found:
                return
            singly = max(0, singly - 1)
            names = [field.column_name for field in fields]
            for checksum, *values in found:
                last = dict(zip(names, values, strict=True))
                if fields is self._telling or checksum != checksum_of(values):
                    yield last[self._name]

    def _rows(
        self, connection: apsw.Connection, after: Mapping[str, Any] | None, fields: Sequence[Field], most: int
    ) -> list[list[Any]]:
        """The checksums and those fields of the rows behind `after`."""
        values = ", ".join(map(_as_json, fields))
        key = ", ".join(field.column_name for field in self._keys)
        behind = f"WHERE ({key}) > ({', '.join(map(_mark, self._keys))})" if after else ""
        text = (
            f"SELECT json_group_array(json_array(checksum, {values}))"  # noqa: S608 - names of the models
            f" FROM (SELECT * FROM {self.table} {behind} ORDER BY {key} LIMIT {most})"
        )
        bound = {field.column_name: _bound(after[field.column_name]) for field in self._keys} if after else {}
        try:
            rows: list[list[Any]] = orjson.loads(str(connection.execute(text, bound).get))
        except (apsw.SQLError, UnicodeDecodeError, orjson.JSONDecodeError) as error:
            raise _Unreadable("rows cannot be read") from error
        return rows


def _as_json(field: Field) -> str:
    name = str(field.column_name)
    return f"json_array('bytes', lower(hex({name})))" if isinstance(field, BlobField) else name


def _mark(field: Field) -> str:
    return f"unhex(:{field.column_name})" if isinstance(field, BlobField) else f":{field.column_name}"


def _bound(value: Any) -> Any:
    return value[1] if isinstance(value, list) else value
