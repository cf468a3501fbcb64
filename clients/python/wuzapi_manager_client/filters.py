"""Which records: conditions on fields, joined with `&` (and), `|` (or) and `~` (not).

    eq("status", "open") & (contains("name", "ana") | ~is_null("city"))

A filter may have 16 levels and 200 conditions; conditions joined by the same sign count as one level.
"""

from collections.abc import Iterable
from typing import Literal, NoReturn

from wuzapi_manager.v1.record_pb2 import (
    OP_BETWEEN,
    OP_CONTAINS,
    OP_EQ,
    OP_GE,
    OP_GT,
    OP_IN,
    OP_IS_NOT_NULL,
    OP_IS_NULL,
    OP_LE,
    OP_LT,
    OP_NE,
    OP_STARTS_WITH,
    Comparison,
    Filter,
    FilterGroup,
    Op,
)
from wuzapi_manager_client.values import to_value


class Condition:
    """A filter that can be joined with others. `message` is what the API takes."""

    def __init__(self, message: Filter) -> None:
        self.message = message

    def __and__(self, other: "Condition") -> "Condition":
        return Condition(_joined("and", self.message, other.message))

    def __or__(self, other: "Condition") -> "Condition":
        return Condition(_joined("or", self.message, other.message))

    def __invert__(self) -> "Condition":
        negation = Filter()
        inner: Filter = getattr(negation, "not")
        inner.CopyFrom(self.message)
        return Condition(negation)

    def __bool__(self) -> NoReturn:
        raise TypeError("Join conditions with & and |, negate them with ~: and, or, not cannot be given a meaning")

    def __repr__(self) -> str:
        return f"Condition({self.message})"


def eq(field: str, value: object) -> Condition:
    """The field equals the value; with None, it is null."""
    return _comparison(field, OP_EQ, value)


def ne(field: str, value: object) -> Condition:
    """The field has another value, null not counted; with None, it is not null."""
    return _comparison(field, OP_NE, value)


def lt(field: str, value: object) -> Condition:
    """The field is less than the value."""
    return _comparison(field, OP_LT, value)


def le(field: str, value: object) -> Condition:
    """The field is less than the value or equal."""
    return _comparison(field, OP_LE, value)


def gt(field: str, value: object) -> Condition:
    """The field is greater than the value."""
    return _comparison(field, OP_GT, value)


def ge(field: str, value: object) -> Condition:
    """The field is greater than the value or equal."""
    return _comparison(field, OP_GE, value)


def in_(field: str, values: Iterable[object]) -> Condition:
    """The field equals one of 1 to 1,000 values."""
    return _comparison(field, OP_IN, list(values))


def between(field: str, low: object, high: object) -> Condition:
    """The field is between the two values or one of them."""
    return _comparison(field, OP_BETWEEN, [low, high])


def contains(field: str, text: str) -> Condition:
    """The text is in the field, whatever the case of ASCII letters."""
    return _comparison(field, OP_CONTAINS, text)


def starts_with(field: str, text: str) -> Condition:
    """The field starts with the text, whatever the case of ASCII letters."""
    return _comparison(field, OP_STARTS_WITH, text)


def is_null(field: str) -> Condition:
    """The field is null."""
    return Condition(Filter(comparison=Comparison(field=field, op=OP_IS_NULL)))


def is_not_null(field: str) -> Condition:
    """The field is not null."""
    return Condition(Filter(comparison=Comparison(field=field, op=OP_IS_NOT_NULL)))


def to_filter(condition: Condition | Filter | None) -> Filter | None:
    """What the API takes."""
    return condition.message if isinstance(condition, Condition) else condition


def _comparison(field: str, op: "Op.ValueType", value: object) -> Condition:
    return Condition(Filter(comparison=Comparison(field=field, op=op, value=to_value(value))))


def _joined(kind: Literal["and", "or"], *filters: Filter) -> Filter:
    """The filters side by side; those that are such a group already give up their members."""
    group = Filter()
    members = _group(group, kind).filters
    for one in filters:
        members.extend(_group(one, kind).filters if one.WhichOneof("kind") == kind else [one])
    return group


def _group(one: Filter, kind: Literal["and", "or"]) -> FilterGroup:
    """The group of a filter; its name is a keyword of Python."""
    group: FilterGroup = getattr(one, kind)
    return group
