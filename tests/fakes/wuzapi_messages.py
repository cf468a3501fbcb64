"""The messages, groups, contacts and webhooks of the fake WUZAPI."""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.http_server import Answer, Request
from tests.fakes.wuzapi_answers import refuse, respond, to_json
from tests.fakes.wuzapi_users import FakeUser

if TYPE_CHECKING:
    from tests.fakes.wuzapi import FakeWuzapi

NOW = 1_769_083_200
NOW_TEXT = "2026-01-22T12:00:00Z"
JID = re.compile(r"\S+@(s\.whatsapp\.net|g\.us|lid|newsletter|broadcast)")
SHORTEST_DOCUMENT = 29
DATA_URLS = {
    "image": (r"data:image/[^;,]+;base64,", 'Image data should start with "data:image/png;base64,"'),
    "audio": (r"data:audio/", 'audio data should start with "data:audio/"'),
    "video": (r"data:", 'data should start with "data:mime/type;base64,"'),
    "document": (
        r"data:application/octet-stream;base64,",
        'document data should start with "data:application/octet-stream;base64,"',
    ),
    "sticker": (r"data:", 'data should start with "data:mime/type;base64,"'),
}


class Sent(NamedTuple):
    """A message that WhatsApp took: who sent it, its id, by which path, with which body (keys in lower case)."""

    user: str
    id: str
    path: str
    body: Mapping[str, object]


class Read(NamedTuple):
    """Messages that were marked as read, as WhatsApp was told: in which chat, by whom they are, which."""

    chat: str
    sender: str
    ids: tuple[str, ...]


Handler = Callable[["FakeWuzapi", FakeUser, Request, Mapping[str, object]], Answer]
"""Answers a user's request, whose body has its keys in lower case."""


def body_of(request: Request) -> dict[str, object] | None:
    """The body by keys in lower case, as Go reads it; None where it is no object."""
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        return None
    return {key.lower(): value for key, value in body.items()} if isinstance(body, dict) else None


def query_of(request: Request) -> dict[str, str]:
    """The query."""
    return dict(parse_qsl(urlsplit(request.path).query))


def sending(kind: str, *required: str) -> Handler:
    """`POST /chat/send/{kind}`: what must be there, then the message is WhatsApp's.

    A document that is shorter than what it is compared with makes the real one panic: Go's server ends the connection.
    """

    def send(  # noqa: PLR0911 - a return for each refusal
        fake: "FakeWuzapi", user: FakeUser, request: Request, body: Mapping[str, object]
    ) -> Answer:
        for name in required:
            if not body.get(name.lower()):
                return refuse(400, f"missing {name} in Payload")
        if kind == "document" and len(str(body["document"]).encode()) < SHORTEST_DOCUMENT:
            return Answer(0, raw=b"")
        phone = body.get("phone", body.get("group"))
        if not isinstance(phone, str) or ("@" in phone and not JID.fullmatch(phone)):
            return refuse(400, "could not parse Phone")
        context = body.get("contextinfo") or {}
        if isinstance(context, dict) and context.get("Participant") and not context.get("StanzaID"):
            return refuse(400, "missing StanzaID in ContextInfo")
        wrong = _wrong_media(kind, body.get(kind))
        if wrong:
            return refuse(400, wrong)
        if kind == "buttons" and len(body["buttons"]) > 3:  # type: ignore[arg-type]  # what WUZAPI reads is any JSON
            return refuse(400, "buttons cant more than 3")
        given = body.get("id")
        identity = given if isinstance(given, str) and given else "3EB0" + secrets.token_hex(9).upper()
        fake.sent.append(Sent(user.id, identity, request.path, body))
        if kind == "poll":
            return respond({"Details": "Poll sent successfully", "Id": identity})
        moment: object = NOW_TEXT if kind == "list" or fake.legacy_status else NOW
        return respond({"Details": "Sent", "Timestamp": moment, "Id": identity})

    return send


