"""What callers get wrong, and what WUZAPI gets wrong: each has its own answer."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from tests.contract.calls import Caller, refused
from tests.contract.server import World, world_in
from tests.e2e.relay.test_relay_sends import JPEG, MP4, OGG, PHONE, PNG, WEBP
from tests.fakes.wuzapi import FakeWuzapi, Lost, Trouble
from wuzapi_manager.v1 import relay_pb2 as pb

GOOD_PHONES = {
    "5581999990001": "5581999990001",
    " +55 (81) 99999-0001 ": "5581999990001",
    "1.202.555.0100": "12025550100",
    "5581999990001@s.whatsapp.net": "5581999990001@s.whatsapp.net",
    "5581999990001:3@s.whatsapp.net": "5581999990001:3@s.whatsapp.net",
    "12345678901234@lid": "12345678901234@lid",
    "120363000000000001@g.us": "120363000000000001@g.us",
    "5581999990001-1500000000@g.us": "5581999990001-1500000000@g.us",
    "120363000000000001@newsletter": "120363000000000001@newsletter",
    "status@broadcast": "status@broadcast",
}
BAD_PHONES = [
    "",
    " ",
    "+",
    "123456",
    "0123456789",
    "1" * 16,
    "++5581999990001",
    "55819999x0001",
    "٥٥٨١٩٩٩٩٩٠٠٠١",
    "5581999990001@",
    "@s.whatsapp.net",
    "5581999990001@evil.example",
    "ana@s.whatsapp.net",
    "5581999990001@s.whatsapp.net@g.us",
    "1" * 5000,
    "status@g.us",
    "5581\x00999990001",
]


def menu(*sections: pb.ListSection) -> pb.SendListRequest:
    return pb.SendListRequest(phone=PHONE, title="x", description="x", button_text="x", sections=sections)


def text(**fields: Any) -> pb.SendTextRequest:
    return pb.SendTextRequest(**{"phone": PHONE, "body": "x", **fields})


@pytest.mark.parametrize("phone", GOOD_PHONES)
def test_phones_and_jids_of_all_kinds_are_taken(ana: Caller, wuzapi: FakeWuzapi, phone: str) -> None:
    """A phone loses what separates its digits, a JID goes as it is."""
    ana.relay.SendText(text(phone=phone))
    assert wuzapi.sent[-1].body["phone"] == GOOD_PHONES[phone]


@pytest.mark.parametrize("phone", BAD_PHONES)
def test_what_is_no_phone_is_refused(ana: Caller, wuzapi: FakeWuzapi, phone: str) -> None:
    """Nothing is sent to it."""
    before = len(wuzapi.sent)
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        ana.relay.SendText(text(phone=phone))
    assert [*refusal.violations] == ["phone"]
    assert len(wuzapi.sent) == before


@pytest.mark.parametrize(
    "body",
    ["😀👩‍👩‍👧‍👦", "שלום עליכם \u202eabc", "line 1\nline 2\r\n\ttab", "a\u0000b", "x" * 65_536],
)
def test_texts_arrive_as_they_were_written(ana: Caller, wuzapi: FakeWuzapi, body: str) -> None:
    """Emoji, right-to-left, line breaks, 64 Ki characters."""
    ana.relay.SendText(text(body=body))
    assert wuzapi.sent[-1].body["body"] == body


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (text(body=""), "body"),
        (text(body="x" * 65_537), "body"),
        (text(request_id="no uuid"), "request_id"),
        (text(reply_to=pb.Quote(message_id="x")), "reply_to.participant"),
        (text(reply_to=pb.Quote(text="x")), "reply_to.message_id"),
        (text(reply_to=pb.Quote(message_id="x", participant="y")), "reply_to.participant"),
        (text(reply_to=pb.Quote(message_id="x", participant=PHONE, text="x" * 65_537)), "reply_to.text"),
        (text(mentioned_jids=["5581999990001", "nobody"]), "mentioned_jids[1]"),
        (text(mentioned_jids=["5581999990001"] * 1001), "mentioned_jids"),
        (pb.SendImageRequest(phone=PHONE), "media"),
        (pb.SendImageRequest(phone=PHONE, data=b""), "media"),
        (pb.SendImageRequest(phone=PHONE, data=OGG), "data"),
        (pb.SendImageRequest(phone=PHONE, data=PNG, mime_type="text/html"), "mime_type"),
        (pb.SendImageRequest(phone=PHONE, data=PNG, mime_type="image/png,evil"), "mime_type"),
        (pb.SendImageRequest(phone=PHONE, data=PNG, mime_type="png"), "mime_type"),
        (pb.SendImageRequest(phone=PHONE, url="file:///etc/passwd"), "url"),
        (pb.SendImageRequest(phone=PHONE, url="https://user:secret@x.example/"), "url"),
        (pb.SendAudioRequest(phone=PHONE, data=JPEG), "data"),
        (pb.SendAudioRequest(phone=PHONE, data=OGG, mime_type="image/png"), "mime_type"),
        (pb.SendAudioRequest(phone=PHONE, data=OGG, waveform=bytes(65)), "waveform"),
        (pb.SendAudioRequest(phone=PHONE, data=OGG, waveform=bytes([101])), "waveform"),
        (pb.SendAudioRequest(phone=PHONE, data=OGG, seconds=-1), "seconds"),
        (pb.SendVideoRequest(phone=PHONE, data=PNG), "data"),
        (pb.SendVideoRequest(phone=PHONE, data=b"ID3" + bytes(40)), "data"),
        (pb.SendStickerRequest(phone=PHONE, data=PNG), "data"),
        (pb.SendStickerRequest(phone=PHONE, data=WEBP, mime_type="image/webp", emojis=[""]), "emojis[0]"),
        (pb.SendDocumentRequest(phone=PHONE, data=MP4), "file_name"),
        (pb.SendLocationRequest(phone=PHONE, latitude=91), "latitude"),
        (pb.SendLocationRequest(phone=PHONE, longitude=float("nan")), "longitude"),
        (pb.SendContactRequest(phone=PHONE, name="x"), "vcard"),
        (pb.SendPollRequest(phone=PHONE, question="?", options=["a", "b"]), "phone"),
        (pb.SendPollRequest(phone="1@g.us", question="?", options=["a"]), "options"),
        (pb.SendButtonsRequest(phone=PHONE, title="x", buttons=[pb.Button(id="1", text="x")] * 4), "buttons"),
        (pb.SendButtonsRequest(phone=PHONE, title="x", buttons=[pb.Button(id="1")]), "buttons[0].text"),
        (
            pb.SendListRequest(phone=PHONE, title="x", description="x", button_text="x", sections=[pb.ListSection()]),
            "sections[0].rows",
        ),
        (menu(pb.ListSection(title="x" * 1025, rows=[pb.ListRow(id="1", title="x")])), "sections[0].title"),
        (
            menu(pb.ListSection(rows=[pb.ListRow(id="1", title="x", description="x" * 1025)])),
            "sections[0].rows[0].description",
        ),
        (pb.EditMessageRequest(phone=PHONE, body="x"), "message_id"),
        (pb.DeleteMessageRequest(phone=PHONE), "message_id"),
        (pb.ReactRequest(phone=PHONE), "message_id"),
        (pb.MarkReadRequest(phone=PHONE), "message_ids"),
        (pb.MarkReadRequest(phone=PHONE, message_ids=["a"], sender="nobody"), "sender"),
        (pb.SetChatPresenceRequest(phone=PHONE), "presence"),
        (pb.SetChatPresenceRequest(phone=PHONE, presence=9), "presence"),  # type: ignore[arg-type]  # no such number: the point
        (pb.CheckUsersRequest(), "phones"),
        (pb.CheckUsersRequest(phones=["5581999990001", "x"]), "phones[1]"),
        (pb.CheckUsersRequest(phones=["5581999990001", "1@lid"]), "phones[1]"),
        (pb.CheckUsersRequest(phones=["1@g.us"]), "phones[0]"),
        (pb.GetUserInfoRequest(phones=["x"] * 1001), "phones"),
        (pb.GetUserInfoRequest(phones=["5581999990001", "1@g.us"]), "phones[1]"),
        (pb.GetUserInfoRequest(phones=["1@newsletter"]), "phones[0]"),
        (pb.GetUserInfoRequest(phones=["status@broadcast"]), "phones[0]"),
        (pb.GetAvatarRequest(), "phone"),
        (pb.GetGroupInfoRequest(group_jid=PHONE), "group_jid"),
        (pb.PairPhoneRequest(phone="x"), "phone"),
        (pb.ListContactsRequest(page_size=-1), "page_size"),
        (pb.ConnectSessionRequest(events=["no event!"]), "events"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Message) else value,
)
def test_a_bad_field_is_named(ana: Caller, wuzapi: FakeWuzapi, request_: Message, field: str) -> None:
    """Each is refused by its name before anything is sent."""
    came = len(wuzapi.requests)
    rpc = type(request_).__name__.removesuffix("Request")
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        getattr(ana.relay, rpc)(request_)
    assert field in refusal.violations
    assert {request.path for request in wuzapi.requests[came:]} <= {"/session/status"}


def test_every_bad_field_is_told_at_once(ana: Caller) -> None:
    """Not the first alone."""
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        ana.relay.SendText(pb.SendTextRequest(phone="x", mentioned_jids=["y"]))
    assert {*refusal.violations} == {"phone", "body", "mentioned_jids[0]"}
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        ana.relay.SendText(pb.SendTextRequest(phone="x", body="x", request_id="x"))
    assert {*refusal.violations} == {"phone", "request_id"}
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        ana.relay.SendPoll(pb.SendPollRequest(phone=PHONE, question="?", options=["a"]))
    assert {*refusal.violations} == {"phone", "options"}
    row = pb.ListRow(description="x" * 1025)
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        ana.relay.SendList(menu(pb.ListSection(rows=[row]), pb.ListSection()))
    first = {f"sections[0].rows[0].{name}" for name in ("id", "title", "description")}
    assert {*refusal.violations} == {*first, "sections[1].rows"}


def test_media_of_100_mb_is_refused_before_it_is_read(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """The server takes no message above its limit, whatever its kind."""
    with pytest.raises(grpc.RpcError) as raised:
        ana.relay.SendDocument(pb.SendDocumentRequest(phone=PHONE, data=bytes(100 << 20), file_name="x"))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not any(len(request.body) > 1 << 20 for request in wuzapi.requests)


@pytest.mark.parametrize(
    ("trouble", "code", "reason"),
    [
        (Trouble.UNAUTHORIZED, "UNAUTHENTICATED", "INVALID_TOKEN"),
        (Trouble.FORBIDDEN, "PERMISSION_DENIED", "PERMISSION_ERROR"),
        (Trouble.RATE_LIMITED, "RESOURCE_EXHAUSTED", "RATE_LIMIT_ERROR"),
        (Trouble.FAILURE, "UNAVAILABLE", "WUZAPI_ERROR"),
        (Trouble.FALSE_SUCCESS, "UNAVAILABLE", "WUZAPI_ERROR"),
        (Trouble.UNAVAILABLE, "UNAVAILABLE", ""),
        (Trouble.GATEWAY, "UNAVAILABLE", ""),
        (Trouble.OTHER_FAILURE, "UNAVAILABLE", ""),
        (Trouble.NOT_FOUND, "UNIMPLEMENTED", "WUZAPI_ERROR"),
        (Trouble.REDIRECT, "UNAVAILABLE", "WUZAPI_ERROR"),
        (Trouble.EMPTY, "UNAVAILABLE", ""),
        (Trouble.HTML, "UNAVAILABLE", ""),
        (Trouble.GARBAGE, "UNAVAILABLE", ""),
        (Trouble.OTHER_JSON, "UNAVAILABLE", ""),
        (Trouble.DEEP_JSON, "UNAVAILABLE", ""),
        (Trouble.CUT, "UNAVAILABLE", ""),
    ],
)
@pytest.mark.parametrize("rpc", ["send", "read", "effect"])
def test_every_fault_of_wuzapi_has_its_answer(
    ana: Caller, wuzapi: FakeWuzapi, trouble: Trouble, code: str, reason: str, rpc: str
) -> None:
    """The status decides; what is no answer of WUZAPI's makes a send unknown, and a read a failure."""
    ana.relay.GetWebhook(pb.GetWebhookRequest())  # the user is known from here on
    wuzapi.trouble = trouble
    with refused(grpc.StatusCode[code], reason) as refusal:
        match rpc:
            case "send":
                ana.relay.SendText(text())
            case "read":
                ana.relay.GetWebhook(pb.GetWebhookRequest())
            case _:
                ana.relay.ConnectSession(pb.ConnectSessionRequest())
    assert "secret" not in refusal.message
    known = {"UNAUTHORIZED", "FORBIDDEN", "RATE_LIMITED", "FAILURE", "FALSE_SUCCESS", "NOT_FOUND", "REDIRECT"}
    if rpc == "send":
        assert (refusal.reason == "SEND_UNKNOWN") == (trouble.name not in known)


