"""Filters: every comparison on every type against a model, null logic, negation, groups, and what is refused."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from grpc import StatusCode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.calls import Caller, refused
from tests.contract.desk import Desk, all_of, any_of, compared, connect, no
from tests.contract.server import World
from tests.contract.sources import Shape, SourceUnderTest, Spec, demands, needs
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.domain.table import ColumnType

COMPARED: dict[ColumnType, Sequence[tuple[Any, object]]] = {
    ColumnType.INTEGER: [(-5, -5), (0, 0), (7, 7), (2**53 + 1, str(2**53 + 1)), (2**63 - 1, str(2**63 - 1))],
    ColumnType.DECIMAL: [(Decimal(each), each) for each in ("-1.5", "0", "0.1", "12.5", "1000000")],
    ColumnType.FLOAT: [(each, each) for each in (-2.5, 0.0, 0.1, 3.0, 1e10)],
    ColumnType.TEXT: [(each, each) for each in ("", "abacate", "banana", "banana split", "caju")],
    ColumnType.DATE: [(date.fromisoformat(each), each) for each in ("0099-01-01", "2026-02-27", "2026-02-28")],
    ColumnType.TIME: [(time.fromisoformat(each), each) for each in ("00:00:00", "13:05:00", "23:59:59")],
    ColumnType.TIMESTAMP: [
        (datetime.fromisoformat(each), each)
        for each in ("2026-02-27T23:59:59", "2026-02-28T00:00:00", "2026-02-28T00:00:01")
    ],
    ColumnType.TIMESTAMP_TZ: [
        (datetime.fromisoformat(each).replace(tzinfo=UTC), f"{each}Z")
        for each in ("2026-02-27T23:59:59", "2026-02-28T00:00:00", "2026-02-28T00:00:01")
    ],
    ColumnType.DURATION: [
        (timedelta(hours=-700), "-P29DT4H"),
        (timedelta(seconds=-0.5), "-PT0.5S"),
        (timedelta(0), "PT0S"),
        (timedelta(hours=9), "PT9H"),
        (timedelta(hours=100), "P4DT4H"),
    ],
    ColumnType.BOOLEAN: [(False, False), (True, True)],
    ColumnType.UUID: [(UUID(int=each), str(UUID(int=each))) for each in (1, 2, 3)],
}
OPERATORS: dict[pb.Op.ValueType, Callable[[Any, Any], bool]] = {
    pb.OP_EQ: eq,
    pb.OP_NE: ne,
    pb.OP_LT: lt,
    pb.OP_LE: le,
    pb.OP_GT: gt,
    pb.OP_GE: ge,
}


@pytest.mark.parametrize("kind", COMPARED)
def test_every_comparison_of_every_type(world: World, source: SourceUnderTest, ana: Caller, kind: ColumnType) -> None:
    """A comparison finds what Python's own finds; null is equal to nothing, and not equal to any value."""
    needs(source, kind)
    demands(kind is not ColumnType.BOOLEAN or source.can.empty_values)
    values_of_kind = [each for each in COMPARED[kind] if source.can.keeps(each[0])]
    cells: list[Any] = [cell for cell, _ in values_of_kind]
    table = source.make(
        Shape((Spec("id", ColumnType.INTEGER, key=True, nullable=False), Spec("owner"), Spec("v", kind))),
        [[at, ana.token, cell] for at, cell in enumerate([*cells, None])],
    )
    desk = Desk(ana, connect(world, source, table, ana))
    everything, null = set(range(len(cells) + 1)), len(cells)

    def found(where: pb.Filter) -> set[object]:
        ids = {*desk.column("id", where)}
        assert desk.count(where) == len(ids)
        assert {*desk.column("id", no(where))} == everything - ids
        return ids

    for cell, value in values_of_kind:
        for op, compare in OPERATORS.items():
            expected = {at for at, other in enumerate(cells) if compare(other, cell)}
            assert found(compared("v", op, value)) == expected | ({null} if op == pb.OP_NE else set()), (op, value)
    values = [value for _, value in values_of_kind]
    assert found(compared("v", pb.OP_IN, [values[0], values[-1], values[0]])) == {0, len(cells) - 1}
    assert found(compared("v", pb.OP_BETWEEN, [values[0], values[1]])) == {0, 1}
    assert found(compared("v", pb.OP_BETWEEN, [values[1], values[0]])) == set()
    for where in (compared("v", pb.OP_IS_NULL), compared("v", pb.OP_EQ, None), compared("v", pb.OP_IS_NULL, None)):
        assert found(where) == {null}
    for where in (compared("v", pb.OP_IS_NOT_NULL), compared("v", pb.OP_NE, None)):
        assert found(where) == everything - {null}


