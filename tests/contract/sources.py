"""What the contract suite asks of an engine: to make tables, to look into them, and to say what it can."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import pytest

from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager_server.domain.table import ColumnType

Value = object
"""A value of a column as Python has it: None, bool, int, float, Decimal, str, bytes, date, time, datetime, UUID, or
what JSON can hold for a JSON column."""


@dataclass(frozen=True)
class Spec:
    """A column to make. `key`: part of the primary key. `given`: the engine gives whole numbers when it is left out."""

    name: str
    type: ColumnType = ColumnType.TEXT
    nullable: bool = True
    key: bool = False
    given: bool = False
    unique: bool = False


@dataclass(frozen=True)
class Shape:
    """A table to make, under any name. `view`: a view on such a table."""

    columns: tuple[Spec, ...]
    view: bool = False
    name: str = ""


@dataclass(frozen=True)
class Can:
    """What an engine can do. The first engine that lacks something adds a flag here, and the tests of it ask for it.

    `dirty_values`: any column may hold any value. `decimal_scale`: the digits behind the point that a DECIMAL column
    keeps and always shows, `decimal_nan`: it keeps NaN. `infinities`: a FLOAT column keeps them. `longest_key`: the
    most characters of a text in a key. `describes_late`: a column that was added is seen within a minute, or once the
    connection is tested. `chosen_keys`: a create may choose a key that the engine would give, and an update may change
    it. `exact_numbers`: integers beyond 2^53 are kept. `old_dates`: years below 100 are. `max_text`: the characters
    that a text may have. `keys_with_commas`: so may a part of a composite key. `empty_keys`: a key may be an empty
    text. `empty_values`: an empty text, and
    false, are apart from null. `constraints`: columns may be unique or not null. `any_key`: a key may be of any type,
    of several columns, or none. `microseconds`: a time keeps them, not milliseconds
    alone. `many`: so many rows are many answers of the engine. `computed`: the word for how a computed column is kept
    that can be added to a table; empty where there are none in its own language.
    """

    types: frozenset[ColumnType]
    transactions: bool = True
    dirty_values: bool = False
    decimal_scale: int | None = None
    decimal_nan: bool = False
    infinities: bool = True
    longest_key: int | None = None
    describes_late: bool = False
    chosen_keys: bool = True
    exact_numbers: bool = True
    old_dates: bool = True
    max_text: int = 10_000_000
    keys_with_commas: bool = True
    empty_keys: bool = True
    empty_values: bool = True
    constraints: bool = True
    any_key: bool = True
    microseconds: bool = True
    many: int = 1500
    computed: str = ""

    def keeps(self, value: Value) -> bool:
        """Whether the engine keeps a value of a type that it has."""
        if isinstance(value, datetime) and value.microsecond % 1000:
            return self.microseconds
        if isinstance(value, date) and value.year < 100:
            return self.old_dates
        if isinstance(value, float) and math.isinf(value):
            return self.infinities
        if isinstance(value, int) and not -(2**53) < value < 2**53:
            return self.exact_numbers
        return not isinstance(value, str) or (len(value) <= self.max_text and (self.empty_values or value != ""))


def demands(ability: bool) -> None:
    """Skips the test where the engine lacks what it is about."""
    if not ability:
        pytest.skip("this engine has no such thing")


@dataclass
class MadeTable:
    """A table that was made: where it is, and its shape."""

    name: str
    shape: Shape
    place: object = field(repr=False, default=None)


class SourceUnderTest(Protocol):
    """An engine."""

    @property
    def can(self) -> Can:
        """What it can do."""
        ...

    def make(self, shape: Shape, rows: Sequence[Sequence[Value]] = ()) -> MadeTable:
        """Makes a table with rows."""
        ...

    def source_of(self, table: MadeTable) -> connections.Connection:
        """A Connection message that has the source of that table, and nothing else."""
        ...

    def add(self, table: MadeTable, rows: Sequence[Sequence[Value]]) -> None:
        """Adds rows behind the service's back."""
        ...

    def rows(self, table: MadeTable) -> list[tuple[Value, ...]]:
        """All rows as the engine holds them, in the order of the first column, behind the service's back."""
        ...

    def run(self, table: MadeTable, statement: str) -> None:
        """Does something in the engine's own language; `{t}` in it stands for the quoted table."""
        ...


def needs(source: SourceUnderTest, kind: ColumnType) -> None:
    """Leaves a test out where the engine has no column of that type."""
    if kind not in source.can.types:
        pytest.skip(f"this engine has no column of type {kind.value}")


PEOPLE = Shape(
    (
        Spec("id", ColumnType.INTEGER, nullable=False, key=True, given=True),
        Spec("owner"),
        Spec("name"),
        Spec("age", ColumnType.INTEGER),
    )
)
"""What most tests need: a key that the engine gives, a link field, a text and a number."""
