"""Users of WUZAPI, people, groups; and a relay without WUZAPI."""

from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.contract.calls import Caller, refused
from tests.contract.server import World, world_in
from tests.e2e.relay.conftest import user_of
from tests.fakes.wuzapi import FakeWuzapi, Lost, Trouble
from tests.fakes.wuzapi_messages import Read
from wuzapi_manager.v1 import relay_pb2 as pb

STATUS = pb.GetSessionStatusRequest()
AT = "@s.whatsapp.net"


def make(world: World, token: str, **fields: object) -> pb.WuzapiUser:
    """A user, made by the administrator."""
    user = pb.WuzapiUser(name="Ana Maria", token=token, **fields)  # type: ignore[arg-type]  # fields by name
    return world.admin.relay.CreateUser(pb.CreateUserRequest(user=user)).user


def test_users_are_made_changed_listed_and_deleted(world: World, wuzapi: FakeWuzapi) -> None:
    """A user's life, of which no answer has a secret."""
    made = make(
        world,
        "token-of-the-made-one",
        events=["Message", "QR"],
        webhook="https://hooks.example/x",
        hmac_key="k" * 32,
        proxy_url="http://u:secret@proxy.example",
    )
    assert (made.name, [*made.events], made.webhook, made.has_hmac_key, made.has_proxy) == (
        "Ana Maria",
        ["Message", "QR"],
        "https://hooks.example/x",
        True,
        True,
    )
    relay = world.admin.relay
    changed = relay.UpdateUser(pb.UpdateUserRequest(user=pb.WuzapiUser(id=made.id, name="Bia"))).user
    assert changed.name == relay.GetUser(pb.GetUserRequest(id=made.id)).user.name == "Bia"
    listed = [*relay.ListUsers(pb.ListUsersRequest()).users]
    assert made.id in [user.id for user in listed]
    assert not [user for user in (*listed, made, changed) if user.token or user.proxy_url or user.hmac_key]
    assert relay.DeleteUser(pb.DeleteUserRequest(id=made.id)).id == made.id
    assert wuzapi.requests[-1].path == f"/admin/users/{made.id}/full"
    with refused(grpc.StatusCode.NOT_FOUND, "NOT_FOUND"):
        relay.GetUser(pb.GetUserRequest(id=made.id))
    with refused(grpc.StatusCode.NOT_FOUND, "NOT_FOUND"):
        relay.DeleteUser(pb.DeleteUserRequest(id=made.id))


@pytest.mark.parametrize("integer_ids", [False, True])
def test_old_versions_answer_the_same(world: World, wuzapi: FakeWuzapi, integer_ids: bool) -> None:
    """A bare id for an answer and integers for ids change nothing."""
    wuzapi.legacy_status, wuzapi.integer_ids = True, integer_ids
    made = make(world, f"token-of-old-{integer_ids}")
    assert (made.name, made.id in wuzapi.users) == ("Ana Maria", True)
    world.admin.relay.DeleteUser(pb.DeleteUserRequest(id=made.id, full=False))
    assert made.id not in wuzapi.users


def test_what_is_kept_of_a_user_goes_with_every_change(world: World, wuzapi: FakeWuzapi) -> None:
    """A deleted user is known no longer, a made one at once, and a changed token at once."""
    token = "token-of-the-evicted"
    caller = world.calling({"token": token, "accept-language": "en"})
    with refused(grpc.StatusCode.UNAUTHENTICATED):
        caller.relay.GetSessionStatus(STATUS)
    made = make(world, token)
    assert caller.relay.GetSessionStatus(STATUS).session.id == made.id
    other = "token-of-the-evicted-2"
    changed = world.calling({"token": other, "accept-language": "en"})
    with refused(grpc.StatusCode.UNAUTHENTICATED):
        changed.relay.GetSessionStatus(STATUS)
    world.admin.relay.UpdateUser(pb.UpdateUserRequest(user=pb.WuzapiUser(id=made.id, token=other)))
    assert changed.relay.GetSessionStatus(STATUS).session.id == made.id
    with refused(grpc.StatusCode.UNAUTHENTICATED):
        caller.relay.GetSessionStatus(STATUS)
    world.admin.relay.DeleteUser(pb.DeleteUserRequest(id=made.id))
    with refused(grpc.StatusCode.UNAUTHENTICATED):
        changed.relay.GetSessionStatus(STATUS)


