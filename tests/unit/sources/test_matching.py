"""Comparisons in this process: dirty values, kinds that do not compare, and orders."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from wuzapi_manager_server.domain.filter import And, Comparison, Not, Op, Or
from wuzapi_manager_server.domain.table import Capabilities, Cell, Column, ColumnType, JsonDocument, Row, Table
from wuzapi_manager_server.sources.matching import holds, rank

_CAN = Capabilities(
    transactions=False,
    exact_numbers=False,
    count=True,
    search=True,
    key_paging=True,
    max_batch_size=1,
    verified_updates=True,
)
TABLE = Table("t", (Column("v", ColumnType.OTHER, ""),), (), _CAN)


def matches(cell: Cell, op: Op, *values: Cell) -> bool:
    return holds(Comparison("v", op, values), Row((), (), (cell,)), TABLE)


@pytest.mark.parametrize(
    ("cell", "op", "values", "expected"),
    [
        (1, Op.EQ, (Decimal(1),), True),
        (1, Op.EQ, ("1",), False),
        ("1", Op.GT, (0,), False),
        ("1", Op.LT, (9,), False),
        ("1", Op.NE, (1,), True),
        (None, Op.NE, (1,), True),
        (None, Op.EQ, (1,), False),
        (None, Op.CONTAINS, ("",), False),
        (None, Op.IS_NULL, (), True),
        (0, Op.IS_NULL, (), False),
        (0, Op.IS_NOT_NULL, (), True),
        (None, Op.IS_NOT_NULL, (), False),
        ("ÇA", Op.CONTAINS, ("ça",), False),
        ("çA", Op.CONTAINS, ("ça",), True),
        ("abc", Op.STARTS_WITH, ("B",), False),
        ("a%", Op.STARTS_WITH, ("A%",), True),
        ("b", Op.BETWEEN, ("a", "c"), True),
        ("b", Op.BETWEEN, ("c", "a"), False),
        ("5", Op.BETWEEN, (1, 9), False),
        (5, Op.IN, (1, 5.0), True),
        ("ana", Op.EQ, ("ANA",), False),
        ("ana ", Op.EQ, ("ana",), False),
        ("e\u0301", Op.EQ, ("é",), False),
    ],
)
def test_a_comparison_is_exact(cell: Cell, op: Op, values: tuple[Cell, ...], expected: bool) -> None:
    """Texts byte by byte, numbers by value, different kinds never; null only where it is asked for."""
    assert matches(cell, op, *values) is expected
    assert holds(Not(Comparison("v", op, values)), Row((), (), (cell,)), TABLE) is not expected


def test_groups_hold_as_they_read() -> None:
    """All, any, none."""
    row = Row((), (), (1,))
    yes, no = Comparison[Cell]("v", Op.EQ, (1,)), Comparison[Cell]("v", Op.EQ, (2,))
    assert holds(None, row, TABLE)
    assert holds(And(()), row, TABLE)
    assert not holds(Or(()), row, TABLE)
    assert holds(And((yes, Or((no, yes)))), row, TABLE)
    assert not holds(And((yes, no)), row, TABLE)


def test_any_cells_can_be_ordered() -> None:
    """Null first, then kind by kind: no mixture of dirty cells breaks a sort."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    cells: list[Cell] = [
        JsonDocument({"a": 1}), "b", "a", b"x", UUID(int=1), time(1), date(2026, 1, 1), moment, 2, 1.5, True, None
    ]  # fmt: skip
    found = sorted(cells, key=rank)
    assert found[0] is None
    assert found[1:4] == [True, 1.5, 2]
    assert found[-1] == JsonDocument({"a": 1})
    assert found.index("a") + 1 == found.index("b")
