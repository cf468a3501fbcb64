"""What is sent, and by whom, stays between the caller and WUZAPI."""

from uuid import uuid4

import grpc
import pytest

from tests.contract.calls import Caller, refused
from tests.contract.server import World
from tests.fakes.wuzapi import FakeWuzapi, Lost
from wuzapi_manager.v1 import relay_pb2 as pb


def test_no_token_text_or_key_lies_in_logs_or_files(world: World, ana: Caller, wuzapi: FakeWuzapi) -> None:
    """Neither the log nor the database holds a token, what was sent, to whom, or a secret of a user of WUZAPI."""
    marks = ("marked-body-of-a-text", "5581999998877", "token-of-the-marked", "marked-key-" + "k" * 32, "marked-proxy")
    body, phone, token, key, proxy = marks
    request = pb.SendTextRequest(phone=phone, body=body, request_id=str(uuid4()))
    ana.relay.SendText(request)
    wuzapi.lose = lambda _: Lost.AFTER
    with refused(grpc.StatusCode.UNAVAILABLE, "SEND_UNKNOWN") as refusal:
        ana.relay.SendText(pb.SendTextRequest(phone=phone, body=body))
    wuzapi.lose = None
    assert body not in refusal.message + str(refusal.metadata)
    user = pb.WuzapiUser(name="x", token=token, hmac_key=key, proxy_url=f"http://u:{proxy}@proxy.example")
    made = world.admin.relay.CreateUser(pb.CreateUserRequest(user=user, request_id=str(uuid4()))).user
    world.admin.relay.UpdateUser(pb.UpdateUserRequest(user=pb.WuzapiUser(id=made.id, token=token + "-2")))
    with pytest.raises(grpc.RpcError):
        world.admin.relay.CreateUser(pb.CreateUserRequest(user=pb.WuzapiUser(token=token)))
    world.admin.relay.DeleteUser(pb.DeleteUserRequest(id=made.id))
    files = [world.log, *world.data.iterdir()]
    for file in files:
        content = file.read_bytes()
        for mark in (*marks, ana.token):
            assert mark.encode() not in content, f"{mark} in {file.name}"
