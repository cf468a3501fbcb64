"""A small server for tests: real pipeline, real sockets, servicers that do what the request says.

As a program it serves until SIGTERM: `python -m tests.integration.server.app`.
"""

import asyncio
import logging
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias, cast

import grpc

from wuzapi_manager.v1 import branding_pb2 as branding
from wuzapi_manager.v1 import branding_pb2_grpc, record_pb2
from wuzapi_manager_server.commands.serve import announce
from wuzapi_manager_server.domain.audit import Deed
from wuzapi_manager_server.domain.caller import Admin, Caller, Public, User
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import CannotStart, InvalidInput, InvalidToken, NotFound, RateLimited, Text, Violation
from wuzapi_manager_server.main import Wire, serve
from wuzapi_manager_server.observe import Metrics
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.settings import Settings, load
from wuzapi_manager_server.wiring import Parts, Service

if TYPE_CHECKING:
    from google.protobuf.message import Message

BRANDING = "wuzapi_manager.v1.BrandingService"
RECORDS = "wuzapi_manager.v1.RecordService"
ADMIN = (("authorization", "admin-token-0123456789"),)
USER = (("token", "user-token-1"),)
Context = grpc.aio.ServicerContext[object, object]
Handler: TypeAlias = "grpc.RpcMethodHandler[Message, Message]"


class FakeCallers:
    """Knows one administrator and every user whose token begins with `user-`."""

    async def identify(self, *, token: str | None, authorization: str | None, deadline: Deadline) -> Caller:
        assert deadline.remaining() > 0
        if authorization == ADMIN[0][1]:
            return Admin()
        if token and token.startswith("user-"):
            return User("7", "Ana", "", token)
        if token is None and authorization is None:
            return Public()
        raise InvalidToken(Text("The token was refused", "Token inválido"))


class FakeAudit:
    """Keeps nothing."""

    def enter(self, caller: Caller, action: str, request_id: str, peer: str) -> None:
        del caller, action, request_id, peer

    async def done(self, deed: Deed, outcome: str = "OK") -> None:
        del deed, outcome

    def begin(self, deed: Deed, outcome: str) -> None:
        del deed, outcome


class Branding(branding_pb2_grpc.BrandingServiceServicer):
    """Does what `app_name` says; `hang` waits for good; `linger` then also waits for `release`."""

    def __init__(self) -> None:
        self.hanging = asyncio.Event()
        self.ended = asyncio.Event()
        self.release = asyncio.Event()

    async def GetBranding(  # noqa: N802 - the protocol's name
        self, _request: branding.GetBrandingRequest, _context: Context
    ) -> branding.GetBrandingResponse:
        call = current()
        text = f"{type(call.caller).__name__} {call.language} {call.request_id}"
        return branding.GetBrandingResponse(branding=branding.Branding(app_name=text))

    async def UpdateBranding(  # noqa: N802 - the protocol's name
        self, request: branding.UpdateBrandingRequest, _context: Context
    ) -> branding.UpdateBrandingResponse:
        match request.branding.app_name:
            case "bug":
                raise KeyError("secret driver text")
            case "bytes":
                made = branding.UpdateBrandingResponse(branding=branding.Branding(app_name="from bytes"))
                return cast("branding.UpdateBrandingResponse", made.SerializeToString())  # the pipeline takes both
            case "invalid":
                raise InvalidInput([Violation("branding.app_name", Text("no", "não")), Violation("b", Text("c", "d"))])
            case "missing":
                raise InvalidInput(
                    [Violation(f"f{n}", Text("is missing" * 9, "falta"), missing=True) for n in range(500)]
                )
            case "busy":
                raise RateLimited(Text("slow down", "devagar"), retry_after=1.5)
            case "absent":
                raise NotFound(
                    Text("no such thing", "não existe ã"), suggestion=Text("look", "olhe"), metadata={"id": "3"}
                )
            case "hang" | "linger" as how:
                self.hanging.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    if how == "linger":
                        await self.release.wait()
                    self.ended.set()
            case "timeout":
                raise TimeoutError
            case "library":
                logging.getLogger("lib").error("a library says %s", "something", exc_info=ValueError("why"))
            case "wrong":
                return cast("branding.UpdateBrandingResponse", "not a message")
        return branding.UpdateBrandingResponse(branding=request.branding)

    async def ResetBranding(  # noqa: N802 - the protocol's name
        self, _request: branding.ResetBrandingRequest, _context: Context
    ) -> branding.ResetBrandingResponse:
        return branding.ResetBrandingResponse(branding=branding.Branding(app_name=f"{current().deadline.remaining()}"))

    async def ListBrandingRevisions(  # noqa: N802 - the protocol's name
        self, _request: branding.ListBrandingRevisionsRequest, _context: Context
    ) -> branding.ListBrandingRevisionsResponse:
        return branding.ListBrandingRevisionsResponse()

    async def RollbackBranding(  # noqa: N802 - the protocol's name
        self, _request: branding.RollbackBrandingRequest, _context: Context
    ) -> branding.RollbackBrandingResponse:
        return branding.RollbackBrandingResponse()


