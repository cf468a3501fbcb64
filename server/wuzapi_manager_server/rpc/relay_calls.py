"""RelayService.Call: any call of WUZAPI, worded by the caller."""

from collections.abc import Mapping
from uuid import uuid4

from google.protobuf.struct_pb2 import NullValue, Value

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.domain.caller import Caller, User
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.relay_call import (
    Scope,
    as_wuzapi,
    check_own_chats,
    check_path,
    check_query,
    check_scope,
    own_message_id,
    redacted,
    with_message_id,
)
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import Code, ServiceError, Text, Violation, WuzapiError
from wuzapi_manager_server.rpc.call import Language, current, in_language
from wuzapi_manager_server.rpc.convert_common import choice_from, dict_from
from wuzapi_manager_server.rpc.requests import Problems, missing, repeatable
from wuzapi_manager_server.services.once import check_request_id
from wuzapi_manager_server.services.relay import Relay, check_sent, failure, scope_for
from wuzapi_manager_server.services.sends import Sends
from wuzapi_manager_server.upstreams.wuzapi_gateway import AnswerLost, WuzapiAnswer, WuzapiCall

_METHODS = {
    pb.HTTP_METHOD_GET: "GET",
    pb.HTTP_METHOD_POST: "POST",
    pb.HTTP_METHOD_PUT: "PUT",
    pb.HTTP_METHOD_DELETE: "DELETE",
}
_SEND, _EDIT = "/chat/send/", "/chat/send/edit"
_USERS = "/admin/users"
# These GETs have an effect: one may make a new link, the other asks the phone for messages.
_NOT_ONLY_READ = frozenset({"/group/invitelink", "/session/history"})
_EXACT = 2**53 - 1


class RelayCalls:
    """Answers Call."""

    def __init__(self, relay: Relay, sends: Sends, timeout: float, answer_bytes: int) -> None:
        self._relay = relay
        self._sends = sends
        self._timeout = timeout
        self._answer_bytes = answer_bytes

    async def call(self, request: pb.CallRequest, _: object) -> object:
        """See the proto."""
        caller = current().caller
        call, scope = _checked(request, caller)
        self._relay.check()
        if scope is Scope.USER and call.method == "POST" and call.path.startswith(_SEND):
            return await self._send(request, caller, call)
        try:
            answer = await self._relay.answer(caller, call, current().deadline)
        except AnswerLost as lost:
            raise lost.error from None
        finally:
            await self._changed(caller, call, scope)
        return self._response(call, answer, scope, current().language)

    async def _send(self, request: pb.CallRequest, caller: Caller, call: WuzapiCall) -> bytes:
        request_id = request.request_id or str(uuid4())
        language = current().language
        current().deadline.cap(self._timeout)
        own_id = own_message_id(call.body)

        async def sent(message_id: str) -> bytes:
            identity = own_id or ("" if call.path == _EDIT else message_id)  # an edit without one is WUZAPI's to refuse
            body = with_message_id(call.body, identity)
            answer = await self._relay.answer(caller, call._replace(body=body), Deadline.after(self._timeout))
            response = self._response(call, answer, Scope.USER, language)
            check_sent(answer, None if response.success else _NotSentError(response))
            return response.SerializeToString()

        try:
            return await self._sends.send(repeatable(caller, request, request_id), sent, names=own_id)
        except _NotSentError as refused:
            return refused.response.SerializeToString()

    async def _changed(self, caller: Caller, call: WuzapiCall, scope: Scope) -> None:
        """What is kept of users whom the call may have changed is dropped."""
        if call.method == "GET":
            return
        if scope is Scope.ADMIN:
            identity = call.path.removeprefix(_USERS).strip("/").partition("/")[0]
            token = next((value for key, value in (call.body or {}).items() if key.lower() == "token"), "")
            await self._relay.callers.changed(identity=identity, token=token if isinstance(token, str) else "")
        elif isinstance(caller, User) and call.path.startswith("/session/"):
            await self._relay.callers.changed(token=caller.token, identity=caller.id)

    def _response(self, call: WuzapiCall, answer: WuzapiAnswer, scope: Scope, language: Language) -> pb.CallResponse:
        response = pb.CallResponse(success=answer.ok, status=answer.status)
        response.data.CopyFrom(value_to(redacted(answer.data, call.path)))
        error = failure(answer, as_admin=scope is Scope.ADMIN)
        if error is not None:
            response.error = in_language(error.text, language)
            response.code = error.reason
        if response.ByteSize() > self._answer_bytes:
            raise WuzapiError(
                Code.RESOURCE_EXHAUSTED,
                Text("WUZAPI's answer is larger than an answer may be", "A resposta do WUZAPI é grande demais"),
                suggestion=Text("Ask for less at once", "Peça menos por vez"),
            )
        return response


