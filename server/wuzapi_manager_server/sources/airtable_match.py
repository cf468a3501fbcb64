"""Conditions and orders as this service means them, on rows in memory: Airtable's own differ in many corners."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cmp_to_key
from typing import Any

from wuzapi_manager_server.domain.filter import And, Comparison, Not, Op, Or
from wuzapi_manager_server.domain.row_scope import RowScope
from wuzapi_manager_server.domain.table import Cell, Key, Owner, Row, Scalar, Table
from wuzapi_manager_server.sources.base import Sort, Where

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND = timedelta(microseconds=1)
_UPPER = re.compile("[A-Z]+")
_COMPARISONS: Mapping[Op, Callable[[Any, Any], bool]] = {
    Op.EQ: operator.eq,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
}


def is_owned(row: Row, owner: Owner | None, table: Table) -> bool:
    """Whether the row is the owner's, exactly."""
    return RowScope(owner, must_stamp=False).admits(row, table)


def matches(row: Row, where: Where | None, table: Table) -> bool:
    """Whether the row matches: a comparison with null does not hold, but for NE and IS_NULL."""
    match where:
        case None:
            return True
        case And(parts):
            return all(matches(row, part, table) for part in parts)
        case Or(parts):
            return any(matches(row, part, table) for part in parts)
        case Not(part):
            return not matches(row, part, table)
        case Comparison():
            return _compared(row.cells[table.index[where.name]], where)


def ordered(rows: list[Row], order: Sequence[Sort], table: Table) -> list[Row]:
    """The rows sorted, each with the cursor of its place: what it is sorted by, then its key."""
    sorts = [*order, Sort(table.primary_key[0])]
    places = [(table.index[sort.column], sort.descending) for sort in sorts]
    directions = [descending for _, descending in places for _ in range(2)]
    placed = [row._replace(cursor=tuple(part for at, _ in places for part in _rank(row.cells[at]))) for row in rows]

    def compare(one: Row, other: Row) -> int:
        return _order(one.cursor, other.cursor, directions)

    return sorted(placed, key=cmp_to_key(compare))


def is_behind(cursor: Key, after: Key, order: Sequence[Sort]) -> bool:
    """Whether the place of a cursor comes behind another."""
    directions = [descending for sort in (*order, Sort("")) for descending in (sort.descending,) * 2]
    return len(cursor) != len(after) or _order(cursor, after, directions) > 0


def _order(one: Key, other: Key, directions: Sequence[bool]) -> int:
    for left, right, descending in zip(one, other, directions, strict=True):
        if left != right:
            return -1 if _less(left, right) is not descending else 1
    return 0


def _less(left: Any, right: Any) -> bool:
    return bool(left < right)


def _rank(cell: Cell) -> tuple[Scalar, Scalar]:
    """Two scalars that sort as the cell does; null before every value, texts behind numbers."""
    match cell:
        case None:
            return 0, 0
        case bool() | int() | float():
            return 1, cell
        case datetime():
            return 1, (cell - _EPOCH) // _MICROSECOND
        case date():
            return 1, cell.toordinal()
        case timedelta():
            return 1, cell // _MICROSECOND
    return 2, str(cell)


def _compared(cell: Cell, where: Comparison[Cell]) -> bool:  # noqa: PLR0911 - a table: one return a kind of operator
    op, values = where.op, where.values
    if op in (Op.IS_NULL, Op.IS_NOT_NULL):
        return (cell is None) is (op is Op.IS_NULL)
    if cell is None:
        return op is Op.NE
    if op in (Op.CONTAINS, Op.STARTS_WITH):
        found = _lowered(str(cell)).find(_lowered(str(values[0])))
        return isinstance(cell, str) and (found == 0 if op is Op.STARTS_WITH else found >= 0)
    if op is Op.NE:
        return _rank(cell) != _rank(values[0])
    if op is Op.IN:
        return _rank(cell) in map(_rank, values)
    if op is Op.BETWEEN:
        return _holds(operator.ge, cell, values[0]) and _holds(operator.le, cell, values[1])
    return _holds(_COMPARISONS[op], cell, values[0])


def _holds(compare: Callable[[Any, Any], bool], cell: Cell, value: Cell) -> bool:
    """A value of another kind than the column's (a formula's error) compares with nothing."""
    (kind, left), (other, right) = _rank(cell), _rank(value)
    return kind == other and compare(left, right)


def _lowered(text: str) -> str:
    return _UPPER.sub(lambda found: found[0].lower(), text)
