"""RecordService: what comes or goes as a stream."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from enum import Enum

from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import InvalidInput, Text, Violation
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.rpc.convert_common import choice_from
from wuzapi_manager_server.rpc.record_tables import RecordTables, where_of
from wuzapi_manager_server.rpc.requests import Problems, binding, repeatable, without
from wuzapi_manager_server.services.once import Once, check_request_id
from wuzapi_manager_server.services.page_tokens import PageTokens
from wuzapi_manager_server.services.transfer import FileFormat, Importer, Report, exported

_STEP = 60.0  # seconds that one step of a stream may take in its source


class OnError(Enum):
    """What an import does with a line that is refused. Names are those of the protos without prefix."""

    STOP = "STOP"
    SKIP = "SKIP"


class RecordStreams:
    """Answers ExportRecords and ImportRecords."""

    def __init__(self, tables: RecordTables, once: Once, tokens: PageTokens) -> None:
        self._tables = tables
        self._once = once
        self._tokens = tokens

    async def export(self, request: pb.ExportRecordsRequest) -> AsyncGenerator[pb.ExportRecordsResponse]:
        """The chunks of an export."""
        call = current()
        table = await self._tables.open(request)
        problems = Problems()
        bound = binding(call.caller, request, "resume_token")
        where = problems.attempt(lambda: where_of(table, request), None)
        fields = problems.attempt(lambda: table.fields.chosen(request.fields), ())
        kind = choice_from(request.format, pb.FileFormat.DESCRIPTOR, FileFormat, "format", problems.violations)
        place = problems.attempt(lambda: self._tokens.take(request.resume_token, bound, "resume_token"), ())
        problems.settle()
        lists = table.stream(where, fields, place, _steps(call.deadline))
        async with (
            aclosing(lists),
            aclosing(exported(lists, fields, kind or FileFormat.JSONL, resumed=bool(place))) as chunks,
        ):
            async for chunk in chunks:
                token = self._tokens.give(chunk.place, bound) if chunk.place else ""
                yield pb.ExportRecordsResponse(chunk=chunk.data, resume_token=token, record_count=chunk.records)

    async def take_in(self, requests: AsyncIterator[pb.ImportRecordsRequest]) -> bytes:
        """The report of an import."""
        call = current()
        first = await anext(aiter(requests), None)
        if first is None:
            raise InvalidInput([Violation("", Text("the stream was empty", "O fluxo estava vazio"))])
        table = await self._tables.open(first)
        problems = Problems()
        problems.attempt(lambda: check_request_id(first.request_id), None)
        kind = choice_from(first.format, pb.FileFormat.DESCRIPTOR, FileFormat, "format", problems.violations)
        on_error = choice_from(first.on_error, pb.OnError.DESCRIPTOR, OnError, "on_error", problems.violations)
        problems.settle()
        importer = Importer(
            table, kind or FileFormat.JSONL, skip=on_error is OnError.SKIP, validate_only=first.validate_only
        )

        async def chunks() -> AsyncGenerator[bytes]:
            yield first.chunk
            async for message in requests:
                yield message.chunk

        async def made() -> bytes:
            return _report_to(await importer.run(chunks(), _steps(call.deadline))).SerializeToString()

        request_id = "" if first.validate_only else first.request_id
        request = repeatable(call.caller, without(first, "chunk"), request_id)
        return await self._once.through(request, made, lambda: importer.untouched)


def _steps(deadline: Deadline) -> Callable[[], Deadline]:
    """The deadline of the next step of a stream: the caller's, and never later than one step takes."""
    return lambda: Deadline(min(deadline.at, time.monotonic() + _STEP))


def _report_to(report: Report) -> pb.ImportRecordsResponse:
    return pb.ImportRecordsResponse(
        created_count=report.created,
        failed_count=report.failed,
        errors=[
            pb.ImportError(line=error.line, field=error.field, message=error.message, reason=error.reason)
            for error in report.errors
        ],
        stopped=report.stopped,
    )
