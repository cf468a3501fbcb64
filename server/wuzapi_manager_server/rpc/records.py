"""RecordService."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing

from grpc.aio import ServicerContext

from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager.v1 import record_pb2_grpc
from wuzapi_manager_server.errors import Text, Violation
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.rpc.convert_common import choice_from, dict_from
from wuzapi_manager_server.rpc.convert_records import (
    capabilities_to,
    check_batch,
    masking,
    record_to,
    records_to,
    statuses_of,
)
from wuzapi_manager_server.rpc.record_pages import RecordFormat, longest_token, page_of, too_large, too_long_to_page_by
from wuzapi_manager_server.rpc.record_streams import RecordStreams
from wuzapi_manager_server.rpc.record_tables import RecordTables, where_of
from wuzapi_manager_server.rpc.requests import Problems, binding, repeatable
from wuzapi_manager_server.rpc.wire import serialized
from wuzapi_manager_server.services.once import Once, check_request_id
from wuzapi_manager_server.services.page_tokens import PageTokens, page_size
from wuzapi_manager_server.services.records import MAX_BATCH, Edit, Record, Result

Context = ServicerContext[object, object]


class RecordServicer(record_pb2_grpc.RecordServiceServicer):
    """Answers RecordService. `page_bytes` bounds an answer's size, the two sizes a page's."""

    def __init__(
        self,
        tables: RecordTables,
        once: Once,
        tokens: PageTokens,
        *,
        page_bytes: int,
        default_page: int,
        largest_page: int,
    ) -> None:
        self._tables = tables
        self._once = once
        self._tokens = tokens
        self._streams = RecordStreams(tables, once, tokens)
        self._page_bytes = page_bytes
        self._token_bytes = longest_token(page_bytes)
        self._default_page = default_page
        self._largest_page = largest_page

    async def ListRecords(self, request: pb.ListRecordsRequest, context: Context) -> pb.ListRecordsResponse:
        """See the proto."""
        call = current()
        table = await self._tables.open(request)
        problems = Problems()
        bound = binding(call.caller, request, "page_size", "page_token", "count_total", "fields", "format")
        where = problems.attempt(lambda: where_of(table, request), None)
        order = problems.attempt(lambda: table.fields.order(request.order_by), ())
        fields = problems.attempt(lambda: table.fields.chosen(request.fields), ())
        size = problems.attempt(lambda: page_size(request.page_size, self._default_page, self._largest_page), 1)
        place = problems.attempt(lambda: self._tokens.take(request.page_token, bound), ())
        kind = choice_from(request.format, pb.RecordFormat.DESCRIPTOR, RecordFormat, "format", problems.violations)
        problems.settle()
        head = self._tables.head(table, fields)
        found = table.find(where=where, order=order, fields=fields, after=place, limit=size + 1, deadline=call.deadline)
        room = self._page_bytes - self._token_bytes - len(head)
        page = await page_of(found, size, kind or RecordFormat.STRUCT, room)
        response = pb.ListRecordsResponse()
        if page.following:
            response.next_page_token = self._tokens.give(page.following, bound)
            if len(response.next_page_token) > self._token_bytes:
                raise too_long_to_page_by(table.fields, order, page.following)
        if request.count_total:
            response.total_size = await table.count(where, call.deadline)
        return serialized(pb.ListRecordsResponse, b"".join((head, page.data, response.SerializeToString())))

    async def GetRecord(self, request: pb.GetRecordRequest, context: Context) -> pb.GetRecordResponse:
        """See the proto."""
        problems = Problems()
        problems.require("record_id", request.record_id)
        table = await self._tables.open(request, problems)
        fields = problems.attempt(lambda: table.fields.chosen(request.fields), ())
        problems.settle()
        record = await table.get(request.record_id, fields, current().deadline)
        response = pb.GetRecordResponse(record=record_to(record), columns=self._tables.columns(table, fields))
        if response.ByteSize() > self._page_bytes:
            raise too_large(record.id)
        return response

    async def CountRecords(self, request: pb.CountRecordsRequest, context: Context) -> pb.CountRecordsResponse:
        """See the proto."""
        table = await self._tables.open(request)
        return pb.CountRecordsResponse(count=await table.count(where_of(table, request), current().deadline))

    async def DescribeTable(self, request: pb.DescribeTableRequest, context: Context) -> pb.DescribeTableResponse:
        """See the proto."""
        table = await self._tables.open(request)
        return pb.DescribeTableResponse(
            columns=self._tables.columns(table, table.fields.all),
            capabilities=capabilities_to(table.table, current().language),
        )

    async def CreateRecord(self, request: pb.CreateRecordRequest, context: Context) -> pb.CreateRecordResponse:
        """See the proto."""
        table = await self._tables.open(request)
        values = dict_from(request.record.fields)
        problems = Problems()
        problems.attempt(lambda: check_request_id(request.request_id), None)
        problems.violations.extend(_given_outputs(request.record, "record"))
        rows = problems.attempt(lambda: table.prepared([values], lambda _at: "record.fields"), ())
        problems.settle()
        columns = self._tables.columns(table, table.fields.all)
        if request.validate_only:
            return pb.CreateRecordResponse(record=record_to(Record("", values, "")), columns=columns)
        deadline = current().deadline

        async def made() -> bytes:
            result = _only(await table.create(rows, deadline))
            return self._fitted(pb.CreateRecordResponse(record=record_to(result), columns=columns))

        answer = await self._once.around(repeatable(current().caller, request, request.request_id), made)
        return serialized(pb.CreateRecordResponse, answer)

    async def BatchCreateRecords(
        self, request: pb.BatchCreateRecordsRequest, context: Context
    ) -> pb.BatchCreateRecordsResponse:
        """See the proto."""
        table = await self._tables.open(request)
        check_batch("records", request.records, MAX_BATCH)
        values = [dict_from(record.fields) for record in request.records]
        problems = Problems()
        problems.attempt(lambda: check_request_id(request.request_id), None)
        for at, record in enumerate(request.records):
            problems.violations.extend(_given_outputs(record, f"records[{at}]"))
        rows = problems.attempt(lambda: table.prepared(values, lambda at: f"records[{at}].fields"), ())
        problems.settle()
        atomic = table.table.capabilities.transactions
        if request.validate_only:
            records, omitted = records_to((Record("", each, "") for each in values), self._page_bytes)
            return pb.BatchCreateRecordsResponse(records=records, atomic=atomic, fields_omitted=omitted)
        deadline = current().deadline

        async def made() -> bytes:
            results = await table.create(rows, deadline)
            records, omitted = records_to((_known(result) for result in results), self._page_bytes)
            return pb.BatchCreateRecordsResponse(
                records=records,
                atomic=atomic,
                statuses=statuses_of([result.error for result in results], current(), atomic=atomic),
                fields_omitted=omitted,
            ).SerializeToString()

        answer = await self._once.around(repeatable(current().caller, request, request.request_id), made)
        return serialized(pb.BatchCreateRecordsResponse, answer)

    async def UpdateRecord(self, request: pb.UpdateRecordRequest, context: Context) -> pb.UpdateRecordResponse:
        """See the proto."""
        problems = Problems()
        problems.require("record_id", request.record_id or request.record.id)
        table = await self._tables.open(request, problems)
        given = dict_from(request.record.fields)
        identifier = _same("record_id", request.record_id, request.record.id, problems)
        etag = _same("etag", request.etag, request.record.etag, problems)
        values = masking(request.update_mask, table.fields, problems.violations)(given)
        changes = table.changes([Edit(identifier, values, etag)], lambda _at: "record.fields", problems.violations)
        deadline = current().deadline
        columns = self._tables.columns(table, table.fields.all)
        if request.validate_only:
            await table.check_there([(change.key, change.guard) for change in changes], deadline)
            return pb.UpdateRecordResponse(record=record_to(Record(identifier, values, etag)), columns=columns)
        result = _only(await table.update(changes, deadline))
        fitted = self._fitted(pb.UpdateRecordResponse(record=record_to(result), columns=columns))
        return serialized(pb.UpdateRecordResponse, fitted)

    async def BatchUpdateRecords(
        self, request: pb.BatchUpdateRecordsRequest, context: Context
    ) -> pb.BatchUpdateRecordsResponse:
        """See the proto."""
        table = await self._tables.open(request)
        check_batch("records", request.records, MAX_BATCH)
        problems = Problems()
        masked = masking(request.update_mask, table.fields, problems.violations)
        for at, record in enumerate(request.records):
            problems.require(f"records[{at}].id", record.id)
        edits = [Edit(record.id, masked(dict_from(record.fields)), record.etag) for record in request.records]
        changes = table.changes(edits, lambda at: f"records[{at}].fields", problems.violations)
        deadline = current().deadline
        atomic = table.table.capabilities.transactions
        if request.validate_only:
            await table.check_there([(change.key, change.guard) for change in changes], deadline)
            records, omitted = records_to((Record(e.id, dict(e.fields), e.etag) for e in edits), self._page_bytes)
            return pb.BatchUpdateRecordsResponse(records=records, atomic=atomic, fields_omitted=omitted)
        results = await table.update(changes, deadline)
        records, omitted = records_to((_known(result) for result in results), self._page_bytes)
        return pb.BatchUpdateRecordsResponse(
            records=records,
            atomic=atomic,
            statuses=statuses_of([result.error for result in results], current(), atomic=atomic),
            fields_omitted=omitted,
        )

    async def DeleteRecord(self, request: pb.DeleteRecordRequest, context: Context) -> pb.DeleteRecordResponse:
        """See the proto."""
        problems = Problems()
        problems.require("record_id", request.record_id)
        table = await self._tables.open(request, problems)
        problems.settle()
        deletions = table.deletions([request.record_id], request.etag)
        if request.validate_only:
            await table.check_there(deletions, current().deadline)
        else:
            _only(await table.delete(deletions, current().deadline))
        return pb.DeleteRecordResponse()

    async def BatchDeleteRecords(
        self, request: pb.BatchDeleteRecordsRequest, context: Context
    ) -> pb.BatchDeleteRecordsResponse:
        """See the proto."""
        table = await self._tables.open(request)
        check_batch("record_ids", request.record_ids, MAX_BATCH)
        deletions = table.deletions(request.record_ids)
        atomic = table.table.capabilities.transactions
        response = pb.BatchDeleteRecordsResponse(atomic=atomic)
        if request.validate_only:
            await table.check_there(deletions, current().deadline)
        else:
            results = await table.delete(deletions, current().deadline)
            response.statuses.extend(statuses_of([result.error for result in results], current(), atomic=atomic))
        return response

    async def ExportRecords(
        self, request: pb.ExportRecordsRequest, context: Context
    ) -> AsyncGenerator[pb.ExportRecordsResponse]:
        """See the proto."""
        async with aclosing(self._streams.export(request)) as responses:
            async for response in responses:
                yield response

    async def ImportRecords(
        self, request_iterator: AsyncIterator[pb.ImportRecordsRequest], context: Context
    ) -> pb.ImportRecordsResponse:
        """See the proto."""
        return serialized(pb.ImportRecordsResponse, await self._streams.take_in(request_iterator))

    def _fitted(self, response: pb.CreateRecordResponse | pb.UpdateRecordResponse) -> bytes:
        """The response; without the values where they are too large for it: what was done is told in any case."""
        if response.ByteSize() > self._page_bytes:
            response.record.ClearField("fields")
        return response.SerializeToString()


def _only(results: Sequence[Result]) -> Record:
    """The record of a write of one. Raises where it was refused."""
    result = results[0]
    if result.error is not None:
        raise result.error
    return _known(result)


def _known(result: Result) -> Record:
    return result.record or Record("", {}, "")


def _given_outputs(record: pb.Record, path: str) -> Iterator[Violation]:
    for part in ("id", "etag"):
        if getattr(record, part):
            text = Text("must be empty for a record to make", f"O campo {part} deve ficar vazio ao criar um registro")
            yield Violation(f"{path}.{part}", text)


def _same(field: str, one: str, other: str, problems: Problems) -> str:
    """What was given in one of two places; a violation where the two contradict each other."""
    if one and other and one != other:
        text = Text("is not the one within record", f"{field} difere do informado em record")
        problems.violations.append(Violation(field, text))
    return one or other
