"""What every answer must be, whatever was asked."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, cast

import grpc
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]  # ships stubs, but no py.typed
    BadRequest,
    ErrorInfo,
    LocalizedMessage,
    RequestInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships stubs, but no py.typed

TRAILERS = 8192
LARGEST_MESSAGE = 32 * 1024 * 1024
_REASONS = {
    "VALIDATION_ERROR",
    "MISSING_REQUIRED_FIELD",
    "INVALID_TOKEN",
    "PERMISSION_ERROR",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "CONFLICT",
    "DATABASE_ERROR",
    "CONNECTION_FAILED",
    "CREDENTIALS_REJECTED",
    "QUERY_FAILED",
    "WUZAPI_ERROR",
    "TIMEOUT_ERROR",
    "CONNECTION_ERROR",
    "RATE_LIMIT_ERROR",
    "SEND_UNKNOWN",
    "FILE_SYSTEM_ERROR",
}
_NEVER = {
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNIMPLEMENTED,
}
_DRIVER = re.compile(
    r"traceback|peewee|sqlalchemy|apsw|cysqlite|sqlite3|sqlite_(?!sources_dir)|operationalerror|integrityerror"
    r"|no such (table|column)|syntax error|constraint failed|datatype mismatch|unrecognized token|file \"",
    re.IGNORECASE,
)
_Trailers = Sequence[tuple[str, str | bytes]]


class Asked(NamedTuple):
    """A call: the method, who asked, the bytes of its requests, and whether its metadata is too large for the core."""

    method: str
    metadata: tuple[tuple[str, str | bytes], ...]
    requests: tuple[bytes, ...]
    oversized: bool = False


class Refused(Protocol):
    """What errors of both kinds of clients tell."""

    def code(self) -> grpc.StatusCode: ...

    def details(self) -> str | None: ...

    def trailing_metadata(self) -> object: ...


def faults_of(asked: Asked, error: Refused, folder: str, secrets: Sequence[str] = ()) -> Iterator[str]:
    """Everything that is wrong with an error."""
    code, message = error.code(), error.details() or ""
    trailers = cast("_Trailers", error.trailing_metadata() or ())
    oversized = asked.oversized or max(map(len, asked.requests), default=0) > LARGEST_MESSAGE
    if oversized and code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return  # the core's own answer, before any of ours is asked
    if code in _NEVER:
        yield f"{code} is never right"
    size = sum(len(name) + len(value) for name, value in trailers) + len(message.encode())
    if size > TRAILERS:
        yield f"trailers of {size} bytes"
    packed = [value for name, value in trailers if name == "grpc-status-details-bin"]
    if len(packed) != 1:
        yield f"{len(packed)} statuses"
        return
    status = Status.FromString(cast("bytes", packed[0]))
    yield from _faults_of_details(status, code)
    text = f"{message}\n{status}"
    if folder in text or "/tmp/" in text:  # noqa: S108 - what must not be there
        yield "a path of this machine"
    if any(secret in text for secret in secrets):
        yield "a secret"
    if found := _DRIVER.search(text):
        yield f"a driver's words: {found[0]}"


def _faults_of_details(status: Status, code: grpc.StatusCode) -> Iterator[str]:
    if status.code != code.value[0]:
        yield "another code in the details"
    names = [detail.TypeName().rpartition(".")[2] for detail in status.details]
    for kind in (ErrorInfo, RequestInfo, LocalizedMessage):
        if names.count(kind.DESCRIPTOR.name) != 1:
            yield f"{names.count(kind.DESCRIPTOR.name)} {kind.DESCRIPTOR.name}"
    for detail in status.details:
        if detail.Is(ErrorInfo.DESCRIPTOR):
            info = ErrorInfo.FromString(detail.value)
            if info.domain != "wuzapi-manager" or info.reason not in _REASONS:
                yield f"reason {info.domain}/{info.reason}"
            explained = info.reason in ("VALIDATION_ERROR", "MISSING_REQUIRED_FIELD")
            if code is grpc.StatusCode.INVALID_ARGUMENT and explained and "BadRequest" not in names:
                yield "no BadRequest"
        elif detail.Is(LocalizedMessage.DESCRIPTOR) and not LocalizedMessage.FromString(detail.value).message:
            yield "an empty LocalizedMessage"
        elif detail.Is(RequestInfo.DESCRIPTOR) and not RequestInfo.FromString(detail.value).request_id:
            yield "an empty RequestInfo"
        elif detail.Is(BadRequest.DESCRIPTOR) and not BadRequest.FromString(detail.value).field_violations:
            yield "a BadRequest without a field"


def faults_of_answer(answer: bytes, folder: str, secrets: Sequence[str] = ()) -> Iterator[str]:
    """What must not be in an answer; records may hold what callers wrote."""
    if any(secret.encode() in answer for secret in secrets):
        yield "a secret in an answer"
    if folder.encode() in answer or b"Traceback" in answer:
        yield "a path or a traceback in an answer"
