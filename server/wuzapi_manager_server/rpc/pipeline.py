"""What every call goes through: one interceptor that knows the caller, bounds the work, answers errors and keeps books.

Servicers get parsed messages, raise ServiceErrors, and return messages or bytes that are serialized already. Handlers
stay out of the core's own parsing, so that nothing of a request is looked at before its caller is known.
"""

import asyncio
import math
import re
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import NoReturn, Protocol, TypeAlias, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError

from wuzapi_manager_server.domain.audit import Deed, came_of, target
from wuzapi_manager_server.domain.caller import Admin, Caller, Public, User
from wuzapi_manager_server.domain.deadline import Deadline, timed_out
from wuzapi_manager_server.errors import Code, InvalidInput, RateLimited, ServiceError, SystemFailure, Text, Violation
from wuzapi_manager_server.observe import MethodMetrics, Metrics, failure, log_call
from wuzapi_manager_server.rpc import access
from wuzapi_manager_server.rpc.audited import Audited, audited, telling_target
from wuzapi_manager_server.rpc.call import Call, Language, enter, language_of
from wuzapi_manager_server.rpc.long_work import seconds_for, seconds_without_deadline, silence_for
from wuzapi_manager_server.rpc.status import answer

Request = TypeVar("Request")
Response = TypeVar("Response")
Context = grpc.aio.ServicerContext[bytes, bytes]
Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"  # grpcio's class takes no parameters at run time
Work = Callable[[asyncio.Timeout], Awaitable[bytes]]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_ABORT_SECONDS = 1.0
_NOBODY = Public()
_ALARMING = frozenset({"INTERNAL", "DATA_LOSS"})


class Identifies(Protocol):
    """Tells who is calling."""

    async def identify(self, *, token: str | None, authorization: str | None, deadline: Deadline) -> Caller:
        """The caller of these two entries of the metadata. InvalidToken, or an error that says why it is not known."""
        ...


class Audits(Protocol):
    """Keeps the audit log."""

    def enter(self, caller: Caller, action: str, request_id: str, peer: str) -> None:
        """Makes the caller the actor of this task."""
        ...

    async def done(self, deed: Deed, outcome: str = "OK") -> None:
        """Adds an entry."""
        ...

    def begin(self, deed: Deed, outcome: str) -> object:
        """Begins to add an entry, for callers that cannot wait."""
        ...


@dataclass(frozen=True)
class Limits:
    """Bounds of one process: calls at once, bytes of a message, seconds of a unary call and of a stream's silence."""

    in_flight: int = 256
    streams: int = 16
    message_bytes: int = 4 << 20
    deadline: float = 60.0
    stream_idle: float = 60.0


class _Gate:
    """Admits so many at once."""

    def __init__(self, size: int, what: Text) -> None:
        self._free = size
        self._what = what

    def __enter__(self) -> None:
        if self._free <= 0:
            raise RateLimited(
                Text(f"Too many {self._what.en} are under way", f"Há {self._what.pt} demais em andamento"),
                suggestion=Text("Try again in a moment", "Tente novamente em instantes"),
                retry_after=1.0,
            )
        self._free -= 1

    def __exit__(self, *_: object) -> None:
        self._free += 1


@dataclass(frozen=True)
class _Method:
    """What the pipeline knows of an RPC.

    `seconds` bounds a unary call, `silence` what a stream does by itself, `undated` a stream without a deadline.
    """

    name: str
    access: access.Access
    gate: _Gate
    metrics: MethodMetrics
    streams: bool
    audited: Audited
    seconds: float
    silence: float
    undated: float


@dataclass(slots=True)
class _Flight:
    """A call under way, as far as its log line tells."""

    method: _Method
    peer: str
    request_id: str
    language: Language
    started: float
    caller: Caller = _NOBODY


