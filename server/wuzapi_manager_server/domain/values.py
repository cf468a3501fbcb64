"""Values of records: from cells to what JSON can hold, and back by the column's type, without loss.

What JSON cannot hold exactly is text: integers beyond ±(2^53-1), decimals, NaN and infinities, and documents of more
than 32 levels, which a message cannot carry. Reading a value, writing it back and reading it again gives the same
value, for every type; a value that would lose something is refused.
"""

import json
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import cast
from uuid import UUID

from wuzapi_manager_server.domain.json_text import SpelledNumber, parse_json
from wuzapi_manager_server.domain.table import Cell, Column, ColumnType, Json, JsonDocument
from wuzapi_manager_server.errors import QueryFailed, Text

EXACT = 2**53 - 1
MAX_DIGITS = 1_000
MAX_LEVELS = 32  # of a document; protobuf reads 100 levels of messages, and an object within another takes three

_SHOWN = 40  # characters of a number in an error

_INTEGER = re.compile(r"-?[0-9]{1,1000}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,999})(\.[0-9]{1,1000})?([eE][+-]?[0-9]{1,4})?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,%d})?)?"
_TIME = re.compile(_CLOCK % 6, re.ASCII)
_MOMENT = re.compile(
    rf"(?P<day>{_DATE.pattern})[T ](?P<clock>{_CLOCK % 9})(?P<zone>Z|[+-]([01]\d|2[0-3]):[0-5]\d)?", re.ASCII
)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}")
_DURATION = re.compile(
    r"(-?)P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12})(?:\.(\d{1,6}))?S)?)?", re.ASCII
)
_NAMED_FLOATS = ("NaN", "Infinity", "-Infinity")
_OF_NUMBERS_TOO = frozenset({ColumnType.BOOLEAN, ColumnType.DATE, ColumnType.TIME, ColumnType.TIMESTAMP})


class Refused(Exception):
    """A value that the column cannot take; `text` says why."""

    def __init__(self, en: str, pt: str) -> None:
        super().__init__(en)
        self.text = Text(en, pt)


def to_json(cell: Cell) -> Json:
    """What stands for the cell in an answer. QueryFailed for a document of so many levels that nothing can."""
    convert = TO_JSON.get(type(cell))
    return cell if convert is None else convert(cell)  # type: ignore[return-value]  # what needs no conversion is JSON


def _float_to_json(cell: float) -> Json:
    if math.isfinite(cell):
        return cell
    return "NaN" if math.isnan(cell) else "Infinity" if cell > 0 else "-Infinity"


def _decimal_to_json(cell: Decimal) -> Json:
    if not cell.is_finite():
        return "NaN" if cell.is_nan() else _float_to_json(float(cell))
    text = str(cell)
    # A source may hold 1e999999999: written out, that would be a text of a gigabyte.
    if "E" in text and cell.adjusted() < MAX_DIGITS and len(cell.as_tuple().digits) - cell.adjusted() <= MAX_DIGITS:
        return format(cell, "f")
    return text


def _timedelta_to_json(cell: timedelta) -> Json:
    sign, cell = ("-", -cell) if cell < timedelta() else ("", cell)
    minutes, seconds = divmod(cell.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{cell.microseconds:06}".rstrip("0") if cell.microseconds else ""
    days = f"{cell.days}D" if cell.days else ""
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n)
    if seconds or fraction:
        clock += f"{seconds}{fraction}S"
    if not days and not clock:
        return "PT0S"
    return f"{sign}P{days}" + (f"T{clock}" if clock else "")


class _TooDeep(Exception):
    """A document has more than MAX_LEVELS levels."""


