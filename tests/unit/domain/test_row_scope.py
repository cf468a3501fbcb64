"""Whose rows a call may touch."""

import pytest

from tests.unit.domain.tables import column, computed, connection, table
from wuzapi_manager_server.domain.caller import Admin, Caller, Public, User
from wuzapi_manager_server.domain.connection import UserLinkValue
from wuzapi_manager_server.domain.row_scope import RowScope, link_is_secret, require_link_column, secret_columns
from wuzapi_manager_server.domain.rows import Rows
from wuzapi_manager_server.domain.table import Cell, ColumnType, JsonDocument, Owner, Row
from wuzapi_manager_server.errors import PermissionDenied, QueryFailed, SystemFailure

ANA = User("u1", "Ana", "551199@s.whatsapp.net", "ana-token")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (UserLinkValue.TOKEN, "ana-token"),
        (UserLinkValue.USER_ID, "u1"),
        (UserLinkValue.JID, "551199@s.whatsapp.net"),
    ],
)
def test_a_user_touches_their_own_rows(value: UserLinkValue, text: str) -> None:
    """The owner is what the connection says stands in the link field."""
    scope = RowScope.of(ANA, connection(value=value), "")
    assert scope == RowScope(Owner("owner", text), must_stamp=True)


def test_shared_rows_are_everybodys() -> None:
    """On shared connections there is no bound, whatever is known of the user."""
    nobody = User("", "", "", "token-of-8")
    for caller in (ANA, nobody, Admin()):
        assert RowScope.of(caller, connection(shared=True), "") == RowScope(None, must_stamp=False)


def test_the_administrator_touches_all_rows_or_one_users() -> None:
    """Without as_user all rows, with it that user's."""
    assert RowScope.of(Admin(), connection(), "") == RowScope(None, must_stamp=True)
    assert RowScope.of(Admin(), connection(), "u9") == RowScope(Owner("owner", "u9"), must_stamp=True)
    assert RowScope.of(Admin(), connection(shared=True), "u9") == RowScope(None, must_stamp=False)


@pytest.mark.parametrize("caller", [ANA, Public()])
def test_nobody_else_acts_as_a_user(caller: Caller) -> None:
    """as_user of a user, and any call of the public, is PERMISSION_DENIED."""
    with pytest.raises(PermissionDenied):
        RowScope.of(caller, connection(shared=True), "u9")
    with pytest.raises(PermissionDenied):
        RowScope.of(Public(), connection(), "")


@pytest.mark.parametrize("value", [UserLinkValue.USER_ID, UserLinkValue.JID])
def test_an_unknown_link_value_opens_nothing(value: UserLinkValue) -> None:
    """A user whose id or JID is not known sees no rows at all instead of those of nobody."""
    with pytest.raises(PermissionDenied, match=value.value):
        RowScope.of(User("", "Ana", "", "ana-token"), connection(value=value), "")


@pytest.mark.parametrize(
    ("cell", "value", "admitted"),
    [
        ("u1", "u1", True),
        ("U1", "u1", False),
        ("u1 ", "u1", False),
        (None, "None", False),
        (None, "", False),
        ("", "u1", False),
        (12, "12", True),
        (12, "012", False),
        (2**60, str(2**60), True),
        (True, "1", True),
        (True, "True", False),
        (b"u1", "u1", True),
        (b"u1\0", "u1", False),
        ("e\u0301", "\u00e9", False),
        (1.5, "1.5", True),
        (JsonDocument("u1"), "u1", True),
    ],
)
def test_a_row_is_admitted_by_its_exact_text(cell: Cell, value: str, admitted: bool) -> None:
    """The link field, as text, must be exactly the owner's value."""
    place = table(column(ColumnType.OTHER, "id"), column(ColumnType.OTHER, "owner"))
    row = Row((1,), (1,), (1, cell))
    scope = RowScope(Owner("owner", value), must_stamp=True)
    assert scope.admits(row, place) is admitted
    own = Row((0,), (0,), (0, value))
    if admitted:
        scope.insist(Rows.of([own, row]), place)
    else:
        with pytest.raises(SystemFailure):
            scope.insist(Rows.of([own, row]), place)
    RowScope(None, must_stamp=True).insist(Rows.of([own, row]), place)


def test_a_link_column_of_tokens_is_secret() -> None:
    """The link column is a credential where it holds tokens, and where there is one."""
    assert link_is_secret(connection(value=UserLinkValue.TOKEN))
    assert not link_is_secret(connection(value=UserLinkValue.TOKEN, link=""))
    assert not link_is_secret(connection())


def test_without_its_link_column_a_table_shows_nothing() -> None:
    """A connection whose link field the table has not is QueryFailed, but where rows are shared."""
    place = table(column(ColumnType.INTEGER, "id"))
    with pytest.raises(QueryFailed) as error:
        require_link_column(connection(), place)
    assert error.value.text.pt == "Campo 'owner' não encontrado na tabela 'orders'"
    assert error.value.metadata == {"field": "owner"}
    require_link_column(connection(shared=True), place)
    require_link_column(connection(link="id"), place)


ORDERS = table(
    column(ColumnType.INTEGER, "id"),
    column(ColumnType.TEXT, "owner"),
    column(ColumnType.TEXT, "name"),
    computed("shout", "owner", "name"),
    computed("greeting", "name"),
    computed("now"),
    computed("unclear", told=False),
)


def test_what_is_computed_from_tokens_is_as_secret_as_they_are() -> None:
    """With it goes what is computed from nobody knows what; where links are no tokens nothing is hidden."""
    for shared in (False, True):
        tokens = connection(value=UserLinkValue.TOKEN, shared=shared)
        assert secret_columns(tokens, ORDERS) == {"owner", "shout", "unclear"}
        assert not secret_columns(connection(shared=shared), ORDERS)
    assert not secret_columns(connection(value=UserLinkValue.TOKEN, link=""), ORDERS)


def test_what_tokens_are_computed_from_is_as_secret_as_they_are() -> None:
    """A link column that is computed hides its sources, and what else is computed from these."""
    tokens = connection(value=UserLinkValue.TOKEN, link="greeting")
    assert secret_columns(tokens, ORDERS) == {"greeting", "name", "shout", "unclear"}


def test_where_the_link_column_is_not_shown_nothing_computed_is() -> None:
    """Then nobody can say that a column is not computed from it."""
    tokens = connection(value=UserLinkValue.TOKEN, link="hidden", shared=True)
    assert secret_columns(tokens, ORDERS) == {"shout", "greeting", "unclear"}
