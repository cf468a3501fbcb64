"""Filters, masks and records between messages and the product's own words."""

from contextlib import suppress

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships stubs, but no py.typed
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.tables import column, shared_fields, table
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.domain.caller import Admin
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.filter import And, Comparison, Filter, Not, Op, Or
from wuzapi_manager_server.domain.mapping import FieldMapping
from wuzapi_manager_server.domain.table import ColumnType, Json
from wuzapi_manager_server.errors import InvalidInput, Text, Violation, record_not_found
from wuzapi_manager_server.rpc.call import Call
from wuzapi_manager_server.rpc.convert_records import (
    MAX_DEPTH,
    MAX_LISTED,
    MAX_NODES,
    capabilities_to,
    check_batch,
    filter_from,
    masking,
    record_to,
    records_to,
    statuses_of,
)
from wuzapi_manager_server.services.records import Record

NUMBER = Value(number_value=1)


def comparison(op: pb.Op.ValueType, value: Value | None = NUMBER, field: str = "a") -> pb.Filter:
    return pb.Filter(comparison=pb.Comparison(field=field, op=op, value=value))


def group(kind: str, filters: tuple[pb.Filter, ...]) -> pb.Filter:
    message = pb.Filter()
    getattr(message, kind).CopyFrom(pb.FilterGroup(filters=filters))
    return message


def both(*filters: pb.Filter) -> pb.Filter:
    return group("and", filters)


def either(*filters: pb.Filter) -> pb.Filter:
    return group("or", filters)


def no(part: pb.Filter) -> pb.Filter:
    message = pb.Filter()
    getattr(message, "not").CopyFrom(part)
    return message


def listed(*values: Value) -> Value:
    return Value(list_value=ListValue(values=values))


def complaints(message: pb.Filter) -> list[str]:
    violations: list[Violation] = []
    filter_from(message, violations)
    return [violation.field for violation in violations]


def read(message: pb.Filter) -> Filter[Json] | None:
    violations: list[Violation] = []
    tree = filter_from(message, violations)
    assert not violations
    return tree


def test_a_filter_is_read() -> None:
    """Groups, negations and comparisons become the product's own tree."""
    expected: Filter[Json] = And(
        (Or((Comparison("a", Op.EQ, (1.0,)), Not(Comparison("b", Op.IS_NULL)))), Comparison("a", Op.NE, (None,)))
    )
    message = both(
        either(comparison(pb.OP_EQ), no(comparison(pb.OP_IS_NULL, None, "b"))),
        comparison(pb.OP_NE, Value(null_value=NULL_VALUE)),
    )
    assert read(message) == expected
    assert read(comparison(pb.OP_IN, listed(NUMBER, Value(string_value="x")))) == Comparison("a", Op.IN, (1.0, "x"))
    assert read(comparison(pb.OP_BETWEEN, listed(NUMBER, NUMBER))) == Comparison("a", Op.BETWEEN, (1.0, 1.0))
    assert read(comparison(pb.OP_IS_NOT_NULL, Value(null_value=NULL_VALUE))) == Comparison("a", Op.IS_NOT_NULL)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (pb.Filter(), ["filter"]),
        (both(), ["filter.and.filters"]),
        (either(pb.Filter(), both()), ["filter.or.filters[0]", "filter.or.filters[1].and.filters"]),
        (no(pb.Filter()), ["filter.not"]),
        (pb.Filter(comparison=pb.Comparison()), ["filter.comparison.field", "filter.comparison.op"]),
        (comparison(99), ["filter.comparison.op"]),  # type: ignore[arg-type]  # unknown on purpose
        (comparison(pb.OP_EQ, None), ["filter.comparison.value"]),
        (comparison(pb.OP_EQ, Value()), ["filter.comparison.value"]),
        (comparison(pb.OP_IN), ["filter.comparison.value"]),
        (comparison(pb.OP_IN, listed()), ["filter.comparison.value"]),
        (comparison(pb.OP_IN, listed(*[NUMBER] * (MAX_LISTED + 1))), ["filter.comparison.value"]),
        (comparison(pb.OP_BETWEEN), ["filter.comparison.value"]),
        (comparison(pb.OP_BETWEEN, listed(NUMBER)), ["filter.comparison.value"]),
        (comparison(pb.OP_BETWEEN, listed(NUMBER, NUMBER, NUMBER)), ["filter.comparison.value"]),
        (comparison(pb.OP_IS_NULL), ["filter.comparison.value"]),
        (
            both(comparison(pb.OP_EQ, None, ""), no(comparison(pb.OP_IS_NULL))),
            [
                "filter.and.filters[0].comparison.field",
                "filter.and.filters[0].comparison.value",
                "filter.and.filters[1].not.comparison.value",
            ],
        ),
    ],
)
def test_all_that_is_wrong_with_a_filter_is_told(message: pb.Filter, found: list[str]) -> None:
    """Empty, contradictory and unknown parts are told by their paths, all of them."""
    assert complaints(message) == found


def deep(levels: int) -> pb.Filter:
    message = comparison(pb.OP_EQ)
    for _ in range(levels - 1):
        message = no(message)
    return message


