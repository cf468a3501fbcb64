"""Values of records: how they are spelled, what columns take, and what would lose something is refused."""

import json
import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.tables import column
from wuzapi_manager_server.domain.json_text import parse_json
from wuzapi_manager_server.domain.table import Cell, ColumnType, Json, JsonDocument
from wuzapi_manager_server.domain.values import (
    MAX_LEVELS,
    Refused,
    checked_text,
    from_text,
    number_of,
    to_cell,
    to_json,
    to_text,
)
from wuzapi_manager_server.errors import QueryFailed

FIRST = ColumnType.BOOLEAN
REFUSED: list[tuple[ColumnType, Json]] = [
    (FIRST, 1),
    (FIRST, 0.0),
    (FIRST, "true"),
    (ColumnType.INTEGER, True),
    (ColumnType.INTEGER, 1.5),
    (ColumnType.INTEGER, float(2**53)),
    (ColumnType.INTEGER, math.inf),
    (ColumnType.INTEGER, math.nan),
    (ColumnType.INTEGER, "007"),
    (ColumnType.INTEGER, "+5"),
    (ColumnType.INTEGER, "-0"),
    (ColumnType.INTEGER, " 5"),
    (ColumnType.INTEGER, "1e3"),
    (ColumnType.INTEGER, "\u0665"),
    (ColumnType.INTEGER, "1_000"),
    (ColumnType.INTEGER, "9" * 1001),
    (ColumnType.DECIMAL, True),
    (ColumnType.DECIMAL, math.inf),
    (ColumnType.DECIMAL, math.nan),
    (ColumnType.DECIMAL, "1e999999999"),
    (ColumnType.DECIMAL, "1e1001"),
    (ColumnType.DECIMAL, "1e-1001"),
    (ColumnType.DECIMAL, "007"),
    (ColumnType.DECIMAL, "+5"),
    (ColumnType.DECIMAL, ".5"),
    (ColumnType.DECIMAL, "\u0665"),
    (ColumnType.DECIMAL, "1,5"),
    (ColumnType.DECIMAL, "sNaN"),
    (ColumnType.FLOAT, True),
    (ColumnType.FLOAT, math.inf),
    (ColumnType.FLOAT, "1e400"),
    (ColumnType.FLOAT, "1e-400"),
    (ColumnType.FLOAT, str(2**53 + 1)),
    (ColumnType.FLOAT, 2**53 + 1),
    (ColumnType.FLOAT, "inf"),
    (ColumnType.FLOAT, "\u0665"),
    (ColumnType.FLOAT, []),
    (ColumnType.TEXT, 5),
    (ColumnType.TEXT, "a\0b"),
    (ColumnType.TEXT, "\ud800"),
    (ColumnType.BYTES, "YQ"),
    (ColumnType.BYTES, "YR=="),
    (ColumnType.BYTES, "Y Q=="),
    (ColumnType.BYTES, "_w=="),
    (ColumnType.BYTES, "é"),
    (ColumnType.BYTES, 5),
    (ColumnType.DATE, "0000-01-01"),
    (ColumnType.DATE, "10000-01-01"),
    (ColumnType.DATE, "2026-02-29"),
    (ColumnType.DATE, "2026-11-23Z"),
    (ColumnType.DATE, "2026-11-23T00:00:00"),
    (ColumnType.DATE, "20261123"),
    (ColumnType.DATE, "2026-W48-1"),
    (ColumnType.DATE, "٢٠٢٦-11-23"),
    (ColumnType.TIME, "24:00"),
    (ColumnType.TIME, "23:59:60"),
    (ColumnType.TIME, "13:05:00.1234567"),
    (ColumnType.TIME, "13:05:00Z"),
    (ColumnType.TIME, "13"),
    (ColumnType.TIMESTAMP, "2026-11-23T13:05:00Z"),
    (ColumnType.TIMESTAMP, "2026-11-23"),
    (ColumnType.TIMESTAMP, "2026-11-23T24:00:00"),
    (ColumnType.TIMESTAMP, "2026-11-23T23:59:60"),
    (ColumnType.TIMESTAMP, "2026-11-23T13:05:00.1234567"),
    (ColumnType.TIMESTAMP, "2026-02-30T00:00:00"),
    (ColumnType.TIMESTAMP, 1_700_000_000),
    (ColumnType.TIMESTAMP_TZ, "2026-11-23T13:05:00"),
    (ColumnType.TIMESTAMP_TZ, "2026-11-23T13:05:00+99:99"),
    (ColumnType.TIMESTAMP_TZ, "2026-11-23T13:05:00+22:99"),
    (ColumnType.TIMESTAMP_TZ, "2026-11-23T13:05:00+24:00"),
    (ColumnType.TIMESTAMP_TZ, "2026-11-23T13:05:00Z\n"),
    (ColumnType.TIMESTAMP_TZ, "2026-11-23T23:59:60Z"),
    (ColumnType.TIMESTAMP_TZ, "0000-11-23T13:05:00Z"),
    (ColumnType.TIMESTAMP_TZ, "2026-11-23+01:00"),
    (ColumnType.DURATION, "P"),
    (ColumnType.DURATION, "PT"),
    (ColumnType.DURATION, "P1DT"),
    (ColumnType.DURATION, "P1Y"),
    (ColumnType.DURATION, "1:30"),
    (ColumnType.DURATION, 90),
    (ColumnType.DURATION, "PT1.1234567S"),
    (ColumnType.DURATION, "P999999999DT24H"),
    (ColumnType.DURATION, "-P999999999DT1S"),
    (ColumnType.UUID, "{12345678-1234-5678-1234-567812345678}"),
    (ColumnType.UUID, "urn:uuid:12345678-1234-5678-1234-567812345678"),
    (ColumnType.UUID, "1234_678-1234-5678-1234-567812345678"),
    (ColumnType.UUID, "٢2345678123456781234567812345678"),
    (ColumnType.UUID, 5),
    (ColumnType.JSON, {"a": math.inf}),
    (ColumnType.JSON, math.nan),
    (ColumnType.JSON, {"\0": 1}),
    (ColumnType.JSON, ["\ud800"]),
    (ColumnType.ARRAY, "{1,2}"),
    (ColumnType.ARRAY, {}),
    (ColumnType.OTHER, 5),
    (ColumnType.OTHER, True),
]


