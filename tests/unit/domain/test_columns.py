"""Columns of cells as JSON values."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager_server.domain.columns import json_values, objects_of, written
from wuzapi_manager_server.domain.table import Cell, JsonDocument
from wuzapi_manager_server.domain.values import to_json

ZONES = st.just(UTC) | st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
CELLS: st.SearchStrategy[Cell] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**53 - 1, 2**53, -(2**53), 0]),
    st.floats(),
    st.decimals(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(timezones=ZONES),
    st.timedeltas(),
    st.uuids(),
    st.just([1, 2**60, None]),
    st.just(JsonDocument({"a": [2**60, 1.5]})),
)


@given(st.lists(CELLS, max_size=6))
def test_a_column_says_what_its_cells_say(cells: list[Cell]) -> None:
    """Converted together or one by one, and written by orjson or as values, cells are the same JSON."""
    expected = [to_json(cell) for cell in cells]
    column = written(cells)
    assert json_values(column) == expected
    assert orjson.loads(orjson.dumps(list(column), option=orjson.OPT_UTC_Z)) == orjson.loads(orjson.dumps(expected))


@pytest.mark.parametrize(
    "cells",
    [
        ("a", None, "b"),
        (1, 2, 3),
        (1, None, 3),
        (True, None),
        (date(1, 2, 3), datetime(1, 2, 3, tzinfo=UTC)),
        (),
    ],
)
def test_a_column_that_is_ready_stays_what_it_is(cells: tuple[Cell, ...]) -> None:
    """Nothing is copied where no cell needs it."""
    assert written(cells) is cells


def test_columns_are_turned_into_objects() -> None:
    """Without any column there is still an object a row."""
    assert objects_of(["n", "t"], [(1, 2), ("a", None)], 2) == [{"n": 1, "t": "a"}, {"n": 2, "t": None}]
    assert objects_of([], [], 2) == [{}, {}]


def test_what_orjson_cannot_write_is_converted() -> None:
    """Numbers that JSON has not, bytes and durations become texts; dates and UUIDs wait for orjson."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    identity = UUID(int=7)
    cells: list[Cell] = [2**53, float("nan"), Decimal("1.50"), b"x", timedelta(seconds=1), moment, identity]
    assert written(cells) == ["9007199254740992", "NaN", "1.50", "eA==", "PT1S", moment, identity]
