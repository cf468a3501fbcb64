"""How a column of a PostgreSQL table is compared, sorted and read."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import cast
from uuid import UUID

import sqlalchemy as sa

from wuzapi_manager_server.domain.filter import Op
from wuzapi_manager_server.domain.table import Cell, Column, ColumnType, Scalar
from wuzapi_manager_server.domain.values import Refused, to_cell, to_json
from wuzapi_manager_server.sources import postgresql_records, postgresql_values
from wuzapi_manager_server.sources.postgresql_types import BIGINT, NUMERICS, TEXT, Cast, PgType
from wuzapi_manager_server.sources.postgresql_values import BEYOND, Unfit
from wuzapi_manager_server.sources.sql_table import ORDERED, Condition, Element, SqlColumn, bad_value

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_NUMERIC = sa.types.Numeric(None, None)
_RAW_SCALARS = frozenset(
    {ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.TEXT, ColumnType.BYTES, ColumnType.OTHER}
)
_BY_VALUE = frozenset(
    {
        ColumnType.INTEGER,
        ColumnType.DECIMAL,
        ColumnType.UUID,
        ColumnType.DATE,
        ColumnType.TIME,
        ColumnType.TIMESTAMP,
        ColumnType.TIMESTAMP_TZ,
    }
)
"""Types whose equal values show equal texts, but for the zeros at the end of a numeric."""


class PgColumn(SqlColumn):
    """A column of type `kind`."""

    def __init__(self, column: Column, element: Element, kind: PgType) -> None:
        self.kind = kind
        self._cast = BIGINT if column.type is ColumnType.INTEGER else Cast(kind.cast)
        # The cast of an inet adds a mask that its own spelling leaves out.
        self._text: Element = sa.func.abbrev(element) if kind.name == "inet" else sa.cast(element, TEXT)
        self._native = kind.ordered
        super().__init__(column, element, element if kind.ordered else self._text)
        self._read = postgresql_values.reader(kind)
        self.plain = self._read is None
        self.raw_scalars = column.type in _RAW_SCALARS and kind.name != "bpchar"
        self.doubtful = kind.modified
        self._bytes: Element = sa.collate(self._text, "C")

    @property
    def shown(self) -> Element:
        """What to select: money as a number, whatever its currency; arrays and composites as text."""
        if self.kind.element is not None and self.kind.element.name == "money":
            return sa.cast(self.element, NUMERICS)
        return sa.cast(self.element, _NUMERIC) if self.kind.name == "money" else self.element

    def ordered(self, *, descending: bool) -> Element:
        """See SqlColumn; PostgreSQL itself takes null for the largest."""
        order = self.sort.desc() if descending else self.sort.asc()
        if not self.column.nullable:
            return order
        return order.nulls_last() if descending else order.nulls_first()

    def read(self, raw: object) -> Cell:
        """The cell of a raw value."""
        return cast("Cell", raw) if raw is None or self._read is None else self._read(raw)

    def bind(self, cell: Cell) -> object:
        """The raw value to store."""
        try:
            return postgresql_values.bind(cell, self.kind, self.column)
        except Unfit as unfit:
            raise bad_value(self.column.name, unfit.text) from unfit

    def is_kept(self, given: Cell, now: Cell) -> bool:
        """See SqlColumn."""
        return postgresql_records.alike(given, now)

    def scalar(self, raw: object) -> Scalar:
        """The raw value, or its text."""
        match raw:
            case None | bool() | int() | float() | bytes():
                return raw
            case str():
                return raw.rstrip(" ") if self.kind.name == "bpchar" else raw
            case date() | time():
                return raw.isoformat()
            case _:
                return str(raw)

    def literal(self, scalar: Scalar) -> Element:
        """What `scalar` gave. ValueError where no row can hold it."""
        if not self._native:
            return _text(scalar)
        return self._literal(self._value(scalar))

    def _value(self, scalar: Scalar) -> object:  # noqa: C901, PLR0911, PLR0912 - one case a type
        """The value to compare with. ValueError where none of the type is meant."""
        match self.column.type, scalar:
            case ColumnType.BOOLEAN, bool():
                return scalar
            case ColumnType.INTEGER, int() if not isinstance(scalar, bool) and _SMALLEST <= scalar <= _LARGEST:
                return scalar
            case ColumnType.FLOAT, float() | int():
                return float(scalar)
            case ColumnType.BYTES, bytes():
                return scalar
            case ColumnType.DECIMAL, str():
                try:
                    return Decimal(scalar)
                except InvalidOperation:
                    raise ValueError(scalar) from None
            case ColumnType.UUID, str() if str(UUID(scalar)) == scalar:
                return scalar
            case kind, str() if kind in BEYOND and BEYOND[kind].fullmatch(scalar):
                return scalar
            case ColumnType.DATE, str():
                return date.fromisoformat(scalar)
            case ColumnType.TIME, str():
                return time.fromisoformat(scalar)
            case ColumnType.TIMESTAMP | ColumnType.TIMESTAMP_TZ, str():
                return datetime.fromisoformat(scalar)
            case ColumnType.TEXT | ColumnType.DURATION | ColumnType.JSON | ColumnType.OTHER, str():
                return _checked(scalar)
            case _:
                raise ValueError(scalar)

    def is_exactly(self, scalar: Scalar) -> Condition:
        """See SqlColumn. Where not any text is a value of the type, texts are compared."""
        if scalar is None:
            return self.sort.is_(sa.null())
        if not self._takes_any:
            return self._text == _text(scalar)
        same = self.is_scalar(scalar)
        return sa.and_(same, _same_as(self._bytes, str(scalar))) if self.kind.textual else same

    def is_among(self, scalars: Iterable[Scalar]) -> Condition:
        """See SqlColumn."""
        if self._takes_any:
            return super().is_among(scalars)
        return self._text.in_([_text(scalar) for scalar in scalars])

    @property
    def _takes_any(self) -> bool:
        """Whether what `_value` lets through is always a value of the type."""
        return self._native and (
            self.kind.textual
            or self.column.type not in {ColumnType.TEXT, ColumnType.DURATION, ColumnType.JSON, ColumnType.OTHER}
        )

    def _literal(self, value: object) -> Element:
        return sa.literal(value, self._cast)

    def owned_by(self, value: str) -> Condition:  # noqa: PLR0911 - one return a type
        """Whether the column, as text, is exactly `value`, byte by byte and under no collation.

        The text that counts is what a reader is shown: bytes are the text's own, of JSON it is a string's content, and
        1 and 0 stand for booleans. Before the exact comparison stands that of the type, which an index can answer.
        """
        try:
            _checked(value)
        except ValueError:
            return sa.false()
        match self.column.type:
            case ColumnType.BYTES:
                return self.element == self._literal(value.encode())
            case ColumnType.BOOLEAN:
                return self.element == self._literal(value == "1") if value in {"0", "1"} else sa.false()
            case ColumnType.ARRAY | ColumnType.FLOAT:
                return sa.false()
            case ColumnType.JSON:
                of = sa.func.json_typeof if self.kind.name == "json" else sa.func.jsonb_typeof
                content = self.element.op("#>>")(sa.cast(sa.literal("{}"), Cast("text[]")))
                return sa.and_(of(self.element) == "string", _same_bytes(sa.cast(content, TEXT), value))
            case kind if kind in _BY_VALUE:
                return self._shown_as(value)
            case ColumnType.TEXT if self.kind.textual:
                return sa.and_(self.element == self._literal(value), _same_as(self._bytes, value))
            case _:
                return _same_as(self._bytes, value)

    def _shown_as(self, value: str) -> Condition:
        """Whether the column's value is the one that is shown as `value`."""
        try:
            cell = to_cell(value, self.column)
            if isinstance(cell, str):
                return _same_as(self._bytes, value)
            if isinstance(cell, datetime) and cell.tzinfo is not None:
                cell = cell.astimezone(UTC)
            shown = str(to_json(cell)) == value
            native = self.element == self._literal(postgresql_values.operand(cell, self.kind, self.column))
        except (Refused, Unfit, OverflowError):
            return sa.false()
        if not shown or (isinstance(cell, int) and not _SMALLEST <= cell <= _LARGEST):
            return sa.false()
        if self.column.type is ColumnType.DECIMAL:
            return sa.and_(native, _same_bytes(sa.cast(self.shown, TEXT), value))
        return native

    @property
    def presence(self) -> Element:
        """See SqlColumn. Of `sort`: a composite whose parts are all null is null itself to SQL."""
        return self.sort

    def equals(self, values: Sequence[Cell]) -> Condition:
        """See SqlColumn."""
        literals = [self._compared(value) for value in values]
        return self.sort == literals[0] if len(literals) == 1 else self.sort.in_(literals)

    def bounded(self, op: Op, value: Cell) -> Condition:
        """See SqlColumn."""
        return ORDERED[op](self.sort, self._compared(value))

    def place_of(self, value: Cell) -> sa.ColumnElement[int]:
        """See SqlColumn."""
        return sa.func.strpos(self._folded, _fold(self._operand(value)), type_=sa.Integer)

    def starts_with(self, value: Cell) -> Condition:
        """See SqlColumn."""
        return sa.func.starts_with(self._folded, _fold(self._operand(value)))

    def _operand(self, value: Cell) -> object:
        try:
            return postgresql_values.operand(value, self.kind, self.column)
        except Unfit as unfit:
            raise bad_value(self.column.name, unfit.text) from unfit

    def _compared(self, value: Cell) -> Element:
        raw = self._operand(value)
        if isinstance(raw, int) and not isinstance(raw, bool) and not _SMALLEST <= raw <= _LARGEST:
            return sa.literal(Decimal(raw), Cast("numeric"))
        return self._literal(raw) if self._native else _text(str(raw))

    @property
    def _folded(self) -> Element:
        return sa.func.lower(self._bytes)


def _checked(text: str) -> str:
    """The text; ValueError where PostgreSQL cannot hold it."""
    if "\0" in text:
        raise ValueError(text)
    text.encode()
    return text


def _text(scalar: Scalar) -> Element:
    return sa.literal(_checked(str(scalar)), TEXT)


def _same_bytes(element: Element, value: str) -> Condition:
    return _same_as(sa.collate(element, "C"), value)


def _same_as(collated: Element, value: str) -> Condition:
    return collated == sa.literal(value, TEXT)


def _fold(value: object) -> Element:
    """In lower case as far as ASCII goes."""
    return sa.func.lower(sa.collate(sa.literal(str(value), TEXT), "C"))