@pytest.mark.parametrize(
    ("kind", "value"), REFUSED, ids=lambda part: str(part)[:40].encode("ascii", "replace").decode()
)
def test_what_would_lose_something_is_refused(kind: ColumnType, value: Json) -> None:
    """A value that the column cannot take whole is refused, with a reason in both languages."""
    with pytest.raises(Refused) as refused:
        to_cell(value, column(kind))
    assert all(refused.value.text)


TAKEN: list[tuple[ColumnType, Json, Cell]] = [
    (ColumnType.INTEGER, 5.0, 5),
    (ColumnType.INTEGER, "9007199254740993", 9007199254740993),
    (ColumnType.INTEGER, "-12", -12),
    (ColumnType.DECIMAL, "12.50", Decimal("12.50")),
    (ColumnType.DECIMAL, 0.1, Decimal("0.1")),
    (ColumnType.DECIMAL, 10**30, Decimal(10**30)),
    (ColumnType.DECIMAL, "1e3", Decimal(1000)),
    (ColumnType.DECIMAL, "-Infinity", Decimal("-Infinity")),
    (ColumnType.FLOAT, 5, 5.0),
    (ColumnType.FLOAT, "0.1", 0.1),
    (ColumnType.FLOAT, "1e22", 1e22),
    (ColumnType.FLOAT, "Infinity", math.inf),
    (ColumnType.TEXT, "", ""),
    (ColumnType.BYTES, "", b""),
    (ColumnType.BYTES, "/w==", b"\xff"),
    (ColumnType.DATE, "2024-02-29", date(2024, 2, 29)),
    (ColumnType.DATE, "0001-01-01", date.min),
    (ColumnType.TIME, "13:05", time(13, 5)),
    (ColumnType.TIME, "13:05:00.25", time(13, 5, 0, 250_000)),
    (ColumnType.TIMESTAMP, "2026-11-23 13:05", datetime(2026, 11, 23, 13, 5)),  # noqa: DTZ001 - a naive one is meant
    (ColumnType.TIMESTAMP_TZ, "2026-11-23T13:05:00Z", datetime(2026, 11, 23, 13, 5, tzinfo=UTC)),
    (ColumnType.TIMESTAMP_TZ, "2026-11-23T13:05:00-00:00", datetime(2026, 11, 23, 13, 5, tzinfo=UTC)),
    (ColumnType.DURATION, "PT90M", timedelta(minutes=90)),
    (ColumnType.DURATION, "-P1DT0.5S", -timedelta(days=1, seconds=0.5)),
    (ColumnType.UUID, "ABCDEF00-1234-5678-1234-567812345678", UUID("abcdef00123456781234567812345678")),
    (ColumnType.JSON, {"a": 5.0, "b": [1.5, True]}, JsonDocument({"a": 5, "b": [1.5, True]})),
    (ColumnType.JSON, "text", JsonDocument("text")),
    (ColumnType.ARRAY, [1.0, "a", None], [1, "a", None]),
]


@pytest.mark.parametrize(("kind", "value", "cell"), TAKEN, ids=str)
def test_what_fits_is_taken(kind: ColumnType, value: Json, cell: Cell) -> None:
    """A value that the column takes whole becomes the cell of its type; null becomes null."""
    found = to_cell(value, column(kind))
    assert found == cell
    assert type(found) is type(cell)
    assert to_cell(None, column(kind)) is None