TEXTS = (
    "Banana",
    "banana",
    "BANANA SPLIT",
    "100% suco",
    "a_b",
    "axb",
    "It's",
    'a "b"',
    "a\\b",
    "AÇAÍ",
    "açaí",
    "",
    None,
)


def kept_texts(source: SourceUnderTest) -> list[str | None]:
    return [text for text in TEXTS if source.can.keeps(text)]


@pytest.fixture(scope="module")
def texts(world: World, source: SourceUnderTest, ana: Caller) -> Desk:
    table = source.make(
        Shape((Spec("id", ColumnType.INTEGER, key=True, nullable=False), Spec("owner"), Spec("v"))),
        [[at, ana.token, text] for at, text in enumerate(kept_texts(source))],
    )
    return Desk(ana, connect(world, source, table, ana))


@pytest.mark.parametrize(
    "part",
    ["an", "BAN", "%", "_", "a_", "'", '"', "\\", "100%", "çaí", "ÇA", " ", "x'; DROP TABLE t;--", "banana split"],
)
def test_parts_of_texts_are_literal_and_case_is_that_of_ascii(source: SourceUnderTest, texts: Desk, part: str) -> None:
    """CONTAINS and STARTS_WITH take wildcards and quotes as they are, and no notice of the case of ASCII letters."""

    def lowered(text: str) -> str:
        return "".join(letter.lower() if letter.isascii() else letter for letter in text)

    for op, holds in ((pb.OP_CONTAINS, str.__contains__), (pb.OP_STARTS_WITH, str.startswith)):
        expected = [text for text in kept_texts(source) if text is not None and holds(lowered(text), lowered(part))]
        assert texts.column("v", compared("v", op, part)) == expected
        unmatched = [text for text in kept_texts(source) if text not in expected]
        assert texts.column("v", no(compared("v", op, part))) == unmatched
    assert texts.column("v", search=part) == texts.column("v", compared("v", pb.OP_CONTAINS, part))


def test_a_search_looks_into_every_text_field_that_is_seen(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """A search finds its text in any text field, together with the filter, and never in the link field."""
    table = source.make(
        Shape((Spec("id", ColumnType.INTEGER, key=True, nullable=False), Spec("owner"), Spec("a"), Spec("b"))),
        [[1, ana.token, "xyz", None], [2, ana.token, None, "aXYb"], [3, ana.token, "x y", "z"]],
    )
    desk = Desk(ana, connect(world, source, table, ana))
    assert desk.column("id", search="xy") == [1, 2]
    assert desk.column("id", compared("id", pb.OP_GT, 1), search="xy") == [2]
    assert desk.column("id", search=ana.token) == []
    assert desk.column("id", search="token-of") == []
    assert desk.column("id", search="") == [1, 2, 3]


class Row(NamedTuple):
    id: int
    n: int | None
    t: str | None


ROWS = tuple(
    Row(id=3 * at + where, n=n, t=t) for at, n in enumerate((None, 0, 1, 2)) for where, t in enumerate((None, "a", "b"))
)
LEAVES = st.one_of(
    st.tuples(st.just("n"), st.sampled_from(list(OPERATORS)), st.integers(-1, 3)),
    st.tuples(st.just("t"), st.sampled_from(list(OPERATORS)), st.sampled_from(["a", "b", "c"])),
    st.tuples(st.sampled_from(["n", "t"]), st.sampled_from([pb.OP_IS_NULL, pb.OP_IS_NOT_NULL]), st.none()),
)
TREES = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), st.lists(parts, min_size=1, max_size=3)),
        st.tuples(st.just("not"), parts),
    ),
    max_leaves=12,
)


