"""Field mappings: names that callers speak, what leaves, what may be written, and what a written value must satisfy."""

from collections.abc import Callable

import pytest
from grpc import StatusCode

from tests.contract.calls import Caller, refused
from tests.contract.desk import Desk, compared, connect, plain
from tests.contract.server import World
from tests.contract.sources import MadeTable, Shape, SourceUnderTest, Spec
from wuzapi_manager.v1 import common_pb2 as common
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager.v1.record_pb2 import FILE_FORMAT_CSV
from wuzapi_manager_server.domain.table import ColumnType

SHAPE = Shape(
    (
        Spec("id", ColumnType.INTEGER, nullable=False, key=True, given=True),
        Spec("owner"),
        Spec("a"),
        Spec("b"),
        Spec("n", ColumnType.INTEGER),
        Spec("hidden"),
        Spec("unmapped"),
    )
)
MAPPINGS = (
    common.FieldMapping(field="b", column="a", label="Label", type="text", helper_text="help", show_in_card=True),
    common.FieldMapping(field="a", column="b", editable=False),
    common.FieldMapping(field="número", column="n"),
    common.FieldMapping(field="secret", column="hidden", visible=False),
)


@pytest.fixture
def table(source: SourceUnderTest, ana: Caller) -> MadeTable:
    return source.make(SHAPE, [[1, ana.token, "in a", "in b", 5, "xyzzy", "plugh"]])


@pytest.fixture
def desk(world: World, source: SourceUnderTest, table: MadeTable, ana: Caller) -> Desk:
    return Desk(ana, connect(world, source, table, ana, mappings=MAPPINGS))


def test_callers_speak_fields_in_the_order_of_the_mappings(desk: Desk) -> None:
    """Only mapped and visible columns leave, under their fields, also where the names cross."""
    page = desk.page()
    assert plain(page.records[0]) == {"b": "in a", "a": "in b", "número": 5}
    assert [(column.field, column.read_only) for column in page.columns] == [
        ("b", False),
        ("a", True),
        ("número", False),
    ]
    assert page.columns[0].mapping.label == "Label"
    assert page.columns[0].mapping.helper_text == "help"
    assert [column.field for column in desk.describe().columns] == ["b", "a", "número"]
    assert desk.export(FILE_FORMAT_CSV).splitlines() == ["b,a,número".encode(), b"in a,in b,5"]


def test_filters_sorts_and_searches_speak_fields_too(desk: Desk) -> None:
    """A field finds its own column, whatever column bears its name."""
    assert desk.count(compared("b", pb.OP_EQ, "in a")) == 1
    assert desk.count(compared("b", pb.OP_EQ, "in b")) == 0
    assert desk.count(compared("número", pb.OP_GT, 4)) == 1
    assert desk.column("a", order_by="número desc, b") == ["in b"]
    assert desk.count(search="in a") == 1


