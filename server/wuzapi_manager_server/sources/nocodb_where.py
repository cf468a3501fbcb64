"""Conditions in NocoDB's `@(...)` syntax that let through every row wanted, and perhaps others.

NocoDB compares as the database behind it does: case, accents, spaces and numbers in disguise may be alike there. So
its answer is only a narrower choice, and matching.py decides. What cannot be said safely is not said.

The syntax has quotes of two kinds and no escapes. Columns are named by their ids, operators come from here alone,
and a value stands between quotes of a kind that it does not hold. It must not end with a backslash, which would take
the closing quote away. An empty condition is never sent: it would mean all rows.
"""

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from urllib.parse import quote
from uuid import UUID

from wuzapi_manager_server.domain.filter import And, Comparison, Op, Or
from wuzapi_manager_server.domain.table import Cell, ColumnType, Key, Owner, Scalar
from wuzapi_manager_server.domain.values import EXACT, number_of
from wuzapi_manager_server.sources.base import Where
from wuzapi_manager_server.sources.nocodb_table import NocoColumn, NocoTable

MAX_WHERE = 10_000
"""Bytes of a condition in a URL: NocoDB refuses a request whose first line and headers are above 16 KiB."""

_MAX_PART = 1_500
_TEXTS = frozenset({"SingleLineText", "LongText", "Email", "URL", "PhoneNumber", "SingleSelect"})
_TEXTUAL = re.compile("$|.*(char|text|clob|string|enum|set|name)")
_NUMBERS = frozenset({"ID", "Number", "Decimal"})
_BITS = {"smallint": 16, "int2": 16, "integer": 32, "int": 32, "int4": 32}
"""Of PostgreSQL's numbers; those of SQLite that are called the same have 64."""

_LONGEST = 64
_ORDERS = {Op.LT: "lt", Op.LE: "lte", Op.GT: "gt", Op.GE: "gte"}
_HOSTILE = dict.fromkeys(map(ord, "\\'\"%"), "_")


class NoRow(Exception):
    """No row can match."""


class Unsaid(Exception):
    """A place in a list that no condition can say; `name` is the key's column."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def owned(table: NocoTable, owner: Owner | None) -> str:
    """Narrows to rows that may be the owner's; empty where nothing narrows. Raises NoRow."""
    if owner is None:
        return ""
    column = table.by_name[owner.column]
    if "\0" in owner.value:  # no condition can say it: what NocoDB makes of it is an error
        raise NoRow
    if column.column.type in (ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.FLOAT):
        # Another spelling of a number is another user.
        number = number_of(owner.value)
        if not isinstance(number, Decimal):
            raise NoRow
        return _number(column, "eq", number) if column.kind in _NUMBERS else ""
    if column.kind in _NUMBERS:  # bits
        return _digits(column, owner.value)
    if _textual(column):
        return _text(column, owner.value)
    if column.column.type in (ColumnType.OTHER, ColumnType.UUID, ColumnType.TEXT):
        return _like(column, owner.value)
    return ""


def narrowed(table: NocoTable, where: Where | None) -> str:
    """Lets through every row for which the filter holds; empty where nothing narrows."""
    match where:
        case And():
            return joined("and", conjuncts(table, where))
        case Or(parts):
            each = [narrowed(table, part) for part in parts]
            return joined("or", each) if all(each) else ""
        case Comparison(name, op, values):
            return _compared(table.by_name[name], op, values)
        case _:
            return ""


def conjuncts(table: NocoTable, where: Where | None) -> list[str]:
    """What `narrowed` gives, as conditions of which each may be left out."""
    if isinstance(where, And):
        return [found for part in where.parts for found in conjuncts(table, part)]
    return [found] if (found := narrowed(table, where)) else []


def of_key(table: NocoTable, key: Key) -> str:
    """Lets through the row of that key; empty where its types narrow nothing. Raises NoRow."""
    return joined("and", [_same(column, part) for column, part in zip(table.keys, key, strict=True)])


def behind(columns: Sequence[NocoColumn], key: Key, *, descending: bool = False) -> str:
    """Rows behind a key in the order of the key, the first of them perhaps that key's own.

    Raises Unsaid for a key that cannot be said.
    """
    segments = []
    for length in reversed(range(len(columns))):
        parts = [_exactly(column, part) for column, part in zip(columns[:length], key, strict=False)]
        parts.append(_further(columns[length], key[length], descending=descending))
        segments.append(joined("and", parts))
    condition = joined("or", segments)
    if not fits(condition):
        raise Unsaid(columns[0].column.name)
    return condition


def joined(word: str, parts: Sequence[str]) -> str:
    """Conditions, each given in parentheses, as one in parentheses."""
    kept = [part for part in parts if part]
    return kept[0] if len(kept) == 1 else f"({f'~{word}'.join(kept)})" if kept else ""


def fits(condition: str) -> bool:
    """Whether a URL may carry it."""
    return length(condition) <= MAX_WHERE


def length(condition: str) -> int:
    """The bytes that it takes in a URL."""
    return len(quote(condition, safe=""))


def _compared(column: NocoColumn, op: Op, values: tuple[Cell, ...]) -> str:
    if _textual(column):
        return _compared_text(column, op, [str(value) for value in values])
    return _compared_number(column, op, values) if column.kind in _NUMBERS else ""


