"""What the audit log tells of the relay."""

from uuid import uuid4

import grpc

from tests.contract.calls import refused
from tests.contract.server import World
from tests.e2e.relay.test_relay_call import DELETE, GET, POST, call, data
from wuzapi_manager.v1 import maintenance_pb2
from wuzapi_manager.v1 import relay_pb2 as pb


def told(world: World, target: str = "") -> list[tuple[str, str, str]]:
    """What was done to what and how it ended, the last first."""
    request = maintenance_pb2.ListAuditEventsRequest(page_size=20, target=target)
    events = world.admin.maintenance.ListAuditEvents(request).events
    return [(event.action.rpartition("/")[2], event.target, event.outcome) for event in events]


def test_changes_of_users_name_the_user(world: World) -> None:
    """The one that is made, too: its id is known when it is there."""
    relay = world.admin.relay
    user = pb.WuzapiUser(name="Told", token="token-of-the-told")
    made = relay.CreateUser(pb.CreateUserRequest(user=user, request_id=str(uuid4()))).user
    relay.UpdateUser(pb.UpdateUserRequest(user=pb.WuzapiUser(id=made.id, name="Told again")))
    relay.DeleteUser(pb.DeleteUserRequest(id=made.id))
    with refused(grpc.StatusCode.NOT_FOUND):
        relay.DeleteUser(pb.DeleteUserRequest(id="f" * 32))
    assert told(world)[:4] == [
        ("DeleteUser", f"relay/{'f' * 32}", "NOT_FOUND"),
        ("DeleteUser", f"relay/{made.id}", "OK"),
        ("UpdateUser", f"relay/{made.id}", "OK"),
        ("CreateUser", f"relay/{made.id}", "OK"),
    ]


def test_a_call_names_its_path_and_method(world: World) -> None:
    """Without its query; one that reads is not told at all."""
    user = {"name": "By call", "token": "token-of-the-audited"}
    made = data(call(world.admin, POST, "/admin/users", user))
    assert isinstance(made, dict)
    path = f"/admin/users/{made['id']}"
    call(world.admin, GET, path)
    call(world.admin, DELETE, path, query={"secret": "x"})
    assert told(world)[:2] == [("Call", f"relay{path}/DELETE", "OK"), ("Call", "relay/admin/users/POST", "OK")]
    assert told(world, f"relay{path}") == [("Call", f"relay{path}/DELETE", "OK")]
    call(world.admin, GET, "/admin/users")
    assert told(world)[0] == ("Call", f"relay{path}/DELETE", "OK")
