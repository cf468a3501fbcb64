"""What every call has in common: tokens and language in the metadata, a timeout, failures as exceptions."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar
from uuid import uuid4

import grpc

from wuzapi_manager.v1.branding_pb2_grpc import BrandingServiceStub
from wuzapi_manager.v1.connection_pb2_grpc import ConnectionServiceStub
from wuzapi_manager.v1.maintenance_pb2_grpc import MaintenanceServiceStub
from wuzapi_manager.v1.record_pb2_grpc import RecordServiceStub
from wuzapi_manager.v1.relay_pb2_grpc import RelayServiceStub
from wuzapi_manager_client.errors import from_rpc_error

Request = TypeVar("Request")
Response = TypeVar("Response")

STREAM_TIMEOUT = 3600.0
"""The seconds that a stream, such as an export or an upload, may take where nothing else is said."""
_WORK_SECONDS = 3600.0  # in which a service ends such a call at the latest, unless it is set otherwise


class _PageRequest(Protocol):
    page_token: str


class _Page(Protocol):
    next_page_token: str


PageRequest = TypeVar("PageRequest", bound=_PageRequest)
Page = TypeVar("Page", bound=_Page)


class Calls:
    """A channel, who calls on it, and how long a call may take."""

    def __init__(self, channel: grpc.Channel, metadata: tuple[tuple[str, str], ...], timeout: float) -> None:
        self._channel = channel
        self._metadata = metadata
        self._timeout = timeout
        self._connections = ConnectionServiceStub(channel)
        self._branding = BrandingServiceStub(channel)
        self._records = RecordServiceStub(channel)
        self._relay = RelayServiceStub(channel)
        self._maintenance = MaintenanceServiceStub(channel)

    def _call(
        self, method: "grpc.UnaryUnaryMultiCallable[Request, Response]", request: Request, timeout: float | None
    ) -> Response:
        with translated():
            return method(request, timeout=self._timeout if timeout is None else timeout, metadata=self._metadata)

    def _work(
        self, method: "grpc.UnaryUnaryMultiCallable[Request, Response]", request: Request, timeout: float | None
    ) -> Response:
        """A call that reads or writes a whole database: it has an hour, or the client's timeout if that is longer."""
        return self._call(method, request, max(self._timeout, _WORK_SECONDS) if timeout is None else timeout)

    def _pages(
        self, method: "grpc.UnaryUnaryMultiCallable[PageRequest, Page]", request: PageRequest, timeout: float | None
    ) -> Iterator[Page]:
        """All pages, each asked for when the one before is used up. `request` turns from page to page."""
        while True:
            page = self._call(method, request, timeout)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


@contextmanager
def translated() -> Iterator[None]:
    """Turns gRPC's failures into this client's."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None


def new_request_id() -> str:
    """An id under which a create happens once, however often it is sent."""
    return str(uuid4())


def texts(values: Iterable[str]) -> list[str]:
    """The texts as a list. TypeError for a single text, whose letters would otherwise be taken one by one."""
    if isinstance(values, str):
        raise TypeError("Give a list of texts, not one text")
    return list(values)