def message_of(tree: Any) -> pb.Filter:
    match tree:
        case ("and", list(parts)):
            return all_of(*map(message_of, parts))
        case ("or", list(parts)):
            return any_of(*map(message_of, parts))
        case ("not", part):
            return no(message_of(part))
        case (field, op, None):
            return compared(field, op)
        case (field, op, value):
            return compared(field, op, value)
    raise AssertionError(tree)


def holds(tree: Any, row: Row) -> bool:
    match tree:
        case ("and", list(parts)):
            return all(holds(part, row) for part in parts)
        case ("or", list(parts)):
            return any(holds(part, row) for part in parts)
        case ("not", part):
            return not holds(part, row)
        case (field, op, value):
            cell = getattr(row, field)
            if op in (pb.OP_IS_NULL, pb.OP_IS_NOT_NULL):
                return (cell is None) is (op == pb.OP_IS_NULL)
            return op == pb.OP_NE if cell is None else OPERATORS[op](cell, value)
    raise AssertionError(tree)


@pytest.fixture(scope="module")
def grid(world: World, source: SourceUnderTest, ana: Caller) -> Desk:
    table = source.make(
        Shape((Spec("id", ColumnType.INTEGER, key=True, nullable=False), Spec("owner"),
               Spec("n", ColumnType.INTEGER), Spec("t"))),
        [[row.id, ana.token, row.n, row.t] for row in ROWS],
    )  # fmt: skip
    return Desk(ana, connect(world, source, table, ana))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
def test_any_tree_finds_what_the_model_finds(grid: Desk, tree: object) -> None:
    """And, or and not, however nested, follow two-valued logic: a row matches a filter or its negation."""
    assert grid.column("id", message_of(tree)) == [row.id for row in ROWS if holds(tree, row)]


def nested(levels: int) -> pb.Filter:
    where = compared("n", pb.OP_EQ, 1)
    for _ in range(levels - 1):
        where = no(where)
    return where


def test_the_deepest_and_widest_filters_are_taken(grid: Desk) -> None:
    """16 levels, 200 nodes and 1,000 values are answered; one more of each is refused."""
    assert grid.count(nested(16)) == 9
    assert grid.count(any_of(*[compared("n", pb.OP_EQ, 1)] * 199)) == 3
    assert grid.count(compared("n", pb.OP_IN, list(range(1000)))) == 9
    for where in (
        nested(17),
        any_of(*[compared("n", pb.OP_EQ, 1)] * 200),
        all_of(*[any_of(*[compared("n", pb.OP_EQ, 1)] * 20)] * 10),
        compared("n", pb.OP_IN, list(range(1001))),
    ):
        for call in (grid.page, grid.count, grid.export):
            with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
                call(where=where)
            assert all(field.startswith("filter") for field in refusal.violations)


