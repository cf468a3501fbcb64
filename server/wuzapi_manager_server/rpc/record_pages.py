"""Pages of records: cut at their size and at the bytes that an answer may hold."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from enum import Enum
from typing import NamedTuple

from wuzapi_manager_server.domain.fields import Fields, Order
from wuzapi_manager_server.domain.table import ColumnType, Key
from wuzapi_manager_server.errors import Code, QueryFailed, Text
from wuzapi_manager_server.rpc.record_parts import JsonParts, StructParts
from wuzapi_manager_server.services.records import Shown

_OVERHEAD = 16  # what an answer costs beside its records: a tag, a length, two brackets


def longest_token(page_bytes: int) -> int:
    """How many bytes of an answer a page token may take."""
    return min(64 << 10, page_bytes // 8)


class RecordFormat(Enum):
    """How the records of a list travel. Names are those of the protos without prefix."""

    STRUCT = "STRUCT"
    JSON = "JSON"


_PARTS: Mapping[RecordFormat, JsonParts | StructParts] = {
    RecordFormat.STRUCT: StructParts(),
    RecordFormat.JSON: JsonParts(),
}


_OF_TEXT = frozenset({ColumnType.TEXT, ColumnType.OTHER, ColumnType.BYTES})


class Page(NamedTuple):
    """The records of a page as fields of the answer, and the place behind them; () when nothing follows."""

    data: bytes
    following: Key


async def page_of(found: AsyncGenerator[Shown], size: int, kind: RecordFormat, most_bytes: int) -> Page:
    """The first `size` records, or fewer where `most_bytes` are full. QueryFailed where not even one fits.

    `found` should give one record more than the size, which tells whether others follow.
    """
    parts = _PARTS[kind]
    bodies: list[bytes] = []
    left, room = size, most_bytes - _OVERHEAD
    place: Key = ()
    async with aclosing(found):
        async for shown in found:
            if not left:
                break
            wanted = shown.first(left)
            body = parts.together(wanted)
            if len(body) + 1 > room:
                fitting = _fitting(parts.each(wanted), room)
                if not fitting and not bodies:
                    raise too_large(wanted.ids[0])
                bodies += [parts.join(fitting)] if fitting else []
                place = wanted.places[len(fitting) - 1] if fitting else place
                break
            bodies.append(body)
            place = wanted.places[-1]
            room -= len(body) + 1
            left -= len(wanted.ids)
            if wanted is not shown:
                break
        else:
            place = ()
    return Page(parts.answer(parts.join(bodies)), place)


def _fitting(parts: Sequence[bytes], room: int) -> list[bytes]:
    """The first parts, as many as there is room for."""
    fitting = []
    for part in parts:
        room -= len(part) + 1
        if room < 0:
            break
        fitting.append(part)
    return fitting


def too_long_to_page_by(fields: Fields, order: Sequence[Order], place: Key) -> QueryFailed:
    """A page token would hold all of a text that is too long for it: the longest part of the place behind a page.

    The whole text has to be in it: sorted by its start alone, no index of the source could give the order.
    """
    at = max(range(len(place)), key=lambda part: len(value) if isinstance(value := place[part], str | bytes) else 0)
    texts = [each.column for each in order if fields.table.columns[fields.table.index[each.column]].type in _OF_TEXT]
    # Not every source's places have one part a field.
    sorted_by = order[at].column if at < len(order) else ""
    column = sorted_by if sorted_by in texts else next(iter([*texts, *fields.table.primary_key]), "")
    name = next((field.name for field in fields.all if field.column.name == column), column)
    return QueryFailed(
        Text(
            f"A value of field {name!r} is too long to page by",
            f"Um valor do campo '{name}' é longo demais para paginar por ele",
        ),
        suggestion=Text("Sort by another field", "Ordene por outro campo"),
        metadata={"field": name[:200]},
    )


def too_large(record_id: str) -> QueryFailed:
    """One record alone is larger than an answer may be."""
    return QueryFailed(
        Text("The record is larger than an answer may be", "O registro é maior do que uma resposta comporta"),
        code=Code.RESOURCE_EXHAUSTED,
        suggestion=Text("Ask for fewer fields, or export it", "Peça menos campos ou exporte os registros"),
        metadata={"record_id": record_id[:200]},
    )