LOOSE: list[tuple[ColumnType, Json, Cell]] = [
    (ColumnType.TIMESTAMP, "2026-11-23", "2026-11-23"),
    (ColumnType.TIMESTAMP, "2026-11-23T13:05:00.123456789Z", "2026-11-23 13:05:00.123456789Z"),
    (ColumnType.DATE, "2026-11-23 00:00:00", "2026-11-23 00:00:00"),
    (ColumnType.DATE, 45_000.0, 45_000),
    (ColumnType.DATE, 2460638.5, 2460638.5),
    (ColumnType.DATE, "1700000000000000000", 1_700_000_000_000_000_000),
    (ColumnType.DATE, 1e20, 1e20),
    (ColumnType.TIME, "13:05", "13:05"),
    (ColumnType.BOOLEAN, 2.0, 2),
    (ColumnType.BOOLEAN, 0.5, 0.5),
    (ColumnType.UUID, "ABCDEF00123456781234567812345678", "ABCDEF00123456781234567812345678"),
    (ColumnType.OTHER, 5.0, 5),
    (ColumnType.OTHER, "5", "5"),
]


@pytest.mark.parametrize(("kind", "value", "cell"), LOOSE, ids=str)
def test_what_stands_in_loose_columns_is_taken(kind: ColumnType, value: Json, cell: Cell) -> None:
    """What may stand in a column of an engine without fixed types is taken as it is."""
    found = to_cell(value, column(kind, dynamic=True))
    assert found == cell
    assert type(found) is type(cell)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ColumnType.DATE, "2026-02-30"),
        (ColumnType.DATE, True),
        (ColumnType.DATE, math.inf),
        (ColumnType.DATE, "123"),
        (ColumnType.DATE, "09007199254740993"),
        (ColumnType.TIMESTAMP, "2026-02-30"),
        (ColumnType.TIMESTAMP, "2026-02-30T00:00:00"),
        (ColumnType.BOOLEAN, "yes"),
        (ColumnType.OTHER, True),
        (ColumnType.UUID, 5),
    ],
)
def test_loose_columns_do_not_take_everything(kind: ColumnType, value: Json) -> None:
    """Also without fixed types a column takes only what its declared type may mean."""
    with pytest.raises(Refused):
        to_cell(value, column(kind, dynamic=True))


def nested(levels: int) -> Json:
    document: Json = 1
    for _ in range(levels):
        document = {"a": document}
    return document


def test_documents_deeper_than_a_message_carries_are_text() -> None:
    """A document of 32 levels travels as such, a deeper one as its text; neither raises."""
    assert to_json(JsonDocument(nested(MAX_LEVELS))) == nested(MAX_LEVELS)
    assert to_json(JsonDocument(nested(MAX_LEVELS + 1))) == json.dumps(nested(MAX_LEVELS + 1), separators=(",", ":"))
    assert to_cell(nested(MAX_LEVELS), column(ColumnType.JSON)) == JsonDocument(nested(MAX_LEVELS))
    with pytest.raises(Refused, match="32 levels"):
        to_cell(nested(MAX_LEVELS + 1), column(ColumnType.JSON))
    with pytest.raises(Refused, match="32 levels"):
        to_cell([nested(MAX_LEVELS)], column(ColumnType.ARRAY))


def test_a_document_that_cannot_be_spelled_is_said_to_be_so() -> None:
    """A document of more levels than Python spells is QueryFailed."""
    document: Json = 1
    for _ in range(200_000):
        document = [document]
    with pytest.raises(QueryFailed):
        to_json(JsonDocument(document))
    while isinstance(document, list):  # freed level by level
        document = document[0]


def test_huge_decimals_stay_short() -> None:
    """A decimal of a huge exponent is spelled with it, not written out."""
    assert to_json(Decimal("1e999999999")) == "1E+999999999"
    assert to_json(Decimal("1e-999999999")) == "1E-999999999"
    assert to_json(Decimal("1.5E+3")) == "1500"
    assert to_json(Decimal("1E-9")) == "0.000000001"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (Decimal("NaN"), "NaN"),
        (Decimal("sNaN"), "NaN"),
        (Decimal("-Infinity"), "-Infinity"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (True, True),
        (2**53, "9007199254740992"),
        (JsonDocument({"a": 2**53, "b": math.inf}), {"a": "9007199254740992", "b": "Infinity"}),
        ([Decimal("1.50"), None, b"\xff"], ["1.50", None, "/w=="]),
        (timedelta(), "PT0S"),
        (timedelta(days=-1, seconds=-1.5), "-P1DT1.5S"),
        (timedelta(hours=25), "P1DT1H"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-3))), "2026-01-01T00:00:00-03:00"),
    ],
)
def test_cells_are_spelled_as_promised(cell: Cell, value: Json) -> None:
    """Cells stand in answers as the API says."""
    assert to_json(cell) == value


