"""The fields of a table as a caller may see, sort, filter and write them."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.domain.tables import column, connection, fields_of, shared_fields, table
from wuzapi_manager_server.domain.caller import Admin, User
from wuzapi_manager_server.domain.connection import UserLinkValue
from wuzapi_manager_server.domain.fields import MAX_SEARCH, Fields, Order, parse_order
from wuzapi_manager_server.domain.filter import And, Comparison, Filter, Not, Op, Or
from wuzapi_manager_server.domain.mapping import FieldMapping, Validation
from wuzapi_manager_server.domain.row_scope import RowScope
from wuzapi_manager_server.domain.table import Cell, ColumnType, Json, Owner, Row
from wuzapi_manager_server.errors import InvalidInput, QueryFailed, Text

ANA = User("u1", "Ana", "551199@s.whatsapp.net", "ana-token")
ID = column(ColumnType.INTEGER, "id", primary_key=True, has_default=True)
NAME = column(ColumnType.TEXT, "name")
AGE = column(ColumnType.INTEGER, "age")
PAPERS = column(ColumnType.JSON, "papers")
OWNER = column(ColumnType.TEXT, "owner")
TABLE = table(ID, NAME, AGE, PAPERS, OWNER)
OPEN = shared_fields(ID, NAME, AGE, PAPERS)


def names(fields: Fields) -> list[str]:
    return [field.name for field in fields.all]


def writable(fields: Fields) -> list[str]:
    return [field.name for field in fields.all if field.writable]


def complaints(error: pytest.ExceptionInfo[InvalidInput]) -> list[str]:
    return [violation.field for violation in error.value.violations]


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


MAPPED = shared_fields(
    ID,
    NAME,
    AGE,
    mappings=[
        FieldMapping("id", "id", editable=False),
        FieldMapping("customer", "name", required=True, validation=Validation(pattern="[A-Z].*", max_length=5)),
        FieldMapping("years", "age", validation=Validation(min=18)),
    ],
)


def test_a_write_sets_columns() -> None:
    """The values of fields become cells by column."""
    assert MAPPED.cells({"customer": "Bia", "years": 30.0}, creating=True) == ({"name": "Bia", "age": 30}, [])
    assert MAPPED.cells({"years": None}, creating=False) == ({"age": None}, [])


@pytest.mark.parametrize(
    ("values", "creating", "found"),
    [
        ({}, True, [("customer", "is required")]),
        ({"customer": ""}, True, [("customer", "is required")]),
        ({"customer": None}, False, [("customer", "is required")]),
        ({"customer": "bia"}, False, [("customer", "must match [A-Z].*")]),
        ({"customer": "Beatriz"}, False, [("customer", "must have at most 5 characters")]),
        ({"years": 17}, False, [("years", "must be at least 18")]),
        ({"years": "x", "id": 5}, False, [("years", "must be a whole number"), ("id", "is read-only")]),
        ({"age": 20}, False, [("age", "'age' is not a field of 'orders'")]),
    ],
)
def test_every_bad_field_of_a_write_is_told(
    values: dict[str, Json], creating: bool, found: list[tuple[str, str]]
) -> None:
    """Unknown, read-only, missing and refused values are told by field, all of them."""
    cells, violations = MAPPED.cells(values, creating=creating)
    assert not cells
    assert [violation.field for violation in violations] == [field for field, _ in found]
    for violation, (_, text) in zip(violations, found, strict=True):
        assert violation.text.en.startswith(text)
        assert violation.text.pt.startswith("Campo '")
        assert violation.missing is (text == "is required")


def test_a_create_gives_what_the_table_needs() -> None:
    """A column that is neither null nor has a default must be given by a create, but not by an update."""
    fields = shared_fields(
        ID,
        column(ColumnType.TEXT, "name", nullable=False),
        column(ColumnType.TEXT, "x", nullable=False, has_default=True),
    )
    _, violations = fields.cells({}, creating=True)
    assert [violation.field for violation in violations] == ["name"]
    assert fields.cells({}, creating=False) == ({}, [])


def test_validation_sees_what_json_spells() -> None:
    """Booleans and whole numbers are judged as JSON spells them, not as Python does."""
    fields = shared_fields(
        column(ColumnType.BOOLEAN, "yes"),
        column(ColumnType.FLOAT, "size"),
        mappings=[
            FieldMapping("yes", "yes", validation=Validation(options=("true",))),
            FieldMapping("size", "size", validation=Validation(options=("5", "7.5"))),
        ],
    )
    assert fields.cells({"yes": True, "size": 5.0}, creating=False) == ({"yes": True, "size": 5.0}, [])
    assert fields.cells({"size": 7.5}, creating=False)[1] == []
    assert len(fields.cells({"yes": False, "size": 6}, creating=False)[1]) == 2


@given(
    st.dictionaries(
        st.sampled_from(["id", "customer", "years", "age", ""]) | st.text(max_size=3),
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9) | st.just([]) | st.just({}),
    ),
    st.booleans(),
)
@example({"customer": "\ud800"}, False)
def test_any_write_is_taken_or_refused(values: dict[str, Json], creating: bool) -> None:
    """Whatever is written, each value ends as a cell or as a violation, and nothing is raised."""
    cells, violations = MAPPED.cells(values, creating=creating)
    told = {violation.field for violation in violations}
    assert all(name in told or MAPPED.by_name[name].column.name in cells for name in values)


def test_creates_are_stamped_with_their_owner() -> None:
    """A user's create bears the user's value, whatever was given."""
    through = connection()
    scope = RowScope.of(ANA, through, "")
    fields = Fields.of(TABLE, through, scope)
    assert fields.stamp(scope, {"name": "x", "owner": "other"}) == {"name": "x", "owner": "u1"}


def test_an_administrator_says_whose_row_it_is() -> None:
    """A create of the administrator's needs the link field or as_user, but on shared tables."""
    through = connection()
    scope = RowScope.of(Admin(), through, "")
    fields = Fields.of(TABLE, through, scope)
    assert fields.cells({"owner": "u2"}, creating=True) == ({"owner": "u2"}, [])
    assert fields.cells({"owner": "u2"}, creating=False)[1][0].text.en == "is read-only"
    assert fields.stamp(scope, {"owner": "u2"}) == {"owner": "u2"}
    for cells in ({}, {"owner": None}):
        with pytest.raises(InvalidInput) as error:
            fields.stamp(scope, dict(cells))
        assert complaints(error) == ["as_user"]
        assert error.value.reason == "MISSING_REQUIRED_FIELD"
        assert not fields.tells_owner(scope, cells)
    assert fields.tells_owner(scope, {"owner": "u2"})
    shared = connection(shared=True)
    everyone = RowScope.of(Admin(), shared, "")
    assert Fields.of(TABLE, shared, everyone).stamp(everyone, {"name": "x"}) == {"name": "x"}


