"""Record ids: one for each key, and the key again for each id."""

import math
from base64 import urlsafe_b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.domain.tables import column, table
from wuzapi_manager_server.domain.keys import MAX_RECORD_ID, dump_key, key_of, load_key, record_id
from wuzapi_manager_server.domain.table import ColumnType, Key, Scalar

NUMBERED = table(column(ColumnType.INTEGER, "id"))
NAMED = table(column(ColumnType.TEXT, "id"))
PAIRED = table(column(ColumnType.INTEGER, "a"), column(ColumnType.TEXT, "b"), key=("a", "b"))
KEYLESS = table(column(ColumnType.TEXT, "id"), key=())
SCALARS: st.SearchStrategy[Scalar] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.binary(max_size=20),
)


def same(one: Key | None, other: Key) -> bool:
    return one is not None and [(type(part), repr(part)) for part in one] == [
        (type(part), repr(part)) for part in other
    ]


@pytest.mark.parametrize("place", [NUMBERED, NAMED])
@given(part=SCALARS)
@example("~")
@example("~bm8")
@example("")
@example("0")
@example("-1")
@example(-(2**63))
@example(-0.0)
@example(math.inf)
@example("é" * MAX_RECORD_ID)
@example("~" * (MAX_RECORD_ID + 1))
@example("a" * (MAX_RECORD_ID + 1))
@example("\ud800")
@example(b"")
def test_a_key_is_found_by_its_id(place: object, part: Scalar) -> None:
    """Every key has an id, the id gives that key again, of the same type to the last bit."""
    where = NUMBERED if place is NUMBERED else NAMED
    identifier = record_id((part,), where)
    assert identifier
    assert same(key_of(identifier, where), (part,))


@given(st.tuples(SCALARS, SCALARS))
def test_a_composite_key_is_found_by_its_id(key: Key) -> None:
    """So it is with keys of several columns."""
    identifier = record_id(key, PAIRED)
    assert identifier.startswith("~")
    assert same(key_of(identifier, PAIRED), key)
    assert key_of(identifier, NAMED) is None


@given(st.lists(st.tuples(SCALARS), min_size=2, max_size=2, unique_by=lambda key: (type(key[0]), repr(key[0]))))
def test_two_keys_have_two_ids(keys: list[Key]) -> None:
    """No two keys share an id."""
    for place in (NUMBERED, NAMED):
        assert record_id(keys[0], place) != record_id(keys[1], place)


def test_plain_keys_are_their_own_ids() -> None:
    """A whole number, or a text that does not begin with ~, stands for itself."""
    assert record_id((12,), NUMBERED) == "12"
    assert record_id(("Ana",), NAMED) == "Ana"
    assert record_id(("12",), NAMED) == "12"
    assert record_id(("12",), NUMBERED).startswith("~")
    assert record_id((12,), NAMED).startswith("~")
    assert record_id((), KEYLESS) == ""


def coded(data: bytes) -> str:
    return "~" + urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        "007",
        "+5",
        "-0",
        "--5",
        "5 ",
        "\u0665",
        "9" * 21,
        "9" * 5000,
        "~",
        "~é",
        "~!!!",
        coded(b"[12]"),
        coded(b"[1.0 ]"),
        coded(b"[]"),
        coded(b"[1,2]"),
        coded(b"{}"),
        coded(b"[[1]]"),
        coded(b'[{"b":"YR=="}]'),
        coded(b'[{"b":5}]'),
        coded(b'[{"c":"YQ=="}]'),
        coded(b'[{"b":"YQ==","c":1}]'),
        coded(b"\xff"),
        coded(b"[" * 100_000),
        coded(b"[" + b"9" * 5000 + b"]"),
        coded(b'["a"]') + "=",
        coded(b'["a"]') + "\n",
        "~WyJhIl0+",
    ],
)
def test_what_no_row_has_is_no_id(identifier: str) -> None:
    """An id that record_id never gives has no key."""
    assert key_of(identifier, NUMBERED) is None


def test_long_and_coded_texts_have_one_spelling() -> None:
    """A text key has one id alone: a short one not the coded spelling, a long one not the plain."""
    assert key_of(coded(b'["Ana"]'), NAMED) is None
    assert key_of("a" * (MAX_RECORD_ID + 1), NAMED) is None
    assert key_of("a" * MAX_RECORD_ID, NAMED) == ("a" * MAX_RECORD_ID,)
    assert key_of("1", PAIRED) is None


@given(st.text(max_size=30) | st.text("~WyJhIl0-_=1", max_size=12))
def test_any_id_is_found_or_not(identifier: str) -> None:
    """Nothing is raised by any id, and one that has a key is that key's id."""
    for place in (NUMBERED, NAMED, PAIRED):
        key = key_of(identifier, place)
        assert key is None or record_id(key, place) == identifier


@given(st.binary(max_size=40) | st.just(b'[{"b":null}]'))
def test_any_bytes_are_a_key_or_none(data: bytes) -> None:
    """Nothing is raised by any bytes."""
    key = load_key(data)
    assert key is None or same(load_key(dump_key(key)), key)
