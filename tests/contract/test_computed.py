"""Columns that the engine computes from the link column tell no token, in no RPC and to nobody."""

from functools import partial

import pytest
from grpc import StatusCode

from tests.contract.calls import Caller, refused
from tests.contract.desk import Desk, compared, connect
from tests.contract.server import World
from tests.contract.sources import PEOPLE, MadeTable, SourceUnderTest, demands
from wuzapi_manager.v1 import common_pb2 as common
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import record_pb2 as pb

SECRET = "PREFIX-OF-A-TOKEN"


@pytest.fixture
def ana(world: World) -> Caller:
    return world.user("prefix-of-a-token")


@pytest.fixture
def table(source: SourceUnderTest, ana: Caller) -> MadeTable:
    """Two rows, with columns computed from the link column and from another column."""
    demands(bool(source.can.computed))
    made = source.make(PEOPLE, [[1, ana.token, "a", 1], [2, "token-of-bruno", "b", 2]])
    for column, computed in (("shout", "UPPER(OWNER)"), ("loud", "UPPER(name)")):
        declared = f"{column} varchar(250) GENERATED ALWAYS AS ({computed}) {source.can.computed}"
        source.run(made, f"ALTER TABLE {{t}} ADD COLUMN {declared}")
    return made


def test_what_is_computed_from_tokens_is_hidden(
    world: World, source: SourceUnderTest, table: MadeTable, ana: Caller
) -> None:
    """It is neither shown, described, found, filtered nor sorted by, mapped or not; what tells no token is."""
    connection = connect(world, source, table, ana)
    for desk, count in ((Desk(ana, connection), 1), (Desk(world.admin, connection), 2)):
        assert [set(row) for row in desk.all()] == [{"id", "name", "age", "loud"}] * count
        assert [column.field for column in desk.describe().columns] == ["id", "name", "age", "loud"]
        assert desk.column("loud") == ["A", "B"][:count]
        assert b"token" not in desk.export().lower()
        assert desk.count(search="PREFIX") == 0
        for call in (
            partial(desk.page, compared("shout", pb.OP_EQ, SECRET)),
            partial(desk.page, order_by="shout"),
            partial(desk.page, fields=["shout"]),
        ):
            with refused(StatusCode.INVALID_ARGUMENT) as refusal:
                call()
            assert "'shout' is not a field" in str(refusal.violations)
    mappings = [common.FieldMapping(field=name, column=name, visible=True) for name in ("id", "shout")]
    mapped = connect(world, source, table, ana, mappings=mappings)
    assert Desk(world.admin, mapped).all() == [{"id": 1}, {"id": 2}]


def test_what_is_computed_from_other_links_is_shown(
    world: World, source: SourceUnderTest, table: MadeTable, ana: Caller
) -> None:
    """Where the link value is no token, nothing is hidden."""
    connection = connect(world, source, table, ana, value=connections.USER_LINK_VALUE_USER_ID)
    assert Desk(world.admin, connection).column("shout") == [SECRET, "TOKEN-OF-BRUNO"]
