"""The streams of RecordService: whole tables out as JSON lines or CSV, and in."""

# ruff: noqa: A002 - arguments bear the names of the API

from collections.abc import Iterable, Iterator
from typing import Literal

import grpc

from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_client.calls import STREAM_TIMEOUT, Calls, new_request_id, texts, translated
from wuzapi_manager_client.enums import enum_number
from wuzapi_manager_client.errors import Unavailable, from_rpc_error
from wuzapi_manager_client.filters import Condition, to_filter
from wuzapi_manager_client.pieces import BinaryReader, Requests, pieces_of


class TransferCalls(Calls):
    """Exports and imports records."""

    def export_records(
        self,
        connection_id: int,
        *,
        format: Literal["JSONL", "CSV"] = "JSONL",
        filter: Condition | pb.Filter | None = None,
        search: str = "",
        fields: Iterable[str] = (),
        as_user: str = "",
        timeout: float = STREAM_TIMEOUT,
    ) -> Iterator[bytes]:
        """All records that match, as pieces of a file: write them one after the other.

        When the service goes away in between, the export continues where it was, as often as it gets any further
        (a table without a primary key cannot: Unavailable). `timeout` is that of each stretch. Memory stays constant.
        """
        request = pb.ExportRecordsRequest(
            connection_id=connection_id,
            format=enum_number(pb.FileFormat, format),
            filter=to_filter(filter),
            search=search,
            fields=texts(fields),
            as_user=as_user,
        )
        return self._export(request, timeout)

    def _export(self, request: pb.ExportRecordsRequest, timeout: float) -> Iterator[bytes]:
        while True:
            token = ""
            call = self._records.ExportRecords(request, timeout=timeout, metadata=self._metadata)
            try:
                for answer in call:
                    token = answer.resume_token
                    yield answer.chunk
            except grpc.RpcError as error:
                failure = from_rpc_error(error)
                if not token or not isinstance(failure, Unavailable):
                    raise failure from None
            else:
                return
            finally:
                call.cancel()
            request.resume_token = token

    def import_records(
        self,
        connection_id: int,
        data: bytes | BinaryReader | Iterable[bytes],
        *,
        format: Literal["JSONL", "CSV"] = "JSONL",
        on_error: Literal["STOP", "SKIP"] = "STOP",
        request_id: str | None = None,
        validate_only: bool = False,
        as_user: str = "",
        timeout: float = STREAM_TIMEOUT,
    ) -> pb.ImportRecordsResponse:
        """Makes records from a file's bytes, an open file (in binary mode), or pieces of one as they come.

        The answer is a report: how many were made, and which lines were refused and why. When the call ends in an
        error, records made before it stay; repeated with the same `request_id` it makes nothing twice, but may tell
        (Conflict) that the first outcome is not known. What `data` raises is raised here.
        """
        first = pb.ImportRecordsRequest(
            connection_id=connection_id,
            format=enum_number(pb.FileFormat, format),
            on_error=enum_number(pb.OnError, on_error),
            request_id=request_id or new_request_id(),
            validate_only=validate_only,
            as_user=as_user,
        )
        pieces = pieces_of(data, "An import")
        requests = Requests(first, pieces, lambda piece: pb.ImportRecordsRequest(chunk=piece))
        with translated():
            try:
                return self._records.ImportRecords(iter(requests), timeout=timeout, metadata=self._metadata)
            except grpc.RpcError:
                if requests.failure is not None:
                    raise requests.failure from None
                raise
