"""A gRPC server whose answers a test writes down: every RPC of five services, over a socket."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import grpc
from google.protobuf import any_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2  # type: ignore[import-untyped]  # ships stubs, but no py.typed

from wuzapi_manager.v1 import branding_pb2, connection_pb2, maintenance_pb2, record_pb2, relay_pb2

SERVICES = [
    service
    for file in (connection_pb2, branding_pb2, record_pb2, relay_pb2, maintenance_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
]


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error."""

    code: grpc.StatusCode
    message: str = ""
    details: tuple[Message, ...] = ()
    trailer: bytes = b""


class Seen(NamedTuple):
    """A call that came in."""

    method: str
    request: Message
    metadata: dict[str, str]
    time_remaining: float


class Service:
    """The server. `answers` maps the name of an RPC to what it answers; those without give an empty message.

    An answer is a message or a Refusal, and of a stream any iterable of them but a list; a list has one for each call.
    `seen` holds the calls that came in; `stream_ended` is set when a stream has ended.
    """

    def __init__(self) -> None:
        self.answers: dict[str, object] = {}
        self.seen: list[Seen] = []
        self.address = ""
        self.stream_ended = threading.Event()
        self._open = threading.Event()
        self._open.set()

    def requests(self, method: str) -> list[Message]:
        """The requests that came in for an RPC."""
        return [seen.request for seen in self.seen if seen.method == method]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lets calls come in but none be answered, until the block ends."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def _next(self, method: MethodDescriptor) -> object:
        answer = self.answers.get(method.name, GetMessageClass(method.output_type)())
        return answer.pop(0) if isinstance(answer, list) else answer

    def _note(self, method: MethodDescriptor, request: Message, context: grpc.ServicerContext) -> None:
        self._open.wait()
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        self.seen.append(Seen(method.name, request, metadata, context.time_remaining() or 0.0))

    def handler(self, method: MethodDescriptor) -> "grpc.RpcMethodHandler[Message, Message]":
        """How a method of the server is answered."""

        def unary(request: Message, context: grpc.ServicerContext) -> Message:
            self._note(method, request, context)
            return checked(self._next(method), context)

        def stream(request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
            self._note(method, request, context)
            context.add_callback(self.stream_ended.set)
            answers = self._next(method)
            for answer in answers if isinstance(answers, Iterable) else (answers,):
                yield checked(answer, context)

        def upload(requests: Iterator[Message], context: grpc.ServicerContext) -> Message:
            for request in requests:
                self._note(method, request, context)
            return checked(self._next(method), context)

        serialize: Callable[[Message], bytes] = GetMessageClass(method.output_type).SerializeToString
        parse: Callable[[bytes], Message] = GetMessageClass(method.input_type).FromString
        if method.client_streaming:
            return grpc.stream_unary_rpc_method_handler(upload, parse, serialize)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, parse, serialize)
        return grpc.unary_unary_rpc_method_handler(unary, parse, serialize)


def checked(answer: object, context: grpc.ServicerContext) -> Message:
    """The message; ends the call with the error where it is a Refusal."""
    if isinstance(answer, Refusal):
        status = status_pb2.Status(code=answer.code.value[0], message=answer.message)
        for detail in answer.details:
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        trailer = answer.trailer or (status.SerializeToString() if answer.details else b"")
        if trailer:
            context.set_trailing_metadata((("grpc-status-details-bin", trailer),))
        context.abort(answer.code, answer.message)
    assert isinstance(answer, Message)
    return answer


@contextmanager
def running(credentials: grpc.ServerCredentials | None = None) -> Iterator[Service]:
    """The server on a free port, with TLS where it has credentials."""
    service = Service()
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    for descriptor in SERVICES:
        handlers = {method.name: service.handler(method) for method in descriptor.methods}
        server.add_registered_method_handlers(descriptor.full_name, handlers)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    service.address = f"127.0.0.1:{port}"
    server.start()
    try:
        yield service
    finally:
        server.stop(None).wait()