class Records:
    """The two streams of RecordService."""

    def __init__(self) -> None:
        self.importing = asyncio.Event()
        self.closed = asyncio.Event()

    async def export(self, request: record_pb2.ExportRecordsRequest, _context: Context) -> AsyncIterator[object]:
        """`search` says what: a number of chunks, `hang` after one, `flood`, or `absent` after one."""
        try:
            yield record_pb2.ExportRecordsResponse(chunk=b"first", resume_token=str(current().deadline.remaining()))
            match request.search:
                case "hang":
                    await asyncio.Event().wait()
                case "absent":
                    raise NotFound(Text("no such connection", "não existe"))
                case "flood":
                    while True:
                        yield record_pb2.ExportRecordsResponse(chunk=b"x" * 60_000).SerializeToString()
                case number:
                    for _ in range(int(number or 0)):
                        yield record_pb2.ExportRecordsResponse(chunk=b"next")
        finally:
            self.closed.set()

    async def load(
        self, requests: AsyncIterator[record_pb2.ImportRecordsRequest], _context: Context
    ) -> record_pb2.ImportRecordsResponse:
        """Counts the messages."""
        count = 0
        async for _ in requests:
            count += 1
            self.importing.set()
        return record_pb2.ImportRecordsResponse(created_count=count)

    def add(self, server: grpc.aio.Server) -> None:
        handlers: dict[str, Handler] = {
            "ExportRecords": grpc.unary_stream_rpc_method_handler(
                self.export,
                request_deserializer=record_pb2.ExportRecordsRequest.FromString,
                response_serializer=record_pb2.ExportRecordsResponse.SerializeToString,
            ),
            "ImportRecords": grpc.stream_unary_rpc_method_handler(
                self.load,
                request_deserializer=record_pb2.ImportRecordsRequest.FromString,
                response_serializer=record_pb2.ImportRecordsResponse.SerializeToString,
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(RECORDS, handlers),))
        stray: Handler = grpc.unary_unary_rpc_method_handler(self.export)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("stray.Service", {"Call": stray}),))


class App:
    """The servicers, and whether the service says that it is ready."""

    def __init__(self) -> None:
        self.branding = Branding()
        self.records = Records()
        self.readiness = True
        self.metrics: Metrics | None = None

    @property
    def wire(self) -> Wire:
        @asynccontextmanager
        async def wired(_settings: Settings, metrics: Metrics) -> AsyncIterator[Parts]:
            self.metrics = metrics

            async def ready() -> bool:
                return self.readiness

            services = [
                Service(
                    BRANDING,
                    lambda server: branding_pb2_grpc.add_BrandingServiceServicer_to_server(self.branding, server),
                ),
                Service(RECORDS, self.records.add),
            ]
            yield Parts(FakeCallers(), FakeAudit(), services, ready)

        return wired


@asynccontextmanager
async def wire_for_process(settings: Settings, metrics: Metrics) -> AsyncIterator[Parts]:
    """For processes: WORKER_DIES lets a worker end at once, or fail with a sentence."""
    if multiprocessing.parent_process() is not None and (how := os.environ.get("WORKER_DIES")):
        if how == "with a sentence":
            raise CannotStart("The worker has a reason")
        os._exit(3)
    async with App().wire(settings, metrics) as parts:
        yield parts


if __name__ == "__main__":
    sys.exit(serve(load(), announce, wire_for_process))
