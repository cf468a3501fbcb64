"""Tables that live elsewhere, in the engine-neutral words that every source speaks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from re import Pattern
from typing import NamedTuple
from uuid import UUID

from wuzapi_manager_server.errors import NO_TEXT, Text

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What a JSON document can hold."""


class JsonDocument(NamedTuple):
    """A cell of a JSON column: the parsed document, kept apart from lists and texts of other columns."""

    document: Json


Moment = date | time | datetime | timedelta
Cell = None | bool | int | float | Decimal | str | bytes | Moment | UUID | list["Cell"] | JsonDocument
"""A value of a column, typed, without loss. What an engine cannot type (dirty values, unknown types) is its text."""

Scalar = None | bool | int | float | str | bytes
"""A raw value of a key: what is needed to find the row again, and nothing richer."""

Key = tuple[Scalar, ...]
"""The raw values of a primary key, in the order of Table.primary_key."""


class ColumnType(Enum):
    """What a column holds. Names are those of the protos without prefix."""

    BOOLEAN = "BOOLEAN"
    INTEGER = "INTEGER"
    DECIMAL = "DECIMAL"
    FLOAT = "FLOAT"
    TEXT = "TEXT"
    BYTES = "BYTES"
    DATE = "DATE"
    TIME = "TIME"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMP_TZ = "TIMESTAMP_TZ"
    DURATION = "DURATION"
    UUID = "UUID"
    JSON = "JSON"
    ARRAY = "ARRAY"
    OTHER = "OTHER"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    `read_only` columns are computed by the engine. `dynamic` says that the engine keeps any text in the column, so that
    a time may come with or without zone. `has_default` says that a create may leave it out. `texts` are the texts that
    stand for values which no type here holds (dates before year 1, say): they come and go as they are.
    `derived_from` are the columns of the table that the value is computed from, by however many steps; None where that
    is not known.
    """

    name: str
    type: ColumnType
    native_type: str
    nullable: bool = True
    read_only: bool = False
    primary_key: bool = False
    has_default: bool = False
    dynamic: bool = False
    texts: Pattern[str] | None = None
    derived_from: frozenset[str] | None = frozenset()


@dataclass(frozen=True)
class Capabilities:
    """What a source and a table of it can do. `read_only_reason` is set exactly where the table takes no writes."""

    transactions: bool
    exact_numbers: bool
    count: bool
    search: bool
    key_paging: bool
    max_batch_size: int
    verified_updates: bool
    read_only_reason: Text | None = None


@dataclass(frozen=True)
class Table:
    """A table or view: its columns in the table's order and the primary key's columns in the key's order."""

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    capabilities: Capabilities
    schema: str = ""
    view: bool = False
    title: str = ""

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The place of each column in `columns` and in a full row's cells."""
        return {column.name: place for place, column in enumerate(self.columns)}

    def column(self, name: str) -> Column | None:
        """The column of that exact name."""
        place = self.index.get(name)
        return None if place is None else self.columns[place]


class Owner(NamedTuple):
    """Whose rows: those whose `column`, as text, is exactly `value` (compared byte by byte, never by a collation)."""

    column: str
    value: str


class Row(NamedTuple):
    """A row read from a source.

    `cells` stand in the order of the table's columns. `key` finds the row again
    and `cursor` continues a list behind it; both are empty where the table has no primary key.
    """

    key: Key
    cursor: Key
    cells: tuple[Cell, ...]


class Fault(Enum):
    """Why a step failed: the configuration, what may pass by itself, or the service. Names are those of the protos."""

    CONFIG = "CONFIG"
    TRANSIENT = "TRANSIENT"
    SYSTEM = "SYSTEM"


class Step(NamedTuple):
    """One step of a connection test. `duration` is in seconds; `fault` is None where it passed."""

    name: str
    ok: bool
    duration: float
    message: Text
    suggestion: Text = NO_TEXT
    fault: Fault | None = None


@dataclass(frozen=True)
class SourceTables:
    """A page of the tables that a source can see; `more` says whether others follow."""

    tables: tuple[Table, ...] = field(default_factory=tuple)
    more: bool = False