def test_nan_comes_back() -> None:
    """NaN, which is equal to nothing, is written back as NaN."""
    for kind in (ColumnType.FLOAT, ColumnType.DECIMAL):
        assert to_json(to_cell("NaN", column(kind))) == "NaN"


def test_json_numbers_keep_their_digits() -> None:
    """A decimal column takes every digit of a JSON number, an integer column none but whole ones."""
    digits = "12345678901234567890.12345678901234567890"
    assert to_cell(parse_json(digits), column(ColumnType.DECIMAL)) == Decimal(digits)
    assert to_cell(parse_json("1e400"), column(ColumnType.DECIMAL)) == Decimal("1e400")
    assert to_cell(parse_json(digits), column(ColumnType.FLOAT)) == float(digits)
    assert type(to_cell(parse_json(digits), column(ColumnType.FLOAT))) is float
    assert to_cell(parse_json("1.0"), column(ColumnType.INTEGER)) == 1
    for kind, text in (
        (ColumnType.FLOAT, "1e400"),
        (ColumnType.JSON, "[1e400]"),
        (ColumnType.JSON, '{"a": [0.1234567890123456789]}'),
        (ColumnType.ARRAY, "[0.1234567890123456789]"),
        (ColumnType.INTEGER, "9007199254740991.4"),
        (ColumnType.DECIMAL, "1e99999999999999999999"),
    ):
        with pytest.raises(Refused):
            to_cell(parse_json(text), column(kind))


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", "[Infinity]", '{"a":1,"a":2}', '[{"b":{"a":1,"a":1}}]', "[" * 200_000, "9" * 5000, "'a'"]
)
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    """Malformed, non-standard, ambiguous and bottomless JSON is a ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError):  # noqa: PT011 - that it is one is all there is to say
        parse_json(text)


def test_cells_of_a_csv_are_read_by_the_column() -> None:
    """Booleans, lists and documents are JSON in a CSV file; everything else is its text."""
    assert from_text("true", column(ColumnType.BOOLEAN)) is True
    assert from_text("false", column(ColumnType.BOOLEAN)) is False
    assert from_text("1", column(ColumnType.BOOLEAN)) == "1"
    assert from_text("true", column(ColumnType.TEXT)) == "true"
    assert from_text('"5"', column(ColumnType.JSON)) == "5"
    assert from_text("5", column(ColumnType.JSON)) == 5
    assert from_text("5", column(ColumnType.OTHER, dynamic=True)) == "5"
    for text in ("", "{", '{"a":1,"a":2}', "NaN"):
        with pytest.raises(Refused, match="JSON"):
            from_text(text, column(ColumnType.JSON))
    assert to_text("5", column(ColumnType.JSON)) == '"5"'
    assert to_text("5", column(ColumnType.TEXT)) == "5"
    assert to_text({"é": [1, True]}, column(ColumnType.JSON)) == '{"é":[1,true]}'
    assert to_text(True, column(ColumnType.BOOLEAN)) == "true"


@given(st.text())
def test_checked_text_is_text_that_databases_keep(text: str) -> None:
    """Text is given as it is, or refused for U+0000 or for what UTF-8 cannot spell."""
    try:
        assert checked_text(text) == text
    except Refused:
        assert "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)
    else:
        assert "\0" not in text
        text.encode()


def test_numbers_are_told_from_texts() -> None:
    """A text is a number where JSON would take it as one, or where it is a name of one."""
    assert number_of("12.50") == Decimal("12.5")
    assert number_of("-Infinity") == -math.inf
    for text in ("", "1_000", " 5", "\u0665", "+5", "0x10", "inf"):
        assert number_of(text) is None


def test_texts_that_a_column_names_come_as_they_are() -> None:
    """What stands for a value that no type here holds is neither parsed nor refused; everything else still is."""
    days = column(ColumnType.DATE, texts=re.compile("infinity|0000-00-00"))
    assert to_cell("infinity", days) == "infinity"
    assert to_cell("0000-00-00", days) == "0000-00-00"
    assert to_cell("2026-01-31", days) == date(2026, 1, 31)
    for refused in ("-infinity", "0000-00-00 ", "2026-02-30", 0):
        with pytest.raises(Refused):
            to_cell(refused, days)


def test_a_csv_cell_may_be_a_text_that_the_column_knows() -> None:
    """An array that no list can say comes in a CSV as it goes out."""
    known = replace(column(ColumnType.ARRAY), texts=re.compile(r"\[.*\]=.*"))
    assert from_text("[0:1]={7,8}", known) == "[0:1]={7,8}"
    assert from_text("[7,8]", known) == [7, 8]
