"""Call: everything of WUZAPI is reachable by it, and nothing else is."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from tests.contract.calls import Caller, refused
from tests.contract.server import World
from tests.e2e.relay.conftest import user_of
from tests.fakes.wuzapi import FakeWuzapi, Lost, State, Trouble
from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.domain.relay_call import redacted
from wuzapi_manager_server.rpc.relay_calls import value_to
from wuzapi_manager_server.upstreams.wuzapi_failures import told

GET, POST, PUT, DELETE = pb.HTTP_METHOD_GET, pb.HTTP_METHOD_POST, pb.HTTP_METHOD_PUT, pb.HTTP_METHOD_DELETE


def call(
    caller: Caller, method: pb.HttpMethod.ValueType, path: str, body: Mapping[str, Any] | None = None, **more: object
) -> pb.CallResponse:
    """A call with a plain body."""
    request = pb.CallRequest(method=method, path=path)
    if body is not None:
        request.body.update(body)
    for name, value in more.items():
        if name == "query":
            request.query.update(value)  # type: ignore[call-overload]  # fields by name
        else:
            setattr(request, name, value)
    return caller.relay.Call(request)


def data(response: pb.CallResponse) -> object:
    """The data as JSON."""
    return MessageToDict(response.data)


def test_a_get_has_the_answer_of_the_original_application(ana: Caller) -> None:
    """Success, status and data come as the original application's client gave them, without what is secret."""
    response = call(ana, GET, "/session/status")
    assert (response.success, response.status, response.error, response.code) == (True, 200, "", "")
    status = data(response)
    assert isinstance(status, dict)
    assert (status["connected"], status["loggedIn"]) == (True, True)
    assert not {"token", "qrcode", "proxy_url"} & status.keys()


def test_a_post_sends_whole_numbers_as_such(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """A Struct knows floating point alone; WUZAPI's integers take no fraction."""
    call(ana, POST, "/session/history", {"history": 50})
    assert wuzapi.requests[-1].body == b'{"history":50}'


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        (POST, "/chat/archive", {"jid": "5581@s.whatsapp.net", "archive": True}),
        (POST, "/status/set/text", {"Body": "x"}),
        (POST, "/call/reject", {"call_from": "1", "call_id": "2"}),
        (GET, "/group/invitelink", None),
        (GET, "/newsletter/list", None),
        (GET, "/session/hmac/config", None),
        (DELETE, "/session/hmac/config", None),
        (GET, "/session/s3/config", None),
        (POST, "/group/create", {"name": "x", "participants": ["1"]}),
        (GET, "/health", None),
    ],
)
def test_what_has_no_rpc_is_called(
    ana: Caller, method: pb.HttpMethod.ValueType, path: str, body: dict[str, object] | None
) -> None:
    """Endpoints without an RPC of their own answer through Call, with or without an envelope."""
    response = call(ana, method, path, body)
    assert (response.success, response.status) == (True, 200)
    assert "access_key" not in str(data(response))
    assert "hmac_key" not in str(data(response))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "session/status",
        "//evil.example/x",
        "http://evil.example/x",
        "/session/../admin/users",
        "/session/./status",
        "/%2e%2e/admin/users",
        "/session%2Fstatus",
        "/session\\status",
        "/session/status?token=x",
        "/session/status#x",
        "/session/status;x",
        "/session/status\r\nX: y",
        "/session/ status",
        "/sessão",
        "/" + "a" * 600,
    ],
)
def test_a_path_that_is_not_plain_is_refused(ana: Caller, wuzapi: FakeWuzapi, path: str) -> None:
    """No path leads elsewhere, and nothing is sent for one that might."""
    came = len(wuzapi.requests)
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        call(ana, GET, path)
    assert "path" in refusal.violations
    assert [request.path for request in wuzapi.requests[came:]] in ([], ["/session/status"])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"query": {"token": "x"}}, "query"),
        ({"query": {"Token": "x"}}, "query"),
        ({"query": {"a": "x" * 5000}}, "query"),
        ({"body": {"a": 1}}, "body"),
        ({"method": 0}, "method"),
        ({"method": 99}, "method"),
        ({"scope": 99}, "scope"),
        ({"request_id": str(uuid4())}, "request_id"),
        ({"request_id": "no uuid"}, "request_id"),
    ],
)
def test_bad_fields_are_named(ana: Caller, fields: dict[str, object], field: str) -> None:
    """Each bad field of a GET is refused by its name."""
    method = fields.pop("method", GET)
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        call(ana, method, "/session/status", **fields)  # type: ignore[arg-type]  # fields by name
    assert field in refusal.violations


