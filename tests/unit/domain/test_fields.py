"""The fields of a table as a caller may see, sort, filter and write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.customers import ANA, ID, NAME, OPEN, TABLE, complaints, names, writable
from tests.unit.domain.tables import column, computed, connection, fields_of, shared_fields, table
from wuzapi_manager_server.domain.caller import Admin
from wuzapi_manager_server.domain.connection import UserLinkValue
from wuzapi_manager_server.domain.fields import Order, parse_order
from wuzapi_manager_server.domain.mapping import FieldMapping
from wuzapi_manager_server.domain.table import ColumnType
from wuzapi_manager_server.errors import InvalidInput, QueryFailed, Text


def test_without_mappings_every_column_is_itself() -> None:
    """All columns are fields; the link field is there but not to be written, nor by updates of the administrator."""
    through = connection()
    for caller, stampable in ((ANA, False), (Admin(), True)):
        fields = fields_of(TABLE, through, caller)
        assert names(fields) == ["id", "name", "age", "papers", "owner"]
        assert writable(fields) == ["id", "name", "age", "papers"]
        assert fields.by_name["owner"].stampable is stampable
    assert not fields_of(TABLE, through, Admin(), as_user="u1").by_name["owner"].stampable


def test_a_link_field_of_tokens_is_not_there() -> None:
    """Where the link field holds tokens nobody sees it, not even the administrator, shared or not."""
    for shared in (False, True):
        through = connection(value=UserLinkValue.TOKEN, shared=shared)
        for caller in (ANA, Admin()):
            assert "owner" not in names(fields_of(TABLE, through, caller))


def test_what_is_computed_from_tokens_is_not_there_under_any_name() -> None:
    """A computed column that would tell the link field is no field, mapped or not; of other links it is one."""
    orders = table(ID, NAME, column(ColumnType.TEXT, "owner"), computed("shout", "owner"))
    for caller in (ANA, Admin()):
        assert names(fields_of(orders, connection(value=UserLinkValue.TOKEN), caller)) == ["id", "name"]
        assert "shout" in names(fields_of(orders, connection(), caller))
    mapped = connection(FieldMapping("loud", "shout"), FieldMapping("name", "name"), value=UserLinkValue.TOKEN)
    assert names(fields_of(orders, mapped, Admin())) == ["name"]


def test_a_link_field_of_a_shared_table_is_like_any_other() -> None:
    """Where all users share the rows, the link field may be written."""
    assert "owner" in writable(fields_of(TABLE, connection(shared=True), ANA))


def test_mappings_say_what_is_seen_and_written() -> None:
    """Only mapped, visible columns are fields, in the mappings' names and order; only editable ones are written."""
    through = connection(
        FieldMapping("years", "age"),
        FieldMapping("customer", "name", editable=False),
        FieldMapping("secret", "papers", visible=False),
    )
    fields = fields_of(TABLE, through, ANA)
    assert names(fields) == ["years", "customer"]
    assert writable(fields) == ["years"]
    row = (1, "Bia", 30, None, "u1")
    assert [row[place] for place in fields.places(fields.all)] == [30, "Bia"]
    assert [row[place] for place in fields.places(fields.chosen(["customer"]))] == ["Bia"]


def test_a_mapped_column_that_is_gone_is_said_to_be() -> None:
    """A mapping of a column that the table has not is QueryFailed that names the column."""
    with pytest.raises(QueryFailed, match="'gone' does not exist") as error:
        fields_of(TABLE, connection(FieldMapping("x", "gone")), ANA)
    assert error.value.metadata == {"column": "gone"}
    assert error.value.text.pt == "Campo 'gone' não encontrado na tabela 'orders'"


def test_computed_columns_and_read_only_tables_are_not_written() -> None:
    """A computed column, and every column of a table that takes no writes, is read-only."""
    total = column(ColumnType.DECIMAL, "total", read_only=True)
    assert writable(shared_fields(ID, total)) == ["id"]
    view = table(ID, NAME, read_only=Text("it is a view", "é uma visão"))
    assert writable(fields_of(view, connection(link="", shared=True), ANA)) == []


def test_fields_are_chosen_by_name() -> None:
    """The fields named, each once, in that order; all where none is named; every unknown name is told."""
    assert OPEN.chosen(()) is OPEN.all
    assert [field.name for field in OPEN.chosen(["age", "name", "age"])] == ["age", "name"]
    with pytest.raises(InvalidInput) as error:
        OPEN.chosen(["name", "x", "y" * 10_000])
    assert complaints(error) == ["fields[1]", "fields[2]"]
    assert len(error.value.text.en) < 500
    assert "Campo 'x' não encontrado na tabela 'orders'" in error.value.text.pt


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("  ", []),
        ("name", [("name", False)]),
        ("name desc, age ASC ,id", [("name", True), ("age", False), ("id", False)]),
        ('"a, b" desc,c', [("a, b", True), ("c", False)]),
        ('"x desc"', [("x desc", False)]),
        ('"say ""hi""" DESC', [('say "hi"', True)]),
        ("two words desc", [("two words", True)]),
        ('a "b" c desc', [('a "b" c', True)]),
        ("desc", [("desc", False)]),
        ("desc desc", [("desc", True)]),
        ('" "', [(" ", False)]),
        ('"""x"""', [('"x"', False)]),
    ],
)
def test_orders_are_read(text: str, parts: list[tuple[str, bool]]) -> None:
    """Names with an optional direction, separated by commas; names with commas, quotes or directions in quotes."""
    assert list(parse_order(text)) == parts


@pytest.mark.parametrize(
    "text", [",", "a,", ",a", "a,,b", '"a', '""', '"a" down', '"a""', '"a"b"', '"a" "b"', '"a" desc desc', '"']
)
def test_what_is_no_order_is_refused(text: str) -> None:
    """Empty parts, open quotes and unknown directions are told on order_by."""
    with pytest.raises(InvalidInput) as error:
        list(parse_order(text))
    assert complaints(error) == ["order_by"]


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.booleans()), max_size=4))
def test_any_name_can_be_sorted_by(parts: list[tuple[str, bool]]) -> None:
    """Whatever a field is called, in quotes it is read as it is."""
    spelled = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}"{" desc" * down}' for name, down in parts)
    assert list(parse_order(spelled)) == parts


@given(st.text(alphabet='ab ",\tdesc\0é', max_size=30))
def test_any_order_is_read_or_refused(text: str) -> None:
    """Nothing but InvalidInput comes of any text."""
    with suppress(InvalidInput):
        assert all(name for name, _ in parse_order(text))


def test_orders_become_columns() -> None:
    """Fields become columns; unknown, repeated and unsortable ones are refused."""
    assert OPEN.order("age desc, name") == (Order("age", descending=True), Order("name", descending=False))
    for text, message in (("x", "'x' is not a field"), ("age,age desc", "cannot sort"), ("papers", "cannot sort")):
        with pytest.raises(InvalidInput, match=message):
            OPEN.order(text)