@pytest.mark.parametrize("trouble", [Trouble.EMPTY, Trouble.NO_CONTENT])
def test_an_empty_answer_will_do_where_nothing_of_it_is_needed(
    ana: Caller, world: World, wuzapi: FakeWuzapi, trouble: Trouble
) -> None:
    """The status says that it was done. Reads need more, and a send an id."""
    relay, admin = ana.relay, world.admin.relay
    for done in (
        lambda: relay.MarkRead(pb.MarkReadRequest(phone=PHONE, message_ids=["a"])),
        lambda: relay.React(pb.ReactRequest(phone=PHONE, message_id="a", emoji="👍")),
        lambda: relay.DeleteMessage(pb.DeleteMessageRequest(phone=PHONE, message_id="a")),
        lambda: relay.SetChatPresence(pb.SetChatPresenceRequest(phone=PHONE, presence=pb.CHAT_PRESENCE_PAUSED)),
        lambda: relay.DeleteWebhook(pb.DeleteWebhookRequest()),
        lambda: relay.DisconnectSession(pb.DisconnectSessionRequest()),
        lambda: relay.LogoutSession(pb.LogoutSessionRequest()),
        lambda: admin.DeleteUser(pb.DeleteUserRequest(id="1")),
    ):
        wuzapi.trouble = None
        relay.GetWebhook(pb.GetWebhookRequest())  # the user is known from here on, until the session changes
        wuzapi.trouble = trouble
        done()
    wuzapi.trouble = None
    relay.GetWebhook(pb.GetWebhookRequest())
    wuzapi.trouble = trouble
    for read in (
        lambda: relay.ListContacts(pb.ListContactsRequest()),
        lambda: relay.ListGroups(pb.ListGroupsRequest()),
        lambda: admin.ListUsers(pb.ListUsersRequest()),
        lambda: admin.GetUser(pb.GetUserRequest(id="1")),
    ):
        with refused(grpc.StatusCode.UNAVAILABLE, "WUZAPI_ERROR"):
            read()
    with refused(grpc.StatusCode.UNAVAILABLE, "SEND_UNKNOWN"):
        relay.SendText(text())


