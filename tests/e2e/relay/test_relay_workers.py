"""Two worker processes on one port and one data folder: what one of them knows, the other does not get wrong."""

from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from uuid import uuid4

import grpc
import pytest

from tests.contract.calls import Caller, refused
from tests.contract.server import ADMIN_TOKEN, World, world_in
from tests.e2e.relay.conftest import until, user_of
from tests.e2e.relay.test_relay_media import document, uploaded
from tests.fakes.wuzapi import State
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import maintenance_pb2 as maintenance
from wuzapi_manager.v1 import relay_pb2 as pb

_ALONE = (("grpc.use_local_subchannel_pool", 1),)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("workers"), grpc_workers="2") as made:
        made.wuzapi.admin_token = ADMIN_TOKEN
        until(lambda: made.log.read_text().count('"event":"serving"') == 2)  # the first one to serve announces it
        yield made


@pytest.fixture
def both(world: World) -> Iterator[Callable[[str], list[Caller]]]:
    """Gives callers with a token, each on a connection of its own, of whom every worker has one that it knows."""
    channels: list[grpc.Channel] = []

    def made(token: str) -> list[Caller]:
        found: list[Caller] = []
        came = len(world.wuzapi.requests)
        for _ in range(64):  # the kernel deals connections out by hash
            channels.append(grpc.insecure_channel(world.address, _ALONE))
            found.append(Caller(channels[-1], {"token": token}))
            asked(found[-1])
            questions = [request for request in world.wuzapi.requests[came:] if request.headers.get("token") == token]
            if len(questions) >= 2:
                return found
        raise AssertionError("64 connections, and all are the same worker's")

    yield made
    for channel in channels:
        channel.close()


def asked(caller: Caller) -> None:
    """A call that is answered by the service alone, once it knows the caller."""
    caller.connections.ListUserConnections(connections.ListUserConnectionsRequest())


numbers = count()


