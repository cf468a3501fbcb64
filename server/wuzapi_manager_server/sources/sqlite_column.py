"""How a column of a SQLite table is compared, sorted and read."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import cast

import sqlalchemy as sa

from wuzapi_manager_server.domain.filter import Op
from wuzapi_manager_server.domain.json_text import same_json
from wuzapi_manager_server.domain.table import Cell, Column, ColumnType, Scalar
from wuzapi_manager_server.domain.values import to_json
from wuzapi_manager_server.errors import QueryFailed
from wuzapi_manager_server.sources import sqlite_values
from wuzapi_manager_server.sources.sql_table import ORDERED, Condition, Element, SqlColumn, bad_value
from wuzapi_manager_server.sources.sqlite_types import Affinity
from wuzapi_manager_server.sources.sqlite_values import LARGEST, MOMENT, SMALLEST, BrokenText, Unfit

BUILT_IN = frozenset({"BINARY", "NOCASE", "RTRIM"})
"""Collations that every connection knows; others belong to the program that made the table."""

_RAW = sa.types.NullType()
_REPLACED = "\ufffd"  # in the place of bytes that are no text
_DAY = 10  # characters of YYYY-MM-DD
_WHOLE = re.compile(r"0|-?[1-9]\d{0,18}", re.ASCII)


class SqliteColumn(SqlColumn):
    """A column of declared type `column.native_type`.

    `collation` is the column's, `key_collation` that of the primary key's index where it is part of it.
    """

    def __init__(
        self,
        column: Column,
        element: Element,
        affinity: Affinity,
        *,
        collation: str = "BINARY",
        key_collation: str = "",
    ) -> None:
        self.affinity = affinity
        known = collation.upper() in BUILT_IN
        self._compared = element if known else sa.collate(element, "BINARY")
        wanted = (key_collation or collation).upper()
        sort = element if known and wanted == collation.upper() else sa.collate(element, wanted)
        super().__init__(column, element, sort if wanted in BUILT_IN else self._compared)
        self._seekable = known
        self.plain = sqlite_values.is_plain(column.type, affinity)

    @property
    def careful(self) -> Element:
        """Texts as their bytes, bytes as hexadecimal text. Files in UTF-16 never need it: SQLite itself mends those."""
        kind = _kind(self.element)
        return sa.case(
            (kind == "text", sa.cast(self.element, sa.LargeBinary)),
            (kind == "blob", sa.func.hex(self.element)),
            else_=sa.type_coerce(self.element, _RAW),
        )

    def caught(self, raw: object) -> object:
        """The raw value that a selection of `careful` stands for."""
        match raw:
            case bytes():
                try:
                    return raw.decode()
                except UnicodeDecodeError:
                    return BrokenText(raw, raw.decode(errors="replace"))
            case str():
                return bytes.fromhex(raw)
            case _:
                return raw

    def read(self, raw: object) -> Cell:
        """The cell of a raw value."""
        return sqlite_values.read(raw, self.column.type, self.affinity)

    def bind(self, cell: Cell) -> int | float | str | bytes | None:
        """The raw value to store."""
        try:
            return sqlite_values.bind(cell, self.column.type, self.affinity)
        except Unfit as unfit:
            raise bad_value(self.column.name, unfit.text) from unfit

    def stays(self, now: Cell, given: Cell) -> bool:
        """See SqlColumn. So does a value of another type than the column's, and a text that is none."""
        if type(now) is type(given) and now == given and self.column.type is not ColumnType.JSON:
            return isinstance(now, str) and _REPLACED in now
        try:
            shown = self.read(self.bind(given))
        except QueryFailed:
            shown = given
        return same_json(to_json(now), to_json(shown))

    def scalar(self, raw: object) -> Scalar:
        """The raw value itself; a broken text, and one that starts with U+0000, behind a mark."""
        match raw:
            case int():
                return raw
            case BrokenText(stored=stored):
                return f"\0x{stored.hex()}"
            case str() if raw.startswith("\0"):
                return f"\0t{raw}"
            case _:
                return cast("Scalar", raw)  # the driver gives nothing else

    def literal(self, scalar: Scalar) -> Element:
        """What `scalar` gave. ValueError where no row can hold it."""
        match scalar:
            case str() if scalar.startswith("\0x"):
                # A function's result has no affinity that the comparison would spread to the column.
                broken = sa.cast(_literal(bytes.fromhex(scalar[2:])), sa.Text)
                return sa.func.nullif(broken, sa.null(), type_=_RAW)
            case str():
                text = scalar.removeprefix("\0t")
                text.encode()
                return _literal(text)
            case int() if not SMALLEST <= scalar <= LARGEST:
                raise ValueError
            case float() if scalar != scalar:  # noqa: PLR0124 - NaN, which is stored nowhere
                raise ValueError
            case _:
                return _literal(scalar)

    def owned_by(self, value: str) -> Condition:
        """Whether the column, as text, is exactly `value`, byte by byte and under no collation.

        Texts and whole numbers count, where reading them gives just that text; fractions never do, bytes only in a
        column declared to hold bytes. Before the exact comparison stands the plain one, which an index can answer,
        where all that meet the exact one meet it too: equal texts are equal under any collation, and a column that has
        the affinity of numbers compares numbers with the text of one.
        """
        try:
            value.encode()
        except UnicodeEncodeError:
            return sa.false()
        whole = bool(_WHOLE.fullmatch(value)) and SMALLEST <= int(value) <= LARGEST
        kinds = ["text"] if self._shows(value, value) else []
        kinds += ["integer"] if whole and self._shows(int(value), value) else []
        kinds += ["blob"] if self.column.type is ColumnType.BYTES else []
        text = _literal(value)
        exact = sa.and_(
            sa.or_(sa.false(), *(_kind(self.element) == sa.literal_column(f"'{kind}'") for kind in kinds)),
            sa.collate(sa.cast(self.element, sa.Text), "BINARY") == text,
        )
        if self._seekable and "blob" not in kinds and (self.affinity is not Affinity.NONE or "integer" not in kinds):
            # IS, not =: SQLite puts a constant that a column is equal to in the column's place in all other terms of a
            # WHERE, the exact one among them; and columns of numbers hold texts that are equal to numbers ('1' and a
            # NUL, say).
            return sa.and_(self.element.is_(text), exact)
        return exact

    def _shows(self, raw: object, text: str) -> bool:
        return str(to_json(self.read(raw))) == text

    def place_of(self, value: Cell) -> sa.ColumnElement[int]:
        """See SqlColumn. lower() of SQLite is for ASCII alone."""
        raw = self.bind(value)
        text = raw if isinstance(raw, str) else str(raw)
        return sa.func.instr(sa.func.lower(self.element), sa.func.lower(_literal(text)), type_=sa.Integer)

    def equals(self, values: Sequence[Cell]) -> Condition:
        """See SqlColumn."""
        forms = [form for value in values for form in self._forms(value)]
        if len(forms) == 1:
            return self._compared == _literal(forms[0])
        return self._compared.in_([_literal(form) for form in forms])

    def _forms(self, value: Cell) -> Sequence[object]:
        """The spellings under which a value may be stored."""
        raw = self.bind(value)
        if self.column.type is not ColumnType.TIMESTAMP or not isinstance(raw, str) or not MOMENT.fullmatch(raw):
            return [raw]
        spellings = {raw}
        try:
            moment = datetime.fromisoformat(raw)
        except ValueError:
            pass
        else:
            spellings.add(moment.isoformat(sep=" "))
            if moment.microsecond % 1000 == 0:
                spellings.add(moment.isoformat(sep=" ", timespec="milliseconds"))
        spellings |= {form.removesuffix("+00:00") + "Z" for form in spellings if form.endswith("+00:00")}
        return sorted(spellings | {f"{form[:_DAY]}T{form[_DAY + 1 :]}" for form in spellings})

    def bounded(self, op: Op, value: Cell) -> Condition:
        """See SqlColumn: sorts of value follow each other as SQLite orders them."""
        raw = self.bind(value)
        if self.column.type is not ColumnType.TIMESTAMP or not isinstance(raw, str) or not MOMENT.fullmatch(raw):
            return ORDERED[op](self._compared, _literal(raw))
        # 'T' sorts behind ' ', so both spellings are compared with ' ' between day and time; before that stands a
        # bound on the day, which an index can answer ('U' is behind both).
        element = self._compared
        spelled = sa.case(
            (
                sa.and_(_kind(element) == "text", sa.func.substr(element, _DAY + 1, 1) == "T"),
                sa.func.substr(element, 1, _DAY).concat(" ").concat(sa.func.substr(element, _DAY + 2)),
            ),
            else_=element,
        )
        day = raw[:_DAY]
        coarse = element < _literal(day + "U") if op in {Op.LT, Op.LE} else element >= _literal(day)
        return sa.and_(coarse, ORDERED[op](spelled, _literal(raw)))


def _kind(element: Element) -> sa.ColumnElement[str]:
    return sa.func.typeof(element, type_=sa.Text)


def _literal(value: object) -> Element:
    """A parameter that goes to the driver as it is."""
    return sa.literal(value, _RAW)