def test_filters_have_a_depth_and_a_size() -> None:
    """16 levels and 200 nodes are taken, more are not, and a huge filter is not read to its end."""
    read(deep(MAX_DEPTH))
    assert complaints(deep(MAX_DEPTH + 1)) == ["filter" + ".not" * MAX_DEPTH]
    read(both(*[comparison(pb.OP_EQ)] * (MAX_NODES - 1)))
    assert complaints(both(*[comparison(pb.OP_EQ)] * MAX_NODES)) == ["filter"]
    assert complaints(both(*[both(*[comparison(pb.OP_EQ)] * 50)] * 10)) == ["filter"]
    assert complaints(both(*[pb.Filter()] * 100_000)) == ["filter"]


@given(st.binary(max_size=60))
def test_any_filter_is_read_or_refused(data: bytes) -> None:
    """Of any message comes a filter or a complaint, and what is left of it can be judged by the fields."""
    try:
        message = pb.Filter.FromString(data)
    except Exception:  # noqa: BLE001 - what is no message never gets here
        return
    violations: list[Violation] = []
    tree = filter_from(message, violations)
    assert tree is not None or violations
    with suppress(InvalidInput):
        FIELDS.where(tree, "")


FIELDS = shared_fields(
    column(ColumnType.INTEGER, "id"),
    column(ColumnType.TEXT, "customerName"),
    column(ColumnType.TEXT, "a.b"),
    column(ColumnType.TEXT, "fields.x"),
    column(ColumnType.TEXT, "xY"),
    column(ColumnType.TEXT, "x_y"),
    mappings=[
        FieldMapping("id", "id", editable=False),
        *(FieldMapping(name, name) for name in ("customerName", "a.b", "fields.x", "xY", "x_y")),
    ],
)


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ([], {"customerName": "Bia", "id": 5}),
        (["customerName"], {"customerName": "Bia"}),
        (["customer_name"], {"customerName": "Bia"}),
        (["fields.customerName"], {"customerName": "Bia"}),
        (["fields.customer_name", "a.b"], {"customerName": "Bia", "a.b": None}),
        (["fields.x"], {"fields.x": None}),
        (["fields.fields.x"], {"fields.x": None}),
        (["x_y"], {"x_y": None}),
        (["xY"], {"xY": None}),
        (["id"], {"id": 5}),
        (["*"], {"customerName": "Bia", "a.b": None, "fields.x": None, "xY": None, "x_y": None}),
    ],
)
def test_masks_of_updates(paths: list[str], found: dict[str, Json]) -> None:
    """What the mask names is set, to null where not given; without one what is given; with "*" all that may be."""
    violations: list[Violation] = []
    assert masking(FieldMask(paths=paths), FIELDS, violations)({"customerName": "Bia", "id": 5}) == found
    assert not violations


def test_star_does_not_hide_a_wrong_name() -> None:
    """A name that is no field is kept beside "*", so that it is refused instead of lost."""
    values = masking(FieldMask(paths=["*"]), FIELDS, [])({"customer": "Bia"})
    assert values["customer"] == "Bia"
    _, violations = FIELDS.cells(values, creating=False)
    assert [violation.field for violation in violations] == ["customer"]


def test_unknown_paths_are_told() -> None:
    """Every path that is no field is told on update_mask, once, and the others count."""
    violations: list[Violation] = []
    masked = masking(FieldMask(paths=["id", "x", "*", "", "y" * 5_000]), FIELDS, violations)
    assert masked({"id": 1, "x": 2}) == masked({"id": 1}) == {"id": 1}
    assert [violation.field for violation in violations] == ["update_mask"] * 4
    assert len(InvalidInput(violations).text.en) < 500


def test_records() -> None:
    """A record is its id, values and etag; together they may be too large, then their fields are left out."""
    record = Record("5", {"a": None, "b": [1, {"c": "é"}]}, "e")
    struct = Struct()
    struct.update({"a": None, "b": [1, {"c": "é"}]})
    message = pb.Record(id="5", etag="e", fields=struct)
    assert record_to(record) == message
    size = 2 * message.ByteSize()
    assert records_to([record, record], size) == ([message, message], False)
    assert records_to([record, record], size - 1) == ([pb.Record(id="5", etag="e")] * 2, True)
    assert records_to([], 0) == ([], False)


def test_capabilities() -> None:
    """What a table can do is told, and why it takes no writes."""
    assert capabilities_to(table(), "en").writable
    told = capabilities_to(table(read_only=Text("it is a view", "é uma visão")), "en")
    assert (told.writable, told.read_only_reason, told.max_batch_size) == (False, "it is a view", 100)


def test_batches_have_bounds() -> None:
    """A batch holds at least one item and at most so many."""
    check_batch("records", [1, 2], 2)
    for items, reason in (([], "MISSING_REQUIRED_FIELD"), ([1, 2, 3], "VALIDATION_ERROR")):
        with pytest.raises(InvalidInput) as error:
            check_batch("records", items, 2)
        assert (error.value.violations[0].field, error.value.reason) == ("records", reason)


def test_statuses_of_a_batch() -> None:
    """Nothing where they went together; else one status an item, and nothing of what is not ours to tell."""
    call = Call(Admin(), Deadline.after(5), "r1", "en")
    assert statuses_of([None, None], call, atomic=True) == []
    assert statuses_of([None, None], call, atomic=False) == [Status(), Status()]
    errors = [None, record_not_found(1), ValueError("secret")]
    good, missing, foreign = statuses_of(errors, call, atomic=False)
    assert (good.code, missing.code, foreign.code) == (0, 5, 13)
    assert missing.message == "There is no such record"
    assert "secret" not in str(foreign)
