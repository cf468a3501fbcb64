"""PostgreSQL's types: what each holds in our words, and how it is spelled in a cast."""

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from wuzapi_manager_server.domain.table import ColumnType

_BY_NAME = {
    "bool": ColumnType.BOOLEAN,
    "bytea": ColumnType.BYTES,
    "int2": ColumnType.INTEGER,
    "int4": ColumnType.INTEGER,
    "int8": ColumnType.INTEGER,
    "float4": ColumnType.FLOAT,
    "float8": ColumnType.FLOAT,
    "numeric": ColumnType.DECIMAL,
    "money": ColumnType.DECIMAL,
    "text": ColumnType.TEXT,
    "varchar": ColumnType.TEXT,
    "bpchar": ColumnType.TEXT,
    "name": ColumnType.TEXT,
    "date": ColumnType.DATE,
    "time": ColumnType.TIME,
    "timestamp": ColumnType.TIMESTAMP,
    "timestamptz": ColumnType.TIMESTAMP_TZ,
    "interval": ColumnType.DURATION,
    "uuid": ColumnType.UUID,
    "json": ColumnType.JSON,
    "jsonb": ColumnType.JSON,
}


class PgType(NamedTuple):
    """The type of a column, domains looked through.

    `name` is the type's own name where it is one of PostgreSQL's, else empty; `kind` is typtype and `category`
    typcategory of pg_type; `cast` names the type in SQL without modifiers, which a cast would apply by cutting values.
    `modifier` is atttypmod, -1 without one. `ordered`: its values have an order. `element` is what an array holds.
    `modified`: it is a composite whose parts may have modifiers of their own.
    """

    name: str
    kind: str
    category: str
    cast: str
    modifier: int = -1
    ordered: bool = True
    element: "PgType | None" = None
    modified: bool = False

    @property
    def type(self) -> ColumnType:
        """What the column holds."""
        if self.element is not None:
            return ColumnType.ARRAY
        if self.kind == "e" or (not self.name and self.kind == "b" and self.category == "S"):
            return ColumnType.TEXT
        return _BY_NAME.get(self.name, ColumnType.OTHER)

    @property
    def textual(self) -> bool:
        """Whether any text is a value of it."""
        return self.type is ColumnType.TEXT and self.kind != "e"

    @property
    def scale(self) -> int | None:
        """The most digits behind the point of a numeric, or of the seconds of a time; None without bound."""
        if self.modifier < 0:
            return None
        if self.name == "numeric":
            return (((self.modifier - _HEADER) & 0x7FF) ^ 1024) - 1024
        return self.modifier if self.name in {"time", "timetz", "timestamp", "timestamptz"} else None

    @property
    def length(self) -> int | None:
        """The most characters of a text; None without bound."""
        return self.modifier - _HEADER if self.name in {"varchar", "bpchar"} and self.modifier >= 0 else None


_HEADER = 4
"""What PostgreSQL adds to the length in a modifier (VARHDRSZ)."""


class Cast(UserDefinedType[Any]):
    """A type whose values are bound as the driver has them, and cast on the server."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: object) -> str:
        """The type in SQL."""
        return self.name.replace("%", "%%")

    def bind_expression(self, bindvalue: sa.BindParameter[Any]) -> sa.ColumnElement[Any]:
        """The value as this type."""
        if self.name == "money":
            return sa.cast(sa.cast(bindvalue, sa.Numeric), self)
        if self.name == "money[]":  # a text of money is read as the server's currency is written
            return sa.cast(sa.cast(bindvalue, NUMERICS), self)
        return sa.cast(bindvalue, self)


TEXT = Cast("text")
NUMERICS = Cast("numeric[]")
BIGINT = Cast("bigint")
