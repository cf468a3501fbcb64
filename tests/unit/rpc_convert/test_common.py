"""Between messages and the product's own words: what several services share."""

import math
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

import pytest
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.tables import column, connection, fields_of, table
from wuzapi_manager.v1 import common_pb2 as pb
from wuzapi_manager.v1 import connection_pb2, record_pb2
from wuzapi_manager_server.domain.caller import Admin, User
from wuzapi_manager_server.domain.connection import ConnectionStatus, ConnectionType, Sharing, TlsMode, UserLinkValue
from wuzapi_manager_server.domain.filter import Op
from wuzapi_manager_server.domain.mapping import FieldMapping, Validation
from wuzapi_manager_server.domain.table import Column, ColumnType, Json
from wuzapi_manager_server.errors import Violation
from wuzapi_manager_server.rpc.convert_common import (
    choice_from,
    column_to,
    dict_from,
    field_to,
    json_from,
    mapping_from,
    mapping_to,
    struct_to,
    timestamp_to,
)
from wuzapi_manager_server.rpc.record_pages import RecordFormat
from wuzapi_manager_server.rpc.record_streams import OnError
from wuzapi_manager_server.services.transfer import FileFormat

ENUMS: list[tuple[EnumDescriptor, type[Enum]]] = [
    (connection_pb2.ConnectionType.DESCRIPTOR, ConnectionType),
    (connection_pb2.ConnectionStatus.DESCRIPTOR, ConnectionStatus),
    (connection_pb2.UserLinkValue.DESCRIPTOR, UserLinkValue),
    (connection_pb2.RowScope.DESCRIPTOR, Sharing),
    (connection_pb2.TlsMode.DESCRIPTOR, TlsMode),
    (record_pb2.Op.DESCRIPTOR, Op),
    (record_pb2.FileFormat.DESCRIPTOR, FileFormat),
    (record_pb2.OnError.DESCRIPTOR, OnError),
    (record_pb2.RecordFormat.DESCRIPTOR, RecordFormat),
    (pb.ColumnType.DESCRIPTOR, ColumnType),
]


@pytest.mark.parametrize(("values", "choices"), ENUMS, ids=lambda each: getattr(each, "name", ""))
def test_every_choice_of_the_protos_is_one_of_the_product(values: EnumDescriptor, choices: type[Enum]) -> None:
    """Numbers and choices stand for each other one to one; 0 is none; an unknown number is told on its field."""
    violations: list[Violation] = []
    found = {choice_from(number, values, choices, "x", violations) for number in values.values_by_number}
    assert found == {None, *choices}
    assert not violations
    for number in (99, -1, 2**31 - 1):
        assert choice_from(number, values, choices, "a.b", violations) is None
    assert [violation.field for violation in violations] == ["a.b"] * 3


def through_doubles(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: through_doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [through_doubles(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=9,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_values_travel_in_messages(values: dict[str, Json]) -> None:
    """A Struct carries every JSON value there and back; numbers become doubles."""
    struct = Struct.FromString(struct_to(values).SerializeToString())
    assert dict_from(struct) == through_doubles(values)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (Value(), None),
        (Value(null_value=NULL_VALUE), None),
        (Value(number_value=math.nan), "NaN"),
        (Value(number_value=math.inf), "Infinity"),
        (Value(number_value=-math.inf), "-Infinity"),
        (Value(number_value=-0.0), -0.0),
        (Value(bool_value=False), False),
        (Value(string_value=""), ""),
        (Value(list_value=ListValue(values=[Value(), Value(number_value=math.nan)])), [None, "NaN"]),
        (Value(struct_value=Struct()), {}),
    ],
)
def test_values_from_messages(value: Value, found: Json) -> None:
    """What JSON has no number for comes as its name, what is not set as null."""
    assert json_from(value) == found
    assert repr(json_from(value)) == repr(found)


def test_moments() -> None:
    """A moment of any zone is the same moment; none stays unset."""
    stamp = timestamp_to(datetime(2026, 1, 1, 1, 2, 3, 456_000, tzinfo=timezone(timedelta(hours=3))))
    assert stamp is not None
    assert stamp.ToDatetime(UTC) == datetime(2025, 12, 31, 22, 2, 3, 456_000, tzinfo=UTC)
    assert timestamp_to(None) is None


BOUNDS = st.none() | st.floats(allow_nan=False)
MAPPINGS = st.builds(
    FieldMapping,
    field=TEXTS.filter(bool),
    column=TEXTS.filter(bool),
    label=TEXTS,
    type=TEXTS,
    visible=st.booleans(),
    editable=st.booleans(),
    required=st.booleans(),
    helper_text=TEXTS,
    show_in_card=st.booleans(),
    validation=st.builds(
        Validation,
        pattern=TEXTS,
        min_length=st.integers(0, 2**32 - 1),
        max_length=st.integers(0, 2**32 - 1),
        min=BOUNDS,
        max=BOUNDS,
        options=st.lists(TEXTS, max_size=3).map(tuple),
    ),
)


@given(MAPPINGS)
def test_mappings_travel(mapping: FieldMapping) -> None:
    """A mapping comes back from its message as it was, bounds of 0 apart from none."""
    assert mapping_from(pb.FieldMapping.FromString(mapping_to(mapping).SerializeToString())) == mapping


def test_what_a_mapping_leaves_out() -> None:
    """Without a column it is the field's name; without a word on it, it is visible and editable."""
    assert mapping_from(pb.FieldMapping(field="name")) == FieldMapping("name", "name")
    hidden = mapping_from(pb.FieldMapping(field="name", visible=False, editable=False))
    assert (hidden.visible, hidden.editable) == (False, False)
    assert not mapping_to(FieldMapping("name", "name")).HasField("validation")


@pytest.mark.parametrize("kind", ColumnType)
def test_columns(kind: ColumnType) -> None:
    """Every type has its name in the protos, and a column tells all that is known of it."""
    told = column_to(Column("c", kind, "X(1)", nullable=False, primary_key=True, has_default=True), "f", writable=True)
    assert pb.ColumnType.Name(told.type) == f"COLUMN_TYPE_{kind.value}"
    assert (told.field, told.column, told.native_type) == ("f", "c", "X(1)")
    assert (told.nullable, told.read_only, told.primary_key, told.has_default) == (False, False, True, True)
    assert not told.HasField("mapping")


def test_fields_tell_whether_their_caller_may_write_them() -> None:
    """The link field is read-only to users, not to an administrator who has to say whose a row is."""
    place = table(column(ColumnType.TEXT, "owner"), column(ColumnType.TEXT, "name", read_only=True))
    through = connection(FieldMapping("whose", "owner"), FieldMapping("name", "name"))
    for caller, read_only in ((User("u1", "", "", "token-of-8"), True), (Admin(), False)):
        told = [field_to(field) for field in fields_of(place, through, caller).all]
        assert [(each.field, each.column, each.read_only) for each in told] == [
            ("whose", "owner", read_only),
            ("name", "name", True),
        ]
        assert told[0].mapping.field == "whose"
