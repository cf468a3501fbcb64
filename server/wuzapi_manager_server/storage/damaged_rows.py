"""Finds the rows that are not as they were written, in a database whose structure is sound.

Many rows come as one JSON text. A thread that asks SQLite for each row waits for its turn in Python each time, which in
a process that is busy makes minutes of a second.
"""

from collections.abc import Iterator, Mapping
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
    """A sentence for each of them. CorruptError where rows cannot be read at all."""
    for table, name in _NAMED_BY.items():
        reader = _Reader(table, _KEYS.get(table, (name,)))
        for row in reader.damaged(connection):
            yield f"the row with {name} {row[name]} of {reader.table} is not as it was written"


class _Reader:
    """Reads a table in the order of its key, bytes as `["bytes", "(hex digits)"]`."""

    def __init__(self, table: type[Model], key: tuple[str, ...]) -> None:
        meta = table._meta  # noqa: SLF001 - Peewee's documented place of a model's fields
        self.table = str(meta.table_name)
        self._fields: list[Field] = meta.sorted_fields
        self._keys = [meta.fields[name] for name in key]

    def damaged(self, connection: apsw.Connection) -> Iterator[dict[str, Any]]:
        """The damaged rows."""
        names = [field.column_name for field in self._fields]
        last: dict[str, Any] | None = None
        while found := self._rows(connection, last):
            for checksum, *values in found:
                last = dict(zip(names, values, strict=True))
                if checksum != checksum_of(values):
                    yield last

    def _rows(self, connection: apsw.Connection, after: Mapping[str, Any] | None) -> list[list[Any]]:
        values = ", ".join(map(_as_json, self._fields))
        key = ", ".join(field.column_name for field in self._keys)
        behind = f"WHERE ({key}) > ({', '.join(map(_mark, self._keys))})" if after else ""
        text = (
            f"SELECT json_group_array(json_array(checksum, {values}))"  # noqa: S608 - names of the models
            f" FROM (SELECT * FROM {self.table} {behind} ORDER BY {key} LIMIT {_AT_ONCE})"
        )
        bound = {field.column_name: _bound(after[field.column_name]) for field in self._keys} if after else {}
        try:
            rows: list[list[Any]] = orjson.loads(str(connection.execute(text, bound).get))
        except (apsw.SQLError, orjson.JSONDecodeError) as error:  # bytes in place of a text, a text that is none
            raise apsw.CorruptError("rows cannot be read") from error
        return rows


def _as_json(field: Field) -> str:
    name = str(field.column_name)
    return f"json_array('bytes', lower(hex({name})))" if isinstance(field, BlobField) else name


def _mark(field: Field) -> str:
    return f"unhex(:{field.column_name})" if isinstance(field, BlobField) else f":{field.column_name}"


def _bound(value: Any) -> Any:
    return value[1] if isinstance(value, list) else value
