"""How a column of a MySQL or MariaDB table is compared, sorted and read."""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.types import LargeBinary, NullType

from wuzapi_manager_server.domain.filter import Op
from wuzapi_manager_server.domain.table import Cell, Column, ColumnType, Scalar
from wuzapi_manager_server.sources import mysql_values
from wuzapi_manager_server.sources.mysql_types import GEOMETRIES, Declared
from wuzapi_manager_server.sources.mysql_values import Unfit
from wuzapi_manager_server.sources.sql_table import ORDERED, Condition, Element, SqlColumn, bad_value

SORTED_BY = 512
"""Characters at the start of a long text that it is sorted by; the server itself looks at max_sort_length bytes."""

LONG = 768
"""Characters of the longest text that can be indexed whole, and so be a key."""

_WHOLE = re.compile(r"0|-?[1-9]\d{0,19}", re.ASCII)
_FIXED = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.(\d{1,6}))?", re.ASCII)
_TIME = re.compile(r"-?\d{2,3}:\d\d:\d\d(?:\.(\d{1,6}))?", re.ASCII)
_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")

_RAW = NullType()


class MysqlColumn(SqlColumn):
    """A column as the server declares it."""

    def __init__(self, column: Column, element: Element, declared: Declared) -> None:
        self.declared = declared
        self._long = _is_long(declared) and not column.primary_key
        self._compared = _compared(element, declared)
        super().__init__(column, element, sa.func.left(self._compared, SORTED_BY) if self._long else self._compared)
        self._read = mysql_values.reader(declared)
        self.plain = mysql_values.is_plain(declared)
        self.raw_scalars = column.type is ColumnType.INTEGER and declared.base != "bit"

    @property
    def shown(self) -> Element:
        """Numbers of four bytes as eight, which the server would spell with six digits; shapes as their text."""
        if self.declared.base == "float":
            return self.element + sa.literal_column("0e0")
        return self._compared if self.declared.base in GEOMETRIES else self.element

    def read(self, raw: object) -> Cell:
        """The cell of a raw value."""
        return self._read(raw)

    def read_many(self, raws: Sequence[object]) -> Sequence[Cell]:
        """See SqlColumn."""
        return mysql_values.read_many(raws, self.declared, self._read)

    def bind(self, cell: Cell) -> object:
        """The raw value to store."""
        try:
            return mysql_values.bind(cell, self.declared)
        except Unfit as unfit:
            raise bad_value(self.column.name, unfit.text) from unfit

    def scalar(self, raw: object) -> Scalar:
        """Numbers as such, decimals as their text; of a text that is no key, what it is sorted by."""
        match raw:
            case Decimal():
                return f"{raw or Decimal():.{self.declared.scale or 0}f}"
            case bytes() if self.declared.base == "bit":
                return int.from_bytes(raw)
            case str() if self._long:
                return raw[:SORTED_BY]
            case float() if self.declared.base == "float":
                return mysql_values.single(raw)
            case None | bool() | int() | float() | str() | bytes():
                return raw
            case _:
                return str(raw)

    def literal(self, scalar: Scalar) -> Element:
        """What `scalar` gave. ValueError where no row can hold it, or the server would take it for something else."""
        return self._value(_checked(scalar, self.declared))

    def _value(self, raw: object) -> Element:
        """A value to compare the column with, in the column's own character set; what that lacks becomes a '?'."""
        if not isinstance(raw, str) or not self._foreign:
            return _literal(raw)
        return sa.collate(_converted(_literal(raw), self.declared.charset), self.declared.collation)

    @property
    def _foreign(self) -> bool:
        """Whether the column's texts are compared in another character set than the connection's."""
        return self.declared.charset not in {"", "utf8mb4"} and self.declared.base not in {"enum", "set"}

    def _is(self, raw: object) -> Condition:
        """Whether the column is equal to a value; a text that its character set lacks is equal to none."""
        same: Condition = self._valued == self._value(raw)
        if not isinstance(raw, str) or raw.isascii() or not self._foreign:
            return same
        kept = sa.cast(_unicode(_converted(_literal(raw), self.declared.charset)), LargeBinary)
        return sa.and_(same, kept == _literal(raw.encode()))

    def is_exactly(self, scalar: Scalar) -> Condition:
        """Whether the column is `scalar` byte by byte: its collation may take other texts for the same."""
        same = self.is_scalar(scalar)
        if isinstance(scalar, str) and self._textual:
            return sa.and_(same, self._bytes == _literal(scalar.encode()))
        return same

    @property
    def _textual(self) -> bool:
        return self.column.type in {ColumnType.TEXT, ColumnType.OTHER, ColumnType.ARRAY, ColumnType.JSON}

    @property
    def _bytes(self) -> Element:
        """The column's text in UTF-8: bytes are compared under no collation, and no space at the end is left out."""
        return sa.cast(_unicode(self._compared), LargeBinary)

    def owned_by(self, value: str) -> Condition:
        """Whether the column, as text, is exactly `value`, byte by byte and under no collation.

        Before the exact comparison stands the plain one, which an index can answer: equal texts are equal under any
        collation, and whole numbers and decimals are compared as such where the value is spelled as they are. Columns
        of other types (fractions of floating point, dates, documents) are nobody's.
        """
        try:
            octets = value.encode()
        except UnicodeEncodeError:
            return sa.false()
        exact = self._bytes == _literal(octets)
        match self.column.type:
            case ColumnType.TEXT if self.declared.base != "enum":
                return sa.and_(self.element == self._value(value), exact)
            case ColumnType.TEXT | ColumnType.OTHER:
                return exact
            case ColumnType.BYTES:
                return self.element == _literal(octets)
            case ColumnType.INTEGER | ColumnType.BOOLEAN | ColumnType.DECIMAL | ColumnType.UUID:
                return self._is_number(value)
            case _:
                return sa.false()

    def _is_number(self, value: str) -> Condition:
        number = self.column.type in {ColumnType.INTEGER, ColumnType.BOOLEAN}
        if number and not _WHOLE.fullmatch(value):
            return sa.false()
        try:
            same: Condition = self.element == self.literal(int(value) if number else value)
        except ValueError:
            return sa.false()
        # A column that became one of texts a moment ago would turn each of them into a number to compare it.
        spelled = self.declared.base == "bit" or "zerofill" in self.declared.type
        return same if spelled else sa.and_(same, self._bytes == _literal(value.encode()))

    def place_of(self, value: Cell) -> sa.ColumnElement[int]:
        """See SqlColumn. In bytes.

        The bytes are read as Hebrew, an alphabet of one byte a letter whose lower case is that of ASCII alone; no
        character of UTF-8 begins within another.
        """
        text = value if isinstance(value, str) else str(value)
        letters = sa.func.lower(_converted(self._bytes, "hebrew"))
        return sa.func.instr(sa.cast(letters, LargeBinary), _literal(text.encode().translate(_LOWER)), type_=sa.Integer)

    def _raw(self, value: Cell) -> object:
        try:
            return mysql_values.compared(value, self.declared)
        except Unfit as unfit:
            raise bad_value(self.column.name, unfit.text) from unfit

    def equals(self, values: Sequence[Cell]) -> Condition:
        """See SqlColumn."""
        raws = [self._raw(value) for value in values]
        if len(raws) == 1 or self._foreign:
            return sa.or_(sa.false(), *map(self._is, raws))
        return self._valued.in_([_literal(raw) for raw in raws])

    def bounded(self, op: Op, value: Cell) -> Condition:
        """See SqlColumn."""
        return ORDERED[op](self._valued, self._value(self._raw(value)))

    @property
    def _valued(self) -> Element:
        """The column for comparisons with any value: the server would take 70 for the year 1970."""
        return self.element + sa.literal_column("0") if self.declared.base == "year" else self._compared