def _wrong_media(kind: str, media: object) -> str:
    if kind not in DATA_URLS:
        return ""
    head, error = DATA_URLS[kind]
    if not isinstance(media, str):
        return "could not decode Payload"
    if media.startswith(("http://", "https://")) and kind in {"image", "video", "sticker"}:
        return ""
    if not re.match(head, media):
        return error
    try:
        base64.b64decode(media.partition(",")[2], validate=True)  # refuses line breaks, as WUZAPI does
    except binascii.Error:
        return "could not decode base64 encoded data from payload"
    return ""


def details(text: str, *required: str, **more: object) -> Handler:
    """A call that answers with `Details`."""

    def answer(_: "FakeWuzapi", __: FakeUser, ___: Request, body: Mapping[str, object]) -> Answer:
        for name in required:
            if not body.get(name.lower()):
                return refuse(400, f"missing {name} in Payload")
        return respond({"Details": text, **more})

    return answer


def check(_: "FakeWuzapi", __: FakeUser, ___: Request, body: Mapping[str, object]) -> Answer:
    """`POST /user/check`: who has an odd last digit is on WhatsApp.

    WUZAPI makes its own JIDs of what it is given, so that nobody is found by one.
    """
    phones = body.get("phone")
    if not isinstance(phones, list) or not phones:
        return refuse(400, "missing Phone in Payload")
    found = []
    for phone in map(str, phones):
        known = "@" not in phone and phone[-1:] in "13579"
        jid = f"{phone}@s.whatsapp.net"
        found.append({"Query": phone, "IsInWhatsapp": known, "JID": jid if known else "", "VerifiedName": ""})
    return respond({"Users": found or None})


def info(fake: "FakeWuzapi", _: FakeUser, __: Request, body: Mapping[str, object]) -> Answer:
    """`POST /user/info`: an answer without a body where a JID does not parse; a 7 ends the phone of a business.

    A text without @ is taken for the name of a server, which WhatsApp does not have any more than it has users among
    groups and channels: a failure that says success.
    """
    phones = body.get("phone")
    if not isinstance(phones, list) or not phones:
        return refuse(400, "missing Phone in Payload")
    if fake.null_lists:
        return respond({"Users": None})
    if any("@" in str(phone) and not JID.fullmatch(str(phone)) for phone in phones):
        return Answer(200)
    if any(not str(phone).endswith(("@s.whatsapp.net", "@lid")) for phone in phones):
        return to_json(500, {"code": 500, "success": True})
    return respond({"Users": {phone: _info(phone.partition("@")[0]) for phone in map(str, phones)}})


def _info(digits: str) -> dict[str, object]:
    business = {"Certificate": {"details": "eA=="}, "Details": {"issuer": "smb:wa", "verifiedName": f"Loja {digits}"}}
    return {
        "VerifiedName": business if digits.endswith("7") else None,
        "Status": "Olá!",
        "PictureID": "1",
        "Devices": [f"{digits}.0:1@s.whatsapp.net"],
    }


def mark_read(fake: "FakeWuzapi", _: FakeUser, __: Request, body: Mapping[str, object]) -> Answer:
    """`POST /chat/markread`: old versions know Chat and Sender alone, and take them for whole JIDs."""

    def named(key: str) -> str:
        phone = "" if fake.legacy_status else str(body.get(f"{key}phone", ""))
        return (phone if "@" in phone else f"{phone}@s.whatsapp.net") if phone else str(body.get(key, ""))

    chat, ids = named("chat"), body.get("id")
    if not chat:
        return refuse(400, "missing ChatPhone in Payload")
    if not isinstance(ids, list) or not ids:
        return refuse(400, "missing Id in Payload")
    fake.read.append(Read(chat, named("sender"), tuple(map(str, ids))))
    return respond({"Details": "Message(s) marked as read"})


