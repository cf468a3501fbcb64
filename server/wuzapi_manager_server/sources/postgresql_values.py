"""Values of PostgreSQL columns, without loss: what Python cannot hold exactly stays the text that PostgreSQL gives."""

import json
import math
import re
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import cast
from uuid import UUID

from wuzapi_manager_server.domain.json_text import whole_number
from wuzapi_manager_server.domain.table import Cell, Column, ColumnType, Json, JsonDocument
from wuzapi_manager_server.domain.values import Refused, to_cell, to_json
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.sources import postgresql_arrays
from wuzapi_manager_server.sources.postgresql_intervals import kept_by
from wuzapi_manager_server.sources.postgresql_types import PgType

_DAY = r"\d{4}-\d\d-\d\d BC|[1-9]\d{4,6}-\d\d-\d\d( BC)?|-?infinity"
_CLOCK = r" \d\d:\d\d:\d\d(\.\d{1,6})?"
_MOMENT = rf"\d{{4,7}}-\d\d-\d\d{_CLOCK}%s BC|[1-9]\d{{4,6}}-\d\d-\d\d{_CLOCK}%s|-?infinity"
_ZONE = r"[+-]\d\d(:\d\d){0,2}"
_NUMBER = r"-?\d{1,9}"

BEYOND = {
    ColumnType.DATE: re.compile(_DAY, re.ASCII),
    ColumnType.TIME: re.compile(r"24:00:00", re.ASCII),
    ColumnType.TIMESTAMP: re.compile(_MOMENT % ("", ""), re.ASCII),
    ColumnType.TIMESTAMP_TZ: re.compile(_MOMENT % (_ZONE, _ZONE), re.ASCII),
    ColumnType.ARRAY: re.compile(r"(?:\[-?\d{1,10}:-?\d{1,10}\])+=\{.*\}", re.ASCII | re.DOTALL),
    ColumnType.DURATION: re.compile(
        rf"P(?!\Z)({_NUMBER}Y)?({_NUMBER}M)?({_NUMBER}D)?"
        rf"(T(?!\Z)({_NUMBER}H)?({_NUMBER}M)?(-?\d{{1,12}}(\.\d{{1,6}})?S)?)?",
        re.ASCII,
    ),
}
"""How PostgreSQL spells what Python's dates and times cannot hold, and every interval: a month is no number of days.

And arrays whose places are not counted from 1, which a list could not say.
"""


class Unfit(Exception):
    """A value that a column cannot hold without loss; says why."""

    def __init__(self, en: str, pt: str) -> None:
        super().__init__(en)
        self.text = Text(en, pt)


def reader(kind: PgType) -> Callable[[object], Cell] | None:
    """What makes a cell of a raw value that is not null; None where the raw value is the cell."""
    if kind.element is not None:
        element = kind.element
        within = of_text(element)
        return lambda raw: postgresql_arrays.parse(str(raw), within, _delimiter(element))
    if kind.name == "bpchar":
        return lambda raw: str(raw).rstrip(" ")
    if kind.type is ColumnType.JSON:
        return lambda raw: document(str(raw))
    return None


def of_text(kind: PgType) -> Callable[[str], Cell]:  # noqa: C901, PLR0911 - one return a type
    """What makes a cell of a value in PostgreSQL's own spelling."""
    match kind.type:
        case ColumnType.BOOLEAN:
            return lambda text: text == "t"
        case ColumnType.INTEGER:
            return int
        case ColumnType.FLOAT:
            return float
        case ColumnType.DECIMAL:
            return Decimal
        case ColumnType.BYTES:
            return lambda text: bytes.fromhex(text.removeprefix("\\x"))
        case ColumnType.JSON:
            return document
        case ColumnType.TEXT if kind.name == "bpchar":
            return lambda text: text.rstrip(" ")
        case ColumnType.UUID:
            return UUID
        case ColumnType.DATE:
            return day
        case ColumnType.TIME:
            return clock
        case ColumnType.TIMESTAMP | ColumnType.TIMESTAMP_TZ:
            return moment
        case _:
            return str


