"""What a write may set, and what it is stamped with."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.domain.customers import AGE, ANA, ID, NAME, TABLE, complaints
from tests.unit.domain.tables import column, connection, shared_fields, table
from wuzapi_manager_server.domain.caller import Admin
from wuzapi_manager_server.domain.fields import Fields
from wuzapi_manager_server.domain.mapping import FieldMapping, Validation
from wuzapi_manager_server.domain.row_scope import RowScope
from wuzapi_manager_server.domain.table import Cell, ColumnType, Json, Owner, Row
from wuzapi_manager_server.errors import InvalidInput, QueryFailed

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