def avatar(fake: "FakeWuzapi", _: FakeUser, __: Request, body: Mapping[str, object]) -> Answer:
    """`POST /user/avatar`."""
    phone = str(body.get("phone", ""))
    if not phone:
        return refuse(400, "missing Phone in Payload")
    if phone.partition("@")[0].endswith("0"):
        return refuse(500, "no avatar found")
    keys = ("URL", "ID", "Type") if fake.legacy_status else ("url", "id", "type")
    return respond(dict(zip(keys, ("https://pps.example/1.jpg", "1", "image"), strict=True)))


def download(_: "FakeWuzapi", __: FakeUser, ___: Request, body: Mapping[str, object]) -> Answer:
    """`POST /chat/download...`: the media as a data URL."""
    data = base64.b64encode(b"what was sent").decode()
    return respond({"Mimetype": body.get("mimetype", ""), "Data": f"data:image/png;base64,{data}"})


def lid(_: "FakeWuzapi", __: FakeUser, request: Request, ___: Mapping[str, object]) -> Answer:
    """`GET /user/lid/{jid}`."""
    jid = request.path.rpartition("/")[2]
    return respond({"jid": jid, "lid": "123456789@lid"}) if JID.fullmatch(jid) else refuse(404, "LID not found")


def contacts(fake: "FakeWuzapi", _: FakeUser, __: Request, ___: Mapping[str, object]) -> Answer:
    """`GET /user/contacts`."""
    people = {
        f"55819{number:08}@s.whatsapp.net": {
            "Found": True,
            "FirstName": f"Person {number}",
            "FullName": f"Person {number} Silva",
            "PushName": "",
            "BusinessName": "",
        }
        for number in range(fake.contacts)
    }
    return respond(None if fake.null_lists else people)


def _group(number: int) -> dict[str, object]:
    return {
        "JID": f"12036300000000{number:04}@g.us",
        "OwnerJID": "5581900000001@s.whatsapp.net",
        "Name": f"Group {number}",
        "Topic": "",
        "IsLocked": False,
        "IsAnnounce": True,
        "GroupCreated": "2024-05-01T10:00:00-03:00",
        "Participants": [{"JID": "5581900000001@s.whatsapp.net", "IsAdmin": True, "IsSuperAdmin": False, "Error": 0}],
    }


def groups(fake: "FakeWuzapi", _: FakeUser, __: Request, ___: Mapping[str, object]) -> Answer:
    """`GET /group/list`."""
    return respond({"Groups": None if fake.null_lists else [_group(number) for number in range(fake.groups)]})


def group(fake: "FakeWuzapi", _: FakeUser, request: Request, ___: Mapping[str, object]) -> Answer:
    """`GET /group/info?groupJID=`: a failure is a 500 that says success."""
    jid = query_of(request).get("groupJID", "")
    if not jid:
        return refuse(400, "missing groupJID parameter")
    found = next((made for made in map(_group, range(fake.groups)) if made["JID"] == jid), None)
    return to_json(500, {"code": 500, "success": True}) if found is None else respond(found)


def history(fake: "FakeWuzapi", user: FakeUser, request: Request, _: Mapping[str, object]) -> Answer:
    """`GET /chat/history`: with `index` it gives away everybody's chats."""
    chat = query_of(request).get("chat_jid")
    if not chat:
        return refuse(400, "chat_jid is required")
    if chat == "index":
        return respond(
            [{"user_id": other.id, "chat_jid": "5581900000009@s.whatsapp.net"} for other in fake.users.values()]
        )
    if not user.settings.get("history"):
        return refuse(501, "message history is disabled for this user")
    return respond(None)


def get_webhook(_: "FakeWuzapi", user: FakeUser, __: Request, ___: Mapping[str, object]) -> Answer:
    """`GET /webhook`: no events are one empty name."""
    return respond(
        {"webhook": user.settings.get("webhook", ""), "subscribe": str(user.settings.get("events", "")).split(",")}
    )


def set_webhook(fake: "FakeWuzapi", user: FakeUser, _: Request, body: Mapping[str, object]) -> Answer:
    """`POST /webhook`: without events it empties them."""
    user.settings["webhook"] = str(body.get("webhookurl", ""))
    user.settings["events"] = ",".join(fake.known_events(body.get("events")))
    return respond({"webhook": user.settings["webhook"]})


