"""Values of MySQL and MariaDB columns, from what the driver gives and to what it takes, without loss.

The driver is asked for raw values: it would misread times beyond a day and fail on zero dates. MySQL rounds fractions
and cuts trailing spaces without an error, also in strict mode, so what would not be kept is refused here.
"""

import json
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID

from wuzapi_manager_server.domain.json_text import whole_number
from wuzapi_manager_server.domain.table import Cell, ColumnType, JsonDocument
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.sources.mysql_types import Declared

Raw = None | int | float | Decimal | str | bytes

LONGEST_TIME = timedelta(hours=838, minutes=59, seconds=59)
_TIME = re.compile(r"(-?)(\d{1,3}):(\d\d):(\d\d)(?:\.(\d{1,6}))?", re.ASCII)
_DIGITS = 65  # of a decimal, at most
_FLOAT = struct.Struct("<f")


class Unfit(Exception):
    """A value that a column cannot hold without loss; says why."""

    def __init__(self, en: str, pt: str) -> None:
        super().__init__(en)
        self.text = Text(en, pt)


def is_plain(column: Declared) -> bool:
    """Whether the reader gives every raw value as it is."""
    if column.base in {"bit", "float"}:
        return False
    return column.kind in {
        *(ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.FLOAT),
        *(ColumnType.TEXT, ColumnType.BYTES, ColumnType.OTHER),
    }


def reader(column: Declared) -> Callable[[object], Cell]:
    """What makes the cell of a raw value; what does not fit the column's type, as zero dates do not, is its text."""
    specific = _READERS.get(column.base if column.base in {"bit", "float", "set"} else column.kind)

    def read(raw: object) -> Cell:
        if raw is None:
            return None
        if specific is None:
            return _as_it_is(raw)
        try:
            return specific(raw, column)
        except (ValueError, RecursionError):
            return _as_it_is(raw)

    return read


def read_many(raws: Sequence[object], column: Declared, read: Callable[[object], Cell]) -> Sequence[Cell]:
    """The cells of raw values by that reader; days and moments at once, where none of them is odd."""
    quick = _QUICK.get(column.kind)
    if quick is not None:
        try:
            return [None if raw is None else quick(raw) for raw in raws]
        except (TypeError, ValueError):
            pass
    return [read(raw) for raw in raws]


_QUICK: Mapping[ColumnType, Callable[[Any], Cell]] = {
    ColumnType.DATE: date.fromisoformat,
    ColumnType.TIMESTAMP: datetime.fromisoformat,
}


def _as_it_is(raw: object) -> Cell:
    return raw if isinstance(raw, int | float | Decimal | str | bytes) else str(raw)


def _read_boolean(raw: object, _: Declared) -> Cell:
    return raw == 1 if raw in (0, 1) else _as_it_is(raw)


def _read_bit(raw: object, column: Declared) -> Cell:
    if not isinstance(raw, bytes):
        return _as_it_is(raw)
    number = int.from_bytes(raw)
    return bool(number) if column.kind is ColumnType.BOOLEAN else number


def _read_single(raw: object, _: Declared) -> Cell:
    return shortest(raw) if isinstance(raw, float) else _as_it_is(raw)


def _read_date(raw: object, _: Declared) -> Cell:
    return date.fromisoformat(str(raw))


def _read_moment(raw: object, _: Declared) -> Cell:
    return datetime.fromisoformat(str(raw))


def _read_instant(raw: object, _: Declared) -> Cell:
    return datetime.fromisoformat(str(raw)).replace(tzinfo=UTC)


def _read_time(raw: object, _: Declared) -> Cell:
    found = _TIME.fullmatch(str(raw))
    if found is None:
        raise ValueError
    sign, hours, minutes, seconds, fraction = found.groups()
    micros = int((fraction or "0").ljust(6, "0"))
    span = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds), microseconds=micros)
    return -span if sign else span


def _read_document(raw: object, _: Declared) -> Cell:
    document = json.loads(str(raw), parse_float=whole_number, parse_constant=_refuse)
    json.dumps(document, ensure_ascii=False).encode()  # a lone surrogate can be written in JSON, but not kept
    return JsonDocument(document)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _read_set(raw: object, _: Declared) -> Cell:
    return list(str(raw).split(",")) if raw else []


