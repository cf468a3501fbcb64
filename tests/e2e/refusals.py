"""Bad requests in tables: what is refused, on which field, in which words of the two languages."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from google.protobuf.message import Message
from grpc import StatusCode

from tests.contract.calls import Caller, Refusal, refused
from wuzapi_manager.v1 import branding_pb2, connection_pb2, record_pb2

SERVICES = tuple(
    service
    for module in (branding_pb2, connection_pb2, record_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
)
_STUBS = {
    "BrandingService": "branding",
    "ConnectionService": "connections",
    "MaintenanceService": "maintenance",
    "RecordService": "records",
}
METHODS = tuple(f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods)
STREAMED_IN = "ImportRecords"


class Bad(NamedTuple):
    """A request, made of the id of a connection that is there, and what is said to it.

    `field` is one of BadRequest, empty where none is; `en` and `pt` are pieces of the message in both languages.
    """

    request: Callable[[int], Message]
    field: str
    en: str
    pt: str
    code: StatusCode = StatusCode.INVALID_ARGUMENT


def call(caller: Caller, request: Message) -> object:
    """Sends a request to the RPC that its type is of, and reads the answer whole."""
    kind = request.DESCRIPTOR
    for service in kind.file.services_by_name.values():
        for method in service.methods:
            if method.input_type is kind:
                rpc = getattr(getattr(caller, _STUBS[service.name]), method.name)
                return _answer(rpc, request, streamed_in=method.name == STREAMED_IN)
    raise AssertionError(f"no RPC takes {kind.name}")


def _answer(rpc: Callable[..., Any], request: Message, *, streamed_in: bool) -> object:
    """The answer: of an RPC that is known by its name alone."""
    answer = rpc(iter([request]) if streamed_in else request)
    return answer if isinstance(answer, Message) else list(answer)


def insist(caller: Caller, bad: Bad, connection_id: int) -> Refusal:
    """Sends a bad request in both languages and insists on what is said to it; gives the Portuguese refusal."""
    request = bad.request(connection_id)
    with refused(bad.code) as english:
        call(caller, request)
    assert bad.en in english.message
    assert english.locale == "en"
    with refused(bad.code) as portuguese:
        call(caller.with_metadata(accept_language="pt-BR, en;q=0.5"), request)
    assert portuguese.locale == "pt-BR"
    assert bad.pt in portuguese.localized
    for refusal in (english, portuguese):
        if bad.field:
            assert bad.field in refusal.violations, refusal.violations
        else:
            assert not refusal.violations
    return portuguese


def names(cases: "list[Bad]") -> Iterator[str]:
    """Names of the cases for the list of tests."""
    for bad in cases:
        yield f"{bad.request(1).DESCRIPTOR.name.removesuffix('Request')}-{bad.field or bad.code.name}"
