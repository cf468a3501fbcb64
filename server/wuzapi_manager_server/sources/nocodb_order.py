"""The order of a list of a NocoDB table, and places in it."""

from collections.abc import Sequence

from wuzapi_manager_server.domain.table import Cell, ColumnType, Key, Row, Scalar
from wuzapi_manager_server.domain.values import to_json
from wuzapi_manager_server.errors import InvalidInput, Text, Violation
from wuzapi_manager_server.sources.base import Sort
from wuzapi_manager_server.sources.matching import Rank, rank
from wuzapi_manager_server.sources.nocodb_table import NocoColumn, NocoTable
from wuzapi_manager_server.sources.nocodb_values import to_cell


class Order:
    """The order of a list. `by_key`: it is the key's own (False) or its reverse (True); None where it is another."""

    def __init__(self, table: NocoTable, sorts: Sequence[Sort]) -> None:
        names = [sort.column for sort in sorts]
        ties = [Sort(name) for name in table.table.primary_key if name not in names]
        self._table = table
        self._sorts = [*sorts, *ties]
        self._columns = [table.by_name[sort.column] for sort in self._sorts]
        keys = table.table.primary_key
        sortable = all(each.column.type in _KEYS for each in table.keys)
        self.by_key: bool | None = None
        if sortable and (not sorts or (keys == (sorts[0].column,) and table.keys[0].column.type is ColumnType.INTEGER)):
            self.by_key = bool(sorts) and sorts[0].descending

    def cursor(self, row: Row) -> Row:
        """The row with the place in this order as its cursor."""
        return row._replace(cursor=tuple(_dumped(self._table.cell(row, sort.column)) for sort in self._sorts))

    def place(self, after: Key) -> Row:
        """A row that stands at a place."""
        if len(after) != len(self._columns):
            raise wrong_token()
        cells: list[Cell] = [None] * len(self._table.columns)
        for column, part in zip(self._columns, after, strict=True):
            cells[self._table.table.index[column.column.name]] = _loaded(part, column)
        return Row((), after, tuple(cells))

    def compare(self, one: Row, other: Row) -> int:
        """Below 0 where one comes before the other."""
        for sort in self._sorts:
            mine, its = (self._rank(row, sort.column) for row in (one, other))
            if mine != its:
                return -1 if (mine < its) is not sort.descending else 1
        return 0

    def _rank(self, row: Row, name: str) -> Rank:
        return rank(self._table.cell(row, name))


_KEYS = frozenset({ColumnType.INTEGER, ColumnType.TEXT, ColumnType.OTHER, ColumnType.UUID})


def _dumped(cell: Cell) -> Scalar:
    value = to_json(cell)
    return cell if isinstance(cell, int | float | bytes) else value if value is None or isinstance(value, str) else ""


def _loaded(part: Scalar, column: NocoColumn) -> Cell:
    return part if isinstance(part, bytes) else to_cell(part, column.column)


def wrong_token() -> InvalidInput:
    """What is said of a place that no list of this kind has."""
    return InvalidInput([Violation("page_token", Text("it does not belong to this list", "não pertence a esta lista"))])
