"""The Python client of the relay, against a real server."""

import hashlib
import io
import os
import threading
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.calls import Caller
from tests.contract.server import ADMIN_TOKEN, World
from tests.e2e.relay.conftest import user_of
from tests.e2e.relay.test_relay_sends import JPEG, MP4, OGG, PNG, WEBP
from tests.fakes.wuzapi import FakeWuzapi, Lost, State
from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_client import WuzapiManager, errors

PHONE = "+55 81 99999-0001"
GROUP = "120363000000000001@g.us"


@pytest.fixture
def me(world: World, ana: Caller) -> Iterator[WuzapiManager]:
    with WuzapiManager(world.address, token=ana.token, language="en") as client:
        yield client


@pytest.fixture
def admin(world: World) -> Iterator[WuzapiManager]:
    with WuzapiManager(world.address, admin_token=ADMIN_TOKEN, language="en") as client:
        yield client


def test_every_kind_of_message_is_sent(me: WuzapiManager, wuzapi: FakeWuzapi, tmp_path: Path) -> None:
    """Bytes, files and URLs; options go along; each message is one."""
    before = len(wuzapi.sent)
    file = tmp_path / "report.pdf"
    file.write_bytes(b"%PDF-1.7")
    quote = pb.Quote(message_id="3EB0A", participant="5581999990002")
    section = pb.ListSection(title="s", rows=[pb.ListRow(id="1", title="x")])
    ids = [
        me.send_text(PHONE, "Olá!", reply_to=quote, mentioned_jids=["1@lid"], forwarded=True, link_preview=True).id,
        me.send_image(PHONE, PNG, caption="x").id,
        me.send_image(PHONE, "https://pictures.example/a.png").id,
        me.send_audio(PHONE, OGG, voice=False).id,
        me.send_video(PHONE, MP4).id,
        me.send_document(PHONE, file).id,
        me.send_document(PHONE, JPEG, "a.jpg").id,
        me.send_sticker(PHONE, WEBP).id,
        me.send_location(PHONE, -8.05, -34.9, "Recife").id,
        me.send_contact(PHONE, "Ana", "BEGIN:VCARD").id,
        me.send_poll(GROUP, "When?", ["now", "later"]).id,
        me.send_buttons(PHONE, "Choose", {"1": "Yes", "2": "No"}).id,
        me.send_list(
            pb.SendListRequest(phone=PHONE, title="t", description="d", button_text="b", sections=[section])
        ).id,
    ]
    assert [sent.id for sent in wuzapi.sent[before:]] == ids
    assert wuzapi.sent[before + 5].body["filename"] == "report.pdf"
    assert me.edit_message(PHONE, ids[0], "Oi!").id == ids[0]
    me.delete_message(PHONE, ids[0])
    me.react(PHONE, ids[1], "👍", own=True)
    me.mark_read(PHONE, [ids[1]], sender="1@lid")
    me.set_chat_presence(PHONE, "composing")


def test_long_media_goes_up_in_a_stream(me: WuzapiManager, wuzapi: FakeWuzapi, tmp_path: Path) -> None:
    """A file of a Path, an open file from where it stands, bytes, and what was uploaded before; repeats are one."""
    data = b"%PDF-1.7" + os.urandom(5 << 20)
    file, before = tmp_path / "report.pdf", len(wuzapi.sent)
    file.write_bytes(data)
    request_id = "7d0c9d5e-62f4-4a5b-9d5c-0a5ad9d3f8a1"
    first = me.send_document(PHONE, file, request_id=request_id)
    assert me.send_document(PHONE, data, "report.pdf", request_id=request_id) == first
    with file.open("rb") as opened:
        opened.seek(8)
        me.send_document(PHONE, opened, "rest.bin")
    with file.open("rb") as opened:
        opened.seek(len(data) - 100)
        me.send_document(PHONE, opened, "end.bin")
    media = me.upload_media(file, kind="DOCUMENT", sha256=hashlib.sha256(data).hexdigest())
    me.send_document(PHONE, media, "again.pdf")
    sent = [
        (body["filename"], b64decode(str(body["document"]).partition(",")[2])) for _, _, _, body in wuzapi.sent[before:]
    ]
    assert sent == [
        ("report.pdf", data),
        ("rest.bin", data[8:]),
        ("end.bin", data[-100:]),
        ("again.pdf", data),
    ]