def test_an_error_of_wuzapi_tells_no_token(ana: Caller, world: World, wuzapi: FakeWuzapi) -> None:
    """Neither the caller's own nor the administrator's, in the message of an error and in the answer of Call."""
    ana.relay.GetWebhook(pb.GetWebhookRequest())
    wuzapi.trouble = Trouble.TELLING
    by_path = pb.CallRequest(method=pb.HTTP_METHOD_GET, path="/newsletter/list")
    with refused(grpc.StatusCode.UNAVAILABLE, "WUZAPI_ERROR") as refusal:
        ana.relay.GetWebhook(pb.GetWebhookRequest())
    with refused(grpc.StatusCode.UNAVAILABLE, "WUZAPI_ERROR") as of_admin:
        world.admin.relay.ListUsers(pb.ListUsersRequest())
    for said in (refusal.message, of_admin.message, str(ana.relay.Call(by_path))):
        assert "no row for" in said
        assert ana.token not in said
        assert wuzapi.admin_token not in said


def test_a_slow_wuzapi_is_a_timeout_for_reads(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """In the words of the original application."""
    ana.relay.GetWebhook(pb.GetWebhookRequest())
    wuzapi.delay = 5.0
    with refused(grpc.StatusCode.DEADLINE_EXCEEDED, "TIMEOUT_ERROR") as refusal:
        ana.with_metadata(accept_language="pt-BR").relay.GetWebhook(pb.GetWebhookRequest())
    assert refusal.localized == "Timeout na comunicação com WUZAPI"


def test_a_connection_that_breaks_before_anything_is_an_error_of_connection(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """A read that never gets an answer."""
    ana.relay.GetWebhook(pb.GetWebhookRequest())
    wuzapi.lose = lambda _: Lost.BEFORE
    with refused(grpc.StatusCode.UNAVAILABLE, "CONNECTION_ERROR") as refusal:
        ana.with_metadata(accept_language="pt-BR").relay.GetWebhook(pb.GetWebhookRequest())
    assert refusal.localized == "Não foi possível conectar com WUZAPI"


def test_wuzapi_that_is_gone_is_an_error_of_connection(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A known user is told so at once, health says offline, and nothing was sent."""
    with world_in(tmp_path_factory.mktemp("gone")) as world:
        caller: World | Caller = world.user("token-of-the-known")
        assert isinstance(caller, Caller)
        caller.relay.GetWebhook(pb.GetWebhookRequest())
        world.wuzapi.close()
        with refused(grpc.StatusCode.UNAVAILABLE, "CONNECTION_ERROR"):
            caller.relay.SendText(text())
        assert not world.public.relay.CheckHealth(pb.CheckHealthRequest()).online


@pytest.mark.parametrize("url", ["http://a.example/b", "http://a.example/b#c", "https://a.example/1234567890"])
def test_a_short_url_of_a_document_does_not_break_wuzapi_down(ana: Caller, wuzapi: FakeWuzapi, url: str) -> None:
    """1.0.5 refuses it as it refuses long ones, and nothing is unknown; the host is asked for the same file."""
    request = pb.SendDocumentRequest(phone=PHONE, url=url, file_name="a")
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "WUZAPI_ERROR"):
        ana.relay.SendDocument(request)
    sent = str(json.loads(wuzapi.requests[-1].body)["Document"])
    assert sent.partition("#")[0] == url.partition("#")[0]
    call = pb.CallRequest(method=pb.HTTP_METHOD_POST, path="/chat/send/document")
    call.body.update({"phone": PHONE, "document": url, "fileName": "a"})
    answer = ana.relay.Call(call)
    assert (answer.success, answer.status) == (False, 400)
    assert json.loads(wuzapi.requests[-1].body)["document"] == sent


@pytest.mark.parametrize("key", ["Document", "document", "DOCUMENT"])
@pytest.mark.parametrize("short", ["x", "data:text/plain;base64,eA=="])
def test_a_short_document_that_is_no_url_never_reaches_wuzapi(
    ana: Caller, wuzapi: FakeWuzapi, key: str, short: str
) -> None:
    """Call names the field and what it takes."""
    call, before = pb.CallRequest(method=pb.HTTP_METHOD_POST, path="/chat/send/document"), len(wuzapi.requests)
    call.body.update({"Phone": PHONE, key: short, "FileName": "a"})
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        ana.relay.Call(call)
    assert [*refusal.violations] == ["body.Document"]
    assert not [request for request in wuzapi.requests[before:] if request.path == "/chat/send/document"]