def test_a_user_whom_wuzapi_no_longer_takes_is_forgotten(world: World, wuzapi: FakeWuzapi) -> None:
    """Whoever was deleted at WUZAPI itself is unknown here after the first call that it refuses."""
    caller = world.user("token-of-the-vanished")
    caller.relay.GetSessionStatus(STATUS)
    wuzapi.remove_user(user_of(wuzapi, caller.token).id)
    for _ in range(2):
        with refused(grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"):
            caller.relay.GetSessionStatus(STATUS)
    came = len(wuzapi.requests)
    with refused(grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"):
        caller.relay.SendText(pb.SendTextRequest(phone="5581999990001", body="x"))
    assert len(wuzapi.requests) == came, "the refusal is known"


def test_a_plain_delete_leaves_the_token_working(world: World, wuzapi: FakeWuzapi) -> None:
    """That is WUZAPI's own way, and why the whole delete is the default."""
    wuzapi.stale_tokens = True
    token = "token-of-the-stale"
    caller = world.calling({"token": token, "accept-language": "en"})
    made = make(world, token)
    world.admin.relay.DeleteUser(pb.DeleteUserRequest(id=made.id, full=False))
    assert caller.relay.GetSessionStatus(STATUS).session.id == made.id


def test_a_create_happens_once(world: World, wuzapi: FakeWuzapi) -> None:
    """The same request_id gives the same answer; a taken token is refused; an unknown outcome is not repeated."""
    request = pb.CreateUserRequest(user=pb.WuzapiUser(name="Once", token="token-of-the-once"), request_id=str(uuid4()))
    relay = world.admin.relay
    assert relay.CreateUser(request) == relay.CreateUser(request)
    with refused(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"):
        make(world, "token-of-the-once")
    lost = pb.CreateUserRequest(user=pb.WuzapiUser(name="Lost", token="token-of-the-lost"), request_id=str(uuid4()))
    wuzapi.lose = lambda _: Lost.AFTER
    with refused(grpc.StatusCode.UNAVAILABLE, "CONNECTION_ERROR"):
        relay.CreateUser(lost)
    wuzapi.lose = None
    with refused(grpc.StatusCode.ABORTED, "CONFLICT") as refusal:
        relay.CreateUser(lost)
    assert refusal.retry_after is None, "nothing is running that could be waited for"
    assert "not known" in refusal.message
    assert len([user for user in wuzapi.users.values() if user.name == "Lost"]) == 1


@pytest.mark.parametrize("trouble", [Trouble.UNAVAILABLE, Trouble.GATEWAY, Trouble.HTML, Trouble.EMPTY])
def test_a_create_that_is_answered_by_another_is_not_repeated(
    world: World, wuzapi: FakeWuzapi, trouble: Trouble
) -> None:
    """What answers in WUZAPI's place does not know whether the user was made."""
    user = pb.WuzapiUser(name="Between", token=f"token-of-{trouble.name.lower()}")
    request = pb.CreateUserRequest(user=user, request_id=str(uuid4()))
    wuzapi.trouble = trouble
    with refused(grpc.StatusCode.UNAVAILABLE, "WUZAPI_ERROR") as refusal:
        world.admin.relay.CreateUser(request)
    assert "not known" in refusal.message
    wuzapi.trouble = None
    with refused(grpc.StatusCode.ABORTED, "CONFLICT") as again:
        world.admin.relay.CreateUser(request)
    assert again.retry_after is None
    assert not [user for user in wuzapi.users.values() if user.name == "Between"]


def test_large_numbers_come_back_as_they_were(world: World) -> None:
    """An expiration is often in milliseconds."""
    assert make(world, "token-of-the-large", expiration=1_767_225_600_000).expiration == 1_767_225_600_000


def test_a_proxy_is_removed(world: World, wuzapi: FakeWuzapi) -> None:
    """Named in the mask and empty: of all that WUZAPI keeps of a user this alone can be cleared."""
    made = make(world, "token-of-the-proxied", proxy_url="socks5://proxy.example:1080")
    relay, user = world.admin.relay, pb.WuzapiUser(id=made.id)
    mask = FieldMask(paths=["proxy_url"])
    assert not relay.UpdateUser(pb.UpdateUserRequest(user=user, update_mask=mask)).user.has_proxy
    assert relay.UpdateUser(pb.UpdateUserRequest(user=pb.WuzapiUser(id=made.id, name="x"))).user.name == "x"
    user.proxy_url = "http://proxy.example"
    assert relay.UpdateUser(pb.UpdateUserRequest(user=user)).user.has_proxy
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        relay.UpdateUser(pb.UpdateUserRequest(user=user, update_mask=FieldMask(paths=["name", "proxy_url"])))


def test_s3_is_changed_as_a_whole(world: World, wuzapi: FakeWuzapi) -> None:
    """WUZAPI keeps no key that it is not given: a change without them is refused, and nothing is lost."""
    whole = pb.S3Config(enabled=True, bucket="a", access_key="AK", secret_key="very secret")
    made = make(world, "token-of-s3", s3=whole)
    relay = world.admin.relay

    def change(s3: pb.S3Config) -> pb.WuzapiUser:
        return relay.UpdateUser(pb.UpdateUserRequest(user=pb.WuzapiUser(id=made.id, s3=s3))).user

    with refused(grpc.StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD") as refusal:
        change(pb.S3Config(enabled=True, bucket="b"))
    assert {*refusal.violations} == {"user.s3.access_key", "user.s3.secret_key"}
    assert "whole S3 configuration" in refusal.violations["user.s3.access_key"]
    kept = wuzapi.users[made.id].settings["s3"]
    assert isinstance(kept, dict)
    assert (kept["bucket"], kept["secretKey"]) == ("a", "very secret")
    whole.bucket = "b"
    assert change(whole).s3.bucket == "b"
    assert not change(pb.S3Config(enabled=False, bucket="c")).s3.enabled


def test_a_change_that_cannot_be_read_back_was_made(world: World, wuzapi: FakeWuzapi) -> None:
    """The error says so: who repeats it does not do it again unawares."""
    made = make(world, "token-of-the-unread")
    wuzapi.lose = lambda request: Lost.BEFORE if request.method == "GET" else None
    with refused(grpc.StatusCode.UNAVAILABLE, "CONNECTION_ERROR") as refusal:
        world.admin.relay.UpdateUser(pb.UpdateUserRequest(user=pb.WuzapiUser(id=made.id, name="Read me")))
    assert refusal.message.startswith("The change was made")
    wuzapi.lose = None
    assert wuzapi.users[made.id].name == "Read me"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "user.name"),
        ({"name": "x" * 256}, "user.name"),
        ({"token": ""}, "user.token"),
        ({"token": "short"}, "user.token"),
        ({"token": "with a space"}, "user.token"),
        ({"webhook": "ftp://x"}, "user.webhook"),
        ({"events": ["not an event!"]}, "user.events"),
        ({"hmac_key": "short"}, "user.hmac_key"),
        ({"proxy_url": "gopher://x"}, "user.proxy_url"),
        ({"history": -1}, "user.history"),
    ],
)
def test_a_bad_user_is_not_made(world: World, fields: dict[str, object], field: str) -> None:
    """Each bad field is named."""
    user = pb.WuzapiUser(**{"name": "x", "token": "token-of-the-bad", **fields})  # type: ignore[arg-type]  # fields by name
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        world.admin.relay.CreateUser(pb.CreateUserRequest(user=user))
    assert field in refusal.violations


def test_an_update_says_what_it_cannot(world: World) -> None:
    """Unknown paths, nothing to set, what WUZAPI cannot clear, ids that are none."""
    relay = world.admin.relay
    for request in (
        pb.UpdateUserRequest(user=pb.WuzapiUser(id="1", name="x"), update_mask=FieldMask(paths=["jid"])),
        pb.UpdateUserRequest(user=pb.WuzapiUser(id="1")),
        pb.UpdateUserRequest(user=pb.WuzapiUser(id="1"), update_mask=FieldMask(paths=["webhook"])),
        pb.UpdateUserRequest(user=pb.WuzapiUser(id="../x", name="x")),
    ):
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            relay.UpdateUser(request)
    with refused(grpc.StatusCode.NOT_FOUND):
        relay.UpdateUser(pb.UpdateUserRequest(user=pb.WuzapiUser(id="f" * 32, name="x")))


def test_lists_come_in_pages(ana: Caller, world: World, wuzapi: FakeWuzapi) -> None:
    """Contacts and groups by JID, users by id: page by page all of them once; null is an empty list."""
    wuzapi.contacts, wuzapi.groups = 25, 5
    jids: list[str] = []
    request = pb.ListContactsRequest(page_size=10)
    while True:
        page = ana.relay.ListContacts(request)
        jids += [contact.jid for contact in page.contacts]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert jids == sorted(set(jids))
    assert len(jids) == 25
    group = ana.relay.ListGroups(pb.ListGroupsRequest(page_size=1)).groups[0]
    assert (group.is_announce, group.participants[0].is_admin, group.group_created.seconds) == (True, True, 1714568400)
    assert ana.relay.GetGroupInfo(pb.GetGroupInfoRequest(group_jid=group.jid)).group == group
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        ana.relay.ListContacts(pb.ListContactsRequest(page_token=request.page_token + "x"))
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        world.user("token-of-bruno").relay.ListContacts(request)
    wuzapi.null_lists = True
    assert not ana.relay.ListContacts(pb.ListContactsRequest()).contacts
    assert not ana.relay.ListGroups(pb.ListGroupsRequest()).groups
    assert not ana.relay.GetUserInfo(pb.GetUserInfoRequest(phones=["5581999990001"])).users


def test_a_group_that_is_not_there(ana: Caller) -> None:
    """WUZAPI's 500 that says success is a failure."""
    with refused(grpc.StatusCode.UNAVAILABLE, "WUZAPI_ERROR"):
        ana.relay.GetGroupInfo(pb.GetGroupInfoRequest(group_jid="120363999999999999@g.us"))


def test_people_are_told_about(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """Who is on WhatsApp, who they are, their pictures in both spellings."""
    found = ana.relay.CheckUsers(pb.CheckUsersRequest(phones=["+55 81 99999-0001", "5581999990002"])).users
    assert [(user.query, user.is_in_whatsapp) for user in found] == [("5581999990001", True), ("5581999990002", False)]
    jids = ["5581999990001@s.whatsapp.net", "5581999990003:7@s.whatsapp.net", "5581999990005.0:7@s.whatsapp.net"]
    by_jid = ana.relay.CheckUsers(pb.CheckUsersRequest(phones=jids)).users
    assert [(user.query, user.is_in_whatsapp) for user in by_jid] == [
        (f"558199999000{digit}", True) for digit in (1, 3, 5)
    ]
    asked = ["+55 81 99999-0001", "5581999990007:3@s.whatsapp.net", "12345@lid"]
    hidden, one, business = ana.relay.GetUserInfo(pb.GetUserInfoRequest(phones=asked)).users
    assert (one.jid, one.status, len(one.devices)) == ("5581999990001@s.whatsapp.net", "Olá!", 1)
    assert (hidden.jid, one.verified_name, business.verified_name) == ("12345@lid", "", "Loja 5581999990007")
    assert business.jid == "5581999990007@s.whatsapp.net"
    for legacy in (False, True):
        wuzapi.legacy_status = legacy
        avatar = ana.relay.GetAvatar(pb.GetAvatarRequest(phone="5581999990001"))
        assert (avatar.url, avatar.type) == ("https://pps.example/1.jpg", "image")
    wuzapi.legacy_status = False
    with refused(grpc.StatusCode.NOT_FOUND):
        ana.relay.GetAvatar(pb.GetAvatarRequest(phone="5581999990010"))


def test_messages_are_reacted_to_read_and_taken_back(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """What is done to a message, under WUZAPI's names of every version."""
    relay, phone = ana.relay, "5581999990001"
    assert relay.DeleteMessage(pb.DeleteMessageRequest(phone=phone, message_id="3EB0A")).HasField("send_time")
    relay.React(pb.ReactRequest(phone=phone, message_id="3EB0A", emoji="👍", own=True))
    assert '"Id":"me:3EB0A"' in wuzapi.requests[-1].body.decode()
    relay.React(pb.ReactRequest(phone=phone, message_id="3EB0A"))
    assert b'"Body":"remove"' in wuzapi.requests[-1].body
    relay.MarkRead(pb.MarkReadRequest(phone=phone, message_ids=["a", "b"], sender="1@lid"))
    assert b'"ChatPhone":"5581999990001"' in wuzapi.requests[-1].body
    assert b'"SenderPhone":"1@lid"' in wuzapi.requests[-1].body
    relay.MarkRead(pb.MarkReadRequest(phone=phone, message_ids=["a"], sender="5581999990002"))
    wuzapi.legacy_status = True
    relay.MarkRead(pb.MarkReadRequest(phone=phone, message_ids=["a"], sender="5581999990002"))
    wuzapi.legacy_status = False
    assert wuzapi.read[-1] == wuzapi.read[-2] == Read(f"{phone}{AT}", f"5581999990002{AT}", ("a",))
    relay.SetChatPresence(pb.SetChatPresenceRequest(phone=phone, presence=pb.CHAT_PRESENCE_RECORDING))
    assert b'"State":"composing","Media":"audio"' in wuzapi.requests[-1].body


def test_the_administrators_calls_are_not_for_users(ana: Caller, world: World) -> None:
    """And users' calls not for the administrator."""
    with refused(grpc.StatusCode.PERMISSION_DENIED):
        ana.relay.ListUsers(pb.ListUsersRequest())
    with refused(grpc.StatusCode.PERMISSION_DENIED):
        world.admin.relay.SendText(pb.SendTextRequest(phone="5581999990001", body="x"))
    with refused(grpc.StatusCode.UNAUTHENTICATED):
        world.public.relay.ListUsers(pb.ListUsersRequest())


def test_another_admin_token_at_wuzapi_is_told(world: World, wuzapi: FakeWuzapi) -> None:
    """The operator learns that the two do not agree."""
    kept, wuzapi.admin_token = wuzapi.admin_token, "another-admin-token-there"
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "WUZAPI_ERROR") as refusal:
        world.admin.relay.ListUsers(pb.ListUsersRequest())
    wuzapi.admin_token = kept
    assert "WUZAPI_ADMIN_TOKEN" in refusal.help


def test_without_wuzapi_every_call_says_how_to_set_it(tmp_path: Path) -> None:
    """All but the settings are FAILED_PRECONDITION."""
    with world_in(tmp_path, wuzapi_base_url="") as world:
        user = world.calling({"token": "token-of-anyone", "accept-language": "en"})
        by_path = pb.CallRequest(method=pb.HTTP_METHOD_GET, path="/admin/users")
        for call in (
            lambda: world.admin.relay.ListUsers(pb.ListUsersRequest()),
            lambda: world.admin.relay.Call(by_path),
            lambda: world.public.relay.CheckHealth(pb.CheckHealthRequest()),
            lambda: user.relay.GetWebhook(pb.GetWebhookRequest()),
        ):
            with refused(grpc.StatusCode.FAILED_PRECONDITION, "WUZAPI_ERROR") as refusal:
                call()
            assert "WUZAPI_BASE_URL" in refusal.help
        assert world.public.relay.GetRelayConfig(pb.GetRelayConfigRequest()).base_url == ""


def test_a_user_is_found(world: World, ana: Caller, wuzapi: FakeWuzapi) -> None:
    """GetUser gives one by id, and refuses what is no id."""
    known = user_of(wuzapi, ana.token)
    assert world.admin.relay.GetUser(pb.GetUserRequest(id=known.id)).user.jid == known.jid
    for bad in ("", "../x", "a/b", "x" * 65):
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            world.admin.relay.GetUser(pb.GetUserRequest(id=bad))
