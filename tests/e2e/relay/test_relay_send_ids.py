"""Under which WhatsApp id a send goes out, and for how long its request_id is bound to its body."""

from uuid import uuid4

import grpc
import pytest

from tests.contract.calls import Caller, refused
from tests.e2e.relay.test_relay_call import POST, call
from tests.fakes.http_server import Request
from tests.fakes.wuzapi import FakeWuzapi, Lost, Trouble
from wuzapi_manager.v1 import relay_pb2 as pb

PHONE = "5581999990001"
TEXT = "/chat/send/text"


def after_a_send(request: Request) -> Lost | None:
    """Sends are carried out, and their answers lost."""
    return Lost.AFTER if request.path.startswith("/chat/send/") else None


@pytest.mark.parametrize("extra", [{"Id": ""}, {"Id": None}, {"id": ""}, {"ID": None, "id": ""}, {}])
def test_an_empty_id_is_none(ana: Caller, wuzapi: FakeWuzapi, extra: dict[str, object]) -> None:
    """WUZAPI draws an id for an empty one: the message goes out under the id of its request_id instead, each time."""
    body, request_id, before = {"Phone": PHONE, "Body": "once", **extra}, str(uuid4()), len(wuzapi.sent)
    wuzapi.lose = after_a_send
    with refused(grpc.StatusCode.UNAVAILABLE, "SEND_UNKNOWN") as refusal:
        call(ana, POST, TEXT, body, request_id=request_id)
    wuzapi.lose = None
    assert call(ana, POST, TEXT, body, request_id=request_id).success
    assert [sent.id for sent in wuzapi.sent[before:]] == [refusal.metadata["message_id"]] * 2


def test_an_id_of_the_callers_own_stays(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """It goes out as it is, and is the one that a lost answer names."""
    body = {"Phone": PHONE, "Body": "mine", "id": "3EB0MINE", "ID": ""}
    assert call(ana, POST, TEXT, body).success
    assert wuzapi.sent[-1].id == "3EB0MINE"
    wuzapi.lose = after_a_send
    with refused(grpc.StatusCode.UNAVAILABLE, "SEND_UNKNOWN") as refusal:
        call(ana, POST, TEXT, body)
    assert refusal.metadata["message_id"] == "3EB0MINE"
    assert "never under another" not in refusal.help


@pytest.mark.parametrize("ids", [{"Id": 5}, {"id": ["a"]}, {"Id": {"a": 1}}, {"Id": False}, {"Id": "A", "id": "B"}])
def test_an_id_that_is_none_is_refused(ana: Caller, wuzapi: FakeWuzapi, ids: dict[str, object]) -> None:
    """Nothing is sent under what is no text, nor under one of two ids."""
    before = len(wuzapi.sent)
    for path in (TEXT, "/chat/send/edit"):
        with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
            call(ana, POST, path, {"Phone": PHONE, "Body": "x", **ids})
        assert [*refusal.violations] == ["body.Id"]
    assert len(wuzapi.sent) == before


def test_an_edit_without_a_message_is_wuzapis_to_refuse(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """No id is made up for the message that is changed."""
    before = len(wuzapi.sent)
    assert call(ana, POST, "/chat/send/edit", {"Phone": PHONE, "Body": "x", "Id": ""}).status == 400
    assert len(wuzapi.sent) == before


def test_a_lost_edit_names_the_message_that_it_changes(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """WUZAPI draws an id for each change: the one to know is that of the message."""
    request = pb.EditMessageRequest(phone=PHONE, message_id="3EB0ABC", body="new", request_id=str(uuid4()))
    wuzapi.lose = after_a_send
    with refused(grpc.StatusCode.UNAVAILABLE, "SEND_UNKNOWN") as refusal:
        ana.relay.EditMessage(request)
    wuzapi.lose = None
    assert refusal.metadata["message_id"] == "3EB0ABC"
    assert "never under another" not in refusal.help
    assert ana.relay.EditMessage(request).message.id == "3EB0ABC"


def sends(caller: Caller, body: str, request_id: str, *, by_call: bool) -> pb.CallResponse | pb.SendTextResponse:
    """A text by either way of sending one."""
    if by_call:
        return call(caller, POST, TEXT, {"Phone": PHONE, "Body": body}, request_id=request_id)
    return caller.relay.SendText(pb.SendTextRequest(phone=PHONE, body=body, request_id=request_id))


@pytest.mark.parametrize("by_call", [False, True])
@pytest.mark.parametrize("trouble", [Trouble.UNAVAILABLE, Trouble.GATEWAY, Trouble.OTHER_FAILURE])
def test_a_failure_before_wuzapi_leaves_a_send_unknown(
    ana: Caller, wuzapi: FakeWuzapi, trouble: Trouble, by_call: bool
) -> None:
    """What stands before WUZAPI may answer in its place after the message went out, in JSON too."""
    ana.relay.GetWebhook(pb.GetWebhookRequest())
    request_id = str(uuid4())
    wuzapi.trouble = trouble
    with refused(grpc.StatusCode.UNAVAILABLE, "SEND_UNKNOWN") as refusal:
        sends(ana, "one", request_id, by_call=by_call)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR"):
        sends(ana, "two", request_id, by_call=by_call)
    wuzapi.trouble = None
    sends(ana, "one", request_id, by_call=by_call)
    assert wuzapi.sent[-1].id == refusal.metadata["message_id"]


@pytest.mark.parametrize("by_call", [False, True])
@pytest.mark.parametrize("trouble", [Trouble.FAILURE, Trouble.FALSE_SUCCESS])
def test_a_failure_of_wuzapi_binds_the_request_to_its_id(
    ana: Caller, wuzapi: FakeWuzapi, trouble: Trouble, by_call: bool
) -> None:
    """WUZAPI says that it failed, as after a timeout of WhatsApp: the same may come again at once, nothing else."""
    ana.relay.GetWebhook(pb.GetWebhookRequest())
    request_id, before = str(uuid4()), len(wuzapi.sent)
    wuzapi.trouble = trouble
    if by_call:
        answer = sends(ana, "one", request_id, by_call=True)
        assert isinstance(answer, pb.CallResponse)
        assert (answer.success, answer.status, answer.code) == (False, 500, "WUZAPI_ERROR")
    else:
        with refused(grpc.StatusCode.UNAVAILABLE, "WUZAPI_ERROR"):
            sends(ana, "one", request_id, by_call=False)
    wuzapi.trouble = None
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        sends(ana, "two", request_id, by_call=by_call)
    assert "request_id" in refusal.violations
    sends(ana, "one", request_id, by_call=by_call)
    assert [sent.body["body"] for sent in wuzapi.sent[before:]] == ["one"]
