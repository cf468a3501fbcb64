"""Sends: what WUZAPI is told, what callers get, and that a repeat sends nothing twice."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.message import Message

from tests.contract.calls import Caller, refused
from tests.contract.server import World
from tests.e2e.relay.conftest import until
from tests.fakes.http_server import Request
from tests.fakes.wuzapi import FakeWuzapi, Lost, State
from wuzapi_manager.v1 import relay_pb2 as pb

PHONE = "+55 (81) 99999-0001"
DIGITS = "5581999990001"
GROUP = "120363000000000001@g.us"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
JPEG = b"\xff\xd8\xff\xe0" + bytes(40)
OGG = b"OggS" + bytes(40)
MP4 = b"\0\0\0\x18ftypmp42" + bytes(40)
WEBP = b"RIFF\0\0\0\0WEBP" + bytes(40)

EVERY_SEND: Mapping[str, tuple[Message, Mapping[str, object]]] = {
    "SendText": (
        pb.SendTextRequest(phone=PHONE, body="Olá! 😀 שלום", link_preview=True),
        {"phone": DIGITS, "body": "Olá! 😀 שלום", "linkpreview": True},
    ),
    "SendImage": (
        pb.SendImageRequest(phone=PHONE, data=PNG, caption="a picture"),
        {"caption": "a picture", "mimetype": "image/png"},
    ),
    "SendAudio": (pb.SendAudioRequest(phone=PHONE, data=OGG, voice=False, seconds=3), {"ptt": False, "seconds": 3}),
    "SendVideo": (pb.SendVideoRequest(phone=PHONE, data=MP4), {"mimetype": "video/mp4"}),
    "SendDocument": (
        pb.SendDocumentRequest(phone=PHONE, data=b"%PDF-1.7", file_name="a.pdf"),
        {"filename": "a.pdf", "mimetype": "application/pdf"},
    ),
    "SendSticker": (pb.SendStickerRequest(phone=PHONE, data=WEBP, emojis=["😀"]), {"emojis": ["😀"]}),
    "SendLocation": (
        pb.SendLocationRequest(phone=PHONE, latitude=-8.05, name="Recife"),
        {"latitude": -8.05, "longitude": 1e-8, "name": "Recife"},
    ),
    "SendContact": (
        pb.SendContactRequest(phone=PHONE, name="Ana", vcard="BEGIN:VCARD\nEND:VCARD"),
        {"name": "Ana", "vcard": "BEGIN:VCARD\nEND:VCARD"},
    ),
    "SendPoll": (
        pb.SendPollRequest(phone=GROUP, question="When?", options=["now", "later"]),
        {"group": GROUP, "header": "When?", "options": ["now", "later"]},
    ),
    "SendButtons": (
        pb.SendButtonsRequest(phone=PHONE, title="Choose", buttons=[pb.Button(id="1", text="Yes")]),
        {"title": "Choose", "buttons": [{"ButtonId": "1", "ButtonText": "Yes"}]},
    ),
    "SendList": (
        pb.SendListRequest(
            phone=PHONE,
            title="Menu",
            description="Of today",
            button_text="Open",
            sections=[pb.ListSection(title="Fish", rows=[pb.ListRow(id="1", title="Cod")])],
        ),
        {"toptext": "Menu", "desc": "Of today", "buttontext": "Open"},
    ),
    "EditMessage": (
        pb.EditMessageRequest(phone=PHONE, message_id="3EB0ABC", body="new"),
        {"id": "3EB0ABC", "body": "new"},
    ),
}


def sent_by(caller: Caller, name: str, request: Message, **fields: Any) -> Any:
    """What a send answers, with some fields changed."""
    copy = type(request)()
    copy.CopyFrom(request)
    for field, value in fields.items():
        setattr(copy, field, value)
    return getattr(caller.relay, name)(copy)


@pytest.mark.parametrize("name", EVERY_SEND)
def test_every_send_reaches_whatsapp_once(ana: Caller, wuzapi: FakeWuzapi, name: str) -> None:
    """Each kind arrives with what it says under WUZAPI's names; a repeat gives the same answer and sends nothing."""
    request, wanted = EVERY_SEND[name]
    before, request_id = len(wuzapi.sent), str(uuid4())
    first = sent_by(ana, name, request, request_id=request_id)
    assert first == sent_by(ana, name, request, request_id=request_id)
    (sent,) = wuzapi.sent[before:]
    assert {key: sent.body.get(key) for key in wanted} == wanted
    assert (first.message.id, first.message.request_id) == (sent.id, request_id)
    assert first.message.HasField("send_time") == (name != "SendPoll")
    assert name == "EditMessage" or sent.id.startswith("3EB0")


