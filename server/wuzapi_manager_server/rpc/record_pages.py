"""Pages of records: cut at their size and at the bytes that an answer may hold."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from enum import Enum
from typing import NamedTuple, TypeVar

import orjson

from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.domain.table import Key
from wuzapi_manager_server.errors import Code, QueryFailed, Text
from wuzapi_manager_server.rpc.convert_records import record_to
from wuzapi_manager_server.services.records import Found, Record

Part = TypeVar("Part")
_OVERHEAD = 6  # what a part costs in its list: a tag and a length, or a comma


class RecordFormat(Enum):
    """How the records of a list travel. Names are those of the protos without prefix."""

    STRUCT = "STRUCT"
    JSON = "JSON"


class Page(NamedTuple):
    """The records of a page in one of the two formats, and the place behind them; () when nothing follows."""

    records: list[pb.Record]
    records_json: bytes
    following: Key


async def page_of(found: AsyncGenerator[Found], size: int, kind: RecordFormat, most_bytes: int) -> Page:
    """The first `size` records, or fewer where `most_bytes` are full. QueryFailed where not even one fits.

    `found` should give one record more than the size, which tells whether others follow.
    """
    if kind is RecordFormat.JSON:
        lines, following = await _fill(found, size, most_bytes, _json_line, len)
        return Page([], b"[" + b",".join(lines) + b"]", following)
    messages, following = await _fill(found, size, most_bytes, record_to, pb.Record.ByteSize)
    return Page(messages, b"", following)


async def _fill(
    found: AsyncGenerator[Found],
    size: int,
    most_bytes: int,
    convert: Callable[[Record], Part],
    size_of: Callable[[Part], int],
) -> tuple[list[Part], Key]:
    parts: list[Part] = []
    total = 0
    place: Key = ()
    async with aclosing(found):
        async for record, behind in found:
            if len(parts) == size:
                return parts, place
            part = convert(record)
            total += size_of(part) + _OVERHEAD
            if total > most_bytes:
                if parts:
                    return parts, place
                raise too_large(record.id)
            parts.append(part)
            place = behind
    return parts, ()


def too_large(record_id: str) -> QueryFailed:
    """One record alone is larger than an answer may be."""
    return QueryFailed(
        Text("The record is larger than an answer may be", "O registro é maior do que uma resposta comporta"),
        code=Code.RESOURCE_EXHAUSTED,
        suggestion=Text("Ask for fewer fields, or export it", "Peça menos campos ou exporte os registros"),
        metadata={"record_id": record_id[:200]},
    )


def _json_line(record: Record) -> bytes:
    return orjson.dumps({"id": record.id, "fields": record.fields, "etag": record.etag})
