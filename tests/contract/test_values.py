"""Values of every type: how they travel, that what was read can be written back, and that nothing is lost silently."""

import math
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from grpc import StatusCode

from tests.contract.calls import Caller, refused
from tests.contract.desk import Desk, connect, plain
from tests.contract.server import World
from tests.contract.sources import Shape, SourceUnderTest, Spec, needs
from wuzapi_manager.v1 import common_pb2 as common
from wuzapi_manager.v1.record_pb2 import FILE_FORMAT_CSV, FILE_FORMAT_JSONL
from wuzapi_manager_server.domain.table import ColumnType

UNICODE = "ação é 日本語 🦜 'quotes' \"double\" \\ % _ \t\r\n end"
DOCUMENT = {"a": [1, 2.5, None, True, {"b": "ü"}], "empty": {}, "text": "'"}
VALUES: dict[ColumnType, Sequence[tuple[object, object]]] = {
    ColumnType.BOOLEAN: [(True, True), (False, False)],
    ColumnType.INTEGER: [
        (0, 0),
        (-1, -1),
        (2**31, 2**31),
        (2**53 - 1, 2**53 - 1),
        (2**53, str(2**53)),
        (-(2**53) - 1, str(-(2**53) - 1)),
        (2**63 - 1, str(2**63 - 1)),
        (-(2**63), str(-(2**63))),
    ],
    ColumnType.DECIMAL: [
        (Decimal("12.5"), "12.5"),
        (Decimal(0), "0"),
        (Decimal("-0.001"), "-0.001"),
        (Decimal("99999999.999999"), "99999999.999999"),
    ],
    ColumnType.FLOAT: [
        (0.1, 0.1),
        (-2.5, -2.5),
        (1e300, 1e300),
        (5e-324, 5e-324),
        (3.0, 3.0),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
    ColumnType.TEXT: [("", ""), (UNICODE, UNICODE), ("007", "007"), ("null", "null"), ("x" * 100_000, "x" * 100_000)],
    ColumnType.BYTES: [(each, b64encode(each).decode()) for each in (b"", b"\0\xff", bytes(range(256)))],
    ColumnType.DATE: [(date(2026, 2, 28), "2026-02-28"), (date(1, 1, 1), "0001-01-01"), (date.max, "9999-12-31")],
    ColumnType.TIME: [(time(13, 5), "13:05:00"), (time(0, 0, 1, 250_000), "00:00:01.250000")],
    ColumnType.TIMESTAMP: [
        (datetime(2026, 11, 23, 13, 5), "2026-11-23T13:05:00"),  # noqa: DTZ001 - a timestamp without zone
        (datetime(1999, 12, 31, 23, 59, 59, 123_456), "1999-12-31T23:59:59.123456"),  # noqa: DTZ001 - likewise
    ],
    ColumnType.TIMESTAMP_TZ: [
        (datetime(2026, 11, 23, 13, 5, tzinfo=UTC), "2026-11-23T13:05:00Z"),
        (datetime(1999, 12, 31, 23, 59, 59, 123_456, tzinfo=UTC), "1999-12-31T23:59:59.123456Z"),
    ],
    ColumnType.DURATION: [
        (timedelta(0), "PT0S"),
        (timedelta(hours=13, minutes=5), "PT13H5M"),
        (timedelta(hours=838, minutes=59, seconds=59), "P34DT22H59M59S"),
        (-timedelta(hours=100, microseconds=250_000), "-P4DT4H0.25S"),
    ],
    ColumnType.UUID: [
        (UUID("123e4567-e89b-12d3-a456-426614174000"), "123e4567-e89b-12d3-a456-426614174000"),
    ],
    ColumnType.JSON: [(DOCUMENT, DOCUMENT), ([], []), ({}, {}), ([[["deep"]]], [[["deep"]]])],
    ColumnType.OTHER: [("as it is", "as it is")],
}
LOSSY: dict[ColumnType, Sequence[object]] = {
    ColumnType.BOOLEAN: ["true", "1", "", [], {}],
    ColumnType.INTEGER: [1.5, 2.0**53, "1.0", "01", "+1", "1e3", "", "x", True, [1], {}, str(2**63), "9" * 500, "NaN"],
    ColumnType.DECIMAL: ["", "x", "1,5", "NaN", "Infinity", True, [], "1e999999", "0." + "1" * 400, str(10**40 + 1)],
    ColumnType.FLOAT: ["x", "", True, [], "0.10000000000000000001", "1e400"],
    ColumnType.TEXT: [1, 1.5, True, [], {}, "a\0b"],
    ColumnType.BYTES: ["x", "====", "AAA", "AB==\n", 1, True, [], "é"],
    ColumnType.DATE: ["2026-02-30", "26-01-01", "2026-1-1", "today", "", True, [], {}],
    ColumnType.TIME: ["25:00", "1:00", "noon", "13:05:60", "", True, [], {}],
    ColumnType.TIMESTAMP: ["2026-13-01T00:00:00", "now", "2026-01-01T24:30:00", "", True, [], {}],
    ColumnType.TIMESTAMP_TZ: ["2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "now", "", 1, True, [], {}],
    ColumnType.DURATION: ["13:05", "P", "PT", "P1Y", "PT1.5H", "PT0.0000001S", "", 1, True, [], {}],
    ColumnType.UUID: ["x", "", 1, True, [], "123e4567-e89b-12d3-a456-42661417400"],
}

# An engine that keeps anything keeps these beside each other, and must take back what it gave.
LOSSY_WHERE_TYPED: dict[ColumnType, Sequence[object]] = {
    ColumnType.DATE: ["2026-01-01T00:00:00", 20260101],
    ColumnType.TIME: [130500],
    ColumnType.TIMESTAMP: ["2026-01-01", 1767225600],
}


def shown(source: SourceUnderTest, kind: ColumnType, value: object) -> object:
    """How the engine gives a value: some show the zeros of a decimal up to the column's scale."""
    if kind is not ColumnType.DECIMAL or source.can.decimal_scale is None or value is None:
        return value
    return format(Decimal(str(value)), f".{source.can.decimal_scale}f")


def shape_of(kind: ColumnType) -> Shape:
    return Shape((Spec("id", ColumnType.INTEGER, nullable=False, key=True, given=True), Spec("owner"), Spec("v", kind)))


def kept(source: SourceUnderTest, kind: ColumnType) -> list[tuple[object, object]]:
    """The values of a type that the engine keeps, and null."""
    needs(source, kind)
    null = [] if kind is ColumnType.BOOLEAN and not source.can.empty_values else [(None, None)]
    return [(cell, value) for cell, value in (*VALUES[kind], *null) if source.can.keeps(cell)]


@pytest.mark.parametrize("kind", VALUES)
def test_every_type_is_read_written_back_and_read_alike(
    world: World, source: SourceUnderTest, ana: Caller, kind: ColumnType
) -> None:
    """Read, write back, read is the identity, for the caller and for the engine."""
    cells = kept(source, kind)
    table = source.make(shape_of(kind), [[at, ana.token, cell] for at, (cell, _) in enumerate(cells)])
    desk = Desk(ana, connect(world, source, table, ana))
    page = desk.page()
    assert page.columns[1].type == common.ColumnType.Value(f"COLUMN_TYPE_{kind.value}")
    read = [plain(record)["v"] for record in page.records]
    assert read == [shown(source, kind, expected) for _, expected in cells]
    held = source.rows(table)
    for record, value in zip(page.records, read, strict=True):
        written = desk.update(record.id, {"v": value})
        assert plain(written) == plain(record)
        assert plain(desk.get(record.id)) == plain(record)
    if kind is not ColumnType.JSON:  # its spelling and the order of its members are free
        assert source.rows(table) == held


@pytest.mark.parametrize("kind", VALUES)
def test_every_type_is_changed_in_a_batch_alike(
    world: World, source: SourceUnderTest, ana: Caller, kind: ColumnType
) -> None:
    """Many records at once have each its own new value, and are answered in the order in which they were sent."""
    cells = kept(source, kind)
    table = source.make(shape_of(kind), [[at, ana.token, cell] for at, (cell, _) in enumerate(cells)])
    desk = Desk(ana, connect(world, source, table, ana))
    records = list(desk.page().records)
    read, held = [plain(record)["v"] for record in records], source.rows(table)
    turned = [*read[1:], read[0]]
    for values in (turned, read):
        changes = [(record.id, {"v": value}, "") for record, value in zip(records, values, strict=True)]
        written = desk.update_many(reversed(changes)).records
        assert [record.id for record in written] == [record.id for record in reversed(records)]
        assert [plain(record)["v"] for record in reversed(written)] == values
        assert [plain(record)["v"] for record in desk.page().records] == values
    if kind is not ColumnType.JSON:  # its spelling and the order of its members are free
        assert source.rows(table) == held


@pytest.mark.parametrize("kind", VALUES)
def test_every_type_is_created_and_read_alike(
    world: World, source: SourceUnderTest, ana: Caller, kind: ColumnType
) -> None:
    """What is created is read as it was given."""
    cells = kept(source, kind)
    table = source.make(shape_of(kind))
    desk = Desk(ana, connect(world, source, table, ana))
    for _, value in cells:
        made = desk.create({"v": value})
        assert plain(made)["v"] == shown(source, kind, value)
        assert plain(desk.get(made.id))["v"] == shown(source, kind, value)


@pytest.mark.parametrize("kind", VALUES)
def test_every_type_is_exported_and_imported_alike(
    world: World, source: SourceUnderTest, ana: Caller, kind: ColumnType
) -> None:
    """A file of an export, imported elsewhere, gives the same values: as JSON lines and as CSV."""
    cells = [cell for cell, _ in kept(source, kind) if source.can.chosen_keys or cell is not None]  # no blank line then
    rows = [[at + 1, ana.token, cell] for at, cell in enumerate(cells)]
    full, empty = source.make(shape_of(kind), rows), source.make(shape_of(kind))
    here, there = (Desk(ana, connect(world, source, table, ana)) for table in (full, empty))
    for file_format in (FILE_FORMAT_JSONL, FILE_FORMAT_CSV):
        fields = [] if source.can.chosen_keys else ["v"]
        data = here.export(file_format, fields=fields)
        assert there.take_in(data, file_format).created_count == len(rows)
        assert there.column("v") == here.column("v")
        if source.can.chosen_keys:
            assert there.all() == here.all()
        if kind is not ColumnType.JSON and source.can.chosen_keys:
            assert source.rows(empty) == source.rows(full)
        source.run(empty, "DELETE FROM {t}")


@pytest.mark.parametrize("kind", LOSSY)
def test_what_a_column_would_not_keep_whole_is_refused(
    world: World, source: SourceUnderTest, ana: Caller, kind: ColumnType
) -> None:
    """A value of another type, or one that would lose something, is refused by name, and nothing is written."""
    needs(source, kind)
    lost = [value for cell, value in VALUES[kind] if not source.can.keeps(cell)]
    table = source.make(shape_of(kind), [[1, ana.token, None]])
    desk = Desk(ana, connect(world, source, table, ana))
    typed = [] if source.can.dirty_values else LOSSY_WHERE_TYPED.get(kind, [])
    held = ["NaN"] if kind is ColumnType.DECIMAL and source.can.decimal_nan else []
    for value in (*(each for each in LOSSY[kind] if each not in held), *typed, *lost):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            desk.create({"v": value})
        assert "v" in refusal.message, value
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            desk.update("1", {"v": value})
        assert "v" in refusal.message, value
    assert source.rows(table) == [(1, ana.token, None)]


def test_dirty_values_are_given_as_they_are(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """Where an engine keeps anything in any column, what does not fit its type is answered, not crashed on."""
    if not source.can.dirty_values:
        pytest.skip("every column of this engine holds its own type alone")
    dirty: dict[ColumnType, list[object]] = {
        ColumnType.INTEGER: ["text", 1.5, b"\xff\xfe"],
        ColumnType.DECIMAL: ["R$ 3,50", math.inf],
        ColumnType.FLOAT: ["much"],
        ColumnType.BOOLEAN: ["yes", 2],
        ColumnType.DATE: ["0000-00-00", "23/11/2026", 1_700_000_000],
        ColumnType.TIME: ["noon", 2.5],
        ColumnType.TIMESTAMP: ["2026-99-99 00:00:00", "yesterday", 1_700_000_000, "2026-01-01 10:00:00-03:00"],
        ColumnType.UUID: ["not one"],
        ColumnType.JSON: ["{broken", "[1, 2", b"\xff"],
        ColumnType.TEXT: [5, b"bytes \xff"],
    }
    for kind, values in dirty.items():
        table = source.make(shape_of(kind), [[at, ana.token, value] for at, value in enumerate(values)])
        desk = Desk(ana, connect(world, source, table, ana))
        for order in ("", "v", "v desc"):
            if kind is not ColumnType.JSON or not order:
                assert len(desk.all(order_by=order, page_size=1)) == len(values)
        assert None not in desk.column("v")
        assert len(desk.export().splitlines()) == len(values)
        assert desk.export(FILE_FORMAT_CSV)
        assert desk.take_in(desk.export(), validate_only=True).failed_count >= 0
        for record in desk.page().records:
            desk.delete(record.id)
        assert source.rows(table) == []
