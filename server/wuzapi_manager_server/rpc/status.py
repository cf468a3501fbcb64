"""From a ServiceError to what gRPC carries: a code, an English message and a google.rpc.Status in the trailers."""

import math
from typing import NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]  # ships stubs, but no py.typed
    BadRequest,
    ErrorInfo,
    Help,
    LocalizedMessage,
    RequestInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # likewise

from wuzapi_manager_server.errors import InvalidInput, ServiceError, Violation
from wuzapi_manager_server.rpc.call import Language, in_language

DOMAIN = "wuzapi-manager"

# Trailers above 8 KiB are dropped or refused by clients and proxies; base64 makes the details a third longer, and a
# message that is not ASCII travels percent-encoded, three bytes for each of its own.
_MAX_DETAILS = 5000
_MAX_MESSAGE = 1000
_MAX_TEXT = 300


class Answer(NamedTuple):
    """What to abort a call with; `details` is for the trailer `grpc-status-details-bin`."""

    code: grpc.StatusCode
    message: str
    details: bytes


def answer(error: ServiceError, request_id: str, language: Language) -> Answer:
    """The answer for an error: exactly one ErrorInfo, a RequestInfo, a LocalizedMessage, and what else it has to say.

    Details above 5,000 bytes lose field violations from the end; `violations_omitted` in the metadata of the ErrorInfo
    then says how many. Texts above 300 characters, and messages above 1,000, are cut short.
    """
    violations = error.violations if isinstance(error, InvalidInput) else ()
    message = _fit(error.text.en, _MAX_MESSAGE)
    kept = len(violations)
    while True:
        status = _status(error, message, request_id, language, violations[:kept], len(violations) - kept)
        if len(status) <= _MAX_DETAILS or kept == 0:
            break
        kept = min(kept - 1, kept * _MAX_DETAILS // len(status))
    return Answer(grpc.StatusCode[error.code.value], message, status)


def _status(
    error: ServiceError,
    message: str,
    request_id: str,
    language: Language,
    violations: tuple[Violation, ...],
    omitted: int,
) -> bytes:
    metadata = {_cut(name): _cut(value) for name, value in list(error.metadata.items())[:16]}
    if omitted:
        metadata["violations_omitted"] = str(omitted)
    details = [
        ErrorInfo(domain=DOMAIN, reason=error.reason, metadata=metadata),
        RequestInfo(request_id=request_id),
        LocalizedMessage(locale=language, message=_cut(in_language(error.text, language))),
    ]
    if violations:
        details.append(BadRequest(field_violations=[_violation(each, language) for each in violations]))
    if error.retry_after is not None:
        nanos, seconds = math.modf(max(0.0, error.retry_after))
        details.append(RetryInfo(retry_delay=Duration(seconds=int(seconds), nanos=int(nanos * 1e9))))
    if error.suggestion is not None:
        details.append(Help(links=[Help.Link(description=_cut(in_language(error.suggestion, language)))]))
    status = Status(code=grpc.StatusCode[error.code.value].value[0], message=_cut(message))
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return bytes(status.SerializeToString())


def _violation(violation: Violation, language: Language) -> BadRequest.FieldViolation:
    return BadRequest.FieldViolation(
        field=_cut(violation.field),
        description=_cut(violation.text.en),
        reason="MISSING_REQUIRED_FIELD" if violation.missing else "VALIDATION_ERROR",
        localized_message=LocalizedMessage(locale=language, message=_cut(in_language(violation.text, language))),
    )


def _cut(text: str) -> str:
    """The text as protobuf takes it (no lone surrogates), at most 300 characters of it."""
    short = text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
    return short.encode("utf-8", "replace").decode()


def _fit(text: str, size: int) -> str:
    """The beginning of the text that takes at most `size` bytes once characters outside of ASCII are encoded."""
    used = 0
    for place, character in enumerate(text):
        used += 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode("utf-8", "replace"))
        if used > size - 3:
            return text[:place].encode("utf-8", "replace").decode() + "..."
    return text.encode("utf-8", "replace").decode()
