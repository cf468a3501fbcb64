"""Every endpoint that WUZAPI has is reached, by an RPC of its own or by Call."""

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from tests.contract.calls import Caller, refused
from tests.contract.server import World
from tests.e2e.relay.conftest import until, user_of
from tests.e2e.relay.test_relay_call import DELETE, GET, POST, PUT, call, data
from tests.e2e.relay.test_relay_sends import EVERY_SEND, PHONE
from tests.fakes.wuzapi import FakeWuzapi, State, Trouble
from wuzapi_manager.v1 import relay_pb2 as pb

JID, GROUP = "5581999990001@s.whatsapp.net", "120363000000000000@g.us"
MEDIA: dict[str, object] = {
    "Url": "https://mmg.example/x",
    "DirectPath": "/x",
    "MediaKey": "k",
    "Mimetype": "image/png",
}
# What a body needs where an empty one is refused.
BODIES: dict[str, dict[str, object]] = {
    "/session/pairphone": {"Phone": "5581999990001"},
    "/session/proxy": {"proxy_url": "socks5://proxy.example:1080", "enable": True},
    "/session/history": {"history": 50},
    "/session/hmac/config": {"hmac_key": "k" * 32},
    "/webhook": {"webhookurl": "https://hooks.example/x", "webhook": "https://hooks.example/x", "events": ["All"]},
    "/chat/send/text": {"Phone": JID, "Body": "x"},
    "/chat/send/image": {"Phone": JID, "Image": "https://pictures.example/a.png"},
    "/chat/send/video": {"Phone": JID, "Video": "https://films.example/a.mp4"},
    "/chat/send/audio": {"Phone": JID, "Audio": "data:audio/ogg;base64,T2dnUw=="},
    "/chat/send/document": {"Phone": JID, "Document": "data:application/octet-stream;base64,eA==", "FileName": "a"},
    "/chat/send/sticker": {"Phone": JID, "Sticker": "data:image/webp;base64,eA=="},
    "/chat/send/location": {"Phone": JID, "Latitude": -8.05, "Longitude": -34.9},
    "/chat/send/contact": {"Phone": JID, "Name": "x", "Vcard": "BEGIN:VCARD"},
    "/chat/send/buttons": {"Phone": JID, "Title": "x", "Buttons": [{"ButtonId": "1", "ButtonText": "x"}]},
    "/chat/send/list": {"Phone": JID, "ButtonText": "x", "Desc": "x", "TopText": "x", "Sections": []},
    "/chat/send/poll": {"group": GROUP, "header": "x", "options": ["a", "b"], "Id": "3EB0A"},
    "/chat/send/edit": {"Phone": JID, "Body": "x", "Id": "3EB0A"},
    "/chat/delete": {"Phone": JID, "Id": "3EB0A"},
    "/chat/react": {"Phone": JID, "Id": "3EB0A", "Body": "👍"},
    "/chat/markread": {"Id": ["3EB0A"], "ChatPhone": JID},
    "/chat/presence": {"Phone": JID, "State": "composing"},
    "/chat/archive": {"jid": JID, "archive": True},
    "/chat/request-unavailable-message": {"chat": JID, "sender": JID, "id": "3EB0A"},
    "/status/set/text": {"Body": "x"},
    "/call/reject": {"call_from": JID, "call_id": "1"},
    "/user/check": {"Phone": [JID]},
    "/user/info": {"Phone": [JID]},
    "/user/avatar": {"Phone": JID},
    "/user/presence": {"type": "available"},
    **{f"/chat/download{kind}": MEDIA for kind in ("image", "video", "audio", "document", "sticker")},
}
QUERIES = {
    "/chat/history": {"chat_jid": JID, "limit": "50"},
    "/session/history": {"count": "50", "chat_jid": JID},
    "/group/info": {"groupJID": GROUP},
    "/group/invitelink": {"groupJID": GROUP, "reset": "false"},
}
USER_CALLS = [
    *[(POST, path) for path in BODIES if path not in {"/session/pairphone", "/session/proxy"}],
    (PUT, "/webhook"),
    *[(GET, f"/session/{name}") for name in ("status", "history", "s3/config", "hmac/config")],
    *[(POST, f"/session/{name}") for name in ("s3/config", "s3/test")],
    *[(DELETE, path) for path in ("/session/s3/config", "/session/hmac/config", "/webhook")],
    *[(GET, path) for path in ("/health", "/webhook", "/user/contacts", "/newsletter/list", "/chat/history")],
    *[(GET, f"/user/lid/{jid}") for jid in (JID, "5581999990001:3@s.whatsapp.net")],
    *[(GET, f"/group/{name}") for name in ("list", "info", "invitelink")],
    *[(POST, f"/group/{name}") for name in ("create", "locked", "ephemeral", "photo", "photo/remove", "leave", "name")],
    *[(POST, f"/group/{name}") for name in ("topic", "announce", "join", "inviteinfo", "updateparticipants")],
    (POST, "/session/disconnect"),
]
LATER = [
    *[(POST, f"/label/{name}") for name in ("edit", "chat", "message")],
    *[(POST, f"/user/{name}") for name in ("block", "unblock", "presence/subscribe")],
    *[(GET, path) for path in ("/label/list", "/user/blocklist", "/user/privacy", "/session/passkey-status")],
    *[(POST, f"/group/{name}") for name in ("requestparticipants", "updaterequestparticipants", "joinapprovalmode")],
    *[(POST, path) for path in ("/newsletter/join", "/newsletter/leave", "/newsletter/mute", "/chat/pin")],
]


