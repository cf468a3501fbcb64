"""Comparing rows in this process: for sources whose own comparisons are not exact or not known.

The rules are those of domain/filter.py. Texts are ordered by code point, as SQLite does. A dirty cell, of another type
than its column, equals and precedes nothing, and sorts behind the clean ones.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any
from uuid import UUID

from wuzapi_manager_server.domain.filter import And, Comparison, Not, Op, Or
from wuzapi_manager_server.domain.table import Cell, Row, Table
from wuzapi_manager_server.domain.values import to_json
from wuzapi_manager_server.sources.base import Where

_UPPER_TO_LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_KINDS: tuple[type | tuple[type, ...], ...] = ((bool, int, float, Decimal), datetime, date, time, UUID, bytes, str)
_OTHER = len(_KINDS)
_ORDERS: Mapping[Op, Callable[[Any, Any], bool]] = {Op.LT: lt, Op.LE: le, Op.GT: gt, Op.GE: ge}

Rank = tuple[int, Any]
"""Where a cell stands in an order: comparable with every other rank of its column."""


def holds(where: Where | None, row: Row, table: Table) -> bool:
    """Whether the row, with all cells of the table, matches."""
    match where:
        case None:
            return True
        case And(parts):
            return all(holds(part, row, table) for part in parts)
        case Or(parts):
            return any(holds(part, row, table) for part in parts)
        case Not(part):
            return not holds(part, row, table)
        case Comparison(name, op, values):
            return _compares(row.cells[table.index[name]], op, values)


def rank(cell: Cell) -> Rank:
    """Null first, then the values of a kind among themselves."""
    if cell is None:
        return (-1, 0)
    kind = _kind(cell)
    return (kind, repr(to_json(cell)) if kind == _OTHER else cell)


def lowered(text: str) -> str:
    """The text with its ASCII letters in lower case."""
    return text.translate(_UPPER_TO_LOWER)


def _kind(cell: Cell) -> int:
    return next((at for at, kind in enumerate(_KINDS) if isinstance(cell, kind)), _OTHER)


def _compares(cell: Cell, op: Op, values: tuple[Cell, ...]) -> bool:
    if cell is None or op in (Op.IS_NULL, Op.IS_NOT_NULL):
        return op is (Op.IS_NULL if cell is None else Op.IS_NOT_NULL) or (cell is None and op is Op.NE)
    if op in (Op.CONTAINS, Op.STARTS_WITH):
        text, part = lowered(str(cell)), lowered(str(values[0]))
        return part in text if op is Op.CONTAINS else text.startswith(part)
    mine, others = rank(cell), [rank(value) for value in values]
    if op in (Op.EQ, Op.IN, Op.NE):
        return (mine in others) is (op is not Op.NE)
    alike = all(mine[0] == other[0] for other in others)
    return alike and (others[0] <= mine <= others[1] if op is Op.BETWEEN else _ORDERS[op](mine, others[0]))
