"""Values of records: whatever is read can be written back, and whatever comes is taken whole or refused."""

import json
import math
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.domain.tables import column
from wuzapi_manager_server.domain.json_text import parse_json
from wuzapi_manager_server.domain.table import Cell, ColumnType, Json, JsonDocument
from wuzapi_manager_server.domain.values import (
    EXACT,
    Refused,
    from_text,
    to_cell,
    to_json,
    to_text,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
DOCUMENTS: st.SearchStrategy[Json] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)
ANY_JSON: st.SearchStrategy[Json] = st.recursive(
    SCALARS | st.floats() | st.text(max_size=20) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
DECIMALS = st.builds(
    lambda digits, exponent, sign: Decimal((sign, tuple(map(int, str(digits))), exponent)),
    st.integers(0, 10**40),
    st.integers(-900, 900),
    st.integers(0, 1),
)
CELLS: dict[ColumnType, st.SearchStrategy[Cell]] = {
    ColumnType.BOOLEAN: st.booleans(),
    ColumnType.INTEGER: st.integers(-(2**63), 2**64),
    ColumnType.DECIMAL: DECIMALS | st.decimals(allow_nan=False),
    ColumnType.FLOAT: st.floats(allow_nan=False),
    ColumnType.TEXT: TEXTS,
    ColumnType.BYTES: st.binary(max_size=40),
    ColumnType.DATE: st.dates(),
    ColumnType.TIME: st.times(),
    ColumnType.TIMESTAMP: st.datetimes(),
    ColumnType.TIMESTAMP_TZ: st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001 - the strategy adds zones
        max_value=datetime(9998, 1, 1),  # noqa: DTZ001 - the strategy adds zones
        timezones=OFFSETS,
    ),
    ColumnType.DURATION: st.timedeltas(),
    ColumnType.UUID: st.uuids(),
    ColumnType.OTHER: TEXTS,
}
KINDS = st.sampled_from(sorted(CELLS, key=lambda kind: kind.value))
TYPED = KINDS.flatmap(lambda kind: st.tuples(st.just(kind), CELLS[kind]))


def through_messages(value: Json) -> Json:
    """What a google.protobuf.Struct, which knows doubles alone, makes of a value."""
    if isinstance(value, dict):
        return {key: through_messages(item) for key, item in value.items()}
    if isinstance(value, list):
        return [through_messages(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(TYPED)
@example((ColumnType.DECIMAL, Decimal("1E+1000")))
@example((ColumnType.DECIMAL, Decimal("1E-1000")))
@example((ColumnType.DECIMAL, Decimal("-0")))
@example((ColumnType.DECIMAL, Decimal((0, (9,) * 1000, -1999))))
@example((ColumnType.DURATION, timedelta.min))
@example((ColumnType.DURATION, timedelta.max))
@example((ColumnType.INTEGER, EXACT + 1))
@example((ColumnType.FLOAT, math.inf))
@example((ColumnType.FLOAT, -math.inf))
def test_what_is_read_can_be_written_back(typed: tuple[ColumnType, Cell]) -> None:
    """A cell of a fixed type comes back as the same cell, through messages, JSON and CSV."""
    kind, cell = typed
    fixed = column(kind)
    value = to_json(cell)
    assert to_cell(through_messages(value), fixed) == cell
    assert to_cell(parse_json(json.dumps(value)), fixed) == cell
    assert to_cell(from_text(to_text(value, fixed), fixed), fixed) == cell
    assert type(to_cell(value, fixed)) is type(cell)


@given(TYPED)
def test_what_is_read_can_be_written_back_where_types_are_loose(typed: tuple[ColumnType, Cell]) -> None:
    """In an engine without fixed types the value that callers see comes back, times in the engine's spelling."""
    kind, cell = typed
    loose = column(kind, dynamic=True)
    value = to_json(cell)
    for given_back in (through_messages(value), from_text(to_text(value, loose), loose)):
        again = to_cell(given_back, loose)
        if kind in (ColumnType.TIMESTAMP, ColumnType.TIMESTAMP_TZ):
            assert str(again).replace(" ", "T") == value
        else:
            assert to_json(again) == value


@pytest.mark.parametrize("kind", [ColumnType.DATE, ColumnType.TIME, ColumnType.TIMESTAMP, ColumnType.BOOLEAN])
@given(number=st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_in_loose_columns_come_back(kind: ColumnType, number: float) -> None:
    """Epochs, Julian days and flags that stand as numbers in a column of times or booleans are written back as such."""
    loose = column(kind, dynamic=True)
    value = to_json(number)
    assert to_cell(through_messages(value), loose) == number
    assert to_cell(from_text(to_text(value, loose), loose), loose) == number
    with pytest.raises(Refused):
        to_cell(value, column(kind))


@given(DOCUMENTS)
def test_documents_come_back(document: Json) -> None:
    """A JSON document that was read can be written back, and reads the same; so does one that is text alone."""
    of_json = column(ColumnType.JSON)
    value = to_json(JsonDocument(document))
    through = to_cell(through_messages(value), of_json)
    if value is None:
        assert through is None
        return
    assert to_json(through) == value
    assert to_json(to_cell(from_text(to_text(value, of_json), of_json), of_json)) == value


@given(
    st.lists(st.integers(-EXACT, EXACT) | st.booleans() | st.none() | TEXTS | st.lists(TEXTS, max_size=3), max_size=5)
)
def test_lists_come_back(items: list[Cell]) -> None:
    """A list that was read can be written back."""
    of_lists = column(ColumnType.ARRAY)
    value = to_json(items)
    assert to_cell(through_messages(value), of_lists) == items
    assert to_cell(from_text(to_text(value, of_lists), of_lists), of_lists) == items


@given(st.sampled_from(ColumnType), st.booleans(), ANY_JSON)
@example(ColumnType.DURATION, False, "-P999999999DT1S")
@example(ColumnType.FLOAT, False, "9" * 1000)
@example(ColumnType.UUID, False, "1234_5678123456781234567812345678")
def test_any_json_is_taken_or_refused(kind: ColumnType, dynamic: bool, value: Json) -> None:
    """Nothing but Refused comes of any JSON value, and what was taken reads as JSON again, and is taken again."""
    into = column(kind, dynamic=dynamic)
    try:
        cell = to_cell(value, into)
    except Refused:
        return
    shown = to_json(cell)
    json.dumps(shown, allow_nan=False)
    assert to_json(to_cell(shown, into)) == shown


@given(st.sampled_from(ColumnType), st.booleans(), st.text(max_size=30) | st.from_regex(r"[0-9eE+\-.:TZP ]{0,30}"))
def test_any_cell_of_a_csv_is_taken_or_refused(kind: ColumnType, dynamic: bool, text: str) -> None:
    """Nothing but Refused comes of any text in a CSV file."""
    into = column(kind, dynamic=dynamic)
    with suppress(Refused):
        to_cell(from_text(text, into), into)


@given(ANY_JSON)
def test_json_texts_are_read_as_they_are(value: Json) -> None:
    """What JSON can say is read as it was written."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        return
    assert parse_json(text) == value
