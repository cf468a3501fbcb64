"""What the row-scope properties ask of an engine: to make tables of many owners, and to look into them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from wuzapi_manager.v1 import connection_pb2 as connections

Raw = None | int | float | str | bytes | Decimal
Row = Mapping[str, Raw]
"""A row as the engine holds it, by column."""

COLUMNS = ("a", "b", "owner", "name", "n", "note", "code", "mark", "veil", "tag")
"""`a` and `b` are what keys are made of, `owner` is the link column, `name`, `note`, `code`, `mark` and `veil` are
texts, `n` and `tag` whole numbers. `tag` tells rows apart; `mark` and `veil` hold texts that stand in one row alone."""

WHOLE = frozenset({"integer", "replacing", "with link"})
"""The kinds of keys whose column a holds whole numbers; with the others it holds texts."""


class Engine(Protocol):
    """An engine. Tables are known by names of their own.

    `link_types` are declarations of link columns, those that people mostly use first, `texts` those of them that hold
    every text as it is, `searched` those that the service searches for text. `keys` are the kinds of primary keys;
    "integer" is one that the engine gives by itself. `given` says, by kind of key, which column the engine alone fills:
    one of COLUMNS, or one that such tables have beside them.
    """

    @property
    def link_types(self) -> tuple[str, ...]: ...
    @property
    def texts(self) -> frozenset[str]: ...
    @property
    def searched(self) -> frozenset[str]: ...
    @property
    def given(self) -> Mapping[str, str]: ...
    @property
    def keys(self) -> tuple[str, ...]: ...

    def make(
        self, name: str, key: str, link_type: str, rows: Sequence[Sequence[Raw]], *, replacing: bool = False
    ) -> None:
        """Makes a table of COLUMNS; rows that it does not take are left out.

        `replacing`: a constraint beside the key replaces rows, where the engine knows such.
        """
        ...

    def rows(self, name: str) -> list[Row]:
        """Every row, read behind the service's back."""
        ...

    def drop(self, name: str) -> None:
        """Takes the table away."""
        ...

    def source_of(self, name: str) -> connections.Connection:
        """A Connection message that has the source of that table, and nothing else."""
        ...

    def owns(self, value: str, cell: Raw, link_type: str) -> bool:
        """Whether a link cell is that value: its text, byte by byte, as readers are shown it."""
        ...


def canon(rows: Sequence[Row]) -> list[str]:
    """Rows that can be compared: 1, 1.0 and '1' are not the same, and their order is of no matter."""
    return sorted(repr(tuple(row.values())) for row in rows)