def test_the_admin_scope_is_the_administrators(ana: Caller, world: World) -> None:
    """A user reaches no admin call, the administrator no user's; each scope has its own paths."""
    with refused(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR"):
        call(ana, GET, "/admin/users", scope=pb.CALL_SCOPE_ADMIN)
    for path in ("/admin/users", "/Admin/users", "/admin"):
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            call(ana, GET, path)
    with refused(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR"):
        call(world.admin, GET, "/session/status", scope=pb.CALL_SCOPE_USER)
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        call(world.admin, GET, "/session/status")
    with refused(grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"):
        call(world.public, GET, "/session/status")
    assert call(world.admin, GET, "/admin/users", scope=pb.CALL_SCOPE_ADMIN).success


def test_admin_answers_lose_their_secrets(world: World, ana: Caller, wuzapi: FakeWuzapi) -> None:
    """No token, QR code, proxy address or key leaves by the list of users."""
    user_of(wuzapi, ana.token).settings["proxy"] = {"proxyURL": "http://user:secret@proxy.example"}
    text = str(data(call(world.admin, GET, "/admin/users")))
    assert "user 1" in text
    for secret in (ana.token, "secret@", "qrcode", "access_key"):
        assert secret not in text


def test_the_qr_code_stays_in_its_own_call(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """GET /session/qr is there to give it."""
    user = user_of(wuzapi, ana.token)
    user.state, user.qr = State.CONNECTED, "2@x"
    answer = data(call(ana, GET, "/session/qr"))
    assert isinstance(answer, dict)
    assert answer["QRCode"].startswith("data:image/png;base64,")


@pytest.mark.parametrize("key", ["chat_jid", "Chat_JID"])
@pytest.mark.parametrize("value", ["index", " INDEX "])
def test_nobody_gets_everybodys_chats(ana: Caller, wuzapi: FakeWuzapi, key: str, value: str) -> None:
    """The index of all users' chats is refused, and asked of nobody."""
    with refused(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR"):
        call(ana, GET, "/chat/history", query={key: value})
    assert not any("index" in request.path.lower() for request in wuzapi.requests)
    response = call(ana, GET, "/chat/history", query={"chat_jid": "5581@s.whatsapp.net"})
    assert response.status in {200, 501}


@pytest.mark.parametrize(
    "query",
    [
        {"x&chat_jid": "index"},
        {"x": "1&chat_jid=index"},
        {"x": "1;chat_jid=index"},
        {"x=1&chat_jid=index": ""},
        {"chat_jid": "%69ndex"},
        {"chat%5Fjid": "index"},
        {"chat_jid;": "index"},
        {"x": "#?chat_jid=index"},
        {"x": "1&token=token-of-another"},
        {"x\r\nHost: other": "1"},
        {"ação": "café 50% + &="},
    ],
)
def test_nothing_is_smuggled_by_a_query(ana: Caller, wuzapi: FakeWuzapi, query: dict[str, str]) -> None:
    """What WUZAPI reads, as Go's servers and older ones read it, are the names and values that were given."""
    call(ana, GET, "/chat/history", query=query)
    target = wuzapi.requests[-1].path
    assert target.count("?") == 1
    text = target.partition("?")[2]
    assert ";" not in text
    assert parse_qsl(text, keep_blank_values=True) == list(query.items())


@pytest.mark.parametrize(
    ("trouble", "status", "code", "error"),
    [
        (Trouble.UNAUTHORIZED, 401, "INVALID_TOKEN", "Token inválido ou expirado"),
        (Trouble.FORBIDDEN, 403, "PERMISSION_ERROR", "Token não possui permissões necessárias"),
        (Trouble.RATE_LIMITED, 429, "RATE_LIMIT_ERROR", "Muitas requisições"),
        (Trouble.FAILURE, 500, "WUZAPI_ERROR", "Erro na comunicação com WUZAPI: problem accessing DB"),
        (Trouble.FALSE_SUCCESS, 500, "WUZAPI_ERROR", "Erro na comunicação com WUZAPI"),
        (Trouble.NOT_FOUND, 404, "WUZAPI_ERROR", "Este WUZAPI não conhece a chamada"),
        (Trouble.REDIRECT, 302, "WUZAPI_ERROR", "Erro na comunicação com WUZAPI"),
    ],
)
def test_an_error_of_wuzapi_is_an_answer(
    ana: Caller, wuzapi: FakeWuzapi, trouble: Trouble, status: int, code: str, error: str
) -> None:
    """The status decides, whatever the body says; the text is the original application's."""
    ana.relay.GetWebhook(pb.GetWebhookRequest())  # the user is known from here on
    wuzapi.trouble = trouble
    response = call(ana.with_metadata(accept_language="pt-BR"), POST, "/chat/archive", {"jid": "x"})
    assert (response.success, response.status, response.code, response.error) == (False, status, code, error)


def test_an_error_names_no_place_of_the_network() -> None:
    """What WUZAPI says of itself loses addresses and files on its way out."""
    said = told("dial tcp 10.0.0.7:5432: open /var/lib/wuzapi/db: http://inner.example/x  refused\nline 2")
    assert said == "dial tcp ...: open ...: ... refused line 2"


@pytest.mark.parametrize("trouble", [Trouble.HTML, Trouble.GARBAGE, Trouble.EMPTY, Trouble.DEEP_JSON])
def test_garbage_has_no_data(ana: Caller, wuzapi: FakeWuzapi, trouble: Trouble) -> None:
    """An answer that is no JSON is told by its status, with null for data."""
    call(ana, GET, "/session/status")
    wuzapi.trouble = trouble
    response = call(ana, POST, "/chat/archive", {"jid": "x"})
    assert (response.status, data(response)) == (200, None)


def test_a_call_with_an_effect_is_sent_once(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """Where the answer is lost nothing is repeated, and the error says that the outcome is not known."""
    call(ana, GET, "/session/status")
    came = len(wuzapi.requests)
    wuzapi.lose = lambda request: Lost.AFTER if request.path == "/chat/archive" else None
    with refused(grpc.StatusCode.UNAVAILABLE, "CONNECTION_ERROR") as refusal:
        call(ana, POST, "/chat/archive", {"jid": "x"})
    assert "not known" in refusal.message
    assert len([request for request in wuzapi.requests[came:] if request.path == "/chat/archive"]) == 1


def test_a_read_is_tried_again(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """A read whose answer is lost is asked for once more."""
    call(ana, GET, "/session/status")
    lost = iter([Lost.AFTER])
    wuzapi.lose = lambda request: next(lost, None) if request.path == "/newsletter/list" else None
    assert call(ana, GET, "/newsletter/list").success


def test_a_send_by_call_is_safe_to_repeat(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """Call knows a send: the same request_id gives the stored answer and one message."""
    request_id, before = str(uuid4()), len(wuzapi.sent)
    body: dict[str, object] = {"Phone": "5581999990001", "Body": "by call"}
    first = call(ana, POST, "/chat/send/text", body, request_id=request_id)
    assert first == call(ana, POST, "/chat/send/text", body, request_id=request_id)
    assert len(wuzapi.sent) == before + 1
    wuzapi.lose = lambda _: Lost.AFTER
    with refused(grpc.StatusCode.UNAVAILABLE, "SEND_UNKNOWN") as refusal:
        call(ana, POST, "/chat/send/text", body)
    wuzapi.lose = None
    call(ana, POST, "/chat/send/text", body, request_id=refusal.metadata["request_id"])
    assert {sent.id for sent in wuzapi.sent[before + 1 :]} == {refusal.metadata["message_id"]}


def test_a_refused_send_by_call_may_come_again(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """An error of WUZAPI is not kept under the request_id: once there is a session the same request is sent."""
    user, request_id = user_of(wuzapi, ana.token), str(uuid4())
    body = {"Phone": "5581999990001", "Body": "later"}
    user.state = State.NO_CLIENT
    first = call(ana, POST, "/chat/send/text", body, request_id=request_id)
    assert (first.success, first.status, first.code) == (False, 500, "WUZAPI_ERROR")
    user.state = State.LOGGED_IN
    assert call(ana, POST, "/chat/send/text", body, request_id=request_id).success
    assert wuzapi.sent[-1].body["body"] == "later"


def test_the_names_of_the_original_application_work(ana: Caller, world: World, wuzapi: FakeWuzapi) -> None:
    """/send-text with number and message, and events as a list of names that WUZAPI does not have."""
    request_id = str(uuid4())
    body = {"number": "+5511999999999", "message": "Olá!"}
    assert call(ana, POST, "/send-text", body, request_id=request_id).success
    assert (wuzapi.sent[-1].body["phone"], wuzapi.sent[-1].body["body"]) == ("+5511999999999", "Olá!")
    user = {"name": "Nova", "token": "token-of-the-new", "events": ["message.received", "message.sent", "QR"]}
    made = call(world.admin, POST, "/admin/users", user)
    assert (made.status, made.code) == (201, "")
    assert next(user for user in wuzapi.users.values() if user.name == "Nova").settings["events"] == "Message,QR"


def test_numbers_that_no_double_holds_come_as_text() -> None:
    """Nothing is rounded on its way."""
    struct = Struct()
    struct.fields["a"].CopyFrom(value_to([2**53, 1, 1.5, True, None, {"b": []}]))
    assert MessageToDict(struct)["a"] == [str(2**53), 1, 1.5, True, None, {"b": []}]


@pytest.mark.parametrize("wrap", [lambda inner: {"a": inner}, lambda inner: [inner], lambda inner: [{"a": inner}]])
def test_what_lies_too_deep_to_be_read_is_left_out(wrap: Callable[[object], Any]) -> None:
    """Every client reads what is left: protobuf goes a hundred messages deep, and an object in a Value is three."""
    deep: Any = "the end"
    for _ in range(60):
        deep = wrap(deep)
    response = pb.CallResponse(data=value_to(redacted(deep)))
    read = pb.CallResponse.FromString(response.SerializeToString())
    assert read == response
    assert "the end" not in str(read)
    shallow: Any = "the end"
    for _ in range(16):
        shallow = wrap(shallow)
    assert "the end" in str(value_to(redacted(shallow)))
