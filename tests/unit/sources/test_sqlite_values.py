"""Values on their way into a SQLite column and out of it."""

import sqlite3
from contextlib import closing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wuzapi_manager_server.domain.table import Cell, ColumnType, JsonDocument
from wuzapi_manager_server.sources.sqlite_types import affinity_of, type_of
from wuzapi_manager_server.sources.sqlite_values import BrokenText, Unfit, bind, is_plain, read

DECLARED = [
    *("BOOLEAN", "INTEGER", "DECIMAL(9,2)", "DOUBLE", "TEXT", "DATE", "TIME", "DATETIME", "JSON", "UUID", "BLOB", ""),
    *("STRING"),
]
RAWS: st.SearchStrategy[object] = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=8), st.binary(max_size=4)
)
NUMERIC_TEXTS = st.from_regex(r"[ ]?[+-]?[0-9]{0,22}(\.[0-9]{0,20})?(e[+-]?[0-9]{1,3})?", fullmatch=True)
CELLS: st.SearchStrategy[Cell] = st.one_of(
    st.booleans(),
    st.integers(),
    st.integers(-5, 5),
    st.floats(),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.decimals(-1000, 1000, allow_nan=False, places=2),
    st.text(max_size=5),
    NUMERIC_TEXTS,
    st.binary(max_size=5),
    st.datetimes(),
    st.dates(),
    st.times(),
    st.uuids(),
    st.builds(JsonDocument, st.one_of(st.integers(), st.floats(), st.text(max_size=3), st.lists(st.integers()))),
)


def stored(declared: str, raw: object) -> object:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE t (a {declared})")
        connection.execute("INSERT INTO t VALUES (?)", (raw,))
        return connection.execute("SELECT a FROM t").fetchone()[0]


@given(declared=st.sampled_from(DECLARED), cell=CELLS)
@example(declared="DECIMAL(9,2)", cell=Decimal("1E+400"))
@example(declared="DOUBLE", cell=2**53 + 1)
@example(declared="STRING", cell="1e999")
@example(declared="DECIMAL(9,2)", cell=9.223372036854776e18)
def test_what_is_bound_is_kept(declared: str, cell: Cell) -> None:
    """A value is refused, or comes back from SQLite as a value that says the same."""
    kind, affinity = type_of(declared), affinity_of(declared)
    try:
        raw = bind(cell, kind, affinity)
    except Unfit:
        return
    back = read(stored(declared, raw), kind, affinity)
    assert _same(cell, back, kind), (raw, back)


def _same(cell: Cell, back: Cell, kind: ColumnType) -> bool:  # noqa: PLR0911 - a kind of value each
    if isinstance(cell, JsonDocument):
        return not isinstance(back, JsonDocument) or _same_number(cell.document, back.document)
    if isinstance(back, JsonDocument):  # a text that is JSON is a document there
        return isinstance(cell, str) or _same_number(cell, back.document)
    if isinstance(cell, bool | int | float | Decimal):
        return _same_number(cell, back)
    if isinstance(cell, datetime | date | time):
        return str(back).replace("T", " ") == cell.isoformat(*([" "] if isinstance(cell, datetime) else []))
    if isinstance(cell, UUID):
        return str(back) == str(cell)
    if isinstance(cell, str) and isinstance(back, int | float | Decimal):
        return _same_number(Decimal(cell.strip()), back)
    if isinstance(cell, str) and kind is ColumnType.TIMESTAMP:
        return str(back).replace("T", " ") == cell.replace("T", " ")
    return str(cell) == str(back)


def _same_number(one: object, other: object) -> bool:
    one = int(one) if isinstance(one, bool) else one
    other = int(other) if isinstance(other, bool) else other
    if isinstance(other, str) and isinstance(one, int | float | Decimal):
        other = type(one)(other)
    if isinstance(one, float) and isinstance(other, Decimal):
        return one == float(other)
    return one == other or (isinstance(one, Decimal) and one == Decimal(repr(other)))


@given(declared=st.sampled_from(DECLARED), raw=RAWS)
@example(declared="JSON", raw="{" * 5000)
@example(declared="JSON", raw="9" * 5000)
@example(declared="JSON", raw='"\\ud800"')
@example(declared="JSON", raw="[NaN]")
@example(declared="DECIMAL(9,2)", raw=float("inf"))
def test_any_raw_value_is_read(declared: str, raw: object) -> None:
    """Reading never fails, and a plain column gives every value as it is."""
    kind, affinity = type_of(declared), affinity_of(declared)
    kept = stored(declared, raw)
    cell = read(kept, kind, affinity)
    assert (cell is None) == (kept is None)
    if is_plain(kind, affinity):
        assert cell is kept


@pytest.mark.parametrize(
    ("declared", "raw", "cell"),
    [
        ("BOOLEAN", 1, True),
        ("BOOLEAN", 2, 2),
        ("DECIMAL", 1.1, Decimal("1.1")),
        ("DECIMAL", 12, Decimal(12)),
        ("DECIMAL", "twelve", "twelve"),
        ("DATE", "2026-11-23", date(2026, 11, 23)),
        ("DATE", "20261123", "20261123"),
        ("TIME", "13:05:00", time(13, 5)),
        ("TIME", "13:05", "13:05"),
        ("DATETIME", "2026-11-23 13:05:00.5+02:00", "2026-11-23T13:05:00.5+02:00"),
        ("DATETIME", "soon", "soon"),
        ("DATETIME", 1763900000, 1763900000),
        ("UUID", "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        ("UUID", "12345678-1234-5678-1234-56781234567A", "12345678-1234-5678-1234-56781234567A"),
        ("JSON", '{"n": 123456789012345678901}', JsonDocument({"n": 123456789012345678901})),
        ("JSON", 5, JsonDocument(5)),
        ("JSON", 5.5, JsonDocument(5.5)),
        ("JSON", "not json", "not json"),
        ("FLOAT NUMBER", 3, 3.0),
        ("STRING", 12, "12"),
        ("STRING", 1.5, "1.5"),
        ("TEXT", BrokenText(b"\xff", "\ufffd"), "\ufffd"),
        ("TEXT", b"\xff", b"\xff"),
    ],
)
def test_reading_by_declared_type(declared: str, raw: object, cell: Cell) -> None:
    """What fits the declared type is typed, what does not stands as it is."""
    result = read(raw, type_of(declared), affinity_of(declared))
    assert result == cell
    assert type(result) is type(cell)


@pytest.mark.parametrize("cell", [timedelta(1), [1], JsonDocument(float("inf")), "\udfff", Decimal("Infinity")])
def test_what_sqlite_has_no_value_for(cell: Cell) -> None:
    """A value of no type that SQLite has is refused in both languages."""
    with pytest.raises(Unfit) as caught:
        bind(cell, ColumnType.OTHER, affinity_of(""))
    assert caught.value.text.en
    assert caught.value.text.pt