class Pipeline(grpc.aio.ServerInterceptor):
    """The interceptor. Health and reflection pass by it; what the access table does not know is not served."""

    def __init__(self, callers: Identifies, audit: Audits, limits: Limits, metrics: Metrics) -> None:
        self._callers = callers
        self._audit = audit
        self._limits = limits
        self._metrics = metrics
        self._unary = _Gate(limits.in_flight, Text("calls", "chamadas"))
        self._streams = _Gate(limits.streams, Text("streams", "fluxos"))
        self._wrapped: dict[str, Handler] = {}
        self._running: set[asyncio.Task[object]] = set()

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Request, Response] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Request, Response] | None":
        """The handler of the RPC, wrapped; None, which grpc answers with UNIMPLEMENTED, for RPCs that are not ours."""
        name = handler_call_details.method
        known = self._wrapped.get(name)
        if known is None:
            handler = await continuation(handler_call_details)
            if handler is None or access.is_open(name):
                return handler
            answers = access.access_to(name)
            if answers is None:
                return None
            known = self._wrapped[name] = self._wrap(name, answers, cast("Handler", handler))
        return cast("grpc.RpcMethodHandler[Request, Response]", known)

    @property
    def under_way(self) -> int:
        """How many calls run."""
        return len(self._running)

    async def drain(self, seconds: float) -> int:
        """Waits until no call runs, at most so long; how many still do."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        return len(self._running)

    def _wrap(self, name: str, answers: access.Access, handler: Handler) -> Handler:
        streams = bool(handler.request_streaming or handler.response_streaming)
        gate = self._streams if streams else self._unary
        seconds = seconds_for(name, self._limits.deadline)
        bounds = (seconds, silence_for(name, self._limits.stream_idle), seconds_without_deadline(name))
        method = _Method(name, answers, gate, self._metrics.method(name), streams, audited(name), *bounds)
        parse = self._parser(handler)
        if method.audited is not Audited.NEVER:
            parse = telling_target(name, parse)
        encode = _encoder(handler)
        if handler.response_streaming:
            return self._unary_stream(method, handler, parse, encode)
        if handler.request_streaming:
            return self._stream_unary(method, handler, parse, encode)
        return self._unary_unary(method, handler, parse, encode)

    def _unary_unary(self, method: _Method, handler: Handler, parse: "_Parse", encode: "_Encode") -> Handler:
        behaviour = cast("Callable[[object, Context], Awaitable[object]]", handler.unary_unary)

        async def serve(raw: bytes, context: Context) -> bytes:
            async def work(_: asyncio.Timeout) -> bytes:
                return encode(await behaviour(parse(raw), context))

            return await self._serve(method, context, work)

        return grpc.unary_unary_rpc_method_handler(serve)

    def _unary_stream(self, method: _Method, handler: Handler, parse: "_Parse", encode: "_Encode") -> Handler:
        behaviour = cast("Callable[[object, Context], AsyncGenerator[object, None]]", handler.unary_stream)
        idle = self._limits.stream_idle

        async def serve(raw: bytes, context: Context) -> None:
            async def work(scope: asyncio.Timeout) -> bytes:
                scope.reschedule(_in(method.silence))
                async with aclosing(behaviour(parse(raw), context)) as responses:
                    async for response in responses:
                        scope.reschedule(_in(idle))
                        await context.write(encode(response))
                        scope.reschedule(_in(method.silence))
                return b""

            await self._serve(method, context, work)

        return grpc.unary_stream_rpc_method_handler(serve)

    def _stream_unary(self, method: _Method, handler: Handler, parse: "_Parse", encode: "_Encode") -> Handler:
        behaviour = cast("Callable[[AsyncIterator[object], Context], Awaitable[object]]", handler.stream_unary)
        idle = self._limits.stream_idle

        async def serve(raws: AsyncIterator[bytes], context: Context) -> bytes:
            async def work(scope: asyncio.Timeout) -> bytes:
                async def requests() -> AsyncGenerator[object, None]:
                    async for raw in raws:
                        scope.reschedule(_in(idle))
                        yield parse(raw)
                    scope.reschedule(_in(method.silence))

                async with aclosing(requests()) as parsed:
                    return encode(await behaviour(parsed, context))

            return await self._serve(method, context, work)

        return grpc.stream_unary_rpc_method_handler(serve)

    async def _serve(self, method: _Method, context: Context, work: Work) -> bytes:
        """Runs one call from its metadata to its answer or abort."""
        metadata = cast("Mapping[str, str]", dict(context.invocation_metadata() or ()))
        given_id = metadata.get("x-request-id", "")
        request_id = given_id if _REQUEST_ID.fullmatch(given_id) else secrets.token_hex(16)
        language = language_of(metadata.get("accept-language", ""))
        flight = _Flight(method, context.peer(), request_id, language, time.perf_counter())
        context.set_trailing_metadata((("x-request-id", request_id),))
        deadline, scope = self._bounds(method, context)
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._running.add(task)
        method.metrics.begin()
        try:
            try:
                with method.gate:
                    async with scope:
                        flight.caller = await self._identify(method.access, metadata, deadline)
                        enter(Call(flight.caller, deadline, request_id, language))
                        if method.audited is not Audited.NEVER:
                            self._audit.enter(flight.caller, method.name, request_id, flight.peer)
                        access.check(method.access, flight.caller)
                        response = await work(scope)
            except asyncio.CancelledError:
                code = "CANCELLED" if deadline.remaining() else "DEADLINE_EXCEEDED"
                self._record(flight, code)
                if method.audited.tells(flight.caller, code):
                    self._audit.begin(Deed(target.get()), code)
                raise
            except Exception as error:  # noqa: BLE001 - the outermost catch-all: nothing foreign may reach a caller
                told = _told(error, expired=scope.expired(), streams=method.streams)
                if method.audited.tells(flight.caller, told.code.value):
                    await self._audit.done(Deed(target.get()), told.code.value)
                await self._abort(flight, context, told)
            self._record(flight, "OK")
            if method.audited.tells(flight.caller, "OK"):
                await self._audit.done(Deed(target.get(), after=came_of.get() or {}))
            return response
        finally:
            self._running.discard(task)

    def _bounds(self, method: _Method, context: Context) -> tuple[Deadline, asyncio.Timeout]:
        """Until when the answer is worth having, and what ends the work where the core does not do so itself."""
        left = cast("float | None", context.time_remaining())
        if method.streams:
            return Deadline.after(method.undated if left is None else left), asyncio.timeout(self._limits.stream_idle)
        if left is None or left > method.seconds:
            return Deadline.after(method.seconds), asyncio.timeout(method.seconds)
        return Deadline.after(left), asyncio.timeout(None)

    async def _identify(self, answers: access.Access, metadata: Mapping[str, str], deadline: Deadline) -> Caller:
        if answers is access.Access.PUBLIC:
            return _NOBODY
        token, authorization = metadata.get("token"), metadata.get("authorization")
        return await self._callers.identify(token=token, authorization=authorization, deadline=deadline)

    async def _abort(self, flight: _Flight, context: Context, error: ServiceError) -> NoReturn:
        told: dict[str, object] = {}
        if error.code is Code.INTERNAL:
            told["error_id"] = error.metadata["error_id"] = secrets.token_hex(8)
            told |= failure(error.__cause__ or error)
        code, message, details = answer(error, flight.request_id, flight.language)
        self._record(flight, code.name, reason=error.reason, **told)
        trailers = (("x-request-id", flight.request_id), ("grpc-status-details-bin", details))
        try:
            async with asyncio.timeout(_ABORT_SECONDS):
                await context.abort(code, message, trailers)
        except TimeoutError:  # a caller that does not read gets the status when it does; nothing waits for it here
            raise asyncio.CancelledError from None

    def _record(self, flight: _Flight, code: str, **told: object) -> None:
        seconds = time.perf_counter() - flight.started
        flight.method.metrics.end(code, seconds)
        caller = flight.caller
        kind = "user" if isinstance(caller, User) else "admin" if isinstance(caller, Admin) else "public"
        if isinstance(caller, User):
            told["user_id"] = caller.id
        log_call(
            "error" if code in _ALARMING else "info",
            {
                "event": "call",
                "method": flight.method.name,
                "code": code,
                "duration_ms": round(seconds * 1000, 3),
                "request_id": flight.request_id,
                "caller": kind,
                "peer": flight.peer,
                **told,
            },
        )

    def _parser(self, handler: Handler) -> "_Parse":
        deserialize = handler.request_deserializer
        limit = self._limits.message_bytes

        def parse(raw: bytes) -> object:
            if len(raw) > limit:
                raise InvalidInput(
                    [
                        Violation(
                            "",
                            Text(
                                f"the message has {len(raw)} bytes, at most {limit} are taken",
                                f"A mensagem tem {len(raw)} bytes, o máximo é {limit}",
                            ),
                        )
                    ]
                )
            try:
                return deserialize(raw) if deserialize else raw
            except DecodeError:
                raise InvalidInput(
                    [
                        Violation(
                            "",
                            Text(
                                "the message is not of this RPC's type, or a text in it is not UTF-8",
                                "A mensagem não é do tipo desta chamada ou um texto não é UTF-8",
                            ),
                        )
                    ]
                ) from None

        return parse


_Parse = Callable[[bytes], object]
_Encode = Callable[[object], bytes]


def _encoder(handler: Handler) -> _Encode:
    serialize = cast("Callable[[object], bytes]", handler.response_serializer)

    def encode(response: object) -> bytes:
        return response if isinstance(response, bytes) else serialize(response)

    return encode


def _in(seconds: float) -> float | None:
    """The moment so many seconds from now on the loop's clock; None for never."""
    return None if math.isinf(seconds) else asyncio.get_running_loop().time() + seconds


def _told(error: Exception, *, expired: bool, streams: bool) -> ServiceError:
    """The error as its caller may know it."""
    if isinstance(error, ServiceError):
        return error
    if expired and isinstance(error, TimeoutError):
        return _idled() if streams else timed_out()
    unknown = SystemFailure(
        Text("An internal error occurred", "Ocorreu um erro interno"),
        suggestion=Text(
            "Try again; if it stays, tell the operator the error id",
            "Tente novamente; se persistir, informe o código do erro ao suporte",
        ),
    )
    unknown.__cause__ = error
    return unknown


def _idled() -> ServiceError:
    error = timed_out()
    error.text = Text("The stream was idle for too long", "O fluxo ficou inativo por tempo demais")
    return error