_READERS: Mapping[object, Callable[[object, Declared], Cell]] = {
    "bit": _read_bit,
    "float": _read_single,
    "set": _read_set,
    ColumnType.BOOLEAN: _read_boolean,
    ColumnType.DATE: _read_date,
    ColumnType.TIMESTAMP: _read_moment,
    ColumnType.TIMESTAMP_TZ: _read_instant,
    ColumnType.DURATION: _read_time,
    ColumnType.JSON: _read_document,
    ColumnType.UUID: lambda raw, _: UUID(str(raw)),
}


def single(value: float) -> float:
    """The number of four bytes nearest to a number, as eight bytes. OverflowError beyond them."""
    return float(_FLOAT.unpack(_FLOAT.pack(value))[0])


def shortest(value: float) -> float:
    """The number of fewest digits that is kept as `value` in four bytes: 0.1, where that is 0.10000000149011612."""
    for digits in range(6, 9):
        shorter = float(f"{value:.{digits}g}")
        if single(shorter) == value:
            return shorter
    return float(f"{value:.9g}")


def compared(cell: Cell, column: Declared) -> Raw:  # noqa: C901, PLR0911, PLR0912 - one case a kind of value
    """The raw value to compare the column with: of its type, but not bound by its length and precision."""
    match cell:
        case bool() | int():
            if not -(2**63) <= cell < 2**64:
                raise Unfit("the number needs more than 64 bits", "o número excede 64 bits")
            return int(cell)
        case float():
            if not isfinite(cell):
                raise _not_finite()
            return _widened(cell) if column.base == "float" else cell
        case Decimal():
            if not cell.is_finite():
                raise _not_finite()
            if len(f"{cell:f}".replace(".", "").lstrip("-0")) > _DIGITS:
                raise Unfit("the number has more than 65 digits", "o número excede 65 dígitos")
            return cell
        case datetime():
            return _in_utc(cell).isoformat(sep=" ")
        case date():
            return cell.isoformat()
        case timedelta():
            return _spelled(cell)
        case UUID():
            return str(cell)
        case str():
            return _text(cell)
        case None | bytes():
            return cell
        case _:
            raise Unfit("MySQL has no such type", "o MySQL não tem este tipo")


def _in_utc(moment: datetime) -> datetime:
    """The moment as UTC's clock shows it, or as it is where it has no zone."""
    try:
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise Unfit("is out of range", "está fora do intervalo permitido") from None


def _widened(value: float) -> float:
    try:
        kept = single(value)
    except OverflowError:
        return value
    return kept if shortest(kept) == value else value


def bind(cell: Cell, column: Declared) -> Raw:
    """The raw value to store. Unfit where something would be lost."""
    match cell:
        case None:
            if column.base == "timestamp" and not column.nullable:  # the server would put the present moment there
                raise Unfit("must not be null", "não pode ser nulo")
            return None
        case JsonDocument(document):
            return _json(document)
        case list():
            return _set(cell, column)
        case _:
            raw = compared(cell, column)
            check = _CHECKS.get(column.base)
            if check is not None:
                check(cell, raw, column)
            if isinstance(raw, str) and column.base in {"time", "datetime", "timestamp"}:
                return _as_kept(raw, column)
            return raw


def _as_kept(moment: str, column: Declared) -> str:
    """The spelling that the server gives a moment which it keeps whole: with all digits of a second, zeros too."""
    whole, _, fraction = moment.partition(".")
    return f"{whole}.{fraction.ljust(6, '0')[: column.fraction]}" if column.fraction else whole


def _whole(_: Cell, raw: Raw, column: Declared) -> None:
    if isinstance(raw, float | Decimal) and raw != int(raw):
        raise Unfit("must be a whole number", "deve ser um número inteiro")
    if isinstance(raw, int) and not column.holds(raw):
        smallest, largest = column.range
        raise Unfit(f"must be from {smallest} to {largest}", f"deve ser de {smallest} a {largest}")


