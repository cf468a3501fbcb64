"""Values of records between Python and the API."""

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager_client.values import JsonValue, from_struct, from_value, to_struct, to_value

scalars = (
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
json_values = st.recursive(
    scalars | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), json_values, max_size=5))
def test_what_json_holds_comes_back_equal(fields: dict[str, JsonValue]) -> None:
    """Any JSON document survives the way out and back, over the wire."""
    wire = to_struct(fields).SerializeToString()
    assert from_struct(Struct.FromString(wire)) == fields


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (2**53 - 1, 2**53 - 1),
        (2**53, "9007199254740992"),
        (-(2**63), "-9223372036854775808"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (Decimal("12.50"), "12.50"),
        (date(2026, 11, 23), "2026-11-23"),
        (time(13, 5), "13:05:00"),
        (datetime(2026, 11, 23, 13, 5, tzinfo=UTC), "2026-11-23T13:05:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"\x00\xff", "AP8="),
        (bytearray(b"a"), "YQ=="),
        (("a", 1), ["a", 1]),
        ({1: "x"}, {"1": "x"}),
        (True, True),
    ],
)
def test_what_json_cannot_hold_travels_as_the_api_says(value: object, wire: JsonValue) -> None:
    """Python's own types take the form that the API gives such values."""
    assert from_value(to_value(value)) == wire
    assert type(from_value(to_value(value))) is type(wire)


def test_numbers_without_a_fraction_are_int_where_the_column_is_not_float() -> None:
    """1.0 is 1 again, but in a float column it stays 1.0, and a double too large to be exact stays one."""
    struct = to_struct({"whole": 1.0, "ratio": 1.0, "large": 1e300})
    fields = from_struct(struct, frozenset({"ratio"}))
    assert {name: type(value) for name, value in fields.items()} == {"whole": int, "ratio": float, "large": float}


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j])
def test_a_value_without_a_form_is_refused(value: object) -> None:
    """What has no form in the API is a TypeError that names the type."""
    with pytest.raises(TypeError, match=type(value).__name__):
        to_struct({"field": [value]})
