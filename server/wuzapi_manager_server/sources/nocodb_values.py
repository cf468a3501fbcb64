"""Values as NocoDB's v2 data API spells them, to cells and back.

NocoDB passes every number through a double, cuts fractions of seconds off, reads dates of the first millennium's
years below 100 as of the 20th century, and on SQLite keeps what does not fit the column. So a write is refused when
the value would not come back the same, and a value that does not fit its column is given as the text it is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import cast
from uuid import UUID

from wuzapi_manager_server.domain.table import Cell, Column, ColumnType, Json, JsonDocument
from wuzapi_manager_server.domain.values import EXACT
from wuzapi_manager_server.errors import Code, QueryFailed, Text

MAX_TEXT = 100_000
"""Characters that NocoDB takes in a text."""

_FIRST_YEAR = 100


def to_cell(value: Json, column: Column) -> Cell:
    """The cell that a value in an answer stands for."""
    if value is None:
        return None
    try:
        return _READ.get(column.type, _text)(value)
    except (ValueError, TypeError, InvalidOperation, OverflowError):
        return _text(value)


def to_cells(values: Sequence[Json], column: Column) -> Sequence[Cell]:
    """The cells that many values of one column stand for; the very same sequence where each is its own."""
    kinds = _THEMSELVES.get(column.type, _TEXTS)
    if kinds.issuperset(map(type, values)):
        return cast("Sequence[Cell]", values)
    return [to_cell(value, column) for value in values]


def to_value(cell: Cell, column: Column) -> Json:
    """What to send for a cell. QueryFailed, INVALID_ARGUMENT, for what would not come back the same."""
    if cell is None:
        return None
    write = _WRITE.get(column.type)
    value = write(cell) if write else cell if isinstance(cell, str | bool | int | float) else None
    if value is None:
        raise _unfit(column)
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise QueryFailed(
            Text(
                f"{column.name!r}: NocoDB takes at most {MAX_TEXT} characters",
                f"Campo '{column.name}': o NocoDB aceita no máximo {MAX_TEXT} caracteres",
            ),
            code=Code.INVALID_ARGUMENT,
        )
    return value


def _unfit(column: Column) -> QueryFailed:
    return QueryFailed(
        Text(
            f"{column.name!r}: NocoDB would not keep this value whole",
            f"Campo '{column.name}': o NocoDB não guardaria este valor por inteiro",
        ),
        code=Code.INVALID_ARGUMENT,
        suggestion=Text(
            "Numbers pass through doubles there, and times have whole seconds",
            "Lá os números passam por double, e os horários têm segundos inteiros",
        ),
    )


def _text(value: Json) -> Cell:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _other(value: Json) -> Cell:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else _text(value)


def _boolean(value: Json) -> Cell:
    if value in (0, 1):  # False and True among them
        return bool(value)
    raise ValueError(value)


def _integer(value: Json) -> Cell:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= EXACT else value
    return value if isinstance(value, int) else int(str(value))


def _float(value: Json) -> Cell:
    return float(value) if isinstance(value, int | float | str) else _text(value)


def _decimal(value: Json) -> Cell:
    number = Decimal(repr(value) if isinstance(value, int | float) else str(value))
    return number.quantize(Decimal(1)) if number == number.to_integral_value() and abs(number) <= EXACT else number


def _date(value: Json) -> Cell:
    return date.fromisoformat(str(value)[:10]) if isinstance(value, str) else _text(value)


def _time(value: Json) -> Cell:
    return time.fromisoformat(str(value)) if isinstance(value, str) else _text(value)


def _moment(value: Json) -> Cell:
    found = datetime.fromisoformat(str(value))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _uuid(value: Json) -> Cell:
    return UUID(str(value))


def _bytes(value: Json) -> Cell:
    if isinstance(value, dict) and isinstance(data := value.get("data"), list):
        return bytes(each for each in data if isinstance(each, int))
    return bytes.fromhex(str(value)) if isinstance(value, str) else _text(value)


def _document(value: Json) -> Cell:
    return JsonDocument(json.loads(value) if isinstance(value, str) else value)


def _integer_out(cell: Cell) -> Json:
    return cell if isinstance(cell, int) and abs(cell) <= EXACT else None


def _decimal_out(cell: Cell) -> Json:
    if not isinstance(cell, Decimal) or not cell.is_finite():
        return None
    number = float(cell)
    return number if Decimal(repr(number)) == cell else None


def _float_out(cell: Cell) -> Json:
    return cell if isinstance(cell, float) and cell - cell == 0 else None  # neither NaN nor infinite


def _date_out(cell: Cell) -> Json:
    return cell.isoformat() if isinstance(cell, date) and cell.year >= _FIRST_YEAR else None


def _time_out(cell: Cell) -> Json:
    return cell.isoformat() if isinstance(cell, time) else None


def _moment_out(cell: Cell) -> Json:
    if not isinstance(cell, datetime) or cell.microsecond:
        return None
    try:
        moment = cell.astimezone(UTC)
    except OverflowError:
        return None
    return f"{moment:%Y-%m-%d %H:%M:%S}+00:00".rjust(25, "0") if moment.year >= _FIRST_YEAR else None


def _document_out(cell: Cell) -> Json:
    document = cell.document if isinstance(cell, JsonDocument) else cell
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


_READ: Mapping[ColumnType, Callable[[Json], Cell]] = {
    ColumnType.BOOLEAN: _boolean,
    ColumnType.INTEGER: _integer,
    ColumnType.FLOAT: _float,
    ColumnType.DECIMAL: _decimal,
    ColumnType.DATE: _date,
    ColumnType.TIME: _time,
    ColumnType.TIMESTAMP_TZ: _moment,
    ColumnType.UUID: _uuid,
    ColumnType.BYTES: _bytes,
    ColumnType.JSON: _document,
    ColumnType.OTHER: _other,
}
_NONE: frozenset[type] = frozenset({type(None)})
_TEXTS = _NONE | {str}
_NUMBERS = _NONE | {int}
_THEMSELVES: Mapping[ColumnType, frozenset[type]] = {
    **dict.fromkeys(_READ, _NONE),
    ColumnType.INTEGER: _NUMBERS,
    ColumnType.OTHER: _TEXTS | _NUMBERS,
}
"""Types of values that are cells as they are, by the type of their column; texts, in columns that are not here."""

_WRITE: Mapping[ColumnType, Callable[[Cell], Json]] = {
    ColumnType.INTEGER: _integer_out,
    ColumnType.FLOAT: _float_out,
    ColumnType.DECIMAL: _decimal_out,
    ColumnType.DATE: _date_out,
    ColumnType.TIME: _time_out,
    ColumnType.TIMESTAMP_TZ: _moment_out,
    ColumnType.UUID: str,
    ColumnType.JSON: _document_out,
}
