"""Sessions: their states in every version, QR codes, and watching one until a phone is paired."""

import threading
from collections.abc import Iterator

import grpc
import pytest
import segno

from tests.contract.calls import Caller, refused
from tests.contract.server import World
from tests.e2e.relay.conftest import user_of
from tests.fakes.wuzapi import FakeUser, FakeWuzapi, State, Trouble
from wuzapi_manager.v1 import relay_pb2 as pb

STATES = {
    State.NO_CLIENT: pb.SESSION_STATE_NO_SESSION,
    State.CONNECTED: pb.SESSION_STATE_CONNECTED,
    State.LOGGED_IN: pb.SESSION_STATE_LOGGED_IN,
}


@pytest.fixture
def user(ana: Caller, wuzapi: FakeWuzapi) -> Iterator[FakeUser]:
    """Ana as WUZAPI keeps her, with no phone paired."""
    user = user_of(wuzapi, ana.token)
    user.state, user.jid, user.qr = State.NO_CLIENT, "", ""
    ana.relay.DeleteWebhook(pb.DeleteWebhookRequest())
    yield user
    user.state, user.jid = State.LOGGED_IN, "5581900000001@s.whatsapp.net"


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("legacy", [False, True])
def test_a_status_has_one_shape(ana: Caller, user: FakeUser, wuzapi: FakeWuzapi, state: State, legacy: bool) -> None:
    """Both booleans and the state that follows, also of versions with upper-case keys."""
    user.state, wuzapi.legacy_status = state, legacy
    session = ana.relay.GetSessionStatus(pb.GetSessionStatusRequest()).session
    assert session.state == STATES[state]
    assert (session.connected, session.logged_in) == (state is not State.NO_CLIENT, state is State.LOGGED_IN)
    assert session.name == ("" if legacy else user.name)


def test_connecting_does_not_wait(ana: Caller, user: FakeUser, wuzapi: FakeWuzapi) -> None:
    """Immediate goes along, and a session that is connected already is what was asked for."""
    answer = ana.relay.ConnectSession(pb.ConnectSessionRequest(events=["Message", "QR"]))
    assert [*answer.events] == ["Message", "QR"]
    assert b'"Immediate":true' in wuzapi.requests[-1].body
    again = ana.relay.ConnectSession(pb.ConnectSessionRequest(events=["Message"]))
    assert [*again.events] == ["Message", "QR"]


def test_connecting_without_events_keeps_those_that_are_there(ana: Caller, user: FakeUser, wuzapi: FakeWuzapi) -> None:
    """WUZAPI keeps none where it is given none: they are read first. Where there are none, none are made up."""
    ana.relay.SetWebhook(
        pb.SetWebhookRequest(webhook=pb.Webhook(url="https://hooks.example/x", events=["Message", "QR"]))
    )
    assert [*ana.relay.ConnectSession(pb.ConnectSessionRequest()).events] == ["Message", "QR"]
    assert user.settings["events"] == "Message,QR"
    user.state = State.NO_CLIENT
    ana.relay.DeleteWebhook(pb.DeleteWebhookRequest())
    assert [*ana.relay.ConnectSession(pb.ConnectSessionRequest()).events] == []
    assert b'"Subscribe":[]' in wuzapi.requests[-1].body


def test_a_session_ends(ana: Caller, user: FakeUser) -> None:
    """Disconnecting and logging out work where there is a session, and say so where there is none."""
    user.state, user.jid = State.LOGGED_IN, "x@s.whatsapp.net"
    ana.relay.DisconnectSession(pb.DisconnectSessionRequest())
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "WUZAPI_ERROR"):
        ana.relay.DisconnectSession(pb.DisconnectSessionRequest())
    user.state = State.LOGGED_IN
    ana.relay.LogoutSession(pb.LogoutSessionRequest())
    assert user.jid == ""
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "WUZAPI_ERROR"):
        ana.relay.LogoutSession(pb.LogoutSessionRequest())


def test_a_qr_code_is_a_picture_and_a_drawing(ana: Caller, user: FakeUser) -> None:
    """PNG bytes, and the same modules as text: three finder patterns within a quiet zone."""
    user.state, user.qr = State.CONNECTED, "2@abcdefghijklmnopqrstuvwxyz,0123456789,x="
    code = ana.relay.GetQrCode(pb.GetQrCodeRequest()).qr_code
    assert code.png.startswith(b"\x89PNG")
    assert modules(code.text) == [[bool(m) for m in row] for row in segno.make_qr(user.qr).matrix]
    user.qr = ""
    with refused(grpc.StatusCode.FAILED_PRECONDITION) as refusal:
        ana.relay.GetQrCode(pb.GetQrCodeRequest())
    assert refusal.retry_after


def modules(text: str) -> list[list[bool]]:
    """The dark modules of a drawing, without its quiet zone."""
    halves = {"\u2588": (False, False), "\u2580": (False, True), "\u2584": (True, False), " ": (True, True)}
    rows: list[list[bool]] = []
    for line in text.splitlines():
        pairs = [halves[block] for block in line]
        rows += [[above for above, _ in pairs], [below for _, below in pairs]]
    side = len(rows[0]) - 4
    return [row[2 : 2 + side] for row in rows[2 : 2 + side]]


