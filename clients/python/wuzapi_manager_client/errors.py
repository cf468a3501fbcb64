"""What a call can raise.

    ManagerError
    ├── InvalidArgument     the request is wrong: `violations` names every bad field
    ├── Unauthenticated     no token, a malformed or a refused one
    ├── PermissionDenied    the caller is known and may not do this
    ├── NotFound            no such thing, or it is another user's
    ├── AlreadyExists       a thing that must be unique is there already
    ├── Conflict            ABORTED: an etag that is not current (`metadata["etag"]` is), or the same request in flight
    ├── FailedPrecondition  the state of things does not allow it: a source's credentials, table or constraint
    ├── ResourceExhausted   too much at once: wait `retry_after` seconds; without it no room, or an answer too large
    ├── DeadlineExceeded    the timeout passed; a write may or may not have happened
    ├── Unavailable         the service, a source or WUZAPI cannot be reached
    ├── DataLoss            the service's own database or a backup is damaged, or a download on its way
    ├── Unimplemented       the service is older than this client, or WUZAPI than the call
    ├── Cancelled           the call was cancelled
    └── Internal            anything else; `metadata` has the error id that the service's log has too

`reason` tells more than the class: it is one of the words of the API, such as "CONNECTION_FAILED".
"""

from typing import NamedTuple

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships stubs, but no py.typed

_DETAILS_KEY = "grpc-status-details-bin"
_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


class Violation(NamedTuple):
    """A bad field of a request: its path there, what is wrong, and that in the language of the client."""

    field: str
    message: str
    localized_message: str


class ManagerError(Exception):
    """A call failed. Raised as one of its subclasses; `str(error)` is the message in English."""

    code: grpc.StatusCode
    """The status code of gRPC."""
    reason: str
    """The API's word for what happened, such as "VALIDATION_ERROR"; empty where the service itself did not answer."""
    message: str
    """What happened, in English."""
    localized_message: str
    """The same in the language of the client; the English message where the service gave none."""
    suggestion: str
    """What to do about it; empty where there is no advice."""
    retry_after: float | None
    """The seconds to wait before it makes sense to try again; None where waiting does not help."""
    violations: tuple[Violation, ...]
    """Every bad field. Of very many the first, and `metadata["violations_omitted"]` says how many more there are."""
    metadata: dict[str, str]
    """More facts, such as the current `etag`."""
    request_id: str
    """What the service's log calls this request; empty where the service itself did not answer."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = ""
        self.message = message
        self.localized_message = message
        self.suggestion = ""
        self.retry_after = None
        self.violations = ()
        self.metadata = {}
        self.request_id = ""


class InvalidArgument(ManagerError):
    """The request is wrong: `violations` names every bad field."""


class Unauthenticated(ManagerError):
    """No token, a malformed or a refused one."""


class PermissionDenied(ManagerError):
    """The caller is known and may not do this."""


class NotFound(ManagerError):
    """No such thing, or it is another user's."""


class AlreadyExists(ManagerError):
    """A thing that must be unique is there already."""


class Conflict(ManagerError):
    """Somebody else was faster: an etag that is not current, the same request in flight, a broken-off transaction."""


class FailedPrecondition(ManagerError):
    """The state of things does not allow it: a source's credentials, table or constraint."""


class ResourceExhausted(ManagerError):
    """Too much at once: wait `retry_after` seconds. Without it a disk is full, or an answer would be too large."""


class DeadlineExceeded(ManagerError):
    """The timeout passed. A write may or may not have happened."""


class Unavailable(ManagerError):
    """The service, a source or WUZAPI cannot be reached; `reason` tells which."""


class DataLoss(ManagerError):
    """The service's own database or a backup is damaged, or a download of one was damaged on its way."""


class Unimplemented(ManagerError):
    """The service does not know this call, as it is older than this client; or, in the relay, WUZAPI does not."""


class Cancelled(ManagerError):
    """The call was cancelled, here or on the way."""


class Internal(ManagerError):
    """Anything else. `metadata` has the error id that the service's log has too."""


_CLASSES: dict[grpc.StatusCode, type[ManagerError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DATA_LOSS: DataLoss,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
    grpc.StatusCode.CANCELLED: Cancelled,
}


def from_rpc_error(error: grpc.RpcError) -> ManagerError:
    """The exception for a failed call, with what its details say."""
    code = error.code()
    message = error.details() or ""
    for item in error.trailing_metadata() or ():
        if item.key == _DETAILS_KEY:
            try:
                status = status_pb2.Status.FromString(item.value)
            except DecodeError:
                break  # not the service's own words: the code and the message remain
            return _with_details(code, message, status)
    return _with_details(code, message, status_pb2.Status())


def from_status(status: status_pb2.Status) -> ManagerError | None:
    """The exception for one item of a batch; None where it went well."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    return None if code is grpc.StatusCode.OK else _with_details(code, status.message, status)


def _with_details(code: grpc.StatusCode, message: str, status: status_pb2.Status) -> ManagerError:
    error = _CLASSES.get(code, Internal)(code, message)
    for packed in status.details:
        detail = _unpack(packed.type_url, packed.value)
        if isinstance(detail, error_details_pb2.ErrorInfo):
            error.reason = detail.reason
            error.metadata = dict(detail.metadata)
        elif isinstance(detail, error_details_pb2.BadRequest):
            error.violations = tuple(
                Violation(item.field, item.description, item.localized_message.message or item.description)
                for item in detail.field_violations
            )
        elif isinstance(detail, error_details_pb2.RetryInfo):
            error.retry_after = detail.retry_delay.seconds + detail.retry_delay.nanos / 1e9
        elif isinstance(detail, error_details_pb2.RequestInfo):
            error.request_id = detail.request_id
        elif isinstance(detail, error_details_pb2.LocalizedMessage):
            error.localized_message = detail.message
        elif isinstance(detail, error_details_pb2.Help):
            error.suggestion = next((link.description for link in detail.links), "")
    return error


_DETAILS: dict[str, type[Message]] = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
        error_details_pb2.RequestInfo,
        error_details_pb2.LocalizedMessage,
        error_details_pb2.Help,
    )
}


def _unpack(type_url: str, value: bytes) -> Message | None:
    """The detail; None for one that this client does not know or cannot read."""
    kind = _DETAILS.get(type_url.rpartition("/")[2])
    if kind is None:
        return None
    try:
        return kind.FromString(value)
    except DecodeError:
        return None
