"""Random calls of every RPC of RelayService and MaintenanceService, at once: each has a proper answer.

`FUZZ_SEED` repeats a run's messages, `FUZZ_RELAY_MESSAGES` says how many are sent.
"""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from random import Random, SystemRandom

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from tests.contract.server import ADMIN_TOKEN, World, world_in
from tests.e2e.fuzz_run import ADMIN, Entry, Fuzzer, Plan, methods_of
from tests.e2e.fuzz_wire import Known
from tests.fakes.wuzapi import State
from wuzapi_manager.v1 import maintenance_pb2 as maintenance
from wuzapi_manager.v1 import relay_pb2 as relay
from wuzapi_manager_server.rpc.access import Access, access_to

_SEED = int(os.environ.get("FUZZ_SEED") or SystemRandom().randrange(2**32))
_MESSAGES = int(os.environ.get("FUZZ_RELAY_MESSAGES") or 3_000)
_ENOUGH = 3_000
_TOKENS = ("token-of-fuzzed-ana", "token-of-fuzzed-bruno")
_SECRETS = (*_TOKENS, ADMIN_TOKEN, "token-of-the-spare", "token-of-the-created", "token-of-the-one-without")
_WAITING = "token-of-the-one-without-a-phone"
_ALONE = {"DeleteBackup", "RestoreBackup", "UploadBackup", "VerifyBackup"}
"""One at a time works on the folder of backups: most of these meet another. A last round shows that they work."""
_PHONE = "5581999990001"
_URL = "https://hooks.example/x"
_RELAY = {
    "phone": (_PHONE, _PHONE, "120363000000000000@g.us", "1@lid", "+55 81", "status@broadcast"),
    "phones": (_PHONE, "1@lid", "x"),
    "mentioned_jids": ("5581999990002", "1@lid"),
    "participant": ("5581999990002", ""),
    "sender": ("", "1@lid"),
    "group_jid": ("120363000000000000@g.us", "1@g.us"),
    "path": (
        "/session/status",
        "/chat/archive",
        "/chat/send/text",
        "/chat/history",
        "/admin/users",
        "/x/../y",
        "/a%2f",
    ),
    "url": (_URL, "ftp://x", "http://[", "https://user:pass@host/"),
    "webhook": (_URL, ""),
    "title": ("Menu",),
    "description": ("De hoje", ""),
    "button_text": ("Abrir", ""),
    "text": ("Sim", ""),
    "vcard": ("BEGIN:VCARD", ""),
    "emojis": ("👍", ""),
    "events": ("Message", "QR", "All", "no event"),
    "token": ("token-of-the-created", "token-of-another"),
    "name": ("Created", "outro nome"),
    "request_id": ("", "5c1f33ec-2b5c-4a3f-9d52-6c4d1f6c6f3a", "no uuid"),
    "body": ("Olá!", "😀", "\u202eabc"),
    "message_id": ("3EB0A",),
    "message_ids": ("3EB0A",),
    "mime_type": ("", "image/png", "audio/ogg", "x/", "image/svg+xml,"),
    "file_name": ("a.pdf", "../../a", "a\r\nb"),
    "sha256": ("", "0" * 64, "A" * 64),
    "paths": ("name", "events", "webhook", "jid", "*", "proxy.url"),
    "key": ("chat_jid", "token", "Token", "a"),
}
_MAINTENANCE = {
    "key": ("site", "system.schema", "a b", "x" * 101),
    "value": ("Recife",),
    "prefix": ("", "s", "system."),
    "name": ("20260101T000000.000000Z-0000.db", "../wuzapi.db", "x"),
    "sha256": ("0" * 64, "", "x"),
    "actor": ("", "admin", "user", "system", "nobody"),
    "action": ("", "/wuzapi_manager.v1.MaintenanceService/SetMetadata", "%"),
    "target": ("", "maintenance", "maintenance/site", "connections/1"),
    "outcome": ("", "OK", "NOT_FOUND", "ok?"),
    "request_id": ("",),
    "page_token": ("",),
}
_ROW = relay.ListRow(id="1", title="Um")
# What is rarely right by chance.
_GOOD: dict[str, Message] = {
    "Call": relay.CallRequest(method=relay.HTTP_METHOD_POST, path="/chat/archive"),
    "GetMetadata": maintenance.GetMetadataRequest(key="kept"),
    "SendAudio": relay.SendAudioRequest(phone=_PHONE, data=b"OggS"),
    "SendButtons": relay.SendButtonsRequest(phone=_PHONE, title="?", buttons=[relay.Button(id="1", text="Sim")]),
    "SendDocument": relay.SendDocumentRequest(phone=_PHONE, data=b"x", file_name="a.txt"),
    "SendList": relay.SendListRequest(
        phone=_PHONE, title="a", description="b", button_text="c", sections=[relay.ListSection(title="d", rows=[_ROW])]
    ),
    "SendLocation": relay.SendLocationRequest(phone=_PHONE, latitude=-8.05, longitude=-34.9),
    "SendPoll": relay.SendPollRequest(phone="120363000000000000@g.us", question="?", options=["a", "b"]),
}
_LEARNED = {
    "WuzapiUser.id": ("id",),
    "UploadedMedia.id": ("media_id",),
    "Backup.name": ("name",),
    "Backup.sha256": ("sha256",),
    "next_page_token": ("page_token",),
    "offset": ("offset",),
}