def test_writes_speak_fields_too(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """A write sets the column behind its field, in records, masks and imports."""
    desk.update("1", {"b": "new", "número": 6})
    assert source.rows(table)[0][2:5] == ("new", "in b", 6)
    desk.update("1", {"b": "newer"}, ["b", "fields.número"])
    assert source.rows(table)[0][2:5] == ("newer", "in b", None)
    assert desk.take_in("número,b\r\n7,x\r\n".encode(), FILE_FORMAT_CSV).created_count == 1
    assert source.rows(table)[1][2:5] == ("x", None, 7)


@pytest.mark.parametrize("name", ["secret", "hidden", "unmapped", "n", "id", "owner"])
def test_a_column_that_is_not_shown_is_not_there(
    source: SourceUnderTest, table: MadeTable, desk: Desk, name: str
) -> None:
    """Hidden and unmapped columns can be neither read, filtered, sorted, searched, masked, imported nor written."""
    before = source.rows(table)
    calls: list[Callable[[], object]] = [
        lambda: desk.page(fields=[name]),
        lambda: desk.page(order_by=name),
        lambda: desk.page(compared(name, pb.OP_EQ, "xyzzy")),
        lambda: desk.page(compared(name, pb.OP_IS_NULL)),
        lambda: desk.count(compared(name, pb.OP_EQ, "xyzzy")),
        lambda: desk.export(where=compared(name, pb.OP_EQ, "xyzzy")),
        lambda: desk.export(fields=[name]),
        lambda: desk.get("1", [name]),
        lambda: desk.create({name: "x"}),
        lambda: desk.update("1", {name: "x"}),
        lambda: desk.update("1", {"b": "x"}, [name]),
        lambda: desk.create_many([{name: "x"}]),
        lambda: desk.update_many([("1", {name: "x"}, "")]),
        lambda: desk.take_in(f"{name}\nx\n".encode(), FILE_FORMAT_CSV),
    ]
    for call in calls:
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            call()
        assert "xyzzy" not in refusal.message
    assert desk.take_in(f'{{"{name}": 1}}'.encode()).failed_count == 1
    assert desk.count(search="xyzzy") == desk.count(search="plugh") == 0
    assert source.rows(table) == before


def test_what_is_not_editable_is_read_only(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """A field that is not editable is read, filtered and sorted, and refused in writes; `*` leaves it alone."""
    before = source.rows(table)
    assert desk.count(compared("a", pb.OP_EQ, "in b")) == 1
    calls: list[Callable[[], object]] = [lambda: desk.create({"a": "x"}), lambda: desk.update("1", {"a": "x"})]
    for call in calls:
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            call()
        assert refusal.violations == {"record.fields.a": "is read-only"}
    assert source.rows(table) == before
    assert plain(desk.update("1", {"b": "x"}, ["*"])) == {"b": "x", "a": "in b", "número": None}


def validated(world: World, source: SourceUnderTest, ana: Caller, *mappings: common.FieldMapping) -> Desk:
    table = source.make(SHAPE, [[1, ana.token, "ok", "ok", 5, None, None]])
    return Desk(ana, connect(world, source, table, ana, mappings=mappings))


def test_a_required_field_is_never_empty(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """A create must give it, and no write may leave it null or empty."""
    desk = validated(world, source, ana, common.FieldMapping(field="a", required=True), common.FieldMapping(field="b"))
    calls: list[Callable[[], object]] = [
        lambda: desk.create({"b": "x"}),
        lambda: desk.create({"a": None}),
        lambda: desk.create({"a": ""}),
        lambda: desk.update("1", {"a": None}),
        lambda: desk.update("1", {"a": ""}),
        lambda: desk.update("1", {"b": "x"}, ["a", "b"]),
    ]
    for call in calls:
        with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD") as refusal:
            call()
        assert set(refusal.violations) == {"record.fields.a"}
        assert refusal.localized_violations == {"record.fields.a": "is required"}
    assert desk.update("1", {"b": "x"}).id == "1"
    report = desk.take_in(b'{"b":"x"}\n{"a":"x"}\n', skip=True)
    assert [(error.line, error.field, error.reason) for error in report.errors] == [(1, "a", "MISSING_REQUIRED_FIELD")]


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (common.FieldValidation(pattern="[a-z]{2,3}"), ["ab", "abc", None], ["a", "abcd", "AB", "ab\n", "", "ab cd"]),
        (common.FieldValidation(min_length=2, max_length=3), ["éé", "🦜🦜🦜", None], ["é", "🦜🦜🦜🦜", ""]),
        (common.FieldValidation(options=["x", "Y", ""]), ["x", "Y", "", None], ["X", "y", "x ", "z"]),
        (common.FieldValidation(min=-1, max=2.5), ["-1", "2.5", "0", None], ["-1.01", "3", "text", "NaN", ""]),
        (common.FieldValidation(pattern="(a+)+"), ["a" * 5000], ["a" * 5000 + "!"]),
    ],
    ids=["pattern", "length", "options", "range", "pattern in linear time"],
)
def test_a_value_must_satisfy_its_validation(
    world: World,
    source: SourceUnderTest,
    ana: Caller,
    rule: common.FieldValidation,
    good: list[object],
    bad: list[object],
) -> None:
    """Patterns match the whole text, lengths count characters, options are exact, ranges are closed; null is free."""
    desk = validated(world, source, ana, common.FieldMapping(field="a", validation=rule))
    for value in filter(source.can.keeps, good):
        assert plain(desk.create({"a": value}))["a"] == value
        assert plain(desk.update("1", {"a": value}))["a"] == value
    for value in bad:
        for call in (
            lambda value=value: desk.create({"a": value}),
            lambda value=value: desk.update("1", {"a": value}),
            lambda value=value: desk.create_many([{"a": value}]),
        ):
            with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
                call()
            assert len(refusal.violations) == 1


def test_numbers_are_validated_as_numbers(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """A range holds for number columns, also where the number travels as text."""
    rule = common.FieldValidation(min=1, max=10)
    desk = validated(world, source, ana, common.FieldMapping(field="n", validation=rule))
    assert plain(desk.create({"n": "10"}))["n"] == 10
    for value in (0, 11, str(2**60)):
        with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR"):
            desk.create({"n": value})


def test_a_mapping_of_what_is_not_there_is_told(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """A mapped column that the table lacks refuses every call, with the column's name and what to do."""
    desk = validated(world, source, ana, common.FieldMapping(field="x", column="gone"))
    for call in (desk.page, desk.describe, desk.count, lambda: desk.create({"x": 1}), desk.export):
        with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED") as refusal:
            call()
        assert refusal.metadata["column"] == "gone"
        assert refusal.help


def test_mappings_bind_the_administrator_too(world: World, desk: Desk) -> None:
    """The administrator sees and writes through the same mappings."""
    admin = Desk(world.admin, desk.id)
    assert admin.all() == [{"b": "in a", "a": "in b", "número": 5}]
    with refused(StatusCode.INVALID_ARGUMENT):
        admin.page(fields=["hidden"])
