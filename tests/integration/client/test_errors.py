"""Failures of calls, as exceptions."""

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # ships stubs, but no py.typed
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships stubs, but no py.typed

from tests.integration.client.service import Refusal, Service
from wuzapi_manager_client import ManagerError, Violation, WuzapiManager, errors

CLASSES = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidArgument,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.ABORTED: errors.Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: errors.FailedPrecondition,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.DATA_LOSS: errors.DataLoss,
    grpc.StatusCode.UNIMPLEMENTED: errors.Unimplemented,
    grpc.StatusCode.CANCELLED: errors.Cancelled,
    grpc.StatusCode.INTERNAL: errors.Internal,
    grpc.StatusCode.UNKNOWN: errors.Internal,
}


@pytest.mark.parametrize("code", CLASSES, ids=lambda code: code.name)
def test_each_code_is_its_exception(service: Service, admin: WuzapiManager, code: grpc.StatusCode) -> None:
    """Every status code is an exception of its own, and all are ManagerErrors."""
    service.answers["UpdateBranding"] = Refusal(code, "it happened")
    with pytest.raises(ManagerError, match="it happened") as caught:
        admin.update_branding(app_name="x")
    assert type(caught.value) is CLASSES[code]
    assert caught.value.code is code
    assert caught.value.__cause__ is None


def test_the_details_of_an_error_arrive(service: Service, admin: WuzapiManager) -> None:
    """Reason, advice, violations, metadata and the request's id are attributes of the exception."""
    localized = details.LocalizedMessage(locale="pt-BR", message="É obrigatório")
    violation = details.BadRequest.FieldViolation(
        field="connection.name", description="is required", localized_message=localized
    )
    service.answers["CreateConnection"] = Refusal(
        grpc.StatusCode.INVALID_ARGUMENT,
        "Invalid request",
        (
            details.ErrorInfo(domain="wuzapi-manager", reason="VALIDATION_ERROR", metadata={"etag": "abc"}),
            details.BadRequest(
                field_violations=[violation, details.BadRequest.FieldViolation(field="x", description="is bad")]
            ),
            details.RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)),
            details.RequestInfo(request_id="r-1"),
            details.LocalizedMessage(locale="pt-BR", message="Requisição inválida"),
            details.Help(links=[details.Help.Link(description="Preencha o nome")]),
            StringValue(value="of tomorrow"),
        ),
    )
    with pytest.raises(errors.InvalidArgument) as caught:
        admin.create_connection()
    error = caught.value
    assert str(error) == error.message == "Invalid request"
    assert error.localized_message == "Requisição inválida"
    assert error.reason == "VALIDATION_ERROR"
    assert error.metadata == {"etag": "abc"}
    assert error.violations == (
        Violation("connection.name", "is required", "É obrigatório"),
        Violation("x", "is bad", "is bad"),
    )
    assert error.retry_after == 2.5
    assert error.request_id == "r-1"
    assert error.suggestion == "Preencha o nome"


def test_without_details_the_code_and_message_remain(admin: WuzapiManager, service: Service) -> None:
    """An error that the service did not make itself, of a proxy say, is an exception with empty details."""
    service.answers["UpdateBranding"] = Refusal(grpc.StatusCode.PERMISSION_DENIED, "no entry")
    with pytest.raises(errors.PermissionDenied) as caught:
        admin.update_branding(app_name="x")
    error = caught.value
    assert (error.reason, error.suggestion, error.violations, error.metadata, error.request_id) == ("", "", (), {}, "")
    assert error.retry_after is None
    assert error.localized_message == "no entry"


@pytest.mark.parametrize(
    "trailer",
    [
        b"\xff\xff\xff",
        Status(
            details=[{"type_url": "type.googleapis.com/google.rpc.ErrorInfo", "value": b"\xff"}]
        ).SerializeToString(),
    ],
)
def test_broken_details_do_not_hide_the_error(admin: WuzapiManager, service: Service, trailer: bytes) -> None:
    """Details that are not what they should be are left out; the error itself arrives."""
    service.answers["UpdateBranding"] = Refusal(grpc.StatusCode.NOT_FOUND, "gone", trailer=trailer)
    with pytest.raises(errors.NotFound, match="gone"):
        admin.update_branding(app_name="x")


def test_a_timeout_is_deadline_exceeded(service: Service, admin: WuzapiManager) -> None:
    """A call that takes longer than its timeout is DeadlineExceeded."""
    with service.held(), pytest.raises(errors.DeadlineExceeded):
        admin.get_connection(1, timeout=0.2)


def test_nobody_there_is_unavailable() -> None:
    """An address where nobody listens is Unavailable, without a reason of the service's."""
    with WuzapiManager("127.0.0.1:1", timeout=5.0) as client, pytest.raises(errors.Unavailable) as caught:
        client.get_branding()
    assert caught.value.reason == ""


def test_the_status_of_one_item_is_an_exception_or_none() -> None:
    """An item of a batch that went well has no error; one with a code that gRPC does not know is Internal."""
    assert errors.from_status(Status()) is None
    assert isinstance(errors.from_status(Status(code=5)), errors.NotFound)
    assert isinstance(errors.from_status(Status(code=99)), errors.Internal)
