"""A table as SQLAlchemy Core speaks of it, with what an engine knows of each column."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from wuzapi_manager_server.domain.filter import Op
from wuzapi_manager_server.domain.json_text import same_json
from wuzapi_manager_server.domain.table import Cell, Column, ColumnType, Key, Owner, Scalar, Table
from wuzapi_manager_server.domain.values import to_json
from wuzapi_manager_server.errors import Code, QueryFailed, Text

Element = sa.ColumnElement[Any]
"""An expression: foreign values have no static type."""

Condition = sa.ColumnElement[bool]

ORDERED: Mapping[Op, Callable[[Element, Element], Condition]] = {
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
}
"""How one expression is compared with another."""


class SqlColumn(ABC):
    """A column: how it is selected, compared and sorted, and what its raw values mean.

    `element` is the column itself, `sort` what it is sorted and continued by (with its collation where that is not the
    column's own). `plain` says that every cell is the raw value itself.
    """

    plain = False
    raw_scalars = False
    """Whether `scalar` gives every raw value as it is."""
    doubtful = False
    """Whether the engine may round or cut what `bind` cannot judge: what it kept is compared with what was given."""

    def __init__(self, column: Column, element: Element, sort: Element) -> None:
        self.column = column
        self.element = element
        self.sort = sort

    @property
    def shown(self) -> Element:
        """What to select."""
        return self.element

    @property
    def careful(self) -> Element:
        """What to select where the driver cannot decode a text as it is."""
        return self.shown

    def ordered(self, *, descending: bool) -> Element:
        """What goes into ORDER BY: null stands before every value."""
        return self.sort.desc() if descending else self.sort.asc()

    def caught(self, raw: object) -> object:
        """The raw value that a selection of `careful` stands for."""
        return raw

    @abstractmethod
    def read(self, raw: object) -> Cell:
        """The cell of a raw value."""

    def read_many(self, raws: Sequence[object]) -> Sequence[Cell]:
        """The cells of many raw values: what everything that is read goes through."""
        return [self.read(raw) for raw in raws]

    @abstractmethod
    def bind(self, cell: Cell) -> object:
        """The raw value to store. QueryFailed (INVALID_ARGUMENT) where something would be lost."""

    def stays(self, now: Cell, given: Cell) -> bool:
        """Whether the row shows just what was given, though stored it would be otherwise: an update leaves it alone.

        Of a document that are the white space, and numbers that travel as their digits.
        """
        return self.column.type is ColumnType.JSON and same_json(to_json(now), to_json(given))

    def is_kept(self, given: Cell, now: Cell) -> bool:
        """Whether a doubtful column kept what was given."""
        return given == now

    @abstractmethod
    def scalar(self, raw: object) -> Scalar:
        """The raw value as part of a key or cursor."""

    @abstractmethod
    def literal(self, scalar: Scalar) -> Element:
        """What `scalar` gave, as an expression. ValueError where no row can hold it."""

    def compare(self, op: Op, values: tuple[Cell, ...]) -> Condition:  # noqa: PLR0911 - one return an operator
        """The comparison, under the column's own collation; it may be unknown (NULL) where the column is null.

        NE is not. QueryFailed (INVALID_ARGUMENT) for a value that the column is not compared with.
        """
        match op:
            case Op.IS_NULL:
                return self.presence.is_(sa.null())
            case Op.IS_NOT_NULL:
                return self.presence.is_not(sa.null())
            case Op.CONTAINS:
                return self.place_of(values[0]) > 0
            case Op.STARTS_WITH:
                return self.starts_with(values[0])
            case Op.EQ | Op.IN:
                return self._is_one_of(values)
            case Op.NE:
                return sa.not_(sa.func.coalesce(self._is_one_of(values), sa.false()))
            case Op.BETWEEN:
                return sa.and_(self.bounded(Op.GE, values[0]), self.bounded(Op.LE, values[1]))
            case _:
                return self.bounded(op, values[0])

    def _is_one_of(self, values: tuple[Cell, ...]) -> Condition:
        given = [value for value in values if value is not None]
        equal = self.equals(given) if given else sa.false()
        return sa.or_(equal, self.presence.is_(sa.null())) if None in values else equal

    @property
    def presence(self) -> Element:
        """What is null where the column is."""
        return self.element

    @abstractmethod
    def equals(self, values: Sequence[Cell]) -> Condition:
        """Whether the column is one of these, none of which is null."""

    @abstractmethod
    def bounded(self, op: Op, value: Cell) -> Condition:
        """Whether the column is below or above a value (LT, LE, GT, GE)."""

    @abstractmethod
    def place_of(self, value: Cell) -> sa.ColumnElement[int]:
        """Where a text starts in the column, from 1, whatever the case of its ASCII letters; 0 where it does not."""

    def starts_with(self, value: Cell) -> Condition:
        """Whether the column begins with a text, likewise."""
        return self.place_of(value) == 1

    @abstractmethod
    def owned_by(self, value: str) -> Condition:
        """Whether the column, as text, is exactly `value`, byte by byte."""

    def is_scalar(self, scalar: Scalar) -> Condition:
        """Whether the column is what `scalar` says, null included. ValueError where no row can hold it."""
        return self.sort.is_(sa.null()) if scalar is None else self.sort == self.literal(scalar)

    def is_exactly(self, scalar: Scalar) -> Condition:
        """As `is_scalar`, but never of another value that only sorts the same. What finds a row by its key."""
        return self.is_scalar(scalar)

    def is_among(self, scalars: Iterable[Scalar]) -> Condition:
        """Whether the column is one of those, none of which is null."""
        literals = []
        for scalar in scalars:
            with suppress(ValueError):
                literals.append(self.literal(scalar))
        # Without a value SQLAlchemy compares with nothing of no type, which not every type can be.
        return self.sort.in_(literals) if literals else sa.false()


_MOST_OWNERS = 256


@dataclass(frozen=True)
class SqlTable:
    """A described table.

    `key` are the primary key's columns; `tie` tells apart rows whose key does not (nulls in it), or orders a table
    without one. `read_only` is why the table takes no writes. `version` is the engine's own mark of the description.
    `returns` says that the RETURNING of a write gives rows as they stay: nothing changes them afterwards; `deferred`
    that its triggers wait for COMMIT unless they are told not to. `shapes` keeps what was worked out of it for reading.
    """

    table: Table
    element: sa.Table
    columns: Mapping[str, SqlColumn]
    key: tuple[SqlColumn, ...]
    tie: SqlColumn | None
    read_only: Text | None
    version: object
    returns: bool = False
    deferred: bool = False
    shapes: dict[object, object] = field(default_factory=dict, compare=False, repr=False)
    _owned: dict[Owner, Condition] = field(default_factory=dict, compare=False, repr=False)

    def owned(self, owner: Owner) -> Condition:
        """Whether a row is the owner's; made once for each of those who come often."""
        found = self._owned.get(owner)
        if found is None:
            found = self.column(owner.column).owned_by(owner.value)
            if len(self._owned) >= _MOST_OWNERS:
                self._owned.clear()
            self._owned[owner] = found
        return found

    @cached_property
    def doubtful(self) -> bool:
        """Whether what was kept may be other than what was given."""
        return any(column.doubtful for column in self.columns.values())

    def column(self, name: str) -> SqlColumn:
        """The column of that name. QueryFailed where there is none."""
        found = self.columns.get(name)
        if found is None:
            raise no_column(name, self.table.name)
        return found

    def is_key(self, key: Key) -> Condition:
        """Whether a row has that key; false where no row can have it."""
        if not self.key or len(key) != len(self.key):
            return sa.false()
        try:
            return sa.and_(*(column.is_exactly(scalar) for column, scalar in zip(self.key, key, strict=True)))
        except ValueError:
            return sa.false()

    def is_one_of(self, keys: Sequence[Key]) -> Condition:
        """Whether a row has one of those keys, of which none holds null."""
        if len(self.key) != 1:
            return sa.or_(sa.false(), *(self.is_key(key) for key in keys))
        (column,) = self.key
        return column.is_among([scalar for (scalar,) in keys])

    def check_writable(self) -> None:
        """QueryFailed where the table takes no writes."""
        if self.read_only is not None:
            raise QueryFailed(self.read_only, metadata={"table": self.table.name})


class Altered(QueryFailed):
    """What a statement speaks of is not there, or is not of the type that was described.

    `stale`: the connections to the server still count on what was.
    """

    stale = False


class NoTable(QueryFailed):
    """There is no such table, or none that may be read."""


def no_table(name: str) -> NoTable:
    """The error for a table that is not there."""
    return NoTable(
        Text(f"Table '{name}' was not found in the database", f"Tabela '{name}' não encontrada no banco de dados"),
        suggestion=Text(
            "Check the table name and the schema of the connection, and that its database user may read the table",
            "Verifique o nome da tabela e o schema da conexão e se o usuário de banco pode ler a tabela",
        ),
        metadata={"table": name},
    )


def no_column(name: str, table: str) -> QueryFailed:
    """The error for a column that is not there."""
    return QueryFailed(
        Text(f"Column '{name}' was not found in table '{table}'", f"Campo '{name}' não encontrado na tabela '{table}'"),
        suggestion=Text("Check the mappings of the connection", "Verifique os mapeamentos da conexão"),
        metadata={"table": table, "column": name},
    )


def bad_value(column: str, why: Text) -> QueryFailed:
    """The error for a value that the column cannot hold without loss."""
    return QueryFailed(
        Text(f"Column '{column}': {why.en}", f"Campo '{column}': {why.pt}"),
        code=Code.INVALID_ARGUMENT,
        metadata={"column": column},
    )
