"""Filters as Python writes them."""

import operator

import pytest

from wuzapi_manager.v1.record_pb2 import OP_BETWEEN, OP_CONTAINS, OP_EQ, OP_IN, OP_IS_NULL, Comparison, Filter
from wuzapi_manager_client import (
    Condition,
    between,
    contains,
    eq,
    ge,
    gt,
    in_,
    is_not_null,
    is_null,
    le,
    lt,
    ne,
    starts_with,
)
from wuzapi_manager_client.filters import to_filter
from wuzapi_manager_client.values import to_value


@pytest.mark.parametrize(
    ("condition", "op", "value"),
    [
        (eq("f", "x"), "OP_EQ", "x"),
        (eq("f", None), "OP_EQ", None),
        (ne("f", 1), "OP_NE", 1),
        (lt("f", 1.5), "OP_LT", 1.5),
        (le("f", 2), "OP_LE", 2),
        (gt("f", 3), "OP_GT", 3),
        (ge("f", 4), "OP_GE", 4),
        (in_("f", ("a", "b")), "OP_IN", ["a", "b"]),
        (between("f", 1, 9), "OP_BETWEEN", [1, 9]),
        (contains("f", "x"), "OP_CONTAINS", "x"),
        (starts_with("f", "x"), "OP_STARTS_WITH", "x"),
    ],
)
def test_each_function_is_its_comparison(condition: Condition, op: str, value: object) -> None:
    """Every function makes the comparison it is named for."""
    assert condition.message == Filter(comparison=Comparison(field="f", op=op, value=to_value(value)))  # type: ignore[arg-type]  # the name stands for the number


def test_null_checks_take_no_value() -> None:
    """is_null and is_not_null leave the value unset."""
    assert is_null("f").message == Filter(comparison=Comparison(field="f", op=OP_IS_NULL))
    assert not is_not_null("f").message.comparison.HasField("value")


def test_the_same_sign_stays_on_one_level() -> None:
    """A long chain of one sign is one group, however it is written, so that it does not get deep."""
    ands = getattr((eq("a", 1) & eq("b", 2) & (eq("c", 3) & eq("d", 4))).message, "and").filters
    assert [one.comparison.field for one in ands] == ["a", "b", "c", "d"]
    mixed = (eq("a", 1) | eq("b", 2) & eq("c", 3)).message
    assert [one.WhichOneof("kind") for one in getattr(mixed, "or").filters] == ["comparison", "and"]


def test_joining_leaves_its_parts_as_they_were() -> None:
    """A condition can be used in several filters."""
    base = eq("a", 1) & eq("b", 2)
    before = base.message.SerializeToString(deterministic=True)
    _ = base & eq("c", 3), base | eq("c", 3), ~base
    assert base.message.SerializeToString(deterministic=True) == before


def test_a_negation_holds_its_condition() -> None:
    """~ negates the whole condition."""
    negation = (~(eq("a", 1) | contains("b", "x"))).message
    assert getattr(negation, "not").WhichOneof("kind") == "or"


def test_and_or_not_of_python_are_refused() -> None:
    """The words `and`, `or`, `not` would silently drop conditions; they raise."""
    for judge in (bool, operator.truth, operator.not_):
        with pytest.raises(TypeError, match="&"):
            judge(eq("a", 1))


def test_messages_and_nothing_pass_through() -> None:
    """A Filter message or None may stand where a condition may."""
    message = Filter(comparison=Comparison(field="f", op=OP_EQ))
    assert to_filter(message) is message
    assert to_filter(None) is None
    assert to_filter(is_null("f")) == Filter(comparison=Comparison(field="f", op=OP_IS_NULL))
    assert "OP_IN" in repr(in_("f", [OP_IN, OP_BETWEEN, OP_CONTAINS]))
