"""A test of a connection tells where the link column cannot hold what stands for a user."""

import pytest

from tests.contract.server import World
from tests.contract.sources import PEOPLE, Shape, SourceUnderTest, Spec, needs
from wuzapi_manager.v1 import connection_pb2 as pb
from wuzapi_manager_server.domain.table import ColumnType

TOKEN, USER_ID, JID = pb.USER_LINK_VALUE_TOKEN, pb.USER_LINK_VALUE_USER_ID, pb.USER_LINK_VALUE_JID


def tried(
    world: World, source: SourceUnderTest, kind: ColumnType, value: pb.UserLinkValue.ValueType
) -> pb.TestConnectionResponse:
    """The answer to a test of a connection to a table whose link column is of that type."""
    key = PEOPLE.columns[0]
    table = source.make(Shape((key, Spec("owner", kind))))
    connection = source.source_of(table)
    connection.user_link_field, connection.user_link_value = "owner", value
    return world.admin.connections.TestConnection(pb.TestConnectionRequest(connection=connection))


@pytest.mark.parametrize("value", [TOKEN, USER_ID, JID])
@pytest.mark.parametrize("kind", [ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.FLOAT])
def test_a_column_that_holds_no_user_fails(
    world: World, source: SourceUnderTest, kind: ColumnType, value: pb.UserLinkValue.ValueType
) -> None:
    """The step of the link field fails, with the type and what to do; where any column holds text it passes."""
    needs(source, kind)
    answer = tried(world, source, kind, value)
    step = next(step for step in answer.steps if step.name == "user_link_field")
    assert step.ok is answer.ok
    if step.ok:
        assert source.can.dirty_values
        return
    assert answer.steps[-1] == step
    assert "'owner' is of type" in step.message
    assert step.message.endswith(pb.UserLinkValue.Name(value).removeprefix("USER_LINK_VALUE_"))
    assert "user_link_field" in step.suggestion
    assert step.fault == pb.TEST_FAULT_CONFIG


def test_a_column_of_numbers_holds_no_jid(world: World, source: SourceUnderTest) -> None:
    """A JID is never a number, so that step fails; a token may be one, and the message says what that means.

    Where a column of numbers may hold text too, nothing is wrong with it.
    """
    if source.can.dirty_values:
        assert tried(world, source, ColumnType.INTEGER, JID).ok
        return
    answer = tried(world, source, ColumnType.INTEGER, JID)
    assert not answer.ok
    assert answer.steps[-1].name == "user_link_field"
    answer = tried(world, source, ColumnType.INTEGER, TOKEN)
    assert answer.ok
    step = next(step for step in answer.steps if step.name == "user_link_field")
    assert "numbers alone" in step.message
    answer = tried(world, source, ColumnType.TEXT, JID)
    assert answer.ok
    assert all("alone" not in step.message for step in answer.steps)