@pytest.fixture
def logged_in(ana: Caller, wuzapi: FakeWuzapi) -> Iterator[Caller]:
    """Ana, with a history, and as she was afterwards."""
    user = user_of(wuzapi, ana.token)
    user.settings["history"] = 50
    yield ana
    user.settings.clear()


def name_of(value: object) -> str:
    return str(value).strip("/") if isinstance(value, str) else pb.HttpMethod.Name(value)[12:]  # type: ignore[arg-type]  # the names of parameters are of both


@pytest.mark.parametrize(("method", "path"), USER_CALLS, ids=name_of)
def test_a_users_call_reaches_its_endpoint(
    logged_in: Caller, wuzapi: FakeWuzapi, method: pb.HttpMethod.ValueType, path: str
) -> None:
    """WUZAPI gets that very method, path and query, and its answer comes back."""
    body = BODIES.get(path, {}) if method in {POST, PUT} else None
    query = QUERIES.get(path, {}) if method == GET else {}
    response = call(logged_in, method, path, body, query=query)
    assert (response.success, response.status, response.error) == (True, 200, "")
    sent = wuzapi.requests[-1]
    assert (sent.method, sent.path.partition("?")[0]) == (name_of(method), path)
    assert [name for name in query if f"{name}=" not in sent.path] == []
    assert sent.headers["token"] == logged_in.token
    assert "authorization" not in sent.headers


@pytest.mark.parametrize(("method", "path"), LATER, ids=name_of)
def test_a_call_that_a_version_does_not_have_is_told(
    ana: Caller, wuzapi: FakeWuzapi, method: pb.HttpMethod.ValueType, path: str
) -> None:
    """What came later goes out as worded; a version that does not route it answers 404 in plain text."""
    response = call(ana, method, path, {} if method == POST else None)
    assert (wuzapi.requests[-1].method, wuzapi.requests[-1].path) == (name_of(method), path)
    assert (response.success, response.status, response.code) == (False, 404, "WUZAPI_ERROR")
    assert response.error == "This WUZAPI does not know the call"


@pytest.mark.parametrize(
    ("method", "path"), [(POST, "/chat/send/template"), (DELETE, "/session/status"), (GET, "/chat/send/text")]
)
def test_what_is_documented_but_not_routed_is_a_404(
    ana: Caller, wuzapi: FakeWuzapi, method: pb.HttpMethod.ValueType, path: str
) -> None:
    """A call of the documents alone, and a wrong method, are no messages and no unknown sends."""
    before = len(wuzapi.sent)
    response = call(ana, method, path, {"Phone": JID} if method == POST else None)
    assert (response.success, response.status, response.code) == (False, 404, "WUZAPI_ERROR")
    assert len(wuzapi.sent) == before


