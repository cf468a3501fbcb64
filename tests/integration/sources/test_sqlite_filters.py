"""Filters mean on SQLite what the domain says they mean."""

import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.sources.conftest import Make, Open
from tests.integration.sources.helpers import column, read, soon
from wuzapi_manager_server.domain.filter import And, Comparison, Filter, Not, Op, Or
from wuzapi_manager_server.domain.table import Cell
from wuzapi_manager_server.errors import Code, QueryFailed
from wuzapi_manager_server.sources.base import Where

TEXTS = [None, "", "Ana", "ana maria", "50%", "5_0", "a\\b", "ÁGUA", "água", "it's", "x" * 60_000]
TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER, at DATETIME, flag BOOLEAN)"


def compared(name: str, op: Op, *values: Cell) -> Where:
    return Comparison(name, op, values)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (compared("name", Op.EQ, "Ana"), ["Ana"]),
        (compared("name", Op.EQ, None), [None]),
        (compared("name", Op.NE, None), TEXTS[1:]),
        (compared("name", Op.NE, "Ana"), [text for text in TEXTS if text != "Ana"]),
        (compared("name", Op.IS_NULL), [None]),
        (compared("name", Op.IS_NOT_NULL), TEXTS[1:]),
        (compared("name", Op.IN), []),
        (compared("name", Op.IN, "Ana", "it's", "no"), ["Ana", "it's"]),
        (compared("name", Op.IN, "Ana", None), [None, "Ana"]),
        (compared("name", Op.CONTAINS, "AN"), ["Ana", "ana maria"]),
        (compared("name", Op.CONTAINS, "%"), ["50%"]),
        (compared("name", Op.CONTAINS, "_"), ["5_0"]),
        (compared("name", Op.CONTAINS, "\\"), ["a\\b"]),
        (compared("name", Op.CONTAINS, "á"), ["água"]),
        (compared("name", Op.CONTAINS, ""), TEXTS[1:]),
        (compared("name", Op.CONTAINS, "x" * 55_000), ["x" * 60_000]),
        (compared("name", Op.STARTS_WITH, "ANA"), ["Ana", "ana maria"]),
        (compared("name", Op.STARTS_WITH, "maria"), []),
        (compared("name", Op.BETWEEN, "A", "B"), ["Ana"]),
        (Not(compared("name", Op.EQ, "Ana")), [text for text in TEXTS if text != "Ana"]),
        (Not(compared("name", Op.CONTAINS, "a")), [None, "", "50%", "5_0", "it's", "x" * 60_000]),
        (Not(Not(compared("name", Op.CONTAINS, "zz"))), []),
        (Not(compared("name", Op.LT, None)), TEXTS),
        (And(()), TEXTS),
        (Or(()), []),
        (Not(Or(())), TEXTS),
    ],
)
async def test_text_filters(make: Make, source: Open, where: Where, expected: list[str | None]) -> None:
    """Each comparison finds exactly what it says, with nulls, accents, wildcards and very long texts."""
    make(TABLE, ("INSERT INTO t (name) VALUES (?)", [(text,) for text in TEXTS]))
    assert await column(source("t"), "name", where) == expected


SPELLINGS = [
    "2026-11-23 13:05:00",
    "2026-11-23T13:05:00",
    "2026-11-23 13:05:00.000",
    "2026-11-23T13:05:00.000",
    "2026-11-23 13:05:00+00:00",
    "2026-11-23T13:05:00.000Z",
]
OTHERS = ["2026-11-23 13:05:01", "2026-11-23T00:00:00", "2026-11-22T23:59:59", "2026-11-24 00:00:00", None, 1763900000]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (compared("at", Op.EQ, "2026-11-23 13:05:00"), SPELLINGS[:4]),
        (compared("at", Op.IN, "2026-11-23 13:05:00+00:00", "2026-11-24 00:00:00"), [*SPELLINGS[4:], OTHERS[3]]),
        (compared("at", Op.NE, "2026-11-23 13:05:00"), [*SPELLINGS[4:], *OTHERS]),
        (compared("at", Op.LT, "2026-11-23 13:05:00"), [OTHERS[1], OTHERS[2], OTHERS[5]]),
        (compared("at", Op.GE, "2026-11-23 13:05:01"), [OTHERS[0], OTHERS[3]]),
        (compared("at", Op.GT, "2026-11-23 13:05:01"), [OTHERS[3]]),
        (compared("at", Op.LE, "2026-11-23 00:00:00"), [OTHERS[1], OTHERS[2], OTHERS[5]]),
        (compared("at", Op.BETWEEN, "2026-11-23 00:00:00", "2026-11-23 13:05:00"), [*SPELLINGS[:2], OTHERS[1]]),
        (compared("at", Op.EQ, 1763900000), [OTHERS[5]]),
        (compared("at", Op.GT, 5), [*SPELLINGS, *(other for other in OTHERS if other)]),
        (compared("at", Op.EQ, "2026-99-23 13:05:00"), []),
    ],
)
async def test_moments_are_found_in_any_spelling(
    make: Make, source: Open, where: Where, expected: list[str | int | None]
) -> None:
    """A moment is the same with ' ' or 'T', with or without milliseconds, with Z or +00:00; a range takes both."""
    make(TABLE, ("INSERT INTO t (at) VALUES (?)", [(value,) for value in (*SPELLINGS, *OTHERS)]))
    shown = [value.replace(" ", "T") if isinstance(value, str) else value for value in expected]
    assert await column(source("t"), "at", where) == shown


