"""The row scope: whose rows a call may touch, by every kind of link, for users, administrators and strangers."""

from collections.abc import Callable

import grpc
import pytest
from grpc import StatusCode

from tests.contract.calls import Caller, Refusal, refused
from tests.contract.desk import Desk, compared, connect, plain
from tests.contract.server import World
from tests.contract.sources import PEOPLE, Shape, SourceUnderTest, Spec, needs
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.domain.table import ColumnType

LINKS = {
    connections.USER_LINK_VALUE_TOKEN: lambda user: user.token,
    connections.USER_LINK_VALUE_USER_ID: lambda user: user.identity,
    connections.USER_LINK_VALUE_JID: lambda user: user.jid,
}


def calls_of(desk: Desk) -> list[Callable[[], object]]:
    """One call of every RPC."""
    return [
        desk.page,
        lambda: desk.get("1"),
        desk.count,
        lambda: desk.create({"name": "x"}),
        lambda: desk.update("1", {"name": "x"}),
        lambda: desk.delete("1"),
        lambda: desk.create_many([{"name": "x"}]),
        lambda: desk.update_many([("1", {"name": "x"}, "")]),
        lambda: desk.delete_many(["1"]),
        desk.export,
        lambda: desk.take_in(b'{"name": "x"}'),
        desk.describe,
    ]


@pytest.mark.parametrize("link", LINKS)
def test_each_user_has_own_rows_by_every_link(
    world: World, source: SourceUnderTest, ana: Caller, bruno: Caller, link: connections.UserLinkValue.ValueType
) -> None:
    """Token, WUZAPI id and JID each find the caller's rows, stamp new ones, and cannot be written."""
    table = source.make(PEOPLE, [[1, LINKS[link](ana), "a", 1], [2, LINKS[link](bruno), "b", 2]])
    connection = connect(world, source, table, ana, bruno, value=link)
    for user, key, name in ((ana, "1", "a"), (bruno, "2", "b")):
        desk = Desk(user, connection)
        assert desk.column("name") == [name]
        seen = {column.field: column.read_only for column in desk.describe().columns}
        assert seen.get("owner") is (None if link == connections.USER_LINK_VALUE_TOKEN else True)
        with refused(StatusCode.INVALID_ARGUMENT) as update:
            desk.update(key, {"owner": "x"})
        with refused(StatusCode.INVALID_ARGUMENT) as create:
            desk.create({"owner": "x"})
        assert set(update.violations) == set(create.violations) == {"record.fields.owner"}
        desk.create({"name": "new"})
        desk.update(key, {"id": int(key), "name": "changed"}, ["*"])
    assert [row[1] for row in source.rows(table)][2:] == [LINKS[link](ana), LINKS[link](bruno)]


@pytest.mark.parametrize("link", LINKS)
def test_the_administrator_as_a_user_is_that_user(
    world: World, source: SourceUnderTest, ana: Caller, bruno: Caller, link: connections.UserLinkValue.ValueType
) -> None:
    """With as_user, the user's link value, the administrator sees, makes and changes that user's rows alone."""
    table = source.make(PEOPLE, [[1, LINKS[link](ana), "a", 1], [2, LINKS[link](bruno), "b", 2]])
    connection = connect(world, source, table, value=link)
    desk = Desk(world.admin, connection, as_user=LINKS[link](ana))
    assert desk.column("name") == ["a"]
    assert desk.count() == 1
    assert b'"b"' not in desk.export()
    with refused(StatusCode.NOT_FOUND):
        desk.get("2")
    with refused(StatusCode.NOT_FOUND):
        desk.delete("2")
    made = desk.create({"name": "c"})
    assert source.rows(table)[2] == (int(made.id), LINKS[link](ana), "c", None)
    assert Desk(world.admin, connection, as_user="nobody at all").column("name") == []