def test_the_administrators_calls_reach_their_endpoints(world: World, wuzapi: FakeWuzapi) -> None:
    """A user is made, read, changed and deleted in both ways; what is not there is NOT_FOUND."""
    admin = world.admin
    user = {"name": "Original", "token": "token-of-the-endpoints", "events": "Message,QR", "expiration": 0}
    made = MessageToDict(call(admin, POST, "/admin/users", user).data)
    assert made["name"] == "Original"
    path = f"/admin/users/{made['id']}"
    assert call(admin, GET, path).success
    assert MessageToDict(call(admin, PUT, path, {"name": "Other"}).data) == {"message": "user updated successfully"}
    assert call(admin, DELETE, path).success
    for method, gone in ((DELETE, path), (DELETE, f"{path}/full"), (PUT, path)):
        response = call(admin, method, gone, {"name": "x"} if method == PUT else None)
        assert (response.status, response.code) == (404, "NOT_FOUND")
    absent = call(admin, GET, path)
    assert (absent.success, data(absent)) == (True, [])
    other = MessageToDict(call(admin, POST, "/admin/users", user).data)
    assert call(admin, DELETE, f"/admin/users/{other['id']}/full").success
    assert not call(admin, POST, "/admin/users", {**user, "events": "NoEvent"}).success
    call(admin, POST, "/admin/users", user)
    taken = call(admin, POST, "/admin/users", user)
    assert (taken.status, taken.code) == (409, "ALREADY_EXISTS")
    for sent in wuzapi.requests[-3:]:
        assert (sent.headers["authorization"], "token" in sent.headers) == (wuzapi.admin_token, False)


def test_storage_for_media_is_set_with_a_user(world: World, wuzapi: FakeWuzapi) -> None:
    """S3 goes out under the names of the admin calls, and its keys come back from none."""
    s3 = pb.S3Config(enabled=True, endpoint="https://s3.example", bucket="b", access_key="AK", secret_key="very secret")
    user = pb.WuzapiUser(name="S3", token="token-of-the-bucket", s3=s3)
    made = world.admin.relay.CreateUser(pb.CreateUserRequest(user=user)).user
    assert b'"accessKey":"AK","secretKey":"very secret"' in wuzapi.requests[-1].body
    assert "very secret" not in str(made)
    world.admin.relay.UpdateUser(pb.UpdateUserRequest(user=pb.WuzapiUser(id=made.id, name="S4", s3=s3)))
    assert b'"bucket":"b"' in wuzapi.requests[-2].body


def test_a_session_that_connects_by_call_does_not_wait(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """Immediate goes along; WUZAPI's own default would block for ten seconds."""
    user_of(wuzapi, ana.token).state = State.NO_CLIENT
    assert call(ana, POST, "/session/connect", {"Subscribe": ["Message"]}).success
    assert wuzapi.requests[-1].body == b'{"Subscribe":["Message"],"Immediate":true}'
    call(ana, POST, "/session/connect", {"immediate": False})
    assert wuzapi.requests[-1].body == b'{"immediate":false}'


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", EVERY_SEND)
def test_no_session_is_told_whatever_the_version(ana: Caller, wuzapi: FakeWuzapi, name: str, legacy: bool) -> None:
    """WUZAPI's 500 `no session`, which it says before it looks at a body, in either spelling."""
    ana.relay.GetWebhook(pb.GetWebhookRequest())
    user_of(wuzapi, ana.token).state = State.NO_CLIENT
    wuzapi.legacy_status = legacy
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "WUZAPI_ERROR") as refusal:
        getattr(ana.relay, name)(EVERY_SEND[name][0])
    assert "no session" in refusal.message.lower()


