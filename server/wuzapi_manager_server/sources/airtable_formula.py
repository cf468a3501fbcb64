"""Formulas that narrow a list at Airtable's side. Whatever they let through is compared exactly on this side again.

So a formula may let too much through, and must never keep a wanted record back: what cannot be said surely is left out,
and with it every part whose meaning depends on it. Nothing of a caller's becomes a formula but values and field names,
and those only escaped; where they hold control characters, whose escape is not documented, they are left out.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from wuzapi_manager_server.domain.filter import And, Comparison, Op, Or
from wuzapi_manager_server.domain.table import Cell, ColumnType, Key, Owner
from wuzapi_manager_server.domain.values import EXACT, number_of
from wuzapi_manager_server.sources.airtable_literals import field, text
from wuzapi_manager_server.sources.airtable_schema import Layout
from wuzapi_manager_server.sources.base import Where

MAX_LENGTH = 12_000
AT_ONCE = 100
_ORDERS = {Op.LT: "<", Op.LE: "<=", Op.GT: ">", Op.GE: ">="}
_NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.FLOAT})


def of_scope(owner: Owner | None, where: Where | None, layout: Layout) -> str | None:
    """What narrows a list to about an owner's rows that match; None where nothing can be said."""
    return both(None if owner is None else _owned(owner, layout), None if where is None else _said(where, layout))


def of_keys(keys: Sequence[Key], layout: Layout) -> Iterator[str]:
    """What finds the records of keys that `layout.is_key` admits, at most `AT_ONCE` each."""
    reference = field(layout.key.name) if layout.numbered else "RECORD_ID()"
    each = [f"{reference}={key[0]!r}" for key in keys]
    size = min(AT_ONCE, MAX_LENGTH // (max(map(len, each), default=0) + 1))
    for at in range(0, len(each), size):
        yield _or(each[at : at + size])


def behind(after: Key, layout: Layout) -> str | None:
    """What finds the records behind a key that is a number."""
    name = field(layout.key.name)
    return None if name is None or not after else f"{name}>{after[0]!r}"


def both(*parts: str | None) -> str | None:
    """Holds where all parts do; a part of None says nothing."""
    said = [part for part in parts if part is not None]
    if len(said) < 2:  # noqa: PLR2004 - a conjunction of one is that one
        return said[0] if said else None
    return f"AND({','.join(said)})"


def _owned(owner: Owner, layout: Layout) -> str | None:
    column = layout.table.column(owner.column)
    if column is None:
        return None
    if column.type in _NUMBERS:
        number = number_of(owner.value)
        return None if number is None or isinstance(number, float) else _compared(column.name, "=", float(number))
    return _exactly(owner.column, owner.value) if _is_plain_text(owner.column, layout) else None


def _said(where: Where, layout: Layout) -> str | None:
    match where:
        case And(parts):
            return both(*[_said(part, layout) for part in parts])
        case Or(parts):
            each = [_said(part, layout) for part in parts]
            said = [part for part in each if part is not None]
            return _any(said) if said and len(said) == len(each) else None
        case Comparison():
            return _comparison(where, layout)
    return None  # the negation of what lets too much through would keep wanted records back


def _comparison(where: Comparison[Cell], layout: Layout) -> str | None:
    column = layout.table.column(where.name)
    if column is None or layout.field_ids[layout.table.index[where.name]] is None:
        return None
    number = column.type in _NUMBERS
    if where.op in (Op.EQ, Op.IN) and (number or _is_plain_text(where.name, layout)):
        each = [_compared(where.name, "=", value) if number else _exactly(where.name, value) for value in where.values]
        said = [part for part in each if part is not None]
        return _any(said) if said and len(said) == len(each) else None
    if number and where.op in _ORDERS:
        return _compared(where.name, _ORDERS[where.op], where.values[0])
    if number and where.op is Op.BETWEEN:
        return both(_compared(where.name, ">=", where.values[0]), _compared(where.name, "<=", where.values[1]))
    return None


def _is_plain_text(name: str, layout: Layout) -> bool:
    column = layout.table.column(name)
    return (
        column is not None
        and column.type is ColumnType.TEXT
        and not column.read_only
        and column.native_type != "richText"  # its formula value need not be the text that the API gives
    )


def _exactly(name: str, value: Cell) -> str | None:
    reference = field(name)
    literal = text(value) if isinstance(value, str) else None
    return None if reference is None or literal is None else f"EXACT({reference},{literal})"


def _compared(name: str, mark: str, value: Cell) -> str | None:
    """Compares a number. One that has no plain spelling is left out."""
    reference = field(name)
    if reference is None or isinstance(value, bool | str | bytes | date | datetime | timedelta | list):
        return None
    if not isinstance(value, int | float) or not abs(value) <= EXACT:
        return None
    spelled = repr(int(value) if float(value).is_integer() else value)
    return None if "e" in spelled else f"{reference}{mark}{spelled}"


def _any(parts: Sequence[str]) -> str | None:
    joined = _or(parts)
    return joined if len(joined) <= MAX_LENGTH else None


def _or(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"OR({','.join(parts)})"