@pytest.mark.parametrize(
    ("kind", "owner", "cell"),
    [
        (ColumnType.INTEGER, "12", 12),
        (ColumnType.BYTES, "dG9r", b"dG9r"),
        (ColumnType.TEXT, "dG9r", "dG9r"),
    ],
)
def test_stamps_are_found_again(kind: ColumnType, owner: str, cell: Cell) -> None:
    """What is stamped is, as text, the owner's value: also where the column holds bytes."""
    place = table(ID, column(kind, "owner"))
    scope = RowScope(Owner("owner", owner), must_stamp=True)
    fields = Fields.of(place, connection(), scope)
    assert fields.stamp(scope, {}) == {"owner": cell}
    assert scope.admits(Row((1,), (1,), (1, cell)), place)


def test_a_stamp_that_does_not_fit_is_said_so() -> None:
    """A link column that cannot hold the user's value is QueryFailed with what to do, and tells no token."""
    place = table(ID, column(ColumnType.INTEGER, "owner"))
    scope = RowScope(Owner("owner", "secret-token"), must_stamp=True)
    with pytest.raises(QueryFailed, match="'owner' cannot hold") as error:
        Fields.of(place, connection(), scope).stamp(scope, {})
    assert error.value.suggestion
    assert "secret" not in str(error.value)