def _is_long(declared: Declared) -> bool:
    return bool(declared.charset) and (declared.length or 0) > LONG


def _compared(element: Element, declared: Declared) -> Element:
    """What stands for the column in comparisons: enums and sets are sorted by their places otherwise."""
    if declared.base in GEOMETRIES:
        return sa.func.st_astext(element)
    return _unicode(element) if declared.base in {"enum", "set"} else element


def _unicode(element: Element) -> Element:
    return _converted(element, "utf8mb4")


def _converted(element: Element, charset: str) -> Element:
    return sa.func.convert(element.op("USING")(sa.literal_column(charset)))


def _literal(value: object) -> Element:
    """A parameter that goes to the driver as it is."""
    return sa.literal(value, _RAW)


def _checked(scalar: Scalar, declared: Declared) -> object:  # noqa: C901, PLR0911, PLR0912 - one case a kind
    """The raw value to compare with. ValueError for what no row holds, or would not be spelled so."""
    match declared.kind:
        case ColumnType.INTEGER | ColumnType.BOOLEAN:
            if type(scalar) is int and declared.holds(scalar):
                return scalar
        case ColumnType.DECIMAL:
            if isinstance(scalar, str) and _FIXED.fullmatch(scalar):
                number = _decimal(scalar)
                if f"{number:.{declared.scale or 0}f}" == scalar and not (scalar.startswith("-") and not number):
                    return number
        case ColumnType.FLOAT:
            if isinstance(scalar, float) and scalar - scalar == 0:
                return scalar
        case ColumnType.BYTES:
            if isinstance(scalar, bytes):
                return scalar
        case ColumnType.DATE:
            if isinstance(scalar, str) and _DATE.fullmatch(scalar):
                return scalar
        case ColumnType.TIMESTAMP | ColumnType.TIMESTAMP_TZ | ColumnType.DURATION:
            pattern = _TIME if declared.kind is ColumnType.DURATION else _MOMENT
            found = pattern.fullmatch(scalar) if isinstance(scalar, str) else None
            if found and len(found[1] or "") == declared.fraction:
                return scalar
        case ColumnType.UUID:
            if isinstance(scalar, str) and str(UUID(scalar)) == scalar:
                return scalar
        case _:
            if isinstance(scalar, str):
                if declared.base in {"inet4", "inet6"}:
                    ip_address(scalar)
                scalar.encode()
                return scalar
    raise ValueError


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError from error