def _document_to_json(value: Json, levels: int = MAX_LEVELS) -> Json:
    """A JSON document with its integers beyond the exact range as text."""
    if isinstance(value, dict | list) and not levels:
        raise _TooDeep
    if isinstance(value, dict):
        return {key: _document_to_json(item, levels - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_document_to_json(item, levels - 1) for item in value]
    if type(value) is int and not -EXACT <= value <= EXACT:
        return str(value)
    return _float_to_json(value) if type(value) is float else value


def _whole_document_to_json(cell: JsonDocument) -> Json:
    try:
        return _document_to_json(cell.document)
    except _TooDeep:
        pass
    try:
        return json.dumps(cell.document, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise QueryFailed(
            Text("A document is nested too deeply to be read", "Um documento JSON tem níveis demais para ser lido")
        ) from None


TO_JSON: Mapping[type, Callable[..., Json]] = {
    int: lambda cell: cell if -EXACT <= cell <= EXACT else str(cell),
    float: _float_to_json,
    Decimal: _decimal_to_json,
    bytes: lambda cell: b64encode(cell).decode(),
    date: date.isoformat,
    time: time.isoformat,
    datetime: lambda cell: cell.isoformat().replace("+00:00", "Z"),
    timedelta: _timedelta_to_json,
    UUID: str,
    list: lambda cell: [to_json(item) for item in cell],
    JsonDocument: _whole_document_to_json,
}
"""What `to_json` does to cells of each type; those of any other type are JSON values themselves."""


def to_cell(value: Json, column: Column) -> Cell:
    """The cell that a JSON value stands for in the column. Raises Refused for what the column cannot take whole."""
    if value is None or (column.texts and isinstance(value, str) and column.texts.fullmatch(value)):
        return value
    return _TO_CELL[column.type](value, column)


def from_text(text: str, column: Column) -> Json:
    """The JSON value that a cell of a CSV file stands for. Raises Refused."""
    if column.type is ColumnType.BOOLEAN and text in ("true", "false"):
        return text == "true"
    if column.type in (ColumnType.JSON, ColumnType.ARRAY):
        if column.texts and column.texts.fullmatch(text):
            return text
        try:
            return parse_json(text)
        except ValueError:
            raise Refused("must be JSON", "deve ser JSON") from None
    if column.dynamic and column.type in _OF_NUMBERS_TOO and _DECIMAL.fullmatch(text):
        return parse_json(text)
    return text


def to_text(value: Json, column: Column) -> str:
    """What stands for a JSON value (not null) of the column in a cell of a CSV file."""
    if isinstance(value, str) and column.type is not ColumnType.JSON:
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def number_of(text: str) -> Decimal | float | None:
    """The number that a text spells as JSON would, or by its name; None for any other text."""
    if text in _NAMED_FLOATS:
        return float(text)
    return Decimal(text) if _DECIMAL.fullmatch(text) else None


def checked_text(value: Json) -> str:
    """The text; Refused for anything else and for what no database keeps: U+0000 and lone surrogates."""
    if not isinstance(value, str):
        raise Refused("must be text", "deve ser texto")
    if "\0" in value:
        raise Refused("must not contain U+0000", "não pode conter U+0000")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refused("must be valid Unicode", "deve ser Unicode válido") from None
    return value


def _text(value: Json, _column: Column) -> Cell:
    return checked_text(value)


def _boolean(value: Json, column: Column) -> Cell:
    if isinstance(value, bool):
        return value
    # What stands in a boolean column of an engine that keeps anything is given as it is, so it may come back so.
    return _dynamic_number(value, column, "must be true or false", "deve ser verdadeiro ou falso (true ou false)")


def _integer(value: Json, _column: Column) -> Cell:
    if isinstance(value, float) and value.is_integer() and -EXACT <= value <= EXACT:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value) and str(int(value)) == value:
        return int(value)
    raise Refused(
        "must be a whole number; beyond ±(2^53-1) as a string of digits",
        "deve ser um número inteiro; além de ±(2^53-1), como texto de dígitos",
    )


def _decimal(value: Json, _column: Column) -> Cell:
    if isinstance(value, str) and value in _NAMED_FLOATS:
        return Decimal(value)
    text = repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and _DECIMAL.fullmatch(text):
        number = Decimal(text)
        if abs(number.adjusted()) <= MAX_DIGITS:
            return number
    raise Refused('must be a decimal number, such as "12.50"', 'deve ser um número decimal, como "12.50"')


def _float(value: Json, _column: Column) -> Cell:
    if isinstance(value, bool):
        pass
    elif isinstance(value, float):
        if math.isfinite(value):
            return float(value)
    elif value in _NAMED_FLOATS or (isinstance(value, int) and -EXACT <= value <= EXACT):
        return float(value)
    elif isinstance(value, str) and _DECIMAL.fullmatch(value):
        number = float(value)
        if math.isfinite(number) and Decimal(repr(number)) == Decimal(value):
            return number
    raise Refused(
        'must be a number that a double holds, or "NaN", "Infinity", "-Infinity"',
        'deve ser um número (double), ou "NaN", "Infinity", "-Infinity"',
    )


def _bytes(value: Json, _column: Column) -> Cell:
    if isinstance(value, str):
        try:
            decoded = b64decode(value, validate=True)
        except ValueError:
            decoded = b""
        if b64encode(decoded).decode() == value:
            return decoded
    raise Refused("must be standard base64 with padding", "deve ser base64 padrão com preenchimento")


def _date(value: Json, column: Column) -> Cell:
    if isinstance(value, str) and (_DATE.fullmatch(value) or (column.dynamic and _MOMENT.fullmatch(value))):
        try:
            day = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return value if column.dynamic else day.date()
    return _dynamic_number(
        value, column, 'must be a date, such as "2026-11-23"', 'deve ser uma data, como "2026-11-23"'
    )


def _time(value: Json, column: Column) -> Cell:
    if isinstance(value, str) and _TIME.fullmatch(value):
        return value if column.dynamic else time.fromisoformat(value)
    return _dynamic_number(value, column, 'must be a time, such as "13:05:00"', 'deve ser uma hora, como "13:05:00"')


def _timestamp(value: Json, column: Column) -> Cell:
    zoned = column.type is ColumnType.TIMESTAMP_TZ
    example = "2026-11-23T13:05:00Z" if zoned else "2026-11-23T13:05:00"
    refusal = (
        f'must be a date and time {"with" if zoned else "without"} zone, such as "{example}"',
        f'deve ser uma data e hora {"com" if zoned else "sem"} fuso, como "{example}"',
    )
    if column.dynamic and isinstance(value, str) and _DATE.fullmatch(value):
        return _date(value, column)
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found and (column.dynamic or (bool(found["zone"]) is zoned and _TIME.fullmatch(found["clock"]))):
        try:
            moment = datetime.fromisoformat(found[0])
        except ValueError:
            raise Refused(*refusal) from None
        # An engine that keeps any text keeps this one as it is, in its own spelling.
        return f"{found['day']} {found[0][11:]}" if column.dynamic else moment
    return _dynamic_number(value, column, *refusal)


def _dynamic_number(value: Json, column: Column, en: str, pt: str) -> Cell:
    """Numbers (epochs, Julian days, flags) in an engine without fixed types come and go as numbers."""
    if column.dynamic:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return _whole(value)
        if isinstance(value, str) and _INTEGER.fullmatch(value) and abs(int(value)) > EXACT:
            return _integer(value, column)
    raise Refused(en, pt)


def _whole(number: float) -> int | float:
    """The number, as a whole one where that is exact: a google.protobuf.Struct knows doubles alone."""
    if isinstance(number, int):
        return number
    return int(number) if number.is_integer() and -EXACT <= number <= EXACT else float(number)


def _duration(value: Json, _column: Column) -> Cell:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or not any(found.groups()[1:]) or str(value).endswith("T"):
        raise Refused('must be an ISO 8601 duration, such as "PT90M"', 'deve ser uma duração ISO 8601, como "PT90M"')
    sign, days, hours, minutes, seconds, fraction = found.groups()
    try:
        span = timedelta(
            days=int(days or 0),
            hours=int(hours or 0),
            minutes=int(minutes or 0),
            seconds=int(seconds or 0),
            microseconds=int((fraction or "0").ljust(6, "0")),
        ) * (-1 if sign else 1)
    except OverflowError:
        raise Refused("is too long a duration", "é uma duração longa demais") from None
    return span


def _uuid(value: Json, column: Column) -> Cell:
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value if column.dynamic else UUID(value)
    raise Refused("must be a UUID", "deve ser um UUID")


def _document(value: Json, _column: Column) -> Cell:
    return JsonDocument(_whole_numbers(value))


def _whole_numbers(value: Json, levels: int = MAX_LEVELS) -> Json:
    """The document with whole numbers as such. Texts are checked like any other."""
    if isinstance(value, dict | list) and not levels:
        raise Refused(f"must have at most {MAX_LEVELS} levels", f"deve ter no máximo {MAX_LEVELS} níveis")
    if isinstance(value, dict):
        return {checked_text(key): _whole_numbers(item, levels - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(item, levels - 1) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Refused("holds a number that no double holds", "contém um número que não cabe em double")
        if isinstance(value, SpelledNumber):
            raise Refused(
                f"holds a number with more digits than a double keeps: {value.spelling[:_SHOWN]}",
                f"contém um número com mais dígitos do que um double mantém: {value.spelling[:_SHOWN]}",
            )
        return _whole(value)
    return checked_text(value) if isinstance(value, str) else value


def _array(value: Json, _column: Column) -> Cell:
    if not isinstance(value, list):
        raise Refused("must be a list", "deve ser uma lista")
    return cast("Cell", _whole_numbers(value))


def _other(value: Json, column: Column) -> Cell:
    if isinstance(value, str):
        return checked_text(value)
    return _dynamic_number(value, column, "must be text", "deve ser texto")


_TO_CELL: Mapping[ColumnType, Callable[[Json, Column], Cell]] = {
    ColumnType.BOOLEAN: _boolean,
    ColumnType.INTEGER: _integer,
    ColumnType.DECIMAL: _decimal,
    ColumnType.FLOAT: _float,
    ColumnType.TEXT: _text,
    ColumnType.BYTES: _bytes,
    ColumnType.DATE: _date,
    ColumnType.TIME: _time,
    ColumnType.TIMESTAMP: _timestamp,
    ColumnType.TIMESTAMP_TZ: _timestamp,
    ColumnType.DURATION: _duration,
    ColumnType.UUID: _uuid,
    ColumnType.JSON: _document,
    ColumnType.ARRAY: _array,
    ColumnType.OTHER: _other,
}