def test_a_list_has_the_names_of_both_versions(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """Old versions read Title, Description and rows of RowId, Title, Description."""
    section = pb.ListSection(title="Fish", rows=[pb.ListRow(id="1", title="Cod")])
    ana.relay.SendList(
        pb.SendListRequest(phone=PHONE, title="Menu", description="Of today", button_text="Open", sections=[section])
    )
    body = wuzapi.sent[-1].body
    assert (body["title"], body["description"], body["toptext"], body["desc"]) == (
        "Menu",
        "Of today",
        "Menu",
        "Of today",
    )
    assert body["sections"] == [
        {"title": "Fish", "rows": [{"RowId": "1", "title": "Cod", "desc": "", "Description": ""}]}
    ]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"Phone": JID, "Image": "data:image/png;base64,aG\nk="}, "could not decode base64"),
        ({"Phone": JID, "Image": "aGk="}, "should start with"),
        ({"Phone": JID, "Image": 5}, "could not decode Payload"),
        ({"Phone": JID}, "missing Image"),
        ({"Phone": "x@y", "Image": "https://x.example"}, "could not parse Phone"),
    ],
)
def test_a_body_that_wuzapi_refuses_is_told_in_its_words(
    ana: Caller, wuzapi: FakeWuzapi, body: dict[str, object], text: str
) -> None:
    """Line breaks in base64, a bare base64 text, wrong types, phones that are none: a 400, and nothing is sent."""
    before = len(wuzapi.sent)
    response = call(ana, POST, "/chat/send/image", body)
    assert (response.success, response.status, response.code) == (False, 400, "WUZAPI_ERROR")
    assert text in response.error
    assert len(wuzapi.sent) == before


def test_an_empty_answer_to_a_jid_that_does_not_parse(ana: Caller) -> None:
    """WUZAPI answers 200 without a body: no data by Call."""
    response = call(ana, POST, "/user/info", {"Phone": ["x@y"]})
    assert (response.success, data(response)) == (True, None)


def test_a_history_that_is_off_is_a_state(ana: Caller) -> None:
    """WUZAPI's 501 is no missing call."""
    response = call(ana, GET, "/chat/history", query={"chat_jid": JID})
    assert (response.status, response.code) == (501, "WUZAPI_ERROR")
    assert response.error == "The session does not allow this now: message history is disabled for this user"
    assert call(ana, GET, "/chat/history").status == 400


def test_a_version_without_health_is_online(world: World, wuzapi: FakeWuzapi) -> None:
    """Before October 2025 there was no /health: a 404 is an answer, without a version."""
    wuzapi.trouble = Trouble.NOT_FOUND
    until(lambda: world.public.relay.CheckHealth(pb.CheckHealthRequest()).version == "")  # it is known for two seconds
    assert world.public.relay.CheckHealth(pb.CheckHealthRequest()).online


def test_booleans_that_contradict_each_other_are_shown(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """Logged in and not connected, as users of WUZAPI saw it: both are told, and the state is that of no session."""
    wuzapi.contradicts = True
    session = ana.relay.GetSessionStatus(pb.GetSessionStatusRequest()).session
    assert (session.connected, session.logged_in) == (False, True)
    assert session.state == pb.SESSION_STATE_NO_SESSION


def test_a_changed_token_is_stale_at_wuzapi_alone(world: World, wuzapi: FakeWuzapi) -> None:
    """WUZAPI goes on taking the old token until it is restarted; here it is asked, and that is what it says."""
    wuzapi.stale_tokens = True
    caller = world.user("token-before-the-change")
    status = pb.GetSessionStatusRequest()
    identity = caller.relay.GetSessionStatus(status).session.id
    user = pb.WuzapiUser(id=identity, token="token-after-the-change")
    world.admin.relay.UpdateUser(pb.UpdateUserRequest(user=user))
    assert caller.relay.GetSessionStatus(status).session.id == identity
    assert world.calling({"token": "token-after-the-change"}).relay.GetSessionStatus(status).session.id == identity


def test_a_session_in_the_wrong_state_takes_no_proxy(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """Proxies are set while nothing is connected; phones are paired while something is."""
    body = BODIES["/session/proxy"]
    assert call(ana, POST, "/session/proxy", body).code == "WUZAPI_ERROR"
    assert call(ana, POST, "/session/pairphone", {"Phone": PHONE}).code == "WUZAPI_ERROR"
    user_of(wuzapi, ana.token).state = State.NO_CLIENT
    response = call(ana, POST, "/session/proxy", body)
    assert response.success
    assert "proxy.example" not in str(data(response)), "proxies have credentials"
    user_of(wuzapi, ana.token).state = State.CONNECTED
    assert call(ana, POST, "/session/pairphone", {"Phone": PHONE}).success
