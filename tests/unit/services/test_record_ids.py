"""Ids of records, plain or sealed."""

import pytest

from tests.unit.domain.tables import column, computed, connection, table
from wuzapi_manager_server.domain.connection import Connection, UserLinkValue
from wuzapi_manager_server.domain.row_scope import secret_columns
from wuzapi_manager_server.domain.table import ColumnType, Key, Table
from wuzapi_manager_server.errors import NotFound, QueryFailed
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.record_ids import RecordIds

BOX = SecretBox([SecretBox.new_key()])
TOKENS = connection(value=UserLinkValue.TOKEN)


def ids_of(of: Connection, shape: Table) -> RecordIds:
    return RecordIds(BOX, of, shape, secret_columns(of, shape))


PLAIN = ids_of(TOKENS, table(column(ColumnType.TEXT, "id"), column(ColumnType.TEXT, "owner")))
SEALED = ids_of(TOKENS, table(column(ColumnType.INTEGER, "id"), column(ColumnType.TEXT, "owner"), key=("owner", "id")))


@pytest.mark.parametrize("key", [("Ana",), ("~",), ("é" * 5_000,), (b"\xff",), (None,), ("a/b?c",), (1.5,)])
def test_a_row_is_found_by_its_id(key: Key) -> None:
    """The id that is given is taken, also for long keys and unusual ones."""
    assert PLAIN.take(PLAIN.give(key)) == key


def test_a_key_that_holds_tokens_is_sealed() -> None:
    """Where the link column is part of the key and holds tokens, the id shows nothing of it, and is of one table."""
    key = ("ana-token", 5)
    identifier = SEALED.give(key)
    assert "ana" not in identifier
    assert SEALED.take(identifier) == key
    assert SEALED.give(key) == identifier
    other = ids_of(connection(value=UserLinkValue.USER_ID), table(column(ColumnType.TEXT, "owner"), key=("owner",)))
    assert other.give(("u1",)) == "u1"
    for ids, wrong in ((SEALED, "~WyJhbmEtdG9rZW4iLDVd"), (SEALED, identifier[:-1]), (SEALED, "")):
        with pytest.raises(NotFound):
            ids.take(wrong)


def test_a_key_that_is_computed_from_tokens_is_sealed() -> None:
    """What is computed from the link column tells it as well."""
    ids = ids_of(TOKENS, table(column(ColumnType.TEXT, "owner"), computed("shout", "owner"), key=("shout",)))
    assert "ana" not in ids.give(("ana-token!",))
    assert ids.take(ids.give(("ana-token!",))) == ("ana-token!",)


@pytest.mark.parametrize("identifier", ["", "~", "~bm8", "~é", "a" * 4_097, "~" + "A" * 200_000])
def test_an_id_that_no_row_has_is_not_found(identifier: str) -> None:
    """What cannot be an id is NOT_FOUND, like a row that is not there."""
    with pytest.raises(NotFound):
        PLAIN.take(identifier)


def test_without_a_primary_key_there_are_no_ids() -> None:
    """Rows without a key have an empty id, and asking for one by id is QueryFailed."""
    keyless = ids_of(TOKENS, table(column(ColumnType.TEXT, "name"), key=()))
    assert keyless.give(()) == ""
    with pytest.raises(QueryFailed, match="no primary key"):
        keyless.take("1")