def day(text: str) -> date | str:
    """The date, or the text where Python has no such date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def clock(text: str) -> time | str:
    """The time, or the text (24:00:00)."""
    try:
        return time.fromisoformat(text)
    except ValueError:
        return text


def moment(text: str) -> datetime | str:
    """The date and time, in UTC where it has a zone, or the text where Python has no such moment."""
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return text


def document(text: str) -> Cell:
    """The JSON document, or the text where it cannot be taken apart. Numbers that no double holds are their digits."""
    try:
        return JsonDocument(json.loads(text, parse_float=whole_number))
    except (ValueError, RecursionError):
        return text


def bind(cell: Cell, kind: PgType, column: Column) -> object:
    """The raw value to store. Unfit where the column would keep another one."""
    match cell:
        case str():
            _check_text(cell, kind)
        case timedelta():
            _check_interval(cell, kind)
        case Decimal():
            _check_scale(cell, kind)
        case float() if kind.name == "float4":
            _check_single(cell)
        case datetime() | time():
            _check_seconds(cell.microsecond, kind)
        case _:
            pass
    return operand(cell, kind, column)


def operand(cell: Cell, kind: PgType, column: Column) -> object:
    """The raw value to compare with."""
    match cell:
        case JsonDocument(content):
            return _json(content)
        case list():
            return _array(cell, kind, column)
        case str() if kind.element is not None:
            return _placed_array(cell, kind, column)
        case str():
            _check_characters(cell)
            return cell
        case Decimal() if kind.name == "money" and not cell.is_finite():
            raise Unfit("not a finite number", "não é um número finito")
        case timedelta():
            return f"{cell // timedelta(microseconds=1)} microseconds"
        case _:
            return cell


def _check_characters(value: str) -> None:
    if "\0" in value:
        raise Unfit("text cannot hold the character U+0000", "o texto não pode conter o caractere U+0000")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unfit("text cannot hold a lone surrogate", "o texto não pode conter um surrogate isolado") from error


def _check_text(value: str, kind: PgType) -> None:
    if kind.length is not None and len(value) > kind.length:
        raise Unfit(f"the text has more than {kind.length} characters", f"o texto tem mais de {kind.length} caracteres")
    if kind.name == "bpchar" and value.endswith(" "):
        raise Unfit("the column does not keep spaces at the end", "o campo não guarda espaços no final")
    if kind.name == "name" and len(value.encode("utf-8", "replace")) > 63:  # noqa: PLR2004 - NAMEDATALEN - 1
        raise Unfit("the text has more than 63 bytes", "o texto tem mais de 63 bytes")
    if kind.name == "char" and len(value.encode("utf-8", "replace")) > 1:
        raise Unfit("the text has more than one byte", "o texto tem mais de um byte")
    if kind.name == "interval":
        _check_interval(value, kind)
    if kind.name in {"timetz", "timestamp", "timestamptz"}:
        fraction = _FRACTION.search(value)
        digits = fraction[1].rstrip("0") if fraction else ""
        if len(digits) > _MOST_DIGITS:
            raise _digits_of_a_second(_MOST_DIGITS)
        _check_seconds(int(digits.ljust(_MOST_DIGITS, "0")), kind)


def _check_scale(value: Decimal, kind: PgType) -> None:
    scale = _MONEY_SCALE if kind.name == "money" else kind.scale
    if scale is not None and value.is_finite() and value != round_to(value, scale):
        raise Unfit(
            f"the number has more than {scale} digits behind the point",
            f"o número tem mais de {scale} casas decimais",
        )


_MONEY_SCALE = 2
"""Of most currencies; where the server's has fewer, it rounds."""


