"""Reading on behind a row, by key: page 1,000 costs what page 1 costs.

The rows behind a cursor are read in segments, in this order: those that share all sort values but the last and are
behind in the last, then those that share all but the last two, and so on; behind values come nulls in descending order.
Each segment is an equality on leading columns and a range on the next, which an index answers with one seek, whatever
the directions and nulls; one expression for all of them would have to scan. Later segments are read only where the
earlier ones do not fill the page.
"""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from wuzapi_manager_server.domain.table import Key, Scalar
from wuzapi_manager_server.errors import InvalidInput, Text, Violation
from wuzapi_manager_server.sources.base import Sort
from wuzapi_manager_server.sources.sql_table import Condition, Element, SqlColumn, SqlTable


class Place(NamedTuple):
    """A column of the order."""

    column: SqlColumn
    descending: bool

    def clause(self) -> Element:
        """What goes into ORDER BY."""
        return self.column.ordered(descending=self.descending)


def places(table: SqlTable, order: Sequence[Sort]) -> tuple[Place, ...]:
    """The order asked for, made total by the primary key and what else tells rows apart."""
    found: dict[str, Place] = {}
    for sort in order:
        found.setdefault(sort.column, Place(table.column(sort.column), sort.descending))
    ties = table.key if table.tie is None else (*table.key, table.tie)
    for column in ties:
        found.setdefault(column.column.name, Place(column, descending=False))
    return tuple(found.values())


def behind(order: Sequence[Place], after: Key) -> list[Condition]:
    """The segments behind the cursor `after`, in order. InvalidInput where it is not a cursor of that order."""
    try:
        pairs = list(zip(order, after, strict=True))
        segments: list[Condition] = []
        for length in reversed(range(len(pairs))):
            same = [place.column.is_scalar(value) for place, value in pairs[:length]]
            segments += (sa.and_(*same, further) for further in _further(*pairs[length]))
    except ValueError as error:
        raise InvalidInput(
            [Violation("page_token", Text("it does not belong to this list", "não pertence a esta lista"))]
        ) from error
    return segments


def _further(place: Place, value: Scalar) -> list[Condition]:
    """Behind `value` in one column: null is first ascending and last descending."""
    column = place.column
    if value is None:
        return [] if place.descending else [column.sort.is_not(sa.null())]
    if place.descending:
        nulls = [column.sort.is_(sa.null())] if column.column.nullable else []
        return [column.sort < column.literal(value), *nulls]
    return [column.sort > column.literal(value)]