def test_the_administrator_sees_all_rows_and_no_token(
    world: World, source: SourceUnderTest, ana: Caller, bruno: Caller
) -> None:
    """Without as_user all rows are there, nobody's too; a link column of tokens leaves for nobody."""
    table = source.make(PEOPLE, [[1, ana.token, "a", 1], [2, bruno.token, "b", 2], [3, None, "c", 3]])
    desk = Desk(world.admin, connect(world, source, table))
    assert desk.all() == [{"id": at, "name": name, "age": at} for at, name in ((1, "a"), (2, "b"), (3, "c"))]
    assert b"token-of" not in desk.export()
    desk.update("2", {"name": "by admin"})
    desk.delete("3")
    assert source.rows(table) == [(1, ana.token, "a", 1), (2, bruno.token, "by admin", 2)]
    calls: list[Callable[[], object]] = [
        lambda: desk.page(fields=["owner"]),
        lambda: desk.page(compared("owner", pb.OP_STARTS_WITH, "t")),
        lambda: desk.page(order_by="owner"),
        lambda: desk.update("1", {"owner": "x"}),
        lambda: desk.create({"owner": "x"}),
    ]
    for call in calls:
        with refused(StatusCode.INVALID_ARGUMENT):
            call()


def test_the_administrator_has_to_say_whose_a_new_row_is(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """A create without as_user needs the link field among the fields; where that holds tokens, as_user alone does."""
    table = source.make(PEOPLE)
    for link, tells in ((connections.USER_LINK_VALUE_TOKEN, False), (connections.USER_LINK_VALUE_USER_ID, True)):
        desk = Desk(world.admin, connect(world, source, table, value=link))
        for dry in (False, True):
            with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD") as batch:
                desk.create_many([{"name": "x"}], validate_only=dry)
            with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD") as refusal:
                desk.create({"name": "x"}, validate_only=dry)
            assert set(refusal.violations) == set(batch.violations) == {"as_user"}
        assert desk.take_in(b'{"name":"x"}').failed_count == 1
        if tells:
            made = desk.create({"name": "x", "owner": ana.identity})
            assert plain(made)["owner"] == ana.identity
            with refused(StatusCode.INVALID_ARGUMENT):
                desk.update(made.id, {"owner": "other"})
    assert len(source.rows(table)) == 1


def test_as_user_is_for_administrators(world: World, source: SourceUnderTest, ana: Caller, bruno: Caller) -> None:
    """A user who names another, or even the own token, is refused by every RPC, and nothing is changed."""
    table = source.make(PEOPLE, [[1, ana.token, "a", 1]])
    connection = connect(world, source, table, ana, bruno)
    before = source.rows(table)
    for user in (ana.token, "*", "admin"):
        for call in calls_of(Desk(bruno, connection, as_user=user)):
            with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR"):
                call()
    assert source.rows(table) == before


def test_who_is_not_assigned_is_refused(world: World, source: SourceUnderTest, ana: Caller, bruno: Caller) -> None:
    """A connection that is another's and one that is not there are the same to a user; the administrator is told."""
    table = source.make(PEOPLE, [[1, bruno.token, "a", 1]])
    connection = connect(world, source, table, ana)
    before = source.rows(table)
    for call, absent in zip(calls_of(Desk(bruno, connection)), calls_of(Desk(bruno, 987_654)), strict=True):
        with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR") as one:
            call()
        with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR") as other:
            absent()
        assert one.message.replace(str(connection), "N") == other.message.replace("987654", "N")
        assert one.metadata == other.metadata
    for call in calls_of(Desk(world.admin, 987_654)):
        with refused(StatusCode.NOT_FOUND, "NOT_FOUND"):
            call()
    assert source.rows(table) == before


def test_an_assignment_holds_from_and_until_the_moment_it_is_changed(
    world: World, source: SourceUnderTest, ana: Caller, bruno: Caller
) -> None:
    """Assigning by id or by token opens the connection at once; taking it back, and deleting it, closes it at once."""
    table = source.make(PEOPLE, [[1, bruno.token, "b", 1]])
    desk = Desk(bruno, connect(world, source, table, ana))
    for known_as in (bruno.identity, bruno.token):
        world.admin.connections.AssignUsers(connections.AssignUsersRequest(id=desk.id, users=[known_as]))
        assert desk.column("name") == ["b"]
        world.admin.connections.UnassignUsers(connections.UnassignUsersRequest(id=desk.id, users=[known_as]))
        with refused(StatusCode.PERMISSION_DENIED):
            desk.page()
    desk = Desk(ana, desk.id)
    assert desk.column("name") == []
    world.admin.connections.DeleteConnection(connections.DeleteConnectionRequest(id=desk.id))
    for call in calls_of(desk):
        with refused(StatusCode.NOT_FOUND):
            call()
    world.admin.connections.UndeleteConnection(connections.UndeleteConnectionRequest(id=desk.id))
    assert desk.column("name") == []


def test_a_changed_link_is_obeyed_at_once(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """When the link field, its meaning or the scope changes, the next call goes by it."""
    shape = Shape((*PEOPLE.columns, Spec("second")))
    table = source.make(shape, [[1, ana.token, "first", 1, "x"], [2, "x", "second", 2, ana.token]])
    desk = Desk(ana, connect(world, source, table, ana))
    assert desk.column("name") == ["first"]

    def change(**fields: object) -> None:
        connection = connections.Connection(id=desk.id)
        for name, value in fields.items():
            setattr(connection, name, value)
        world.admin.connections.UpdateConnection(connections.UpdateConnectionRequest(connection=connection))

    change(user_link_field="second")
    assert desk.all() == [{"id": 2, "owner": "x", "name": "second", "age": 2}]
    change(user_link_value=connections.USER_LINK_VALUE_USER_ID)
    assert desk.all() == []
    change(row_scope=connections.ROW_SCOPE_SHARED)
    assert desk.column("name") == ["first", "second"]


def test_shared_rows_are_everybodys(world: World, source: SourceUnderTest, ana: Caller, bruno: Caller) -> None:
    """Where the scope is SHARED every assigned user sees, changes and makes rows of all, and nobody else does."""
    table = source.make(PEOPLE, [[1, ana.token, "a", 1], [2, None, "b", 2]])
    connection = connect(world, source, table, ana, bruno, link="", shared=True)
    desk = Desk(bruno, connection)
    assert desk.all()[0] == {"id": 1, "owner": ana.token, "name": "a", "age": 1}
    assert desk.column("name") == ["a", "b"]
    desk.update("1", {"name": "by bruno"})
    assert plain(desk.create({"name": "c"}))["owner"] is None
    desk.delete("2")
    assert [row[2] for row in source.rows(table)] == ["by bruno", "c"]
    with refused(StatusCode.PERMISSION_DENIED):
        Desk(world.user("token-of-carla"), connection).page()


def test_shared_rows_do_not_show_tokens(world: World, source: SourceUnderTest, ana: Caller, bruno: Caller) -> None:
    """A link column of tokens leaves in no scope: where one is named it is hidden from shared lists too."""
    table = source.make(PEOPLE, [[1, ana.token, "a", 1]])
    connection = connect(world, source, table, bruno, shared=True)
    assert Desk(bruno, connection).all() == [{"id": 1, "name": "a", "age": 1}]


HOSTILE = [
    "tokenofx'or'1'='1",
    'tokenofx"or"1"="1',
    "%%%%%%%%",
    "________",
    "00000042",
    "42.00000",
    "+4200000",
    "4.2e0001",
    "TOKEN-OF-ANA",
    "token-of-an%",
    "token-of-an_",
    "x)~or(Id,gt,0",
    "NULLNULL",
    "********",
    "--------",
    ";DROP/**/TABLE",
    "\\\\\\\\\\\\\\\\",
]
OTHERS = ["token-of-ana", "token-of-anx", "42", "42.0", "4200000", "0x2a", "", None, "tokenofx", "null", "x"]


def test_the_link_is_compared_exactly(world: World, source: SourceUnderTest) -> None:
    """Quotes, wildcards, other cases, leading zeros and numbers in disguise find no other user's row."""
    users = [world.user(token) for token in HOSTILE]
    rows = [[at, owner, f"of {owner}", 0] for at, owner in enumerate([*HOSTILE, *OTHERS])]
    table = source.make(PEOPLE, rows)
    connection = connect(world, source, table, *users)
    for user in users:
        desk = Desk(user, connection)
        assert desk.column("name") == [f"of {user.token}"]
        assert desk.count() == 1
        assert len(desk.export().splitlines()) == 1
        desk.update_many([(record.id, {"age": 1}, "") for record in desk.page().records])
    assert [row[3] for row in source.rows(table)] == [1] * len(HOSTILE) + [0] * len(OTHERS)


@pytest.mark.parametrize("kind", [ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.FLOAT, ColumnType.OTHER])
def test_a_link_column_of_another_type_is_compared_as_text(
    world: World, source: SourceUnderTest, kind: ColumnType
) -> None:
    """In a column of numbers, too, only the same text is the same user."""
    needs(source, kind)
    scaled = kind is ColumnType.DECIMAL and source.can.decimal_scale is not None
    shown = f"{12345678:.{source.can.decimal_scale}f}" if scaled else "12345678.000"
    names = ["12345678", "012345678", "12345678.0", "1.2345678e7", "+12345678", shown]
    users = [world.user(name) for name in names]
    shape = Shape(
        (Spec("id", ColumnType.INTEGER, nullable=False, key=True, given=True), Spec("owner", kind), Spec("v"))
    )
    table = source.make(shape, [[1, 12345678, "his"], [2, 12345679, "other"], [3, None, "nobody's"]])
    connection = connect(world, source, table, *users)
    seen = [Desk(user, connection).column("v") for user in users]
    # A float's text is its engine's own, and so is a decimal's where it shows the zeros of its scale.
    assert seen[0] == ([] if scaled or kind is ColumnType.FLOAT else ["his"])
    assert seen[5] == (["his"] if scaled else [])
    assert [seen[at] for at in (1, 3, 4)] == [[], [], []]
    assert seen.count(["his"]) < 2
    codes = []
    for desk in (Desk(user, connection) for user in users):
        try:
            made = desk.create({"v": "mine"})
        except grpc.RpcError as error:
            # The column cannot hold this very text, so the row would be nobody's or another's.
            codes.append(Refusal().read(error).code)
        else:
            assert "mine" in desk.column("v")
            desk.delete(made.id)
    assert {*codes} <= {StatusCode.FAILED_PRECONDITION}
    assert len(source.rows(table)) == 3


def test_a_user_whose_link_value_is_not_known_is_refused(world: World, source: SourceUnderTest) -> None:
    """Rows by JID are for users whose JID WUZAPI tells: an empty value finds no row of nobody."""
    user = world.user("token-of-unpaired")
    world.wuzapi.users[user.identity].jid = ""
    table = source.make(PEOPLE, [[1, "", "empty", 1], [2, None, "null", 2]])
    connection = connect(world, source, table, user, value=connections.USER_LINK_VALUE_JID)
    for call in calls_of(Desk(user, connection)):
        with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR") as refusal:
            call()
        assert refusal.help
    assert len(source.rows(table)) == 2


def test_without_its_link_column_a_table_shows_nothing(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """A link field that is no column refuses every RPC, for users and administrators."""
    made = source.make(PEOPLE, [[1, ana.token, "a", 1]])
    for link in ("gone", "OWNER", "owner ", "1"):
        connection = connect(world, source, made, ana, link=link)
        for caller in (ana, world.admin):
            for call in calls_of(Desk(caller, connection)):
                with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED") as refusal:
                    call()
                assert refusal.help
    assert len(source.rows(made)) == 1