def round_to(value: Decimal, scale: int) -> Decimal:
    """The number with at most so many digits behind the point."""
    digits = value.as_tuple()
    exponent = digits.exponent
    if not isinstance(exponent, int) or -exponent <= scale:
        return value
    cut = -exponent - scale
    if any(digits.digits[-cut:]) if cut <= len(digits.digits) else any(digits.digits):
        return Decimal((digits.sign, digits.digits[:-cut] or (0,), -scale))
    return value


def _check_interval(value: str | timedelta, kind: PgType) -> None:
    if kind.name == "interval" and not kept_by(value, kind.modifier):
        raise Unfit("the column does not keep units this small", "o campo não guarda unidades tão pequenas")


def _check_single(value: float) -> None:
    if not math.isfinite(value):
        return
    try:
        kept = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        kept = math.inf
    shortest = next((s for n in range(1, 10) if _same_single(s := float(f"{kept:.{n}g}"), kept)), kept)
    if shortest != value:
        raise Unfit(
            "a number of single precision does not hold this", "um número de precisão simples não comporta este valor"
        )


def _same_single(value: float, kept: float) -> bool:
    try:
        return bool(struct.unpack("<f", struct.pack("<f", value))[0] == kept)
    except OverflowError:
        return False


_FRACTION = re.compile(r"(?::\d\d|\d{6})\.(\d+)", re.ASCII)
"""The fraction of a second in a time that is written out."""

_MOST_DIGITS = 6
"""Digits of a second that PostgreSQL keeps at most."""


def _check_seconds(micros: int, kind: PgType) -> None:
    if kind.scale is not None and micros % 10 ** max(0, _MOST_DIGITS - kind.scale):
        raise _digits_of_a_second(kind.scale)


def _digits_of_a_second(most: int) -> Unfit:
    return Unfit(f"the column keeps {most} digits of a second", f"o campo guarda {most} casas decimais de segundo")


def _json(content: Json) -> str:
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise Unfit("not a JSON document", "não é um documento JSON") from error
    _check_characters(text)
    if "\\u0000" in text:
        raise Unfit("text cannot hold the character U+0000", "o texto não pode conter o caractere U+0000")
    return text


def _placed_array(text: str, kind: PgType, column: Column) -> object:
    """An array whose places are not counted from 1, as PostgreSQL spells it; its elements are checked like others."""
    assert kind.element is not None  # noqa: S101 - asked for arrays alone
    places, _, array = text.partition("=")
    try:
        cells = postgresql_arrays.parse(array, of_text(kind.element), _delimiter(kind.element))
    except (ValueError, ArithmeticError, IndexError):
        cells = array
    if isinstance(cells, str):
        raise Unfit("must be a list", "deve ser uma lista")
    return f"{places}={_array([cast('Cell', to_json(cell)) for cell in cells], kind, column)}"


def _delimiter(element: PgType) -> str:
    return ";" if element.name == "box" else ","


def _array(cell: list[Cell], kind: PgType, column: Column) -> object:
    if kind.element is None:
        raise Unfit("must not be a list", "não pode ser uma lista")
    element = kind.element
    within = Column(column.name, element.type, column.native_type, texts=BEYOND.get(element.type))

    def spelled(item: object) -> str:
        try:
            bound = bind(to_cell(item, within), element, within)  # type: ignore[arg-type]  # an array holds what JSON does
        except Refused as refused:
            raise Unfit(f"an element {refused.text.en}", f"um elemento {refused.text.pt}") from refused
        return spell(bound)

    return postgresql_arrays.spell(cell, spelled, _delimiter(element), nested=element.type is not ColumnType.JSON)


def spell(bound: object) -> str:
    """A bound value as PostgreSQL reads it from text."""
    match bound:
        case bool():
            return "t" if bound else "f"
        case bytes():
            return f"\\x{bound.hex()}"
        case date() | time():
            return bound.isoformat()
        case _:
            return str(bound)
