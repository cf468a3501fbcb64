"""What filters and searches say about the fields that a caller sees."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.customers import AGE, ANA, ID, OPEN, TABLE, complaints
from tests.unit.domain.tables import column, connection, fields_of, shared_fields
from wuzapi_manager_server.domain.connection import UserLinkValue
from wuzapi_manager_server.domain.fields import MAX_SEARCH
from wuzapi_manager_server.domain.filter import And, Comparison, Filter, Not, Op, Or
from wuzapi_manager_server.domain.mapping import FieldMapping
from wuzapi_manager_server.domain.table import Cell, ColumnType, Json
from wuzapi_manager_server.errors import InvalidInput


def test_a_hidden_column_can_neither_be_filtered_nor_sorted_nor_searched_by() -> None:
    """What a caller may not see answers as if it were not there."""
    fields = fields_of(TABLE, connection(FieldMapping("name", "name"), value=UserLinkValue.TOKEN), ANA)
    for name in ("owner", "age", "papers"):
        with pytest.raises(InvalidInput):
            fields.order(name)
        with pytest.raises(InvalidInput):
            fields.where(Comparison(name, Op.IS_NULL), "")
        cells, violations = fields.cells({name: None}, creating=True)
        assert not cells
        assert [violation.field for violation in violations] == [name]
    assert fields.where(None, "x") == And((Or((Comparison("name", Op.CONTAINS, ("x",)),)),))


VALUES: dict[ColumnType, Json] = {
    ColumnType.BOOLEAN: True,
    ColumnType.INTEGER: 5,
    ColumnType.DECIMAL: "1.50",
    ColumnType.FLOAT: 0.5,
    ColumnType.TEXT: "a",
    ColumnType.BYTES: "YQ==",
    ColumnType.DATE: "2026-11-23",
    ColumnType.TIME: "13:05:00",
    ColumnType.TIMESTAMP: "2026-11-23T13:05:00",
    ColumnType.TIMESTAMP_TZ: "2026-11-23T13:05:00Z",
    ColumnType.DURATION: "PT90M",
    ColumnType.UUID: "12345678-1234-5678-1234-567812345678",
    ColumnType.JSON: {"a": 1},
    ColumnType.ARRAY: [1],
    ColumnType.OTHER: "x",
}


OF_TEXT = {Op.CONTAINS, Op.STARTS_WITH}


OF_NULL = {Op.IS_NULL, Op.IS_NOT_NULL}


@pytest.mark.parametrize("kind", ColumnType)
@pytest.mark.parametrize("op", Op)
def test_every_comparison_fits_its_types_or_is_refused(kind: ColumnType, op: Op) -> None:
    """Comparisons take any type but documents and lists, text comparisons take texts alone, null checks take all."""
    fields = shared_fields(column(kind))
    value = VALUES[kind]
    many = {Op.BETWEEN: 2, Op.IN: 3, Op.IS_NULL: 0, Op.IS_NOT_NULL: 0}.get(op, 1)
    tree: Filter[Json] = Comparison("value", op, (value,) * many)
    fits = op in OF_NULL or (
        kind in {ColumnType.TEXT, ColumnType.OTHER}
        if op in OF_TEXT
        else kind not in {ColumnType.JSON, ColumnType.ARRAY}
    )
    if not fits:
        with pytest.raises(InvalidInput, match=f"OP_{op.value} does not fit") as error:
            fields.where(tree, "")
        assert complaints(error) == ["filter.comparison.op"]
        return
    where = fields.where(tree, "")
    assert isinstance(where, And)
    [part] = where.parts
    assert isinstance(part, Comparison)
    assert (part.name, part.op, len(part.values)) == ("value", op, many)


@pytest.mark.parametrize("kind", ColumnType)
@given(
    op=st.sampled_from(Op), value=st.none() | st.booleans() | st.floats() | st.text(max_size=9) | st.just([{"a": 1}])
)
def test_any_value_of_a_filter_is_taken_or_refused(kind: ColumnType, op: Op, value: Json) -> None:
    """Nothing but InvalidInput comes of any value in any comparison with any type."""
    with suppress(InvalidInput):
        shared_fields(column(kind)).where(Comparison("value", op, (value, value)), "")


def test_filters_become_conditions_on_columns() -> None:
    """The tree stays as it is; equality with null becomes the check for null."""
    tree: Filter[Json] = And(
        (
            Or((Comparison("age", Op.GE, (18.0,)), Comparison("name", Op.EQ, (None,)))),
            Not(Comparison("name", Op.NE, (None,))),
        )
    )
    expected: Filter[Cell] = And(
        (Or((Comparison("age", Op.GE, (18,)), Comparison("name", Op.IS_NULL))), Not(Comparison("name", Op.IS_NOT_NULL)))
    )
    assert OPEN.where(tree, "") == And((expected,))
    assert OPEN.where(None, "") is None


def test_all_that_is_wrong_with_a_filter_is_told_at_once() -> None:
    """Each violation stands at its own path, the search text's among them."""
    tree: Filter[Json] = And(
        (
            Comparison("x", Op.EQ, (1,)),
            Or((Not(Comparison("age", Op.LT, ("old",))), Comparison("age", Op.IN, (1, None)))),
            Comparison("name", Op.CONTAINS, ("a" * (MAX_SEARCH + 1),)),
            Comparison("name", Op.STARTS_WITH, (None,)),
            Comparison("age", Op.CONTAINS, ("1",)),
        )
    )
    with pytest.raises(InvalidInput) as error:
        OPEN.where(tree, "a\0b")
    assert complaints(error) == [
        "filter.and.filters[0].comparison.field",
        "filter.and.filters[1].or.filters[0].not.comparison.value",
        "filter.and.filters[1].or.filters[1].comparison.value",
        "filter.and.filters[2].comparison.value",
        "filter.and.filters[3].comparison.value",
        "filter.and.filters[4].comparison.op",
        "search",
    ]
    assert "Campo 'age' deve ser um número inteiro" in error.value.violations[1].text.pt
    with pytest.raises(InvalidInput) as error:
        OPEN.where(None, "a" * (MAX_SEARCH + 1))
    assert complaints(error) == ["search"]


def test_a_search_without_text_columns_finds_nothing() -> None:
    """Where no visible column holds text, a search is a condition that no row meets."""
    assert shared_fields(ID, AGE).where(None, "x") == And((Or(()),))