class Office:
    """A server whose WUZAPI has users that calls may spoil, and puts them back after each call."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.wuzapi.admin_token = ADMIN_TOKEN
        for token in _TOKENS:
            world.user(token)
        world.wuzapi.add_user("waiting", _WAITING, state=State.CONNECTED)
        spare = world.wuzapi.users[world.wuzapi.add_user("spare", "token-of-the-spare")]
        self._users = [replace(user) for user in world.wuzapi.users.values()]
        self._numbers = count()
        self._good: dict[str, Message] = {
            **_GOOD,
            "UpdateUser": relay.UpdateUserRequest(user=relay.WuzapiUser(id=spare.id, name="Spare")),
        }
        world.admin.maintenance.SetMetadata(maintenance.SetMetadataRequest(key="kept", value="for good"))
        self._backup = self._made_backup()
        ids = (spare.id, spare.id, "1", "")
        self._relay = Known({**_RELAY, "id": ids}, lambda random: random.randrange(100), frozenset({"id", "media_id"}))
        self._relay.learn("id", spare.id)
        self._maintenance = Known(_MAINTENANCE, lambda random: random.randrange(100), frozenset({"name"}))

    def plan(self) -> Plan:
        """What is said to it, and by whom."""
        users = [("token", token) for token in _TOKENS]
        return Plan(
            known=lambda service: self._relay if service.endswith("RelayService") else self._maintenance,
            learned=_LEARNED,
            askers=lambda service, rpc: _askers(f"/{service}/{rpc}", users),
            users=users,
            mend=self._mend,
            after=self._restore,
            secrets=_SECRETS,
            shows_paths=frozenset({"GetServerInfo"}),
        )

    def _mend(self, method: MethodDescriptor, made: list[bytes]) -> list[bytes]:
        """Uploads that are what they announce, and what else is rarely right by chance."""
        if method.name == "UploadMedia":
            parsed = [relay.UploadMediaRequest.FromString(each) for each in made] or [relay.UploadMediaRequest()]
            parsed[-1].chunk += b"x"
            parsed[0].size_bytes, parsed[0].sha256 = sum(len(each.chunk) for each in parsed), ""
            parsed[0].kind, parsed[0].mime_type = relay.MEDIA_KIND_DOCUMENT, ""
            return [each.SerializeToString() for each in parsed]
        if method.name == "UploadBackup":
            first = maintenance.UploadBackupRequest(
                sha256=hashlib.sha256(self._backup).hexdigest(), size_bytes=len(self._backup)
            )
            chunks = [self._backup[at : at + 65_536] for at in range(0, len(self._backup), 65_536)]
            rest = [maintenance.UploadBackupRequest(chunk=chunk) for chunk in chunks]
            return [each.SerializeToString() for each in (first, *rest)]
        if method.name == "CreateUser":
            user = relay.WuzapiUser(name="Created", token=f"token-of-the-created-{next(self._numbers)}")
            return [relay.CreateUserRequest(user=user).SerializeToString()]
        good = self._good.get(method.name)
        return made if good is None else [good.SerializeToString()]

    def _restore(self) -> None:
        """Puts back what a call may have changed of the users."""
        users = self.world.wuzapi.users
        for kept in self._users:
            user = users.get(kept.id)
            if user is None or (user.token, user.state) != (kept.token, kept.state):
                users[kept.id] = replace(kept)

    def _made_backup(self) -> bytes:
        stub = self.world.admin.maintenance
        name = stub.CreateBackup(maintenance.CreateBackupRequest()).backup.name
        return b"".join(answer.chunk for answer in stub.DownloadBackup(maintenance.DownloadBackupRequest(name=name)))


def _askers(rpc: str, users: list[Entry]) -> list[Entry]:
    if rpc.rpartition("/")[2] in {"GetQrCode", "PairPhone"}:
        return [("token", _WAITING)]
    match access_to(rpc):
        case Access.ADMIN:
            return [ADMIN]
        case Access.USER:
            return users
        case _:
            return [ADMIN, *users]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with world_in(tmp_path_factory.mktemp("fuzz-relay"), grpc_max_streams="64", request_timeout="5s") as world:
        yield Office(world)


@pytest.mark.timeout(600)
async def test_every_random_call_has_a_proper_answer(office: Office) -> None:
    """No call ends as INTERNAL or UNKNOWN or hangs, every error is whole, no secret is told or logged."""
    print(f"FUZZ_SEED={_SEED} FUZZ_RELAY_MESSAGES={_MESSAGES}")  # noqa: T201 - shown when the test fails
    files = (relay, maintenance)
    services = list(chain.from_iterable(file.DESCRIPTOR.services_by_name.values() for file in files))
    methods = methods_of(office.world, {service.full_name for service in services})
    assert {method.full_name for method in methods} == {m.full_name for service in services for m in service.methods}
    fuzzer = Fuzzer(office.world, methods, Random(_SEED), office.plan())
    await fuzzer.run(_MESSAGES)
    assert not fuzzer.failures, f"{len(fuzzer.failures)} failures with FUZZ_SEED={_SEED}\n{fuzzer.told()}"
    failing = {name for name in fuzzer.never_succeeded() if name.rpartition(".")[2] not in _ALONE}
    assert _MESSAGES < _ENOUGH or not failing, f"random calls never succeed at {sorted(failing)}\n{fuzzer.told()}"
    await asyncio.to_thread(_still_works, office.world)


def _still_works(world: World) -> None:
    """The server answers after all that, and its log has no secret and no fault."""
    backups = world.admin.maintenance
    backup = backups.CreateBackup(maintenance.CreateBackupRequest()).backup
    assert backups.VerifyBackup(maintenance.VerifyBackupRequest(name=backup.name)).backup.verified
    replaced = backups.RestoreBackup(maintenance.RestoreBackupRequest(name=backup.name)).replaced
    backups.DeleteBackup(maintenance.DeleteBackupRequest(name=replaced.name))
    world.user("token-of-someone-else").relay.SendText(relay.SendTextRequest(phone=_PHONE, body="x"))
    assert world.admin.maintenance.CheckIntegrity(
        maintenance.CheckIntegrityRequest(depth=maintenance.CHECK_DEPTH_FULL)
    ).ok
    log = Path(world.log).read_text()
    assert not [token for token in _SECRETS if token in log]
    assert not [fault for fault in ("INTERNAL", "Traceback", "never retrieved", "never awaited") if fault in log]