def _number(_cell: Cell, raw: Raw, column: Declared) -> None:
    if isinstance(raw, Decimal):
        precision, scale = column.precision or 10, column.scale or 0
        whole, _, fraction = f"{raw:f}".lstrip("-").partition(".")
        if len(fraction.rstrip("0")) > scale or len(whole.lstrip("0")) > precision - scale:
            raise Unfit(
                f"must have at most {precision - scale} digits before and {scale} behind the point",
                f"deve ter no máximo {precision - scale} dígitos antes e {scale} depois da vírgula",
            )
        if raw < 0 and "unsigned" in column.type:
            raise Unfit("must not be negative", "não pode ser negativo")


def _double(cell: Cell, raw: Raw, column: Declared) -> None:
    if not isinstance(cell, float) or not isinstance(raw, float):
        return
    kept = column.base != "float" or shortest_or_none(raw) == cell
    if not kept or (column.scale is not None and round(cell, column.scale) != cell):
        raise Unfit("MySQL cannot store this number without loss", "o MySQL não armazena este número sem perda")
    if cell < 0 and "unsigned" in column.type:
        raise Unfit("must not be negative", "não pode ser negativo")


def shortest_or_none(value: float) -> float | None:
    """See shortest; None where the number has no four bytes."""
    try:
        return shortest(single(value))
    except OverflowError:
        return None


def _letters(_: Cell, raw: Raw, column: Declared) -> None:
    if not isinstance(raw, str):
        return
    if column.length is not None and len(raw) > column.length:
        raise Unfit(f"must have at most {column.length} characters", f"deve ter no máximo {column.length} caracteres")
    if column.base == "char" and raw.endswith(" "):
        raise Unfit(
            "a column of fixed length does not keep spaces at the end",
            "um campo de tamanho fixo não guarda espaços no fim",
        )


def _octets(_: Cell, raw: Raw, column: Declared) -> None:
    if not isinstance(raw, bytes) or column.length is None:
        return
    if len(raw) > column.length:
        raise Unfit(f"must have at most {column.length} bytes", f"deve ter no máximo {column.length} bytes")
    if column.base == "binary" and len(raw) < column.length:
        raise Unfit(
            f"must have exactly {column.length} bytes: a shorter value would be filled up",
            f"deve ter exatamente {column.length} bytes: um valor menor seria completado",
        )


def _member(_: Cell, raw: Raw, column: Declared) -> None:
    if raw not in column.members:
        listed = ", ".join(column.members[:20])
        raise Unfit(f"must be one of: {listed}", f"deve ser um destes valores: {listed}")


def _instant(cell: Cell, _: Raw, column: Declared) -> None:
    if isinstance(cell, datetime):
        micros = cell.microsecond
    elif isinstance(cell, timedelta):
        micros = cell.microseconds
        if abs(cell) > LONGEST_TIME + timedelta(microseconds=999_999) or (
            abs(cell) > LONGEST_TIME and not column.fraction
        ):
            raise Unfit("must be within ±838:59:59", "deve estar entre ±838:59:59")
    else:
        return
    if micros % 10 ** (6 - column.fraction):
        raise Unfit(
            f"the column keeps {column.fraction} digits of a second",
            f"o campo guarda {column.fraction} dígitos de fração de segundo",
        )


_CHECKS: Mapping[str, Callable[[Cell, Raw, Declared], None]] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "integer", "bigint", "bit", "year"), _whole),
    "decimal": _number,
    **dict.fromkeys(("float", "double"), _double),
    **dict.fromkeys(("char", "varchar"), _letters),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), _octets),
    "enum": _member,
    **dict.fromkeys(("time", "datetime", "timestamp"), _instant),
}


def _spelled(span: timedelta) -> str:
    sign, span = ("-", -span) if span < timedelta() else ("", span)
    minutes, seconds = divmod(span.days * 86_400 + span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours:02}:{minutes:02}:{seconds:02}.{span.microseconds:06}"


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unfit("text cannot hold a lone surrogate", "o texto não pode conter um surrogate isolado") from error
    return value


def _json(document: object) -> str:
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except (ValueError, RecursionError) as error:
        raise Unfit("not a JSON document", "não é um documento JSON") from error
    return text


def _set(cells: list[Cell], column: Declared) -> str:
    for cell in cells:
        _member(cell, cell if isinstance(cell, str) else None, column)
    return ",".join(str(cell) for cell in dict.fromkeys(map(str, cells)))


def _not_finite() -> Unfit:
    return Unfit("MySQL cannot store NaN and infinities", "o MySQL não armazena NaN nem infinito")
