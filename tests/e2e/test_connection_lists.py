"""Lists of connections: filters, orders and pages for the administrator, the caller's own for users."""

from uuid import uuid4

import pytest

from tests.contract.server import World
from tests.e2e.samples import BRUNO, KINDS, SECRET, connection_of, create, get, listed, rich
from wuzapi_manager.v1 import connection_pb2 as pb


@pytest.fixture(scope="module")
def marked(world: World) -> list[pb.Connection]:
    """Ten connections, two of each kind, all named `marked …`."""
    made = []
    for at in range(10):
        connection = connection_of(KINDS[at % 5], f"Marked {'%_'[at % 2]} {9 - at}")
        connection.status = pb.CONNECTION_STATUS_ACTIVE if at < 5 else pb.CONNECTION_STATUS_ERROR
        connection.assigned_users.extend([f"marked-{at % 3}"])
        made.append(create(world, connection))
    return made


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ({}, range(10)),
        ({"type": pb.CONNECTION_TYPE_MYSQL}, [2, 7]),
        ({"status": pb.CONNECTION_STATUS_ERROR}, [5, 6, 7, 8, 9]),
        ({"assigned_user": "marked-1"}, [1, 4, 7]),
        ({"assigned_user": "marked"}, []),
        ({"name_contains": "MARKED _"}, [1, 3, 5, 7, 9]),
        ({"name_contains": "marked % 7"}, [2]),
        ({"type": pb.CONNECTION_TYPE_MYSQL, "status": pb.CONNECTION_STATUS_ACTIVE, "assigned_user": "marked-2"}, [2]),
        ({"type": pb.CONNECTION_TYPE_SQLITE, "assigned_user": "marked-1"}, []),
    ],
)
def test_filters_of_a_list(
    world: World, marked: list[pb.Connection], wanted: dict[str, object], places: list[int]
) -> None:
    """Filters hold together; a text in a name is literal and takes no notice of the case of ASCII letters."""
    wanted = {"name_contains": "marked", **wanted}
    assert {one.id for one in listed(world, **wanted)} == {marked[at].id for at in places}


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("order", "key", "down"),
    [
        ("", "create_time", True),
        ("name", "name", False),
        ("name desc", "name", True),
        ("create_time", "create_time", False),
        ("update_time DESC", "update_time", True),
        ("update_time asc", "update_time", False),
    ],
)
def test_every_order_and_page_size(
    world: World, marked: list[pb.Connection], order: str, key: str, *, down: bool, size: int
) -> None:
    """Each order is kept over the borders of pages; without one the newest comes first."""
    found = [get(world, one.id) for one in marked]

    def rank(one: pb.Connection) -> tuple[object, ...]:
        value = getattr(one, key)
        return (value, one.id) if key == "name" else (value.seconds, value.nanos, one.id)

    expected = [one.id for one in sorted(found, key=rank, reverse=down)]
    assert [one.id for one in listed(world, order_by=order, page_size=size, name_contains="marked")] == expected


def test_connections_made_meanwhile_shift_no_page(world: World) -> None:
    """Between two pages others are made, renamed away and deleted; what was there comes once, in order."""
    prefix = f"shift {uuid4()}"
    made = [create(world, connection_of(name=f"{prefix} {at:02}")) for at in range(10)]
    for order in ("name", "create_time desc"):
        request = pb.ListConnectionsRequest(page_size=3, order_by=order, name_contains=f"{prefix} 0")
        seen: list[int] = []
        while True:
            page = world.admin.connections.ListConnections(request)
            seen += [one.id for one in page.connections]
            create(world, connection_of(name=f"{prefix} 00 more"))
            extra = create(world, connection_of(name=f"{prefix} 01 gone"))
            world.admin.connections.DeleteConnection(pb.DeleteConnectionRequest(id=extra.id))
            request.page_token = page.next_page_token
            if not request.page_token:
                break
        ours = [one for one in seen if one in {each.id for each in made}]
        assert ours == [one.id for one in (made if order == "name" else reversed(made))]
        assert len(seen) == len({*seen})
        assert extra.id not in seen


def test_page_sizes_have_a_default_and_a_bound(world: World) -> None:
    """0 means 100, above 1,000 means 1,000."""
    prefix = str(uuid4())
    for at in range(2):
        rows = [connection_of(name=f"{prefix} {at} {each}") for each in range(501 + at * 99)]
        world.admin.connections.BatchCreateConnections(pb.BatchCreateConnectionsRequest(connections=rows))
    for size, expected in ((0, 100), (1000, 1000), (2**31 - 1, 1000)):
        page = world.admin.connections.ListConnections(pb.ListConnectionsRequest(page_size=size, name_contains=prefix))
        assert len(page.connections) == expected
        assert page.next_page_token
    assert len(listed(world, page_size=1000, name_contains=prefix)) == 1101


def test_a_user_sees_their_own_connections_and_nothing_secret(world: World) -> None:
    """Assigned by id or by token, oldest first, in pages: no source, host, secret, other user or hidden mapping."""
    user = world.user("token-of-the-lister")
    made = []
    for at, kind in enumerate(KINDS):
        connection = rich(kind)
        connection.field_mappings[0].visible = False
        del connection.assigned_users[:]
        connection.assigned_users.extend([BRUNO, user.identity if at % 2 else user.token])
        made.append(create(world, connection))
    create(world)
    gone = create(world, made[0])
    world.admin.connections.DeleteConnection(pb.DeleteConnectionRequest(id=gone.id))
    page = user.connections.ListUserConnections(pb.ListUserConnectionsRequest())
    assert [one.id for one in page.connections] == [one.id for one in made]
    assert not page.next_page_token
    shown = {"id", "name", "type", "status", "row_scope", "field_mappings", "view_configuration"}
    for one, whole in zip(page.connections, made, strict=True):
        assert {field.name for field, _ in one.ListFields()} == shown | {"create_time", "update_time"}
        assert all(getattr(one, name) == getattr(whole, name) for name in shown - {"field_mappings"})
        assert [mapping.field for mapping in one.field_mappings] == ["total"]
    for hidden in (SECRET, BRUNO, user.token, user.identity, ".test", "customer_name", "sales.db", "app1"):
        assert hidden not in str(page)
    paged: list[int] = []
    request = pb.ListUserConnectionsRequest(page_size=2)
    while True:
        part = user.connections.ListUserConnections(request)
        paged += [one.id for one in part.connections]
        request.page_token = part.next_page_token
        if not request.page_token:
            break
    assert paged == [one.id for one in made]
    assert (
        not world.user("token-of-nobody-else")
        .connections.ListUserConnections(pb.ListUserConnectionsRequest())
        .connections
    )