@pytest.mark.parametrize(
    ("where", "field"),
    [
        (pb.Filter(), "filter"),
        (pb.Filter(comparison=pb.Comparison()), "filter.comparison.field"),
        (compared("nothing", pb.OP_EQ, 1), "filter.comparison.field"),
        (compared("owner", pb.OP_EQ, "token-of-ana"), "filter.comparison.field"),
        (compared("N", pb.OP_EQ, 1), "filter.comparison.field"),
        (compared('n" OR 1=1 --', pb.OP_EQ, 1), "filter.comparison.field"),
        (compared("n", pb.OP_UNSPECIFIED, 1), "filter.comparison.op"),
        (compared("n", 99, 1), "filter.comparison.op"),  # type: ignore[arg-type]  # no value of the enum
        (compared("n", pb.OP_CONTAINS, "1"), "filter.comparison.op"),
        (compared("n", pb.OP_STARTS_WITH, "1"), "filter.comparison.op"),
        (compared("n", pb.OP_EQ), "filter.comparison.value"),
        (compared("n", pb.OP_EQ, "x"), "filter.comparison.value"),
        (compared("n", pb.OP_EQ, True), "filter.comparison.value"),
        (compared("n", pb.OP_EQ, 1.5), "filter.comparison.value"),
        (compared("n", pb.OP_EQ, [1]), "filter.comparison.value"),
        (compared("n", pb.OP_LT, None), "filter.comparison.value"),
        (compared("n", pb.OP_IN, 1), "filter.comparison.value"),
        (compared("n", pb.OP_IN, []), "filter.comparison.value"),
        (compared("n", pb.OP_IN, [1, None]), "filter.comparison.value"),
        (compared("n", pb.OP_BETWEEN, [1]), "filter.comparison.value"),
        (compared("n", pb.OP_BETWEEN, [1, 2, 3]), "filter.comparison.value"),
        (compared("n", pb.OP_IS_NULL, 1), "filter.comparison.value"),
        (compared("t", pb.OP_CONTAINS, 1), "filter.comparison.value"),
        (compared("t", pb.OP_CONTAINS, "a\0"), "filter.comparison.value"),
        (compared("t", pb.OP_CONTAINS, "a" * 1001), "filter.comparison.value"),
        (compared("t", pb.OP_EQ, 1), "filter.comparison.value"),
        (any_of(), "filter.or.filters"),
        (all_of(no(compared("x", pb.OP_EQ, 1))), "filter.and.filters[0].not.comparison.field"),
    ],
    ids=str,
)
def test_a_filter_that_says_nothing_or_nonsense_is_refused_at_its_place(
    grid: Desk, where: pb.Filter, field: str
) -> None:
    """What is wrong with a filter is told at its path, the same in lists, counts and exports."""
    for call in (grid.page, grid.count, grid.export):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            call(where=where)
        assert field in refusal.violations


def test_everything_wrong_is_told_at_once(grid: Desk) -> None:
    """Filter, order, fields, page size, token, search and format are all looked at before the call is refused."""
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        grid.rpc.ListRecords(
            pb.ListRecordsRequest(
                connection_id=grid.id,
                filter=all_of(compared("x", pb.OP_EQ, 1), compared("n", pb.OP_EQ, "y")),
                order_by="z",
                fields=["w"],
                page_size=-1,
                page_token="v",
                search="s" * 1001,
                format=9,  # type: ignore[arg-type]  # no value of the enum
            )
        )
    assert set(refusal.violations) == {
        "filter.and.filters[0].comparison.field",
        "filter.and.filters[1].comparison.value",
        "order_by",
        "fields[0]",
        "page_size",
        "page_token",
        "search",
        "format",
    }


def test_documents_are_not_compared(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """A JSON column can be asked for null alone, and cannot be sorted by."""
    demands(ColumnType.JSON in source.can.types)
    table = source.make(
        Shape((Spec("id", ColumnType.INTEGER, key=True, nullable=False), Spec("owner"), Spec("v", ColumnType.JSON))),
        [[1, ana.token, {"a": 1}], [2, ana.token, None]],
    )
    desk = Desk(ana, connect(world, source, table, ana))
    assert desk.column("id", compared("v", pb.OP_IS_NULL)) == [2]
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        desk.page(compared("v", pb.OP_EQ, {"a": 1}))
    assert "filter.comparison.op" in refusal.violations
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        desk.page(order_by="v")
    assert "order_by" in refusal.violations
