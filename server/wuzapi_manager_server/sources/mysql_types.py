"""What a declared type means in MySQL and MariaDB: our type, and the bounds of what a column holds.

Sources: https://dev.mysql.com/doc/refman/8.0/en/data-types.html and https://mariadb.com/kb/en/data-types/.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from wuzapi_manager_server.domain.table import ColumnType

_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}

_TYPES = {
    **dict.fromkeys(_BITS, ColumnType.INTEGER),
    "year": ColumnType.INTEGER,
    "bit": ColumnType.INTEGER,
    "decimal": ColumnType.DECIMAL,
    "float": ColumnType.FLOAT,
    "double": ColumnType.FLOAT,
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum"), ColumnType.TEXT),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), ColumnType.BYTES),
    "date": ColumnType.DATE,
    "time": ColumnType.DURATION,
    "datetime": ColumnType.TIMESTAMP,
    "timestamp": ColumnType.TIMESTAMP_TZ,
    "json": ColumnType.JSON,
    "set": ColumnType.ARRAY,
    "uuid": ColumnType.UUID,
}

GEOMETRIES = frozenset(
    {
        *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"),
        *("geometrycollection", "geomcollection"),
    }
)
"""Types that are shown as well-known text."""

_MEMBER = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)
_ESCAPE = re.compile(r"''|\\(.)", re.DOTALL)
_ESCAPED = {"0": "\0", "n": "\n", "r": "\r", "Z": "\x1a"}

FIRST_YEAR, LAST_YEAR = 1901, 2155


@dataclass(frozen=True)
class Declared:
    """A line of information_schema.COLUMNS.

    `type` is the whole declared type, `base` its name alone. `length` counts characters of a text, bytes of bytes;
    `fraction` the digits of a second; `json` says that a check of the table lets only JSON in; `expression` is that
    of a generated column.
    """

    name: str
    type: str
    base: str
    nullable: bool = True
    default: str | None = None
    extra: str = ""
    charset: str = ""
    collation: str = ""
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    fraction: int = 0
    json: bool = False
    expression: str | None = None

    @cached_property
    def kind(self) -> ColumnType:
        """What the column is meant to hold."""
        if self.json or self.base == "json":
            return ColumnType.JSON
        if self.type.startswith("tinyint(1)") or self.type == "bit(1)":
            return ColumnType.BOOLEAN
        return _TYPES.get(self.base, ColumnType.OTHER)

    @property
    def generated(self) -> bool:
        """Whether the server computes the column; `DEFAULT_GENERATED` is a default that is an expression."""
        return any(word in self.extra for word in ("VIRTUAL GENERATED", "STORED GENERATED", "PERSISTENT GENERATED"))

    @property
    def given(self) -> bool:
        """Whether the server gives numbers where none is given."""
        return "auto_increment" in self.extra

    @property
    def has_default(self) -> bool:
        """Whether a row may leave the column out and does not get null. MariaDB spells no default as NULL."""
        return self.given or self.default not in (None, "NULL")

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The values of an enum or a set."""
        if self.base not in {"enum", "set"}:
            return ()
        return tuple(_ESCAPE.sub(_plain, found) for found in _MEMBER.findall(self.type))

    @cached_property
    def range(self) -> tuple[int, int]:
        """The smallest and the largest whole number of an integer column."""
        if self.base == "bit":
            return 0, 2 ** (self.precision or 1) - 1
        if self.base == "year":
            return 0, LAST_YEAR
        bits = _BITS.get(self.base, 64)
        if "unsigned" in self.type:
            return 0, 2**bits - 1
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def holds(self, number: int) -> bool:
        """Whether an integer column can hold the number; a year is 0 or one of four digits."""
        smallest, largest = self.range
        return smallest <= number <= largest and (self.base != "year" or not 0 < number < FIRST_YEAR)


def _plain(match: re.Match[str]) -> str:
    escaped = match[1]
    return "'" if escaped is None else _ESCAPED.get(escaped, escaped)
