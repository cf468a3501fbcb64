"""RelayService: sends and most other calls by tables, the rest by methods of their own."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import cast
from uuid import uuid4

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.domain.caller import Caller, User
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.qr_picture import drawn
from wuzapi_manager_server.errors import Code, Text, WuzapiError
from wuzapi_manager_server.rpc.access import users_alone
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.rpc.relay_admin import RelayAdmin
from wuzapi_manager_server.rpc.relay_answers import lowered, object_of, session_of, timestamp_of, webhook_of
from wuzapi_manager_server.rpc.relay_calls import RelayCalls
from wuzapi_manager_server.rpc.relay_media import RelayMedia, by_content
from wuzapi_manager_server.rpc.relay_pages import RelayPages
from wuzapi_manager_server.rpc.relay_routes import ASKS, SENDS, SET_WEBHOOK, Ask, send_body
from wuzapi_manager_server.rpc.requests import Problems, repeatable
from wuzapi_manager_server.services.once import check_request_id
from wuzapi_manager_server.services.relay import Relay, after_change, data_of, failure
from wuzapi_manager_server.services.sends import Sends
from wuzapi_manager_server.services.sessions import Sessions
from wuzapi_manager_server.upstreams.wuzapi_gateway import AnswerLost, WuzapiCall

Behaviour = Callable[[Message, object], Awaitable[object]]
_MAKERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
}
_BYTES_A_SECOND = 1 << 20  # at which a long send goes at least: to WUZAPI, and from there to WhatsApp
_SERVICE = pb.DESCRIPTOR.services_by_name["RelayService"]
_STATUS = WuzapiCall("GET", "/session/status", again=True)
_WEBHOOK = WuzapiCall("GET", "/webhook", again=True)


class RelayServicer:
    """Answers RelayService. `timeout` bounds a send, in seconds, `base_url` is told to who asks."""

    def __init__(
        self,
        relay: Relay,
        sends: Sends,
        sessions: Sessions,
        parts: tuple[RelayCalls, RelayAdmin, RelayPages, RelayMedia],
        *,
        timeout: float,
        base_url: str,
        answer_bytes: int,
    ) -> None:
        self._relay = relay
        self._sends = sends
        self._sessions = sessions
        self._timeout = timeout
        self._base_url = base_url
        self._answer_bytes = answer_bytes
        calls, admin, pages, self._media = parts
        own: Mapping[str, Callable[..., object]] = {
            "Call": calls.call,
            "CheckHealth": self.check_health,
            "ConnectSession": self.connect_session,
            "CreateUser": admin.create_user,
            "DeleteUser": admin.delete_user,
            "GetSessionStatus": self.get_session_status,
            "GetRelayConfig": self.get_relay_config,
            "GetUser": admin.get_user,
            "ListContacts": pages.list_contacts,
            "ListGroups": pages.list_groups,
            "ListUsers": pages.list_users,
            "SetWebhook": self.set_webhook,
            "UpdateUser": admin.update_user,
            "UploadMedia": self._media.upload_media,
            "WatchSession": self.watch_session,
        }
        self._own = own

    def add(self, server: grpc.aio.Server) -> None:
        """Registers every RPC of the service."""
        handlers = {method.name: self._handler(method) for method in _SERVICE.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE.full_name, handlers),))

    def _handler(self, method: MethodDescriptor) -> "grpc.RpcMethodHandler[Message, Message]":
        own = self._own.get(method.name)
        behaviour = cast("Behaviour", own) if own else self._by_table(method)
        return _MAKERS[method.client_streaming, method.server_streaming](
            behaviour,
            GetMessageClass(method.input_type).FromString,
            GetMessageClass(method.output_type).SerializeToString,
        )

    def _by_table(self, method: MethodDescriptor) -> Behaviour:
        if method.name in SENDS:
            return partial(self._send, method.name, GetMessageClass(method.output_type))
        read = method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
        return partial(self._ask, ASKS[method.name], read)

    async def _ask(self, ask: Ask, read: bool, request: Message, _: object) -> Message:  # noqa: FBT001 - bound by the table
        user = user_of_call()
        body = ask.body(request)
        call = WuzapiCall(ask.method, ask.path, body=body if ask.method in {"POST", "PUT"} else None, again=read)
        if ask.query:
            call = call._replace(params={key: str(value) for key, value in body.items()})
        try:
            response = ask.answer(await self._relay.ask(user, call, current().deadline, empty=ask.empty))
        finally:
            if not read and ask.path.startswith("/session/"):
                await self._relay.callers.changed(token=user.token, identity=user.id)
        return fitting(response, self._answer_bytes)

    async def _send(self, name: str, kind: type[Message], request: Message, _: object) -> object:
        user = user_of_call()
        send, problems = SENDS[name], Problems()
        media = problems.attempt(lambda: self._media.of(user, request), None)
        body = problems.attempt(lambda: send_body(name, request, media), {})
        given = str(getattr(request, "request_id", ""))
        problems.attempt(lambda: check_request_id(given), None)
        problems.settle()
        request_id = given or str(uuid4())
        longer = media.size / _BYTES_A_SECOND if media else 0.0
        seconds = self._timeout + longer
        current().deadline.cap(seconds)

        async def sent(message_id: str) -> bytes:
            named = {**body, "Id": message_id} if send.own_id else body
            with self._media.attached(
                WuzapiCall("POST", send.path, body=named, seconds=seconds), media, send.shape.media
            ) as call:
                data = lowered(await self._relay.send(user, call, Deadline.after(seconds)))
            identity = data.get("id")
            message = pb.SentMessage(
                id=identity if isinstance(identity, str) and identity else str(body.get("Id", message_id)),
                send_time=timestamp_of(data.get("timestamp")),
                request_id=request_id,
            )
            return kind(message=message).SerializeToString()

        names = "" if send.own_id else str(body["Id"])
        return await self._sends.send(
            repeatable(user, by_content(request, media), request_id), sent, longer, names=names
        )

    async def get_session_status(self, _request: pb.GetSessionStatusRequest, _: object) -> Message:
        """See the proto. Versions before May 2025 answer with an error where there is no session."""
        answer = await self._relay.answer(user_of_call(), _STATUS, current().deadline)
        error = failure(answer, as_admin=False)
        if isinstance(error, WuzapiError) and error.code is Code.FAILED_PRECONDITION:
            return pb.GetSessionStatusResponse(session=pb.Session(state=pb.SESSION_STATE_NO_SESSION))
        return pb.GetSessionStatusResponse(session=session_of(data_of(answer, as_admin=False)))

    async def connect_session(self, request: pb.ConnectSessionRequest, _: object) -> Message:
        """See the proto. A session that is connected already is what was asked for.

        WUZAPI keeps no events for none, so that those that it keeps are sent.
        """
        user, ask = user_of_call(), ASKS["ConnectSession"]
        body = ask.body(request)
        if not request.events:
            body["Subscribe"] = [*(await self._webhook(user)).events]
        call = WuzapiCall("POST", ask.path, body=body)
        try:
            answer = await self._relay.answer(user, call, current().deadline)
        except AnswerLost as lost:
            raise lost.error from None
        if not answer.ok and answer.error.strip().lower() == "already connected":
            session = session_of(await self._relay.ask(user, _STATUS, current().deadline))
            return pb.ConnectSessionResponse(jid=session.jid, webhook=session.webhook, events=session.events)
        return ask.answer(data_of(answer, as_admin=False))

    async def watch_session(
        self, _request: pb.WatchSessionRequest, _: object
    ) -> AsyncGenerator[pb.WatchSessionResponse, None]:
        """See the proto."""
        async for seen in self._sessions.watch(user_of_call(), current().deadline):
            response = pb.WatchSessionResponse(state=pb.SessionState.Value(f"SESSION_STATE_{seen.state}"), jid=seen.jid)
            if seen.png:
                response.qr_code.CopyFrom(pb.QrCode(png=seen.png, text=drawn(seen.png)))
            yield response

    async def set_webhook(self, request: pb.SetWebhookRequest, _: object) -> pb.SetWebhookResponse:
        """See the proto. WUZAPI answers with the URL alone, and drops events that it does not know."""
        user = user_of_call()
        call = WuzapiCall("POST", SET_WEBHOOK.path, body=SET_WEBHOOK.body(request))
        await self._relay.ask(user, call, current().deadline, empty=SET_WEBHOOK.empty)
        with after_change():
            return pb.SetWebhookResponse(webhook=await self._webhook(user))

    async def _webhook(self, user: User) -> pb.Webhook:
        """Where events are delivered, and which, as WUZAPI keeps it."""
        return webhook_of(object_of(await self._relay.ask(user, _WEBHOOK, current().deadline)))

    async def check_health(self, _request: pb.CheckHealthRequest, _: object) -> pb.CheckHealthResponse:
        """See the proto."""
        health = await self._relay.health()
        response = pb.CheckHealthResponse(online=health.online, version=health.version)
        if health.online:
            response.latency.FromNanoseconds(int(health.latency * 1e9))
        return response

    async def get_relay_config(self, _request: pb.GetRelayConfigRequest, _: object) -> pb.GetRelayConfigResponse:
        """See the proto."""
        response = pb.GetRelayConfigResponse(base_url=self._base_url)
        response.timeout.FromNanoseconds(int(self._timeout * 1e9))
        return response


def user_of_call() -> User:
    """The caller, where it is a user; the table of access lets no other through."""
    caller: Caller = current().caller
    if not isinstance(caller, User):
        raise users_alone()
    return caller


def fitting(response: Message, most: int) -> Message:
    """The response. WuzapiError RESOURCE_EXHAUSTED where it is larger than callers take."""
    if response.ByteSize() > most:
        raise WuzapiError(
            Code.RESOURCE_EXHAUSTED,
            Text("WUZAPI's answer is larger than an answer may be", "A resposta do WUZAPI é grande demais"),
            suggestion=Text("Ask for less at once", "Peça menos por vez"),
        )
    return response