@pytest.mark.parametrize("way", ["DeleteUser", "UpdateUser", "Call"])
def test_a_user_who_was_changed_is_asked_for_anew_everywhere(
    world: World, both: Callable[[str], list[Caller]], way: str
) -> None:
    """Once the administrator's change is answered, no worker goes by what it knew before."""
    token = f"token-of-changed-{next(numbers)}"
    world.user(token)
    user = user_of(world.wuzapi, token)
    callers = both(token)
    match way:
        case "DeleteUser":
            world.admin.relay.DeleteUser(pb.DeleteUserRequest(id=user.id))
        case "UpdateUser":
            world.admin.relay.UpdateUser(
                pb.UpdateUserRequest(user=pb.WuzapiUser(id=user.id, token="token-of-another-time"))
            )
        case _:
            path = f"/admin/users/{user.id}/full"
            answer = world.admin.relay.Call(pb.CallRequest(method=pb.HTTP_METHOD_DELETE, path=path))
            assert answer.success
    for caller in callers:
        with refused(grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"):
            asked(caller)


def test_a_user_who_was_made_is_known_everywhere(world: World) -> None:
    """A token that was refused a moment ago is good in every worker once its user is made."""
    token = "token-of-the-made"
    channels = [grpc.insecure_channel(world.address, _ALONE) for _ in range(16)]
    callers = [Caller(channel, {"token": token}) for channel in channels]
    for caller in callers:
        with refused(grpc.StatusCode.UNAUTHENTICATED):
            asked(caller)
    world.admin.relay.CreateUser(
        pb.CreateUserRequest(user=pb.WuzapiUser(name="made", token=token), request_id=str(uuid4()))
    )
    for caller in callers:
        asked(caller)
    for channel in channels:
        channel.close()


def test_cleared_caches_are_so_everywhere(world: World, both: Callable[[str], list[Caller]]) -> None:
    """ClearCaches is one worker's to answer, and all ask for users anew."""
    token = "token-of-the-replaced"
    world.user(token)
    callers = both(token)
    del world.wuzapi.users[user_of(world.wuzapi, token).id]
    world.admin.maintenance.ClearCaches(maintenance.ClearCachesRequest())
    for caller in callers:
        with refused(grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"):
            asked(caller)


def removed(world: World, token: str) -> None:
    """Has the administrator make and delete a user."""
    world.user(token)
    world.admin.relay.DeleteUser(pb.DeleteUserRequest(id=user_of(world.wuzapi, token).id))


def test_after_a_restore_everybody_is_asked_for_anew_everywhere(
    world: World, both: Callable[[str], list[Caller]]
) -> None:
    """Also where as many changes were told after it as before, which the restored database has not seen."""
    token, calls = "token-of-the-restored", world.admin.maintenance
    removed(world, "token-of-the-first")
    backup = calls.CreateBackup(maintenance.CreateBackupRequest()).backup
    restore = maintenance.RestoreBackupRequest(name=backup.name)
    removed(world, "token-of-the-second")
    world.user(token)
    callers = both(token)
    calls.RestoreBackup(restore)
    world.admin.relay.DeleteUser(pb.DeleteUserRequest(id=user_of(world.wuzapi, token).id))
    for caller in callers:
        with refused(grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"):
            asked(caller)

    world.user(f"{token}-too")
    callers = both(f"{token}-too")
    came = len(world.wuzapi.requests)
    calls.RestoreBackup(restore)
    for caller in callers:
        asked(caller)
    assert len(world.wuzapi.requests) - came == 2, "each worker has asked once"


def test_others_are_not_asked_for_anew(world: World, both: Callable[[str], list[Caller]]) -> None:
    """A change of one user costs the others nothing."""
    world.user("token-of-the-kept")
    kept = both("token-of-the-kept")
    world.user("token-of-the-short-lived")
    world.admin.relay.DeleteUser(pb.DeleteUserRequest(id=user_of(world.wuzapi, "token-of-the-short-lived").id))
    came = len(world.wuzapi.requests)
    for caller in kept:
        asked(caller)
    assert world.wuzapi.requests[came:] == []


def test_another_phone_is_known_everywhere(world: World, both: Callable[[str], list[Caller]]) -> None:
    """A session that logged out is told anew: rows may belong to a JID."""
    world.user("token-of-the-leaver")
    user = user_of(world.wuzapi, "token-of-the-leaver")
    user.state = State.LOGGED_IN
    callers = both("token-of-the-leaver")
    callers[0].relay.LogoutSession(pb.LogoutSessionRequest())
    came = len(world.wuzapi.requests)
    for caller in callers:
        asked(caller)
    assert len(world.wuzapi.requests) - came == 2, "each worker has asked once"


def test_what_one_worker_took_another_sends(world: World, both: Callable[[str], list[Caller]]) -> None:
    """Media lies in the folder that all share; sends at once under one request_id are one message."""
    world.user("token-of-the-sender")
    callers = both("token-of-the-sender")
    data = bytes(range(256)) * 5_000
    media, before = uploaded(callers[0], data), len(world.wuzapi.sent)
    for caller in callers:
        caller.relay.SendDocument(document(media))
    assert len(world.wuzapi.sent) == before + len(callers)
    assert {b64decode(str(sent.body["document"]).partition(",")[2]) for sent in world.wuzapi.sent[before:]} == {data}

    request, before = document(media, request_id=str(uuid4())), len(world.wuzapi.sent)

    def send(caller: Caller) -> str:
        try:
            return str(caller.relay.SendDocument(request).message.id)
        except grpc.RpcError:
            return ""  # the first is under way

    with ThreadPoolExecutor(len(callers)) as pool:
        ids = {*pool.map(send, callers)} - {""}
    assert ids == {sent.id for sent in world.wuzapi.sent[before:]}
    assert len(world.wuzapi.sent) == before + 1
