"""Which rows: a tree of comparisons.

The same tree speaks of fields while it comes from a caller and of columns once the row scope has resolved it; values
are JSON before and cells after.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Op(Enum):
    """How a column is compared. Names are those of the protos without prefix.

    EQ and NE with null are IS_NULL and IS_NOT_NULL; NE holds for null. CONTAINS and STARTS_WITH take no notice of the
    case of ASCII letters, and their value is literal text.
    """

    EQ = "EQ"
    NE = "NE"
    LT = "LT"
    LE = "LE"
    GT = "GT"
    GE = "GE"
    IN = "IN"
    BETWEEN = "BETWEEN"
    CONTAINS = "CONTAINS"
    STARTS_WITH = "STARTS_WITH"
    IS_NULL = "IS_NULL"
    IS_NOT_NULL = "IS_NOT_NULL"


@dataclass(frozen=True)
class Comparison(Generic[Value]):
    """`name` against `values`: none for IS_NULL and IS_NOT_NULL, two for BETWEEN, any number for IN, else one."""

    name: str
    op: Op
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class And(Generic[Value]):
    """All parts hold; with no part it holds."""

    parts: tuple["Filter[Value]", ...]


@dataclass(frozen=True)
class Or(Generic[Value]):
    """At least one part holds; with no part it does not."""

    parts: tuple["Filter[Value]", ...]


@dataclass(frozen=True)
class Not(Generic[Value]):
    """The part does not hold; where null leaves it unknown, it does not hold, and so this does."""

    part: "Filter[Value]"


Filter = Comparison[Value] | And[Value] | Or[Value] | Not[Value]
