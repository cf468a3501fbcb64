"""Calls with the generated stubs as one caller, and what a refusal says."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import grpc
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]  # ships stubs, but no py.typed
    BadRequest,
    ErrorInfo,
    Help,
    LocalizedMessage,
    RequestInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships stubs, but no py.typed

from wuzapi_manager.v1 import (
    branding_pb2_grpc,
    connection_pb2_grpc,
    maintenance_pb2_grpc,
    record_pb2_grpc,
    relay_pb2_grpc,
)

SECONDS = 30.0
TRAILER = "grpc-status-details-bin"
_DETAILS = {
    kind.DESCRIPTOR.full_name: kind for kind in (BadRequest, ErrorInfo, Help, LocalizedMessage, RequestInfo, RetryInfo)
}


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: tuple[tuple[str, str], ...]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _As(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamUnaryClientInterceptor):
    """Sends metadata and a deadline with every call."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        self._metadata = tuple(metadata.items())

    def _with(self, details: grpc.ClientCallDetails) -> grpc.ClientCallDetails:
        given = cast("tuple[tuple[str, str], ...]", tuple(details.metadata or ()))
        asked = SECONDS if details.timeout is None else details.timeout
        made = _Details(details.method, asked, (*self._metadata, *given), None, None, None)
        return cast("grpc.ClientCallDetails", made)

    # What grpcio's continuations take and give has names in its stubs alone.
    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: object
    ) -> Any:
        return continuation(self._with(client_call_details), request)

    def intercept_unary_stream(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: object
    ) -> Any:
        return continuation(self._with(client_call_details), request)

    def intercept_stream_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request_iterator: object
    ) -> Any:
        return continuation(self._with(client_call_details), request_iterator)


class Caller:
    """One caller of all services. `token`, `identity` and `jid` are what stands for a user in link fields."""

    def __init__(
        self, channel: grpc.Channel, metadata: Mapping[str, str], *, identity: str = "", jid: str = ""
    ) -> None:
        self._channel = channel
        self._metadata = metadata
        self.token = metadata.get("token", "")
        self.identity = identity
        self.jid = jid
        as_caller = grpc.intercept_channel(channel, _As({"accept-language": "en", **metadata}))
        self.branding = branding_pb2_grpc.BrandingServiceStub(as_caller)
        self.connections = connection_pb2_grpc.ConnectionServiceStub(as_caller)
        self.maintenance = maintenance_pb2_grpc.MaintenanceServiceStub(as_caller)
        self.records = record_pb2_grpc.RecordServiceStub(as_caller)
        self.relay = relay_pb2_grpc.RelayServiceStub(as_caller)

    def with_metadata(self, **more: str) -> "Caller":
        """The same caller, saying something more (`accept_language` for `accept-language`)."""
        added = {name.replace("_", "-"): value for name, value in more.items()}
        return Caller(self._channel, {**self._metadata, **added}, identity=self.identity, jid=self.jid)


def channel_to(address: str) -> grpc.Channel:
    """A channel to a server."""
    return grpc.insecure_channel(address)


class Refusal:
    """What an error says. It can be read once the block of `refused` has ended."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    localized: str
    locale: str
    request_id: str
    help: str
    retry_after: float | None
    trailers: dict[str, str | bytes]
    violations: dict[str, str]
    localized_violations: dict[str, str]

    def read(self, error: grpc.RpcError) -> "Refusal":
        """Reads an error, and insists on what every error of this service must have."""
        call = cast("grpc.Call", error)
        self.code, self.message = call.code(), call.details() or ""
        self.trailers = dict(call.trailing_metadata() or ())
        size = sum(len(name) + len(value) for name, value in self.trailers.items())
        assert TRAILER in self.trailers, f"{self.code} without details: {self.message}"
        assert size + len(self.message.encode()) < 8192, "trailers above 8 KiB are lost on the way"
        status = Status.FromString(cast("bytes", self.trailers[TRAILER]))
        assert status.code == self.code.value[0]
        found = {name: [d for d in _unpacked(status) if d.DESCRIPTOR.full_name == name] for name in _DETAILS}
        one = {name.rpartition(".")[2]: details for name, details in found.items()}
        assert [len(one[name]) for name in ("ErrorInfo", "RequestInfo", "LocalizedMessage")] == [1, 1, 1], one
        assert all(len(details) <= 1 for details in one.values())
        info, localized = one["ErrorInfo"][0], one["LocalizedMessage"][0]
        assert info.domain == "wuzapi-manager"
        assert info.reason
        self.reason, self.metadata = info.reason, dict(info.metadata)
        self.request_id = one["RequestInfo"][0].request_id
        assert self.request_id == self.trailers["x-request-id"]
        self.localized, self.locale = localized.message, localized.locale
        assert self.localized
        assert self.message
        self.help = one["Help"][0].links[0].description if one["Help"] else ""
        delay = one["RetryInfo"][0].retry_delay if one["RetryInfo"] else None
        self.retry_after = None if delay is None else delay.seconds + delay.nanos / 1e9
        bad = one["BadRequest"][0].field_violations if one["BadRequest"] else ()
        self.violations = {violation.field: violation.description for violation in bad}
        self.localized_violations = {violation.field: violation.localized_message.message for violation in bad}
        return self


@contextmanager
def refused(code: grpc.StatusCode, reason: str = "") -> Iterator[Refusal]:
    """Insists that the block's call is refused with that code and, where given, that reason."""
    refusal = Refusal()
    try:
        yield refusal
    except grpc.RpcError as error:
        refusal.read(error)
    else:
        raise AssertionError(f"{code} was expected, but the call was answered")
    assert refusal.code is code, f"{refusal.code}: {refusal.message}"
    assert not reason or refusal.reason == reason, f"{refusal.reason}: {refusal.message}"


def _unpacked(status: Status) -> Iterator[Any]:
    """The details: messages of a library without types."""
    for packed in status.details:
        kind = _DETAILS[packed.TypeName()]
        detail = kind()
        packed.Unpack(detail)
        yield detail
