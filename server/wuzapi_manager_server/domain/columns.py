"""Cells as JSON values, a column at a time.

What is read comes by the hundred rows, and most columns hold values of one type or two: looking at the types of a whole
column costs less than converting cell by cell.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from itertools import repeat
from typing import cast
from uuid import UUID

import orjson

from wuzapi_manager_server.domain.table import Cell, Json
from wuzapi_manager_server.domain.values import EXACT, TO_JSON

Written = Json | date | datetime | UUID
"""A JSON value, or one that orjson writes (with OPT_UTC_Z) as the text that stands for it.

Times are not among them: orjson 3.13 drops zeros of their microseconds (10,000 are .10000).
"""

_Conversions = Mapping[type, Callable[..., Json]]

_MOMENTS = frozenset({date, datetime, UUID})
_WHOLE = frozenset({int, type(None)})
_MOMENTS_OR_NONE = _MOMENTS | {type(None)}
_TO_WRITTEN: _Conversions = {kind: convert for kind, convert in TO_JSON.items() if kind not in _MOMENTS}
_TO_TEXT: _Conversions = {kind: convert for kind, convert in TO_JSON.items() if kind in _MOMENTS}


def objects_of(names: Sequence[str], columns: Sequence[Sequence[Written]], count: int) -> list[dict[str, Written]]:
    """Columns as `count` objects."""
    if not columns:
        return [{} for _ in range(count)]
    return list(map(dict, map(zip, repeat(names), zip(*columns, strict=True))))  # all in C: half the time


def written(cells: Sequence[Cell]) -> Sequence[Written]:
    """A column for orjson. QueryFailed as by `to_json`."""
    return _converted(cells, _TO_WRITTEN)


def json_values(column: Sequence[Written]) -> Sequence[Json]:
    """A column that `written` gave, as JSON values."""
    if _MOMENTS_OR_NONE.issuperset(map(type, column)):  # orjson does the same at a fifth of the time
        return cast("Sequence[Json]", orjson.loads(orjson.dumps(column, option=orjson.OPT_UTC_Z)))
    return cast("Sequence[Json]", _converted(column, _TO_TEXT))


def _converted(cells: Sequence[Cell] | Sequence[Written], conversions: _Conversions) -> Sequence[Written]:
    """The cells, each by the conversion of its type; the very same sequence where none needs any."""
    types = set(map(type, cells))
    kinds = conversions.keys() & types
    if not kinds or (kinds == {int} and types <= _WHOLE and _exact(cells)):
        return cast("Sequence[Written]", cells)
    return [cell if (convert := conversions.get(type(cell))) is None else convert(cell) for cell in cells]  # type: ignore[misc]  # what needs no conversion is ready


def _exact(cells: Sequence[Cell] | Sequence[Written]) -> bool:
    whole = [cell for cell in cells if cell is not None]
    return min(whole) >= -EXACT and max(whole) <= EXACT  # type: ignore[type-var, operator]  # they are numbers
