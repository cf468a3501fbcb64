"""What is suggested to the person who connects a table."""

import pytest

from tests.unit.domain.tables import column, connection, table
from wuzapi_manager_server.domain.connection_rules import violations_of
from wuzapi_manager_server.domain.mapping import FieldMapping
from wuzapi_manager_server.domain.suggestions import field_mappings, user_link_field
from wuzapi_manager_server.domain.table import ColumnType


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["id", "ChatWootToken"], "ChatWootToken"),
        (["owner_id", "wasendToken"], "wasendToken"),
        (["user_token", "chatwoot_token"], "chatwoot_token"),
        (["id", "User Token"], "User Token"),
        (["id", "userId"], "userId"),
        (["id", "owner"], "owner"),
        (["id", "api_token"], "api_token"),
        (["id", "jid"], "jid"),
        (["id", "dono_id"], "dono_id"),
        (["id", "username", "users", "ownership"], ""),
        ([], ""),
    ],
)
def test_the_link_field_is_guessed_by_its_name(names: list[str], found: str) -> None:
    """Names that installations use come first, then what looks like an owner; nothing where nothing does."""
    assert user_link_field(table(*(column(ColumnType.TEXT, name) for name in names))) == found


def test_mappings_to_start_from() -> None:
    """Every column but the link field: captions, inputs by type, keys and computed columns not edited."""
    found = field_mappings(
        table(
            column(ColumnType.INTEGER, "id", primary_key=True, has_default=True),
            column(ColumnType.TEXT, "customerName", nullable=False),
            column(ColumnType.TIMESTAMP, "created_at", read_only=True),
            column(ColumnType.UUID, "ref", primary_key=True),
            column(ColumnType.TEXT, "user_token"),
        )
    )
    assert found == (
        FieldMapping("id", "id", "Id", "number", editable=False),
        FieldMapping("customerName", "customerName", "Customer Name", "text", required=True),
        FieldMapping("created_at", "created_at", "Created at", "datetime", editable=False),
        FieldMapping("ref", "ref", "Ref", "text"),
    )


@pytest.mark.parametrize("kind", ColumnType)
def test_what_is_suggested_is_valid(kind: ColumnType) -> None:
    """A suggestion can be taken as it is, whatever the columns hold."""
    place = table(column(kind, "a", nullable=False), column(kind, "b", read_only=True), column(kind, "owner"))
    assert list(violations_of(connection(*field_mappings(place), link=user_link_field(place)))) == []


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("password", True),
        ("Senha", True),
        ("password_hash", True),
        ("userPassword", True),
        ("api_key", True),
        ("apiKey", True),
        ("refresh-token", True),
        ("SECRET_KEY", True),
        ("passenger", False),
        ("pineapple", False),
        ("key", False),
        ("tokenized", False),
        ("hashtag", False),
        ("desenhado", False),
    ],
)
def test_what_is_named_like_a_secret_is_not_suggested_to_be_shown(name: str, hidden: bool) -> None:
    """Nobody sees it or writes it by accident; who wants it shown says so."""
    (found,) = field_mappings(
        table(column(ColumnType.TEXT, name, nullable=False), column(ColumnType.TEXT, "userToken"))
    )
    assert (found.visible, found.editable, found.required) == (not hidden, not hidden, not hidden)
