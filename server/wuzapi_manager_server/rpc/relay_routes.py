"""What each RPC of RelayService asks of WUZAPI: one table."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

from google.protobuf.message import Message

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.domain.media import check_url
from wuzapi_manager_server.domain.qr_picture import drawn, png_of
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.domain.uploaded_media import UploadedMedia
from wuzapi_manager_server.errors import Code, InvalidInput, NotFound, Text, Violation, WuzapiError
from wuzapi_manager_server.rpc.relay_answers import (
    fill,
    filled_by_jid,
    lowered,
    object_of,
    timestamp_of,
    webhook_of,
)
from wuzapi_manager_server.rpc.relay_bodies import Body, Shape, body_of, put_accounts, put_digits, put_poll_group
from wuzapi_manager_server.rpc.requests import Problems
from wuzapi_manager_server.upstreams.wuzapi_failures import bad_answer

_MOST_EVENTS = 100
_LONGEST_EVENT = 64

Method = Literal["GET", "POST", "PUT", "DELETE"]


class Send(NamedTuple):
    """A send: its path, and how its request becomes a body. `own_id` is false where the body names another message."""

    path: str
    shape: Shape
    own_id: bool = True


class Ask(NamedTuple):
    """Any other call. `query` is true where the fields go into the query; `answer` makes the response.

    `empty` says that an answer without a body will do: nothing of it is needed.
    """

    method: Method
    path: str
    answer: Callable[[Json], Message]
    body: Callable[[Message], Body] = lambda _request: {}
    query: bool = False
    empty: bool = False


def _shape(*required: str, **keys: str) -> Shape:
    return Shape(required, keys)


SENDS: Mapping[str, Send] = {
    "SendText": Send("/chat/send/text", _shape("phone", "body")),
    "SendImage": Send("/chat/send/image", Shape(("phone",), media="image")),
    "SendAudio": Send("/chat/send/audio", Shape(("phone",), {"voice": "ptt"}, media="audio")),
    "SendVideo": Send("/chat/send/video", Shape(("phone",), {"thumbnail": "JPEGThumbnail"}, media="video")),
    "SendDocument": Send("/chat/send/document", Shape(("phone", "file_name"), media="document")),
    "SendSticker": Send("/chat/send/sticker", Shape(("phone",), {"thumbnail": "PngThumbnail"}, media="sticker")),
    "SendLocation": Send("/chat/send/location", _shape("phone")),
    "SendContact": Send("/chat/send/contact", _shape("phone", "name", "vcard")),
    "SendPoll": Send(
        "/chat/send/poll",
        Shape(
            ("phone", "question", "options"),
            {"question": "header"},
            most={"options": (2, 12)},
            put={"phone": put_poll_group},
        ),
    ),
    "SendButtons": Send("/chat/send/buttons", _shape("phone", "title", "buttons")),
    "SendList": Send(
        "/chat/send/list", _shape("phone", "title", "description", "button_text", "sections", footer="FooterText")
    ),
    "EditMessage": Send("/chat/send/edit", _shape("phone", "message_id", "body", message_id="Id"), own_id=False),
}


def send_body(name: str, request: Message, uploaded: UploadedMedia | None = None) -> Body:
    """The body of a send, but for its Id and media that was `uploaded`. InvalidInput with every bad field."""
    body = body_of(request, SENDS[name].shape, uploaded)
    match request:
        case pb.SendLocationRequest():
            body.setdefault("Latitude", 1e-8)
            body.setdefault("Longitude", 1e-8)
        case pb.SendListRequest():  # the names of today, and those before
            body["TopText"], body["Desc"] = body["Title"], body["Description"]
        case _:
            pass
    return body


def _connect_body(request: Message) -> Body:
    """`Immediate`, without which WUZAPI answers after ten seconds."""
    asked = request if isinstance(request, pb.ConnectSessionRequest) else pb.ConnectSessionRequest()
    return {"Subscribe": events_of("events", asked.events), "Immediate": True}


def _react_body(request: Message) -> Body:
    asked = request if isinstance(request, pb.ReactRequest) else pb.ReactRequest()
    body = body_of(asked, _shape("phone", "message_id", message_id="Id", emoji="Body"))
    body.pop("Own", None)
    body.setdefault("Body", "remove")
    if asked.own:
        body["Id"] = f"me:{asked.message_id}"
    return body


def _read_body(request: Message) -> Body:
    """Both spellings of the chat and the sender: versions differ, and old ones take whole JIDs alone."""
    body = body_of(request, _shape("phone", "message_ids", message_ids="Id"))
    names = {"Chat": body.pop("Phone")} | ({"Sender": body["Sender"]} if "Sender" in body else {})
    for key, phone in names.items():
        body[f"{key}Phone"] = phone
        body[key] = phone if "@" in str(phone) else f"{phone}@s.whatsapp.net"
    return body


def _webhook_body(url_key: str, request: Message) -> Body:
    """The webhook with its events, always both: WUZAPI stops deliveries where one comes alone."""
    asked = request if isinstance(request, pb.SetWebhookRequest | pb.UpdateWebhookRequest) else pb.SetWebhookRequest()
    off = isinstance(asked, pb.UpdateWebhookRequest) and asked.HasField("active") and not asked.active
    problems = Problems()
    if not off:
        problems.require("webhook.url", asked.webhook.url)
        problems.require("webhook.events", asked.webhook.events)
    if asked.webhook.url:
        problems.attempt(lambda: check_url(asked.webhook.url, "webhook.url"), None)
    events = problems.attempt(lambda: events_of("webhook.events", asked.webhook.events), [])
    problems.settle()
    body: Body = {url_key: asked.webhook.url, "events": events}
    if isinstance(asked, pb.UpdateWebhookRequest):
        body["active"] = not off
    return body


def events_of(field: str, names: Sequence[str]) -> list[Json]:
    """The names of events. InvalidInput for a text that cannot be one: WUZAPI drops unknown names silently."""
    bad = [name for name in names if not (name.isascii() and name.isalpha() and len(name) <= _LONGEST_EVENT)]
    if bad or len(names) > _MOST_EVENTS:
        shown = repr(bad[0][:50]) if bad else f"{len(names)} names"
        text = Text(f"{shown} is no event of WUZAPI", f"{shown} não é um evento do WUZAPI")
        raise InvalidInput([Violation(field, text)])
    return [*names]


def _connected(data: Json) -> pb.ConnectSessionResponse:
    values = lowered(object_of(data))
    return fill(pb.ConnectSessionResponse(), {key: values.get(key) for key in ("jid", "webhook", "events")})


def qr_code_of(data: Json) -> pb.QrCode:
    """The QR code of an answer. FAILED_PRECONDITION where there is none yet."""
    url = lowered(data).get("qrcode")
    png = png_of(url) if isinstance(url, str) else b""
    if not png:
        raise WuzapiError(
            Code.FAILED_PRECONDITION,
            Text("There is no QR code yet", "Ainda não há QR code"),
            suggestion=Text("Ask again in a second, or use WatchSession", "Tente em um segundo ou use WatchSession"),
            retry_after=1.0,
        )
    return pb.QrCode(png=png, text=drawn(png))


def _linked(data: Json) -> pb.PairPhoneResponse:
    response = fill(pb.PairPhoneResponse(), object_of(data))
    if not response.linking_code:
        raise bad_answer()
    return response


def _users(data: Json) -> pb.GetUserInfoResponse:
    found = lowered(object_of(data)).get("users")
    users = {jid: _with_name(user) for jid, user in found.items()} if isinstance(found, dict) else {}
    return pb.GetUserInfoResponse(users=filled_by_jid(pb.UserInfo, users))


def _with_name(user: Json) -> Json:
    """A user with the name of a verified business as a text: WUZAPI gives the certificate that it stands in."""
    values = lowered(user)
    details = lowered(lowered(values.get("verifiedname")).get("details"))
    return {**values, "verifiedname": details.get("verifiedname", values.get("verifiedname"))}


def _avatar(data: Json) -> pb.GetAvatarResponse:
    response = fill(pb.GetAvatarResponse(), object_of(data))
    if not response.url:
        raise NotFound(Text("There is no picture, or it is hidden", "Não há foto de perfil, ou ela está oculta"))
    return response


def _group(data: Json) -> pb.GetGroupInfoResponse:
    response = pb.GetGroupInfoResponse(group=fill(pb.Group(), object_of(data)))
    if not response.group.jid:
        raise bad_answer()
    return response


def _updated_webhook(data: Json) -> pb.UpdateWebhookResponse:
    response = pb.UpdateWebhookResponse(webhook=_webhook(data))
    response.active = bool(lowered(data).get("active"))
    return response


def _sent(kind: type[pb.DeleteMessageResponse | pb.ReactResponse], data: Json) -> Message:
    return kind(send_time=timestamp_of(lowered(data).get("timestamp")))


def _webhook(data: Json) -> pb.Webhook:
    return webhook_of(object_of(data))


ASKS: Mapping[str, Ask] = {
    "ConnectSession": Ask("POST", "/session/connect", _connected, _connect_body),
    "DisconnectSession": Ask("POST", "/session/disconnect", lambda _: pb.DisconnectSessionResponse(), empty=True),
    "LogoutSession": Ask("POST", "/session/logout", lambda _: pb.LogoutSessionResponse(), empty=True),
    "GetQrCode": Ask("GET", "/session/qr", lambda data: pb.GetQrCodeResponse(qr_code=qr_code_of(data))),
    "PairPhone": Ask("POST", "/session/pairphone", _linked, partial(body_of, shape=_shape("phone"))),
    "DeleteMessage": Ask(
        "POST",
        "/chat/delete",
        partial(_sent, pb.DeleteMessageResponse),
        partial(body_of, shape=_shape("phone", "message_id", message_id="Id")),
        empty=True,
    ),
    "React": Ask("POST", "/chat/react", partial(_sent, pb.ReactResponse), _react_body, empty=True),
    "MarkRead": Ask("POST", "/chat/markread", lambda _: pb.MarkReadResponse(), _read_body, empty=True),
    "SetChatPresence": Ask(
        "POST",
        "/chat/presence",
        lambda _: pb.SetChatPresenceResponse(),
        partial(body_of, shape=_shape("phone", "presence")),
        empty=True,
    ),
    "CheckUsers": Ask(
        "POST",
        "/user/check",
        lambda data: fill(pb.CheckUsersResponse(), object_of(data)),
        partial(body_of, shape=Shape(("phones",), put={"phones": put_digits})),
    ),
    "GetUserInfo": Ask(
        "POST", "/user/info", _users, partial(body_of, shape=Shape(("phones",), put={"phones": put_accounts}))
    ),
    "GetAvatar": Ask("POST", "/user/avatar", _avatar, partial(body_of, shape=_shape("phone"))),
    "GetGroupInfo": Ask("GET", "/group/info", _group, partial(body_of, shape=_shape("group_jid")), query=True),
    "GetWebhook": Ask("GET", "/webhook", lambda data: pb.GetWebhookResponse(webhook=_webhook(data))),
    "UpdateWebhook": Ask("PUT", "/webhook", _updated_webhook, partial(_webhook_body, "webhook")),
    "DeleteWebhook": Ask("DELETE", "/webhook", lambda _: pb.DeleteWebhookResponse(), empty=True),
}
SET_WEBHOOK = Ask("POST", "/webhook", _webhook, partial(_webhook_body, "webhookurl"), empty=True)
