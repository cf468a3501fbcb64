"""Rows that were read together."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import overload

from wuzapi_manager_server.domain.table import Cell, Key, Row


class Rows(Sequence[Row]):
    """Rows by column, as they come from a driver and are shown: to make a Row of each takes longer than to read it.

    `columns` are those of the table, in its order, none only where there are no rows; `keys` and `cursors` are those
    of each row.
    """

    __slots__ = ("columns", "cursors", "keys")

    def __init__(self, keys: Sequence[Key], cursors: Sequence[Key], columns: Sequence[Sequence[Cell]]) -> None:
        self.keys = keys
        self.cursors = cursors
        self.columns = columns

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Rows":
        """These rows; what has columns already is given back as it is."""
        if isinstance(rows, Rows):
            return rows
        columns = list(zip(*(row.cells for row in rows), strict=True))
        return cls([row.key for row in rows], [row.cursor for row in rows], columns)

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """All rows of parts of one table, one part after another."""
        filled = [part for part in parts if part.keys]
        if len(filled) == 1:
            return filled[0]
        return cls(
            list(chain.from_iterable(part.keys for part in filled)),
            list(chain.from_iterable(part.cursors for part in filled)),
            [list(chain.from_iterable(cells)) for cells in zip(*(part.columns for part in filled), strict=True)],
        )

    def without_cursors(self) -> "Rows":
        """The same rows of a table without a key, which no list is continued behind."""
        return Rows(self.keys, [()] * len(self.keys), self.columns)

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Row]:
        return map(Row, self.keys, self.cursors, zip(*self.columns, strict=True))

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> "Rows": ...
    def __getitem__(self, at: int | slice) -> "Row | Rows":
        if isinstance(at, slice):
            return Rows(self.keys[at], self.cursors[at], [column[at] for column in self.columns])
        return Row(self.keys[at], self.cursors[at], tuple([column[at] for column in self.columns]))


NO_ROWS = Rows((), (), ())