NUMBERS = st.one_of(st.none(), st.integers(-3, 3))
LEAVES = st.one_of(
    st.builds(
        lambda op, n: Comparison[Cell]("n", op, (n,)),
        st.sampled_from([Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE]),
        NUMBERS,
    ),
    st.builds(lambda a, b: Comparison[Cell]("n", Op.BETWEEN, (a, b)), st.integers(-3, 3), st.integers(-3, 3)),
    st.builds(lambda values: Comparison[Cell]("n", Op.IN, tuple(values)), st.lists(NUMBERS, max_size=3)),
    st.builds(lambda op: Comparison[Cell]("n", op), st.sampled_from([Op.IS_NULL, Op.IS_NOT_NULL])),
    st.builds(
        lambda op, text: Comparison[Cell]("name", op, (text,)),
        st.sampled_from([Op.CONTAINS, Op.STARTS_WITH]),
        st.text("aAbB%_", max_size=2),
    ),
)
TREES: st.SearchStrategy[Filter[Cell]] = st.recursive(
    LEAVES,
    lambda part: st.one_of(
        st.builds(lambda parts: And[Cell](tuple(parts)), st.lists(part, max_size=3)),
        st.builds(lambda parts: Or[Cell](tuple(parts)), st.lists(part, max_size=3)),
        st.builds(Not[Cell], part),
    ),
    max_leaves=8,
)
ROWS = [(n, name) for n in (None, -2, -1, 0, 1, 2) for name in (None, "a", "Ab", "%a", "b_")]


def holds(where: Where, n: int | None, name: str | None) -> bool:  # noqa: PLR0911 - one return a kind of comparison
    """The model: whether a row matches, unknown being false."""
    match where:
        case And(parts):
            return all(holds(part, n, name) for part in parts)
        case Or(parts):
            return any(holds(part, n, name) for part in parts)
        case Not(part):
            return not holds(part, n, name)
        case Comparison("name", op, (text,)):
            low, part_of = (name or "").lower(), str(text).lower()
            return name is not None and (part_of in low if op is Op.CONTAINS else low.startswith(part_of))
        case Comparison(_, Op.IS_NULL):
            return n is None
        case Comparison(_, Op.IS_NOT_NULL):
            return n is not None
        case Comparison(_, Op.EQ | Op.IN, values):
            return n in values
        case Comparison(_, Op.NE, values):
            return n not in values
        case Comparison(_, op, values):
            numbers = [value for value in values if isinstance(value, int)]
            if n is None or len(numbers) != len(values):
                return False
            return {
                Op.LT: n < numbers[0],
                Op.LE: n <= numbers[0],
                Op.GT: n > numbers[0],
                Op.GE: n >= numbers[0],
                Op.BETWEEN: numbers[0] <= n <= numbers[-1],
            }[op]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=TREES)
async def test_trees_match_the_model(make: Make, source: Open, root: Path, where: Where) -> None:
    """Any tree finds the rows that the model finds, and its negation all others."""
    if not (root / "shop.db").exists():
        make(TABLE, ("INSERT INTO t (n, name) VALUES (?, ?)", ROWS))
    t = source("t")
    try:
        expected = [row for row in ROWS if holds(where, *row)]
        assert [(row.cells[2], row.cells[1]) for row in await read(t, where)] == expected
        assert await t.count(None, Not(where), soon()) == len(ROWS) - len(expected)
    finally:
        await t.close()


async def test_large_filters(make: Make, source: Open) -> None:
    """A thousand values, two hundred comparisons and sixteen levels are fine; too many values are refused."""
    make(TABLE, ("INSERT INTO t (n) VALUES (?)", [(n,) for n in range(30)]))
    t = source("t")
    many = Comparison[Cell]("n", Op.IN, tuple(range(1000)))
    assert await t.count(None, many, soon()) == 30
    wide = Or(tuple(Comparison[Cell]("name", Op.CONTAINS, (letter,)) for letter in string.printable * 2))
    deep: Where = compared("n", Op.EQ, 3)
    for _ in range(15):
        deep = Not(And((deep, compared("n", Op.GE, 0))))
    assert await t.count(None, wide, soon()) == 0
    assert await t.count(None, deep, soon()) > 0
    with pytest.raises(QueryFailed) as caught:
        await t.count(None, Not(Or((many,) * 51)), soon())
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "where",
    [
        compared("gone", Op.EQ, 1),
        compared("n", Op.EQ, 2**64),
        compared("name", Op.CONTAINS, "a\0"),
        compared("n", Op.GT, float("nan")),
    ],
)
async def test_filters_that_cannot_be(make: Make, source: Open, where: Where) -> None:
    """An unknown column and a value that no row can hold are refused."""
    make(TABLE)
    with pytest.raises(QueryFailed):
        await read(source("t"), where)
