"""Columns of NocoDB: what each kind and each type of the database behind it becomes."""

import pytest

from wuzapi_manager_server.domain.table import Cell, ColumnType, Json, JsonDocument
from wuzapi_manager_server.sources.nocodb_table import table_of


def column(kind: str, native: str = "", **more: Json) -> dict[str, Json]:
    return {"id": "c1", "title": "v", "uidt": kind, "dt": native, **more}


@pytest.mark.parametrize(
    ("kind", "native", "expected"),
    [
        ("Decimal", "double", ColumnType.FLOAT),
        ("Decimal", "decimal(20,6)", ColumnType.DECIMAL),
        ("Currency", "double precision", ColumnType.FLOAT),
        ("SpecificDBType", "uuid", ColumnType.UUID),
        ("SpecificDBType", "bigint", ColumnType.INTEGER),
        ("SpecificDBType", "interval", ColumnType.OTHER),
        ("SpecificDBType", "time", ColumnType.TIME),
        ("SpecificDBType", "time with time zone", ColumnType.OTHER),
        ("SpecificDBType", "numeric", ColumnType.DECIMAL),
        ("SpecificDBType", "jsonb", ColumnType.JSON),
        ("SpecificDBType", "", ColumnType.OTHER),
        ("SpecificDBType", "inet", ColumnType.OTHER),
        ("SpecificDBType", "bytea", ColumnType.BYTES),
        ("LongText", "blob", ColumnType.BYTES),
        ("Formula", "", ColumnType.JSON),
        ("SomethingNew", "varchar", ColumnType.TEXT),
    ],
)
def test_a_column_has_the_type_of_its_kind(kind: str, native: str, expected: ColumnType) -> None:
    """The kind in NocoDB decides, and the type of the database where the kind does not say enough."""
    [found] = table_of({"id": "m", "columns": [column(kind, native)]}).columns
    assert found.column.type is expected
    assert kind in found.column.native_type


def test_what_cannot_be_written_is_read_only() -> None:
    """Keys that are given, computed columns, bytes and stamps; links and buttons are not there at all."""
    for one in (
        column("ID", "integer", pk=True, ai=True),
        column("Formula"),
        column("Attachment"),
        column("CreatedTime"),
        column("LongText", "blob"),
        column("SingleLineText", readonly=True),
    ):
        [found] = table_of({"id": "m", "columns": [one]}).columns
        assert found.column.read_only
    for kind in ("Links", "LinkToAnotherRecord", "Button", "Order"):
        assert not table_of({"id": "m", "columns": [column(kind)]}).columns


def test_a_table_without_key_and_a_view_take_no_writes() -> None:
    """Without a key NocoDB would change every row."""
    keyless = table_of({"id": "m", "columns": [column("LongText")]}).table
    view = table_of({"id": "m", "type": "view", "columns": [column("ID", pk=1)]}).table
    assert keyless.capabilities.read_only_reason
    assert not keyless.capabilities.key_paging
    assert view.view
    assert view.capabilities.read_only_reason


@pytest.mark.parametrize(
    ("kind", "native", "value", "expected"),
    [
        ("Number", "", "notanumber", "notanumber"),
        ("Number", "", 1.5, 1.5),
        ("Number", "", True, 1),
        ("Decimal", "double", "much", "much"),
        ("Date", "", "Invalid Date", "Invalid Date"),
        ("Date", "", 5, "5"),
        ("DateTime", "", "yesterday", "yesterday"),
        ("Time", "", 5, "5"),
        ("Checkbox", "", "yes", "yes"),
        ("JSON", "", "{broken", "{broken"),
        ("JSON", "", [1], JsonDocument([1])),
        ("SpecificDBType", "uuid", "none", "none"),
        ("SpecificDBType", "", 5, 5),
        ("SpecificDBType", "", {"a": 1}, '{"a":1}'),
        ("SpecificDBType", "bytea", "00ff", b"\x00\xff"),
        ("SpecificDBType", "bytea", {"type": "Buffer", "data": [1, 2]}, b"\x01\x02"),
        ("SingleLineText", "", ["a", "b"], '["a","b"]'),
    ],
)
def test_what_does_not_fit_its_column_is_its_text(kind: str, native: str, value: Json, expected: Cell) -> None:
    """SQLite behind NocoDB keeps anything: what is read is given, not crashed on."""
    table = table_of({"id": "m", "columns": [column(kind, native)]})
    assert table.rows([{"v": value}])[0].cells == (expected,)


@pytest.mark.parametrize("answer", [{}, {"id": "m"}, {"id": "m", "columns": 5}, {"id": "m", "columns": [{}]}])
def test_metadata_that_are_none_are_refused(answer: dict[str, Json]) -> None:
    """An answer of another shape is an error of its own for the caller to translate."""
    with pytest.raises((KeyError, TypeError)):
        table_of(answer)
