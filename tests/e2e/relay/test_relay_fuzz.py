"""Random calls of every RPC of the relay: each has a proper answer. `FUZZ_SEED` repeats a run."""

import os
from collections import Counter
from random import Random, SystemRandom
from typing import cast

import grpc
import pytest

from tests.contract.calls import Caller
from tests.contract.server import ADMIN_TOKEN, World
from tests.e2e.fuzz_answers import Asked, Refused, faults_of, faults_of_answer
from tests.e2e.fuzz_wire import Known, Wire
from tests.e2e.relay.conftest import TOKEN, user_of
from tests.fakes.wuzapi import FakeUser, FakeWuzapi, State
from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.rpc.access import Access, access_to

_SEED = int(os.environ.get("FUZZ_SEED") or SystemRandom().randrange(2**32))
_EACH = int(os.environ.get("FUZZ_RELAY_CALLS") or 60)
_SERVICE = pb.DESCRIPTOR.services_by_name["RelayService"]
_TEXTS = {
    "phone": ("5581999990001", "5581999990001", "120363000000000000@g.us", "1@lid", "+55 81"),
    "phones": ("5581999990001", "1@lid", "x"),
    "mentioned_jids": ("5581999990002", "1@lid"),
    "participant": ("5581999990002", ""),
    "sender": ("", "1@lid"),
    "group_jid": ("120363000000000000@g.us", "120363000000000000@g.us", "1@g.us"),
    "path": ("/session/status", "/chat/archive", "/chat/send/text", "/chat/history", "/admin/users", "/x/../y"),
    "url": ("https://hooks.example/x", "https://hooks.example/x", "ftp://x"),
    "webhook": ("https://hooks.example/x", ""),
    "events": ("Message", "QR", "All"),
    "request_id": ("", "", "5c1f33ec-2b5c-4a3f-9d52-6c4d1f6c6f3a", "no uuid"),
    "body": ("Olá!", "x"),
    "message_id": ("3EB0A",),
    "message_ids": ("3EB0A",),
    "mime_type": ("", "", "image/png", "audio/ogg"),
    "paths": ("name", "events", "webhook", "jid"),
    "key": ("chat_jid", "token", "a"),
}


@pytest.mark.timeout(300)
def test_every_random_call_has_a_proper_answer(world: World, ana: Caller, wuzapi: FakeWuzapi) -> None:
    """No call ends as INTERNAL or UNKNOWN, every error is whole, and most RPCs succeed at some."""
    random = Random(_SEED)
    spare = user_of(wuzapi, world.user("token-of-the-spare").token)
    known = Known({**_TEXTS, "id": (spare.id, spare.id, "1", "")}, lambda random: random.randrange(100))
    failures: list[str] = []
    codes: Counter[tuple[str, str]] = Counter()
    for number in range(_EACH * len(_SERVICE.methods)):
        method = _SERVICE.methods[number % len(_SERVICE.methods)]
        name = f"/{_SERVICE.full_name}/{method.name}"
        admin = access_to(name) is Access.ADMIN or (method.name == "Call" and random.random() < 0.3)
        credentials = ("authorization", ADMIN_TOKEN) if admin else ("token", TOKEN)
        metadata = (credentials, ("accept-language", random.choice(("en", "pt-BR"))))
        plain = random.random() < 0.5
        request = Wire(random, known, spoilt=random.random() < 0.1, plain=plain).request(method.input_type)
        asked = Asked(name, metadata, (request,), oversized=False)
        code = "OK"
        try:
            if method.server_streaming:
                stream: grpc.UnaryStreamMultiCallable[bytes, bytes] = world.channel.unary_stream(name)
                answers = [*stream(request, timeout=10, metadata=metadata)]
            else:
                unary: grpc.UnaryUnaryMultiCallable[bytes, bytes] = world.channel.unary_unary(name)
                answers = [unary(request, timeout=10, metadata=metadata)]
            faults = [fault for answer in answers for fault in faults_of_answer(answer, str(world.data.parent))]
        except grpc.RpcError as error:
            refused = cast("Refused", error)
            code = refused.code().name
            faults = [*faults_of(asked, refused, str(world.data.parent))]
        codes[method.name, code] += 1
        if faults:
            failures.append(f"{name} {code} {faults} {request.hex()[:2000]}")
        _restore(wuzapi, spare)
    told = "\n".join([f"FUZZ_SEED={_SEED}", *failures[:10], *sorted(f"{m} {c}: {n}" for (m, c), n in codes.items())])
    assert not failures, told
    succeeded = {method for method, code in codes if code == "OK"}
    assert len(succeeded) > len(_SERVICE.methods) // 2, told


def _restore(wuzapi: FakeWuzapi, spare: FakeUser) -> None:
    """Puts back the session that a call may have ended, and the user that it may have deleted."""
    wuzapi.users[spare.id] = spare
    user = user_of(wuzapi, TOKEN)
    user.state, user.jid = State.LOGGED_IN, "5581900000001@s.whatsapp.net"