def test_a_text_answers_mentions_and_forwards(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """Quotes, mentions and the mark of forwarding travel in WUZAPI's ContextInfo."""
    quote = pb.Quote(message_id="3EB0AA", participant="5581900000002", text="what?")
    ana.relay.SendText(
        pb.SendTextRequest(
            phone=GROUP, body="that", reply_to=quote, mentioned_jids=["5581900000003", "1@lid"], forwarded=True
        )
    )
    body = wuzapi.sent[-1].body
    assert body["contextinfo"] == {
        "StanzaID": "3EB0AA",
        "Participant": "5581900000002@s.whatsapp.net",
        "MentionedJID": ["5581900000003@s.whatsapp.net", "1@lid"],
        "IsForwarded": True,
    }
    assert (body["phone"], body["quotedtext"]) == (GROUP, "what?")


def test_media_by_url_is_left_to_wuzapi(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """A URL travels as it is."""
    ana.relay.SendImage(pb.SendImageRequest(phone=PHONE, url="https://pictures.example/a.png"))
    assert wuzapi.sent[-1].body["image"] == "https://pictures.example/a.png"


def test_an_old_version_answers_the_same(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """A moment as text comes out as one as number does."""
    now = ana.relay.SendText(pb.SendTextRequest(phone=PHONE, body="x")).message.send_time
    wuzapi.legacy_status = True
    assert ana.relay.SendText(pb.SendTextRequest(phone=PHONE, body="x")).message.send_time == now


def test_another_body_under_the_same_id_is_refused(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """A request_id is for one message."""
    request_id = str(uuid4())
    ana.relay.SendText(pb.SendTextRequest(phone=PHONE, body="one", request_id=request_id))
    before = len(wuzapi.sent)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        ana.relay.SendText(pb.SendTextRequest(phone=PHONE, body="two", request_id=request_id))
    assert "request_id" in refusal.violations
    assert len(wuzapi.sent) == before


def test_a_send_under_way_is_not_begun_again(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """While the first is in flight a repeat is told to wait; afterwards it gets the answer."""
    request = pb.SendTextRequest(phone=PHONE, body="slow", request_id=str(uuid4()))
    before, came = len(wuzapi.sent), len(wuzapi.requests)
    with ThreadPoolExecutor(1) as pool, wuzapi.held():
        first = pool.submit(ana.relay.SendText, request)
        until(lambda: len(wuzapi.requests) > came)
        with refused(grpc.StatusCode.ABORTED, "CONFLICT") as refusal:
            ana.relay.SendText(request)
    assert refusal.retry_after
    assert first.result().message == ana.relay.SendText(request).message
    assert len(wuzapi.sent) == before + 1


@pytest.mark.parametrize("lost", [Lost.AFTER, Lost.HALF, Lost.LATE])
def test_a_lost_answer_is_unknown_and_the_repeat_has_the_same_id(ana: Caller, wuzapi: FakeWuzapi, lost: Lost) -> None:
    """A send whose answer is lost says so, and asking again sends under the id that it had."""
    wuzapi.late = 3.0
    request = pb.SendTextRequest(phone=PHONE, body=f"lost {lost.name}", request_id=str(uuid4()))
    before = len(wuzapi.sent)
    wuzapi.lose = lambda request: lost if request.path == "/chat/send/text" else None
    with refused(grpc.StatusCode.UNAVAILABLE, "SEND_UNKNOWN") as refusal:
        ana.relay.SendText(request)
    wuzapi.lose = None
    assert refusal.metadata["request_id"] == request.request_id
    assert refusal.retry_after
    answer = ana.relay.SendText(request)
    ids = [sent.id for sent in wuzapi.sent[before:]]
    assert ids == [answer.message.id] * len(ids)
    assert len(ids) >= 2
    assert refusal.metadata["message_id"] == answer.message.id
    assert ana.relay.SendText(request) == answer
    assert len(wuzapi.sent) == before + len(ids)


def test_a_send_without_an_id_can_be_repeated_too(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """Where the caller gives no request_id the error carries the one that was made."""
    wuzapi.lose = lambda _: Lost.AFTER
    before = len(wuzapi.sent)
    with refused(grpc.StatusCode.UNAVAILABLE, "SEND_UNKNOWN") as refusal:
        ana.relay.SendText(pb.SendTextRequest(phone=PHONE, body="no id"))
    wuzapi.lose = None
    request = pb.SendTextRequest(phone=PHONE, body="no id", request_id=refusal.metadata["request_id"])
    assert ana.relay.SendText(request).message.id == refusal.metadata["message_id"]
    assert {sent.id for sent in wuzapi.sent[before:]} == {refusal.metadata["message_id"]}


def test_an_answer_that_comes_twice_is_one_message(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """The second answer is nobody's: the next call has its own."""
    wuzapi.lose = lambda _: Lost.TWICE
    one = ana.relay.SendText(pb.SendTextRequest(phone=PHONE, body="one")).message.id
    two = ana.relay.SendText(pb.SendTextRequest(phone=PHONE, body="two")).message.id
    assert [sent.id for sent in wuzapi.sent[-2:]] == [one, two]


def test_a_refused_send_may_be_repeated_otherwise(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """What WUZAPI refused was not sent: the same request_id may say it better."""
    request_id = str(uuid4())
    user = next(user for user in wuzapi.users.values() if user.token == ana.token)
    user.state = State.NO_CLIENT
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "WUZAPI_ERROR") as refusal:
        ana.relay.SendText(pb.SendTextRequest(phone=PHONE, body="one", request_id=request_id))
    assert "no session" in refusal.message
    user.state = State.LOGGED_IN
    ana.relay.SendText(pb.SendTextRequest(phone=PHONE, body="two", request_id=request_id))
    assert wuzapi.sent[-1].body["body"] == "two"


def test_a_caller_who_leaves_does_not_stop_a_send(ana: Caller, world: World, wuzapi: FakeWuzapi) -> None:
    """A send goes on when its caller's time is over, and a repeat gets its answer."""
    request = pb.SendTextRequest(phone=PHONE, body="left", request_id=str(uuid4()))
    came, before = len(wuzapi.requests), len(wuzapi.sent)
    with wuzapi.held():
        with pytest.raises(grpc.RpcError):
            ana.relay.SendText(request, timeout=0.3)
        until(lambda: len(wuzapi.requests) > came)

    def answered() -> bool:
        try:
            return bool(ana.relay.SendText(request).message.id)
        except grpc.RpcError:
            return False

    until(answered)
    assert len(wuzapi.sent) == before + 1


def test_two_users_share_no_ids(ana: Caller, world: World, wuzapi: FakeWuzapi) -> None:
    """The same request_id of another user is another message."""
    request = pb.SendTextRequest(phone=PHONE, body="mine", request_id=str(uuid4()))
    other = world.user("token-of-bruno")
    assert ana.relay.SendText(request).message.id != other.relay.SendText(request).message.id


def test_requests_bear_no_token_in_the_query(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """The token goes in a header, and a send in one request."""
    came = len(wuzapi.requests)
    ana.relay.SendText(pb.SendTextRequest(phone=PHONE, body="x"))
    sends = [request for request in wuzapi.requests[came:] if request.path.startswith("/chat")]
    (sent,) = sends
    assert isinstance(sent, Request)
    assert (sent.path, sent.headers["token"]) == ("/chat/send/text", ana.token)