def _textual(column: NocoColumn) -> bool:
    """Whether any text may be compared with it: PostgreSQL refuses what is no uuid, interval or range."""
    return column.kind in _TEXTS and _TEXTUAL.match(column.native) is not None


def _compared_text(column: NocoColumn, op: Op, values: Sequence[str]) -> str:
    match op:
        case Op.EQ | Op.IN:
            return _any([_text(column, value) for value in values])
        case Op.CONTAINS:
            return _like(column, values[0])
        case Op.STARTS_WITH:
            return _like(column, values[0], before="")
        case _:
            return ""


def _compared_number(column: NocoColumn, op: Op, values: Sequence[Cell]) -> str:
    match op:
        case Op.EQ | Op.IN:
            return _any([_number(column, "eq", value) for value in values])
        case Op.BETWEEN:
            return joined("and", [_number(column, "gte", values[0]), _number(column, "lte", values[1])])
        case Op.LT | Op.LE | Op.GT | Op.GE:
            return _number(column, _ORDERS[op], values[0])
        case _:
            return ""


def _any(conditions: Sequence[str]) -> str:
    """One of them; nothing where one cannot be said or all together are too long for a URL."""
    condition = joined("or", conditions) if all(conditions) else ""
    return condition if fits(condition) else ""


def _quoted(text: str) -> str | None:
    """The text between quotes; None where it cannot be."""
    if text.endswith("\\") or ("'" in text and '"' in text):
        return None
    return f"'{text}'" if '"' in text else f'"{text}"'


def _short(text: str) -> bool:
    return length(text) <= _MAX_PART


def _text(column: NocoColumn, text: str) -> str:
    if not text:
        return ""
    said = _quoted(text) if _short(text) else None
    return f"({column.id},eq,{said})" if said else _like(column, text)


def _like(column: NocoColumn, text: str, before: str = "%") -> str:
    """Texts that hold this one; what would be a wildcard, a quote or an escape stands for any character."""
    while not _short(text):
        text = text[: len(text) // 2]
    return f'({column.id},like,"{before}{text.translate(_HOSTILE)}%")' if text else ""


def _number(column: NocoColumn, operator: str, value: Cell) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return ""
    number = Decimal(str(value))
    if abs(number) > EXACT:
        return ""
    if not _whole(column):
        return f'({column.id},{operator},"{format(number, "f")}")'
    whole = int(number)
    if whole != number:
        return ""
    if operator == "eq":
        return _equal(column, whole)
    return f'({column.id},{operator},"{whole}")' if _fits(column, whole) else ""


def _fits(column: NocoColumn, whole: int) -> bool:
    largest = 1 << (_BITS.get(column.native, _LONGEST) - 1)
    return -largest <= whole < largest


def _equal(column: NocoColumn, whole: int) -> str:
    """Lets through that whole number. Raises NoRow for one that no column holds."""
    if not -(1 << (_LONGEST - 1)) <= whole < 1 << (_LONGEST - 1):
        raise NoRow
    return f'({column.id},eq,"{whole}")' if _fits(column, whole) else _digits(column, str(whole))


def _digits(column: NocoColumn, text: str) -> str:
    """Numbers in whose digits these stand: PostgreSQL refuses to compare with one that the column could not hold."""
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise NoRow
    return f'({column.id},like,"{text}")'


def _whole(column: NocoColumn) -> bool:
    return column.kind == "Number" or column.column.type is ColumnType.INTEGER


def _same(column: NocoColumn, part: Scalar) -> str:
    """Lets through a key's part, which may be anything: PostgreSQL refuses what is no value of the column's type."""
    if not isinstance(part, str):
        return _exactly(column, part)
    if column.kind in _NUMBERS:
        number = number_of(part)
        if not isinstance(number, Decimal) or not number.is_finite():
            raise NoRow
        return _number(column, "eq", number)
    if column.column.type is ColumnType.UUID:
        return _text(column, part) if _is_uuid(part) else _like(column, part)
    if _textual(column):
        return _text(column, part)
    return _like(column, part) if column.column.type in (ColumnType.OTHER, ColumnType.TEXT) else ""


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _exactly(column: NocoColumn, part: Scalar) -> str:
    if _whole(column) and isinstance(part, int):
        return _equal(column, part)
    return f"({column.id},null)" if part is None else f"({column.id},eq,{_said(column, part)})"


def _further(column: NocoColumn, part: Scalar, *, descending: bool) -> str:
    if part is None:
        return f"({column.id},notnull)"
    if isinstance(part, str) and part.endswith("\\"):
        # Only the text itself and what begins with it is from here on, for no text holds U+0000.
        return f"({column.id},{'lte' if descending else 'gte'},{_said(column, part + chr(1))})"
    return f"({column.id},{'lt' if descending else 'gt'},{_said(column, part)})"


def _said(column: NocoColumn, part: Scalar) -> str:
    said = _quoted(part if isinstance(part, str) else json.dumps(part) if not isinstance(part, bytes) else part.hex())
    if said is None or not fits(said):
        raise Unsaid(column.column.name)
    return said
