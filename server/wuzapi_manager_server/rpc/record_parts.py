"""Records as the bytes of an answer, many at once: a message a record costs three times as much."""

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import add
from typing import cast

import orjson
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from wuzapi_manager_server.domain.columns import json_values, objects_of
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.rpc.wire import field, fields
from wuzapi_manager_server.services.records import Shown

RECORDS, RECORDS_JSON = 1, 6
"""The fields of a ListRecordsResponse that records travel in."""

_JSON_OPTIONS = orjson.OPT_UTC_Z


class JsonParts:
    """Records as objects of one JSON array."""

    def together(self, shown: Shown) -> bytes:
        """All of them, as they stand in the array."""
        return orjson.dumps(_objects(shown), option=_JSON_OPTIONS)[1:-1]

    def each(self, shown: Shown) -> list[bytes]:
        """Each of them."""
        return [orjson.dumps(each, option=_JSON_OPTIONS) for each in _objects(shown)]

    def join(self, bodies: Iterable[bytes]) -> bytes:
        """Bodies put together, each of one record at least."""
        return b",".join(bodies)

    def answer(self, body: bytes) -> bytes:
        """The field of the answer that a joined body makes."""
        return field(RECORDS_JSON, b"[" + body + b"]")


def _objects(shown: Shown) -> list[dict[str, object]]:
    objects = objects_of(shown.names, shown.columns, len(shown.ids))
    return [
        {"id": identifier, "fields": fields, "etag": etag}
        for identifier, fields, etag in zip(shown.ids, objects, shown.etags, strict=True)
    ]


class StructParts:
    """Records as messages of the repeated field `records`, their values as google.protobuf.Struct."""

    def together(self, shown: Shown) -> bytes:
        """All of them."""
        return b"".join(self.each(shown))

    def each(self, shown: Shown) -> list[bytes]:
        """Each of them."""
        entries = [_entries(name, json_values(column)) for name, column in zip(shown.names, shown.columns, strict=True)]
        parts = [fields(1, list(map(str.encode, shown.ids))), fields(3, list(map(str.encode, shown.etags)))]
        if entries:
            parts.insert(1, fields(2, _joined(entries)))
        return fields(RECORDS, _joined(parts))

    def join(self, bodies: Iterable[bytes]) -> bytes:
        """Bodies put together."""
        return b"".join(bodies)

    def answer(self, body: bytes) -> bytes:
        """The fields of the answer that a joined body makes."""
        return body


def _joined(parts: Iterable[Sequence[bytes]]) -> list[bytes]:
    return list(map(b"".join, zip(*parts, strict=True)))


# google.protobuf.Struct is map<string, Value> fields = 1, and an entry of a map is {key = 1, value = 2}.
_NULL, _NUMBER, _STRING, _BOOLEAN = 1, 2, 3, 4
_SHORT = 100
_pack = struct.Struct("<d").pack


class _Entries:
    """Makes the entries of one field: what stands before its values is the same each time."""

    def __init__(self, name: str) -> None:
        self._key = field(1, name.encode())
        self.null = self._entry(bytes((_NULL << 3, 0)))
        self.booleans = {flag: self._entry(bytes((_BOOLEAN << 3, flag))) for flag in (False, True)}
        self.before_number = self._entry(bytes((_NUMBER << 3 | 1,)) + bytes(8))[:-8]
        self.before_text = [
            whole[: len(whole) - size] for size in range(_SHORT) for whole in [self._entry(field(_STRING, bytes(size)))]
        ]

    def _entry(self, value: bytes) -> bytes:
        return field(1, self._key + field(2, value))

    def text(self, value: str) -> bytes:
        """The entry of a text."""
        data = value.encode()
        return self.before_text[len(data)] + data if len(data) < _SHORT else self._entry(field(_STRING, data))

    def other(self, value: Json) -> bytes:
        """The entry of any value."""
        match value:
            case str():
                return self.text(value)
            case None:
                return self.null
            case bool():
                return self.booleans[value]
            case int() | float():
                return self.before_number + _pack(value)
            case list():
                listed = ListValue()
                listed.extend(value)  # type: ignore[arg-type]  # the stubs know no lists within lists
                return self._entry(Value(list_value=listed).SerializeToString())
            case dict():
                within = Struct()
                within.update(value)
                return self._entry(Value(struct_value=within).SerializeToString())


_made = lru_cache(maxsize=1024)(_Entries)


def _entries(name: str, values: Sequence[Json]) -> list[bytes]:
    """The entries of a field in each of some records."""
    entries = _made(name)
    kinds = set(map(type, values))
    if kinds == {str}:
        before = entries.before_text
        datas = list(map(str.encode, cast("Sequence[str]", values)))
        sizes = list(map(len, datas))
        if max(sizes) < _SHORT:
            return list(map(add, map(before.__getitem__, sizes), datas))
    if kinds <= {int, float}:
        return list(map(entries.before_number.__add__, map(_pack, values)))
    convert: Callable[[Json], bytes] = entries.other
    return [convert(value) for value in values]
