"""What SQLite makes of declared types, and what we do."""

import sqlite3
from contextlib import closing

import pytest

from wuzapi_manager_server.domain.table import ColumnType
from wuzapi_manager_server.sources.sqlite_types import Affinity, affinity_of, type_of

DECLARED = [
    *("INTEGER", "TINYINT(1)", "VARCHAR(10)", "TEXT", "CLOB", "BLOB", "", "REAL", "DOUBLE PRECISION", "FLOAT"),
    *("NUMERIC", "DECIMAL(10,5)", "BOOLEAN", "DATE", "DATETIME", "JSON", "UUID", "STRING", "CHARINT", "FLOATING POINT"),
    *("ANY", "JSONTEXT", "native character(70)", "BLOB TEXT"),
]


@pytest.mark.parametrize("declared", DECLARED)
def test_affinity_is_what_sqlite_says(declared: str) -> None:
    """Our reading of the five rules is that of SQLite itself, told by what it makes of values."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE t (a {declared})")
        kinds = tuple(
            connection.execute("INSERT INTO t VALUES (?) RETURNING typeof(a)", (value,)).fetchone()[0]
            for value in ("1", 1, "1.5")
        )
    expected = {
        Affinity.INTEGER: ("integer", "integer", "real"),
        Affinity.NUMERIC: ("integer", "integer", "real"),
        Affinity.REAL: ("real", "real", "real"),
        Affinity.TEXT: ("text", "text", "text"),
        Affinity.NONE: ("text", "integer", "text"),
    }
    assert expected[affinity_of(declared)] == kinds


def test_any_in_strict_tables_converts_nothing() -> None:
    """ANY is a type of STRICT tables alone."""
    assert affinity_of("ANY", strict=True) is Affinity.NONE
    assert affinity_of("any") is Affinity.NUMERIC


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("bool", ColumnType.BOOLEAN),
        ("TIMESTAMP WITH TIME ZONE", ColumnType.TIMESTAMP),
        ("date", ColumnType.DATE),
        ("time", ColumnType.TIME),
        ("jsonb", ColumnType.JSON),
        ("UNIQUEIDENTIFIER", ColumnType.UUID),
        ("UNSIGNED BIG INT", ColumnType.INTEGER),
        ("INTERVAL", ColumnType.OTHER),
        ("NVARCHAR(5)", ColumnType.TEXT),
        ("VARBINARY(5)", ColumnType.BYTES),
        ("double precision", ColumnType.FLOAT),
        ("money", ColumnType.DECIMAL),
        ("geometry", ColumnType.OTHER),
        ("", ColumnType.OTHER),
    ],
)
def test_types_by_declared_name(declared: str, kind: ColumnType) -> None:
    """A declared type is what people mean by it."""
    assert type_of(declared) is kind
