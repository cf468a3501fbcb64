"""What NocoDB is asked for: conditions from which no value can break out, and what is not said at all."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager_server.domain.filter import And, Comparison, Not, Op, Or
from wuzapi_manager_server.domain.table import Cell, Owner
from wuzapi_manager_server.sources.base import Where
from wuzapi_manager_server.sources.nocodb_ask import Ask
from wuzapi_manager_server.sources.nocodb_table import NocoTable, table_of
from wuzapi_manager_server.sources.nocodb_where import NoRow, Unsaid, behind, fits, joined, narrowed, of_key, owned

_TOKEN = re.compile(
    r"""\((?:c[a-z]+,(?:eq|gt|gte|lt|lte|like),(?:"[^"]*[^"\\]"|""|'[^']*[^'\\]'|'')|c[a-z]+,(?:null|notnull))\)""",
    re.DOTALL,
)
HOSTILE = ["\\", "a\\", '"', "'", "'\"", "')~or(cid,gt,'0", '")~or(cid,gt,"0', "a,b", "%", "_", "\n", "\x01", "()", "~"]


def table_with(*keys: str, native: str = "") -> NocoTable:
    kinds = {"id": "ID", "text": "LongText", "n": "Number", "d": "Decimal", "day": "Date", "o": "SpecificDBType"}
    return table_of(
        {
            "id": "mtable",
            "base_id": "pbase",
            "columns": [
                {"id": f"c{name}", "title": name, "uidt": kind, "dt": native, "pk": int(name in keys)}
                for name, kind in kinds.items()
            ],
        }
    )


TABLE = table_with("id")
texts = st.text(max_size=30) | st.sampled_from(HOSTILE) | st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join)


def skeleton(condition: str) -> str:
    """The condition with each comparison, read as NocoDB's grammar reads it, as X."""
    return _TOKEN.sub("X", condition)


@given(text=texts)
def test_no_text_breaks_out_of_its_quotes(text: str) -> None:
    """Whatever a text holds, the condition that asks for it is one comparison."""
    for column, op in (("text", Op.EQ), ("text", Op.CONTAINS), ("text", Op.STARTS_WITH)):
        assert skeleton(narrowed(TABLE, Comparison(column, op, (text,)))) in ("X", "")
    with suppress(NoRow):
        assert skeleton(owned(TABLE, Owner("text", text))) in ("X", "")
    assert skeleton(of_key(table_with("text"), (text,))) in ("X", "")
    try:
        further = behind(table_with("text").keys, (text,))
    except Unsaid:
        assert '"' in text
        assert "'" in text
    else:
        assert skeleton(further) == "X"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Comparison("text", Op.EQ, ("a",)), '(ctext,eq,"a")'),
        (Comparison("text", Op.EQ, ('a"',)), "(ctext,eq,'a\"')"),
        (Comparison("text", Op.EQ, ("'\"",)), '(ctext,like,"%__%")'),
        (Comparison("text", Op.EQ, ("a\\",)), '(ctext,like,"%a_%")'),
        (Comparison("text", Op.EQ, ("",)), ""),
        (Comparison("text", Op.IN, ("a", "b")), '((ctext,eq,"a")~or(ctext,eq,"b"))'),
        (Comparison("text", Op.IN, ("a", "")), ""),
        (Comparison("text", Op.IN, tuple(f"text {at}" for at in range(1000))), ""),
        (Comparison("text", Op.CONTAINS, ("100%",)), '(ctext,like,"%100_%")'),
        (Comparison("text", Op.STARTS_WITH, ("a",)), '(ctext,like,"a%")'),
        (Comparison("text", Op.NE, ("a",)), ""),
        (Comparison("text", Op.LT, ("a",)), ""),
        (Comparison("text", Op.IS_NULL), ""),
        (Comparison("n", Op.EQ, (5,)), '(cn,eq,"5")'),
        (Comparison("n", Op.EQ, (2**60,)), ""),
        (Comparison("n", Op.BETWEEN, (1, 2)), '((cn,gte,"1")~and(cn,lte,"2"))'),
        (Comparison("d", Op.GE, (-0.5,)), '(cd,gte,"-0.5")'),
        (Comparison("n", Op.NE, (5,)), ""),
        (Comparison("day", Op.EQ, ("2026-01-01",)), ""),
        (Not(Comparison("n", Op.EQ, (5,))), ""),
        (And((Comparison("n", Op.EQ, (5,)), Not(Comparison("n", Op.EQ, (6,))))), '(cn,eq,"5")'),
        (Or((Comparison("n", Op.EQ, (5,)), Not(Comparison("n", Op.EQ, (6,))))), ""),
        (Or((Comparison("n", Op.EQ, (5,)), Comparison("n", Op.GT, (6,)))), '((cn,eq,"5")~or(cn,gt,"6"))'),
        (Or(()), ""),
        (And(()), ""),
        (None, ""),
    ],
    ids=str,
)
def test_a_filter_narrows_where_that_is_safe(where: Where | None, expected: str) -> None:
    """What may leave out a row that is wanted is not said: negations, null, order of texts, parts of an OR."""
    assert narrowed(TABLE, where) == expected


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (None, ""),
        (Owner("text", "ana"), '(ctext,eq,"ana")'),
        (Owner("n", "42"), '(cn,eq,"42")'),
        (Owner("o", "ana"), '(co,like,"%ana%")'),
        (Owner("day", "2026-01-01"), ""),
    ],
)
def test_an_owner_narrows_by_the_type_of_the_link(owner: Owner | None, expected: str) -> None:
    """Texts by equality, numbers by their number, unknown types by likeness, others not at all."""
    assert owned(TABLE, owner) == expected


