"""Values of Airtable: from what its API gives to cells, and from cells to what its API takes.

Airtable leaves empty cells out of its answers: "", [] and false come as nothing. A checkbox that is left out is false,
anything else null; so an empty text or list cannot be told from null, and a write of one is refused.
Numbers are doubles; a date and time has milliseconds and is given in UTC.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import cast

from wuzapi_manager_server.domain.table import Cell, Column, ColumnType, Json, JsonDocument
from wuzapi_manager_server.domain.values import EXACT
from wuzapi_manager_server.errors import Code, QueryFailed, Text


def to_cell(value: Json, column: Column) -> Cell:
    """The cell that a value stands for; what does not fit the column's type (a formula's error) is given as it is."""
    if value is None:
        return False if column.native_type == "checkbox" else None
    read = _READ.get(column.type)
    cell = read(value) if read else None
    return _as_it_is(value) if cell is None else cell


def from_cell(cell: Cell, column: Column) -> Json:
    """What a write sends for a cell. QueryFailed for what Airtable would not keep as it is."""
    complaint = _complaint(cell, column)
    if complaint:
        raise _refusal(column, *complaint)
    match cell:
        case datetime():
            return cell.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case date():
            return cell.isoformat()
        case timedelta():
            seconds = cell.total_seconds()
            return int(seconds) if seconds.is_integer() else seconds
        case JsonDocument():
            return cell.document
    return cast("Json", cell)


def _complaint(cell: Cell, column: Column) -> tuple[str, str] | None:  # noqa: PLR0911 - one return a complaint
    match cell:
        case None if column.native_type == "checkbox":
            return "a checkbox holds true or false, never null", "uma caixa de seleção não aceita nulo"
        case "" | []:
            return "Airtable keeps no empty value; give null", "o Airtable não guarda valor vazio; use nulo"
        case int() if abs(cell) > EXACT:
            return "Airtable would lose digits of it", "o Airtable perderia dígitos"
        case float() if not math.isfinite(cell):
            return "Airtable holds finite numbers alone", "o Airtable só guarda números finitos"
        case datetime() if cell.microsecond % 1000:
            return "Airtable keeps milliseconds alone", "o Airtable guarda só milissegundos"
        case datetime() if _in_utc(cell) is None:
            return "it is out of range", "está fora do intervalo permitido"
    return None


def _refusal(column: Column, en: str, pt: str) -> QueryFailed:
    return QueryFailed(
        Text(f"The value of {column.name!r} is refused: {en}", f"O valor de '{column.name}' foi recusado: {pt}"),
        code=Code.INVALID_ARGUMENT if column.native_type != "checkbox" else Code.FAILED_PRECONDITION,
        metadata={"column": column.name},
    )


def _number(value: Json) -> Cell:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _integer(value: Json) -> Cell:
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        return int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _date(value: Json) -> Cell:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _moment(value: Json) -> Cell:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return _in_utc(moment) if moment and moment.tzinfo else None


def _in_utc(moment: datetime) -> datetime | None:
    """The moment in UTC; None where Python has no such year there."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _duration(value: Json) -> Cell:
    try:
        return timedelta(seconds=value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def _as_it_is(value: Json) -> Cell:
    if isinstance(value, list):
        return cast("Cell", value)
    return JsonDocument(value) if isinstance(value, dict) else value


_READ: Mapping[ColumnType, Callable[[Json], Cell]] = {
    ColumnType.BOOLEAN: lambda value: value if isinstance(value, bool) else None,
    ColumnType.INTEGER: _integer,
    ColumnType.FLOAT: _number,
    ColumnType.TEXT: lambda value: value if isinstance(value, str) else None,
    ColumnType.DATE: _date,
    ColumnType.TIMESTAMP_TZ: _moment,
    ColumnType.DURATION: _duration,
    ColumnType.JSON: JsonDocument,
}