def test_a_phone_is_paired_by_a_code(ana: Caller, user: FakeUser) -> None:
    """The code is for the phone; no session and a paired one are refused."""
    with refused(grpc.StatusCode.FAILED_PRECONDITION):
        ana.relay.PairPhone(pb.PairPhoneRequest(phone="+5581999990001"))
    user.state = State.CONNECTED
    assert ana.relay.PairPhone(pb.PairPhoneRequest(phone="+5581999990001")).linking_code == "9H3J-H3J8"
    user.state = State.LOGGED_IN
    with refused(grpc.StatusCode.FAILED_PRECONDITION):
        ana.relay.PairPhone(pb.PairPhoneRequest(phone="+5581999990001"))


def test_watching_tells_states_and_codes_until_login(ana: Caller, user: FakeUser, wuzapi: FakeWuzapi) -> None:
    """No session, a code, a fresh code, logged in, the end: each once and in that order."""
    seen: list[pb.WatchSessionResponse] = []
    for response in ana.relay.WatchSession(pb.WatchSessionRequest(), timeout=60):
        seen.append(response)
        match len(seen):
            case 1:
                ana.relay.ConnectSession(pb.ConnectSessionRequest())
            case 2:
                wuzapi.renew_code(ana.token)
            case 3:
                wuzapi.scan(ana.token)
    assert [response.state for response in seen] == [
        pb.SESSION_STATE_NO_SESSION,
        pb.SESSION_STATE_QR,
        pb.SESSION_STATE_QR,
        pb.SESSION_STATE_LOGGED_IN,
    ]
    assert seen[1].qr_code.png != seen[2].qr_code.png
    assert seen[1].qr_code.text.count("\n") > 10
    assert seen[3].jid == "5581900000077@s.whatsapp.net"


def test_watching_bears_a_wuzapi_that_starts_again(ana: Caller, user: FakeUser, wuzapi: FakeWuzapi) -> None:
    """A failure in between ends nothing."""
    states = []
    for response in ana.relay.WatchSession(pb.WatchSessionRequest(), timeout=60):
        states.append(response.state)
        if len(states) == 1:
            wuzapi.trouble = Trouble.FAILURE
            timer = threading.Timer(1.5, wuzapi.scan, [ana.token])
            healed = threading.Timer(2.0, setattr, [wuzapi, "trouble", None])
            timer.start()
            healed.start()
    assert states == [pb.SESSION_STATE_NO_SESSION, pb.SESSION_STATE_LOGGED_IN]


def test_watching_sees_a_logout(ana: Caller, user: FakeUser) -> None:
    """A phone that was known and is no longer is told as logged out."""
    user.state, user.jid = State.CONNECTED, "5581900000001@s.whatsapp.net"
    states = []
    for response in ana.relay.WatchSession(pb.WatchSessionRequest(), timeout=30):
        states.append(response.state)
        if response.state == pb.SESSION_STATE_CONNECTED:
            user.state, user.jid = State.NO_CLIENT, ""
        if response.state == pb.SESSION_STATE_LOGGED_OUT:
            break
    assert states[0] == pb.SESSION_STATE_CONNECTED
    assert states[-1] == pb.SESSION_STATE_LOGGED_OUT


def test_watching_ends_at_the_deadline(ana: Caller, user: FakeUser) -> None:
    """Before the deadline passes the stream ends by itself."""
    states = [response.state for response in ana.relay.WatchSession(pb.WatchSessionRequest(), timeout=2.5)]
    assert states == [pb.SESSION_STATE_NO_SESSION]


def test_webhooks_come_and_go(ana: Caller, user: FakeUser) -> None:
    """Set, read, changed, switched off: with the URL the events go along, always."""
    hook = pb.Webhook(url="https://hooks.example/x", events=["Message", "ReadReceipt"])
    assert ana.relay.SetWebhook(pb.SetWebhookRequest(webhook=hook)).webhook == hook
    assert ana.relay.GetWebhook(pb.GetWebhookRequest()).webhook == hook
    unknown = pb.Webhook(url=hook.url, events=["Message", "NoSuchEvent", "ReadReceipt"])
    assert ana.relay.SetWebhook(pb.SetWebhookRequest(webhook=unknown)).webhook == hook, "what WUZAPI drops is not told"
    other = pb.Webhook(url="https://hooks.example/y", events=["All"])
    changed = ana.relay.UpdateWebhook(pb.UpdateWebhookRequest(webhook=other))
    assert (changed.webhook, changed.active) == (other, True)
    assert not ana.relay.UpdateWebhook(pb.UpdateWebhookRequest(webhook=other, active=False)).active
    ana.relay.DeleteWebhook(pb.DeleteWebhookRequest())
    assert ana.relay.GetWebhook(pb.GetWebhookRequest()).webhook == pb.Webhook()
    for bad in (pb.Webhook(url="ftp://x", events=["All"]), pb.Webhook(url="https://x.example"), pb.Webhook()):
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            ana.relay.SetWebhook(pb.SetWebhookRequest(webhook=bad))


def test_health_and_settings_are_for_everybody(world: World, wuzapi: FakeWuzapi) -> None:
    """Whether WUZAPI answers, how fast, and where it is; no token is asked for."""
    health = world.public.relay.CheckHealth(pb.CheckHealthRequest())
    assert (health.online, health.version) == (True, "1.0.5")
    assert health.HasField("latency")
    config = world.public.relay.GetRelayConfig(pb.GetRelayConfigRequest())
    assert (config.base_url, config.timeout.seconds) == (wuzapi.url, 2)