def update_webhook(fake: "FakeWuzapi", user: FakeUser, _: Request, body: Mapping[str, object]) -> Answer:
    """`PUT /webhook`: `active` that is left out clears the webhook."""
    active = body.get("active") is True
    events = fake.known_events(body.get("events"))
    user.settings["webhook"] = str(body.get("webhook", "")) if active else ""
    user.settings["events"] = ",".join(events)
    return respond({"webhook": user.settings["webhook"], "events": events or None, "active": active})


def delete_webhook(_: "FakeWuzapi", user: FakeUser, __: Request, ___: Mapping[str, object]) -> Answer:
    """`DELETE /webhook`."""
    user.settings |= {"webhook": "", "events": ""}
    return respond({"Details": "Webhook and events deleted successfully"})


MESSAGES: list[tuple[str, str, Handler]] = [
    ("POST", r"/chat/send/text", sending("text", "Phone", "Body")),
    *(
        ("POST", rf"/chat/send/{kind}", sending(kind, "Phone", kind.capitalize()))
        for kind in ("image", "audio", "video", "sticker")
    ),
    ("POST", r"/chat/send/document", sending("document", "Phone", "Document", "FileName")),
    ("POST", r"/chat/send/location", sending("location", "Phone", "Latitude", "Longitude")),
    ("POST", r"/chat/send/contact", sending("contact", "Phone", "Name", "Vcard")),
    ("POST", r"/chat/send/buttons", sending("buttons", "Phone", "Title", "Buttons")),
    ("POST", r"/chat/send/list", sending("list", "Phone", "ButtonText", "Desc", "TopText")),
    ("POST", r"/chat/send/poll", sending("poll", "group", "header", "options")),
    ("POST", r"/chat/send/edit", sending("edit", "Phone", "Body", "Id")),
    ("POST", r"/chat/delete", details("Deleted", "Phone", "Id", Timestamp=NOW)),
    ("POST", r"/chat/react", details("Sent", "Phone", "Body", "Id", Timestamp=NOW)),
    ("POST", r"/chat/markread", mark_read),
    ("POST", r"/chat/presence", details("Chat presence set successfuly", "Phone", "State")),
    ("POST", r"/chat/archive", details("Archived")),
    ("POST", r"/chat/request-unavailable-message", details("Requested", "chat", "sender", "id")),
    ("POST", r"/chat/download(?:image|video|audio|document|sticker)", download),
    ("POST", r"/status/set/text", details("Set", "Body")),
    ("POST", r"/call/reject", details("Rejected", "call_from", "call_id")),
    ("POST", r"/user/check", check),
    ("POST", r"/user/info", info),
    ("POST", r"/user/avatar", avatar),
    ("GET", r"/user/contacts", contacts),
    ("POST", r"/user/presence", details("Presence set successfuly")),
    ("GET", r"/user/lid/[^/]+", lid),
    ("GET", r"/group/list", groups),
    ("GET", r"/group/info", group),
    ("GET", r"/group/invitelink", lambda *_: respond({"InviteLink": "https://chat.whatsapp.com/x"})),
    *(
        ("POST", rf"/group/{verb}", details(f"Group {verb} successfully"))
        for verb in (
            *("create", "locked", "ephemeral", "photo", "photo/remove", "leave", "name", "topic", "announce", "join"),
            *("inviteinfo", "updateparticipants"),
        )
    ),
    ("GET", r"/newsletter/list", lambda *_: respond({"Newsletter": None})),
]
"""What needs a session."""

WITHOUT_SESSION: list[tuple[str, str, Handler]] = [
    ("GET", r"/chat/history", history),
    ("GET", r"/webhook", get_webhook),
    ("POST", r"/webhook", set_webhook),
    ("PUT", r"/webhook", update_webhook),
    ("DELETE", r"/webhook", delete_webhook),
]
