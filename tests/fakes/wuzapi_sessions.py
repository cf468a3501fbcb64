"""The sessions of the fake WUZAPI: connecting, QR codes, pairing, and what else a session is set to."""

import io
import itertools
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING

import segno

from tests.fakes.http_server import Answer, Request
from tests.fakes.wuzapi_answers import refuse, respond, to_json
from tests.fakes.wuzapi_messages import Handler, query_of
from tests.fakes.wuzapi_users import FakeUser, State

if TYPE_CHECKING:
    from tests.fakes.wuzapi import FakeWuzapi

_codes = itertools.count(1)


def qr_png(text: str) -> bytes:
    """A QR code as WUZAPI draws it: a PNG with a quiet zone."""
    picture = io.BytesIO()
    segno.make_qr(text).save(picture, kind="png", scale=5)
    return picture.getvalue()


def fresh_code() -> str:
    """The text of the next QR code."""
    return f"2@{next(_codes):06}abcdefghijklmnopqrstuvwxyz,0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ,x="


def connect(fake: "FakeWuzapi", user: FakeUser, _: Request, body: Mapping[str, object]) -> Answer:
    """`POST /session/connect`: without Immediate it takes ten seconds."""
    if user.state is not State.NO_CLIENT:
        return refuse(500, "already connected")
    if body.get("immediate") is not True:
        fake.wait(10.0)
    events = fake.known_events(body.get("subscribe"))
    user.settings["events"] = ",".join(events)
    user.state = State.LOGGED_IN if user.jid else State.CONNECTED
    user.qr = "" if user.jid else fresh_code()
    if user.qr:
        fake.scan_soon(user)
    webhook = user.settings.get("webhook", "")
    return respond({"webhook": webhook, "jid": user.jid, "events": ",".join(events), "details": "Connected!"})


def disconnect(_: "FakeWuzapi", user: FakeUser, __: Request, ___: Mapping[str, object]) -> Answer:
    """`POST /session/disconnect`."""
    if user.state is State.NO_CLIENT:
        return refuse(500, "no session")
    if user.state is not State.LOGGED_IN:
        return refuse(500, "cannot disconnect because it is not logged in")
    user.state = State.NO_CLIENT
    user.settings["events"] = ""
    return respond({"Details": "Disconnected"})


def logout(_: "FakeWuzapi", user: FakeUser, __: Request, ___: Mapping[str, object]) -> Answer:
    """`POST /session/logout`."""
    if user.state is State.NO_CLIENT:
        return refuse(500, "no session")
    if user.state is not State.LOGGED_IN:
        return refuse(500, "could not logout as it was not logged in")
    user.state, user.jid = State.NO_CLIENT, ""
    return respond({"Details": "Logged out"})


def qr(_: "FakeWuzapi", user: FakeUser, __: Request, ___: Mapping[str, object]) -> Answer:
    """`GET /session/qr`."""
    if user.state is State.NO_CLIENT:
        return refuse(500, "no session")
    if user.state is State.LOGGED_IN:
        return refuse(500, "already logged in")
    code = f"data:image/png;base64,{b64encode(qr_png(user.qr)).decode()}" if user.qr else ""
    return respond({"QRCode": code})


def pair(_: "FakeWuzapi", user: FakeUser, __: Request, body: Mapping[str, object]) -> Answer:
    """`POST /session/pairphone`."""
    if user.state is State.NO_CLIENT:
        return refuse(500, "no session")
    if not body.get("phone"):
        return refuse(400, "missing Phone in Payload")
    if user.state is State.LOGGED_IN:
        return refuse(400, "already paired")
    return respond({"LinkingCode": "9H3J-H3J8"})


def proxy(_: "FakeWuzapi", user: FakeUser, __: Request, body: Mapping[str, object]) -> Answer:
    """`POST /session/proxy`."""
    if user.state is not State.NO_CLIENT:
        return refuse(400, "cannot set proxy while connected. Please disconnect first")
    url = str(body.get("proxy_url", ""))
    if not url.startswith(("http://", "socks5://")):
        return refuse(400, "only HTTP and SOCKS5 proxies are supported")
    return respond({"Details": "Proxy configured successfully", "ProxyURL": url})


def set_history(_: "FakeWuzapi", user: FakeUser, __: Request, body: Mapping[str, object]) -> Answer:
    """`POST /session/history`."""
    user.settings["history"] = body.get("history", 0)
    return respond({"Details": "History configured successfully", "History": user.settings["history"]})


def ask_history(_: "FakeWuzapi", __: FakeUser, request: Request, ___: Mapping[str, object]) -> Answer:
    """`GET /session/history`: asks the phone for messages."""
    return respond({"details": "History sync request Sent", "timestamp": 1_769_083_200, **query_of(request)})


def s3(_: "FakeWuzapi", __: FakeUser, request: Request, ___: Mapping[str, object]) -> Answer:
    """`/session/s3/config`."""
    if request.method == "GET":
        return respond({"enabled": True, "endpoint": "https://s3.example", "access_key": "***", "bucket": "b"})
    return respond({"Details": "S3 configuration saved successfully", "Enabled": True})


def hmac(_: "FakeWuzapi", __: FakeUser, request: Request, ___: Mapping[str, object]) -> Answer:
    """`/session/hmac/config`: answers without an envelope."""
    if request.method == "GET":
        return to_json(200, {"hmac_key": "***"})
    return to_json(200, {"Details": "HMAC configuration saved successfully"})


SESSIONS: list[tuple[str, str, Handler]] = [
    ("POST", r"/session/connect", connect),
    ("POST", r"/session/disconnect", disconnect),
    ("POST", r"/session/logout", logout),
    ("GET", r"/session/qr", qr),
    ("POST", r"/session/pairphone", pair),
    ("POST", r"/session/proxy", proxy),
    ("POST", r"/session/history", set_history),
    ("GET", r"/session/history", ask_history),
    (
        "POST",
        r"/session/s3/test",
        lambda *_: respond({"Details": "Connection successful", "Bucket": "b", "Region": "r"}),
    ),
    *((method, r"/session/s3/config", s3) for method in ("GET", "POST", "DELETE")),
    *((method, r"/session/hmac/config", hmac) for method in ("GET", "POST", "DELETE")),
]
