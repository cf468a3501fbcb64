"""Which columns can hold what stands for a user."""

import pytest

from tests.unit.domain.tables import column
from wuzapi_manager_server.domain.connection import UserLinkValue
from wuzapi_manager_server.domain.link_column import cannot_hold, limits_of
from wuzapi_manager_server.domain.table import ColumnType
from wuzapi_manager_server.errors import NO_TEXT

HOLDS = {
    UserLinkValue.TOKEN: {"TEXT", "OTHER", "BYTES", "JSON", "INTEGER", "DECIMAL", "UUID"},
    UserLinkValue.USER_ID: {"TEXT", "OTHER", "BYTES", "JSON", "INTEGER", "DECIMAL"},
    UserLinkValue.JID: {"TEXT", "OTHER", "BYTES", "JSON"},
}


@pytest.mark.parametrize("value", UserLinkValue)
@pytest.mark.parametrize("kind", ColumnType)
def test_each_type_holds_some_values(kind: ColumnType, value: UserLinkValue) -> None:
    """A type holds a value or is refused in both languages; a column that keeps any text holds everything."""
    refusal = cannot_hold(column(kind, "owner"), value)
    assert (refusal is None) is (kind.value in HOLDS[value])
    if refusal:
        assert value.value in refusal.en
        assert value.value in refusal.pt
    assert cannot_hold(column(kind, "owner", dynamic=True), value) is None


def test_what_a_link_column_cannot_do_is_said() -> None:
    """Numbers, UUIDs and read-only columns have limits, and text has none."""
    assert limits_of(column(ColumnType.TEXT, "owner")) == NO_TEXT
    assert "numbers" in limits_of(column(ColumnType.INTEGER, "owner")).en
    assert "UUIDs" in limits_of(column(ColumnType.UUID, "owner")).en
    assert "read-only" in limits_of(column(ColumnType.TEXT, "owner", read_only=True)).en
    assert limits_of(column(ColumnType.INTEGER, "owner", dynamic=True)) == NO_TEXT