def test_what_cannot_be_uploaded_is_told(me: WuzapiManager, tmp_path: Path) -> None:
    """More than WhatsApp takes is refused by its size alone; a pipe has none; what reading raises comes out."""
    file = tmp_path / "long.png"
    with file.open("wb") as opened:
        opened.truncate(17 << 20)
    with pytest.raises(errors.InvalidArgument) as refusal:
        me.send_image(PHONE, file)
    assert [violation.field for violation in refusal.value.violations] == ["size_bytes"]
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe, pytest.raises(ValueError, match="size"):
        me.upload_media(pipe)

    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError("the disk broke")

    with pytest.raises(OSError, match="the disk broke"):
        me.upload_media(Broken(b"x" * 100))


def test_a_lost_answer_is_the_clients_to_repeat(me: WuzapiManager, wuzapi: FakeWuzapi) -> None:
    """The client asks again by itself, under the same id: who sends sees nothing of it."""
    me.get_webhook()
    lost = iter([Lost.AFTER, Lost.HALF])
    wuzapi.lose = lambda request: next(lost, None) if request.path == "/chat/send/text" else None
    before = len(wuzapi.sent)
    identity = me.send_text(PHONE, "once").id
    assert {sent.id for sent in wuzapi.sent[before:]} == {identity}
    assert len(wuzapi.sent) == before + 3


def test_a_call_gives_plain_values(me: WuzapiManager, admin: WuzapiManager) -> None:
    """As the original application's client: success, status, data, error, code; errors of WUZAPI are answers."""
    answer = me.call("GET", "/session/status")
    assert (answer.success, answer.status, answer.data["loggedIn"]) == (True, 200, True)
    assert not me.call("POST", "/status/set/text", {}).success
    assert me.call("GET", "/chat/history", query={"chat_jid": "1@lid"}).code == "WUZAPI_ERROR"
    assert admin.call("GET", "/admin/users").data
    with pytest.raises(ValueError, match="PATCH"):
        me.call("PATCH", "/session/status")
    with pytest.raises(errors.InvalidArgument):
        me.call("GET", "/admin/users")


def test_people_and_groups(me: WuzapiManager, wuzapi: FakeWuzapi) -> None:
    """Lists go on from page to page."""
    wuzapi.contacts, wuzapi.groups = 5, 2
    assert len([*me.list_contacts(page_size=2)]) == 5
    groups = [*me.list_groups(page_size=1)]
    assert me.get_group_info(groups[1].jid) == groups[1]
    assert me.check_users([PHONE])[0].is_in_whatsapp
    assert me.get_user_info([PHONE])[0].jid == "5581999990001@s.whatsapp.net"
    assert me.get_avatar(PHONE).url


def test_a_phone_is_paired_in_the_terminal(me: WuzapiManager, wuzapi: FakeWuzapi) -> None:
    """The code is drawn, and the JID comes back once it was scanned."""
    user = user_of(wuzapi, "token-of-ana")
    user.state, user.jid = State.NO_CLIENT, ""
    out = io.StringIO()
    scan = threading.Timer(1.5, wuzapi.scan, ["token-of-ana"])
    scan.start()
    assert me.pair_in_terminal(timeout=60, out=out) == "5581900000077@s.whatsapp.net"
    assert "█" in out.getvalue()
    me.disconnect_session()
    user.jid = ""
    me.connect_session(["Message"])
    assert me.get_qr_code().png.startswith(b"\x89PNG")
    assert me.pair_phone(PHONE)
    wuzapi.scan("token-of-ana")
    assert me.get_session_status().state == pb.SESSION_STATE_LOGGED_IN
    me.logout_session()
    user.jid = ""
    assert me.pair_in_terminal(timeout=1.5, out=out) == ""


def test_webhooks(me: WuzapiManager) -> None:
    """Set, changed, taken away."""
    assert me.set_webhook("https://hooks.example/x", ["Message"]).url == "https://hooks.example/x"
    assert [*me.update_webhook("https://hooks.example/x", ["All"]).events] == ["All"]
    me.delete_webhook()
    assert me.get_webhook() == pb.Webhook()


def test_users_of_wuzapi(admin: WuzapiManager) -> None:
    """Made, listed, changed, deleted; health and settings."""
    user = admin.create_user("Caio", "token-of-the-client", events=["Message"])
    assert user.id in [found.id for found in admin.list_users()]
    changed = admin.update_user(pb.WuzapiUser(id=user.id, name="Caio S."), update_mask=["name"])
    assert changed == admin.get_user(user.id)
    admin.delete_user(user.id)
    with pytest.raises(errors.NotFound):
        admin.get_user(user.id)
    assert admin.check_health().online
    assert admin.get_relay_config().base_url