class _NotSentError(ServiceError):
    """WUZAPI answered an error, which is not kept: the request may come again."""

    def __init__(self, response: pb.CallResponse) -> None:
        super().__init__(Text(response.error, response.error))
        self.response = response


def _checked(request: pb.CallRequest, caller: Caller) -> tuple[WuzapiCall, Scope]:
    """The call that a request words, and its scope. InvalidInput with every bad field, PermissionDenied."""
    problems = Problems()
    method = _METHODS.get(request.method, "")
    if not method:
        problems.violations.append(
            missing("method")
            if not request.method
            else Violation("method", Text(f"{request.method} is not one of its values", "não é um valor permitido"))
        )
    problems.attempt(lambda: check_path(request.path), None)
    problems.attempt(lambda: check_query(request.query), None)
    problems.attempt(lambda: check_request_id(request.request_id), None)
    asked = choice_from(
        request.scope, pb.DESCRIPTOR.enum_types_by_name["CallScope"], Scope, "scope", problems.violations
    )
    if method == "GET" and request.HasField("body"):
        problems.violations.append(Violation("body", Text("is not for GET", "não é permitido em GET")))
    body: Mapping[str, Json] | None = None
    if method != "GET" and (request.HasField("body") or method != "DELETE"):
        body = {name: _whole(value) for name, value in dict_from(request.body).items()}
    path, body = problems.attempt(lambda: as_wuzapi(method, request.path, body), (request.path, body))
    is_send = method == "POST" and path.startswith(_SEND)
    if is_send:
        problems.attempt(lambda: own_message_id(body), "")
    if request.request_id and not is_send:
        problems.violations.append(
            Violation("request_id", Text("is for sends alone (POST /chat/send/...)", "é apenas para envios"))
        )
    problems.settle()
    scope = scope_for(caller, asked)
    check_scope(path, scope)
    check_own_chats(path, request.query)
    again = method == "GET" and path not in _NOT_ONLY_READ
    return WuzapiCall(method, path, dict(request.query), body, again=again), scope


def _whole(value: Json) -> Json:
    """Numbers of a Struct, which are all floating point, as integers where they are whole: Go takes no 5.0 for 5."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return value


def value_to(data: Json) -> Value:
    """JSON as a google.protobuf.Value; integers that a double cannot hold exactly as texts."""
    if data is None:
        return Value(null_value=NullValue.NULL_VALUE)
    if isinstance(data, bool):
        return Value(bool_value=data)
    if isinstance(data, int | float):
        exact = isinstance(data, float) or abs(data) <= _EXACT
        return Value(number_value=data) if exact else Value(string_value=str(data))
    if isinstance(data, str):
        return Value(string_value=data)
    value = Value()
    if isinstance(data, list):
        value.list_value.values.extend(value_to(item) for item in data)
        if not data:
            value.list_value.SetInParent()
        return value
    value.struct_value.SetInParent()
    for name, item in data.items():
        value.struct_value.fields[name].CopyFrom(value_to(item))
    return value