@pytest.mark.parametrize("value", ["ana", "0x2a", "1)~or(cid,gt,0", "", "NaN"])
def test_an_owner_that_is_no_number_has_no_row_by_number(value: str) -> None:
    """A text in a link column of numbers finds nothing, and nothing is asked."""
    with pytest.raises(NoRow):
        owned(TABLE, Owner("n", value))


@pytest.mark.parametrize("name", ["text", "n", "o", "day"])
def test_an_owner_that_no_condition_can_say_has_no_row(name: str) -> None:
    """NocoDB fails at a null character."""
    with pytest.raises(NoRow):
        owned(TABLE, Owner(name, "4\0"))


@pytest.mark.parametrize(
    ("keys", "after", "expected"),
    [
        (("id",), (7,), '(cid,gt,"7")'),
        (("text",), ("a\\",), '(ctext,gte,"a\\\x01")'),
        (("text",), (None,), "(ctext,notnull)"),
        (("text", "n"), ("a", 7), '(((ctext,eq,"a")~and(cn,gt,"7"))~or(ctext,gt,"a"))'),
        (("text", "n"), (None, 7), '(((ctext,null)~and(cn,gt,"7"))~or(ctext,notnull))'),
    ],
)
def test_a_place_is_said_by_its_key(keys: tuple[str, ...], after: tuple[str | int | None, ...], expected: str) -> None:
    """Rows behind a key are those with a greater first part, or the same and a greater second."""
    table = table_with(*keys)
    assert behind(table.keys, after) == expected
    assert behind(table_with("id").keys, (7,), descending=True) == '(cid,lt,"7")'


@pytest.mark.parametrize("key", [("'\"",), ("x" * 20_000,), ("é" * 1_000, "é" * 1_000)])
def test_a_key_that_cannot_be_said_is_not(key: tuple[str, ...]) -> None:
    """Both kinds of quotes, or more than a URL carries, also in several parts."""
    with pytest.raises(Unsaid, match="text"):
        behind(table_with("text", "o").keys[: len(key)], key)


CONDITIONS = [f'(cid,eq,"{at}{"x" * 1000}")' for at in range(20)]


def test_the_first_conditions_that_fit_are_asked_for() -> None:
    """With the place, which always is; what is too long for a URL, and the last of the others, is left out."""
    ask = Ask(["", CONDITIONS[0], "(" + "x" * 20_000 + ")", *CONDITIONS[1:]], 10, behind='(cid,gt,"7")')
    assert ask.kept == CONDITIONS[:9]
    assert fits(ask.where)
    assert ask.where == joined("and", [*CONDITIONS[:9], '(cid,gt,"7")'])
    whole = ask.where
    assert ask.fewer()
    assert ask.kept == CONDITIONS[:4]
    assert len(ask.where) < len(whole) / 2
    while ask.fewer():
        pass
    assert ask.where == ask.behind
    assert not ask.none()


def test_conditions_are_the_same_within_a_list_that_is_passed_over() -> None:
    """Without them the list would be another, and so would its first rows."""
    ask = Ask(CONDITIONS, 10, passed=10)
    assert not ask.fewer()
    assert not ask.none()
    ask.passed = 0
    assert ask.none()
    assert ask.where == ""


def test_too_many_columns_are_not_named() -> None:
    """Whole records come then."""
    ask = Ask((), 10, only=["a"])
    assert ask.fields(["c1"]) == [("fields", "c1")]
    assert not ask.fields([f"c{at:015}" for at in range(500)])


def test_nothing_joined_is_nothing() -> None:
    """An empty condition would mean all rows: none is made of empty parts."""
    assert joined("and", ["", ""]) == joined("or", []) == ""
    cells: tuple[Cell, ...] = ()
    assert narrowed(TABLE, Comparison("text", Op.IN, cells)) == ""


@pytest.mark.parametrize(
    ("native", "part", "said"),
    [
        ("integer", 7, '(cn,eq,"7")'),
        ("integer", -(2**31), '(cn,eq,"-2147483648")'),
        ("integer", 2**31, '(cn,like,"2147483648")'),
        ("smallint", 2**15, '(cn,like,"32768")'),
        ("bigint", 2**63 - 1, f'(cn,eq,"{2**63 - 1}")'),
        ("integer", 1.5, '(cn,eq,"1.5")'),  # what SQLite keeps in such a column
    ],
)
def test_a_whole_number_is_asked_for_as_its_column_can_hold_it(native: str, part: float, said: str) -> None:
    """PostgreSQL refuses to compare with a number of more bits; SQLite has 64 in every column, or what is no number."""
    assert of_key(table_with("n", native=native), (part,)) == said


@pytest.mark.parametrize("part", [2**63, -(2**63) - 1])
def test_a_whole_number_that_no_column_holds_is_nowhere(part: int) -> None:
    """There is nothing to ask for."""
    with pytest.raises(NoRow):
        of_key(table_with("n", native="bigint"), (part,))
