"""Values of SQLite columns: any column can hold any value, so what does not fit its declared type stands as it is."""

import json
import re
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite, isnan
from typing import NamedTuple
from uuid import UUID

from wuzapi_manager_server.domain.json_text import whole_number
from wuzapi_manager_server.domain.table import Cell, ColumnType, JsonDocument
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.sources.sqlite_types import Affinity

SMALLEST, LARGEST = -(2**63), 2**63 - 1

NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t\n\v\f\r]*", re.ASCII)
"""Text that a column of numeric affinity turns into a number."""

MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
"""A day and time in SQLite's spelling or that of ISO 8601."""

LONGEST_DECIMAL = 1000
"""Digits before or behind the point that a decimal may have where it is kept as text."""


class BrokenText(NamedTuple):
    """A stored text whose bytes are none; `shown` is it as well as it can be."""

    stored: bytes
    shown: str


class Unfit(Exception):
    """A value that a column cannot hold without loss; says why."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


def is_plain(kind: ColumnType, affinity: Affinity) -> bool:
    """Whether `read` gives every raw value as it is, but for broken texts."""
    match kind:
        case ColumnType.INTEGER | ColumnType.BYTES | ColumnType.OTHER:
            return True
        case ColumnType.TEXT:
            return affinity is Affinity.TEXT
        case ColumnType.FLOAT:
            return affinity is Affinity.REAL
        case _:
            return False


def read(raw: object, kind: ColumnType, affinity: Affinity) -> Cell:  # noqa: PLR0911 - one return a kind of value
    """The cell of a raw value."""
    match raw:
        case None:
            return None
        case BrokenText(shown=shown):
            return shown
        case bytes():
            return raw
        case int():
            return _read_int(raw, kind, affinity)
        case float():
            if kind is ColumnType.DECIMAL and isfinite(raw):
                return Decimal(repr(raw))
            if kind is ColumnType.JSON and isfinite(raw):
                return JsonDocument(raw)
            return repr(raw) if kind is ColumnType.TEXT and affinity.numeric else raw
        case str():
            return _read_text(raw, kind)
        case _:
            return str(raw)


def _read_int(raw: int, kind: ColumnType, affinity: Affinity) -> Cell:
    match kind:
        case ColumnType.BOOLEAN if raw in {0, 1}:
            return raw == 1
        case ColumnType.DECIMAL:
            return Decimal(raw)
        case ColumnType.FLOAT if float(raw) == raw:
            return float(raw)
        case ColumnType.JSON:
            return JsonDocument(raw)
        case ColumnType.TEXT if affinity.numeric:  # the type STRING: SQLite made a number of the text
            return str(raw)
        case _:
            return raw


def _read_text(raw: str, kind: ColumnType) -> Cell:
    match kind:
        case ColumnType.TIMESTAMP if MOMENT.fullmatch(raw):
            return f"{raw[:10]}T{raw[11:]}"
        case ColumnType.JSON:
            return _document(raw)
        case ColumnType.DATE | ColumnType.TIME | ColumnType.UUID:
            return _exactly(raw, kind)
        case _:
            return raw


def _exactly(raw: str, kind: ColumnType) -> Cell:
    """The typed value where it is written just so, else the text."""
    try:
        value: date | time | UUID
        if kind is ColumnType.UUID:
            value = UUID(raw)
            return value if str(value) == raw else raw
        value = date.fromisoformat(raw) if kind is ColumnType.DATE else time.fromisoformat(raw)
        return value if value.isoformat() == raw else raw
    except ValueError:
        return raw


def _document(raw: str) -> Cell:
    try:
        document = json.loads(raw, parse_float=whole_number, parse_constant=_refuse)
        json.dumps(document, ensure_ascii=False).encode()  # a lone surrogate can be written in JSON, but not kept
    except (ValueError, RecursionError):
        return raw
    return JsonDocument(document)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def bind(  # noqa: C901, PLR0911 - one return a kind of value
    cell: Cell, kind: ColumnType, affinity: Affinity
) -> int | float | str | bytes | None:
    """The raw value to store, spelled as SQLite programs expect. Unfit where something would be lost."""
    match cell:
        case None | bytes():
            return cell
        case bool() | int():
            return _number(int(cell), affinity)
        case float():
            if isnan(cell):
                raise Unfit(Text("SQLite cannot store NaN", "o SQLite não armazena NaN"))
            return repr(cell) if affinity is Affinity.TEXT else cell
        case Decimal():
            return _decimal(cell, affinity)
        case datetime():
            return cell.isoformat(sep=" ")
        case date() | time():
            return cell.isoformat()
        case UUID():
            return str(cell)
        case JsonDocument(document):
            return _json(document, affinity)
        case str():
            return _text(cell, kind, affinity)
        case _:
            raise Unfit(Text("SQLite has no such type", "o SQLite não tem este tipo"))


def _number(value: int, affinity: Affinity) -> int | str:
    if not SMALLEST <= value <= LARGEST:
        raise Unfit(Text("the number needs more than 64 bits", "o número excede 64 bits"))
    if affinity is Affinity.TEXT:
        return str(value)
    if affinity is Affinity.REAL and int(float(value)) != value:
        raise _inexact()
    return value


def _decimal(value: Decimal, affinity: Affinity) -> int | float | str:
    if not value.is_finite():
        raise Unfit(Text("not a finite number", "não é um número finito"))
    if value and abs(value.adjusted()) > LONGEST_DECIMAL:
        raise _inexact()
    if affinity is Affinity.TEXT:
        return format(value, "f")
    if value == value.to_integral_value() and SMALLEST <= value <= LARGEST and affinity is not Affinity.REAL:
        return int(value)
    number = float(value)
    if not isfinite(number) or Decimal(repr(number)) != value:
        raise _inexact()
    return number


def _json(document: object, affinity: Affinity) -> str:
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except (ValueError, RecursionError) as error:
        raise Unfit(Text("not a JSON document", "não é um documento JSON")) from error
    if affinity.numeric and NUMBER.fullmatch(text) and not _same_number(text):
        raise _inexact()
    return text


def _text(value: str, kind: ColumnType, affinity: Affinity) -> str:
    if "\0" in value:
        raise Unfit(Text("text cannot hold the character U+0000", "o texto não pode conter o caractere U+0000"))
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unfit(
            Text("text cannot hold a lone surrogate", "o texto não pode conter um surrogate isolado")
        ) from error
    if kind is ColumnType.TIMESTAMP and MOMENT.fullmatch(value):
        return f"{value[:10]} {value[11:]}"
    if affinity.numeric and NUMBER.fullmatch(value):
        exact = kind in {ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.DECIMAL}
        if not (_same_number(value) if exact else str(_stored(value)) == value):
            raise Unfit(
                Text(
                    "SQLite would make a number of this text and lose its spelling",
                    "o SQLite converteria este texto em número e perderia sua grafia",
                )
            )
    return value


def _stored(text: str) -> int | float:
    """The number that numeric affinity makes of a text."""
    if text.strip().lstrip("+-").isdigit() and len(text) < 30 and SMALLEST <= int(text) <= LARGEST:  # noqa: PLR2004 - 64 bits have 19 digits
        return int(text)
    return float(text)


def _same_number(text: str) -> bool:
    stored = _stored(text)
    return isfinite(stored) and Decimal(repr(stored)) == Decimal(text.strip())


def _inexact() -> Unfit:
    return Unfit(Text("SQLite cannot store this number without loss", "o SQLite não armazena este número sem perda"))
