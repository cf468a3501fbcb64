"""The calls of RecordService but for streams: the rows of connected tables, a user's own."""

# ruff: noqa: A002 - arguments bear the names of the API

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships stubs, but no py.typed

from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager.v1.common_pb2 import COLUMN_TYPE_FLOAT, Column
from wuzapi_manager.v1.connection_pb2 import Connection
from wuzapi_manager_client.calls import Calls, new_request_id, texts
from wuzapi_manager_client.errors import ManagerError, from_status
from wuzapi_manager_client.filters import Condition, to_filter
from wuzapi_manager_client.values import JsonValue, from_struct, to_struct


class Record(NamedTuple):
    """A row: its id (empty where the table has no primary key), its values by field, and its version."""

    id: str
    fields: dict[str, JsonValue]
    etag: str


class RecordPage(NamedTuple):
    """A page of records; `next_page_token` is empty on the last, `total_size` None unless it was asked for."""

    records: list[Record]
    next_page_token: str
    total_size: int | None
    columns: list[Column]
    connection: Connection


class BatchResult(NamedTuple):
    """What became of a batch, in the order of the request.

    With `atomic` all happened. Without it `errors` says of each what went wrong, None where nothing did. With
    `fields_omitted` the records have only their ids and etags, as they were too large together. Of deletes there are
    no records.
    """

    records: list[Record]
    atomic: bool
    errors: list[ManagerError | None]
    fields_omitted: bool


class RecordCalls(Calls):
    """Lists, reads, makes, changes, deletes and counts records.

    A user sees and changes only their own rows. The administrator sees all, or with `as_user` (that user's token, id or
    JID, whichever the connection's link field holds) what that user would.
    """

    def list_records(
        self,
        connection_id: int,
        *,
        filter: Condition | pb.Filter | None = None,
        order_by: str = "",
        fields: Iterable[str] = (),
        search: str = "",
        as_user: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Iterator[Record]:
        """All records that match, in order: `order_by="name desc, id"`; null comes before every value.

        `fields` restricts the answer to these, `search` to rows with this text in any text field. Pages are asked for
        as they are needed, `page_size` (0 = 100, at most 1,000) records each; `timeout` is a page's.
        """
        request = pb.ListRecordsRequest(
            connection_id=connection_id,
            filter=to_filter(filter),
            order_by=order_by,
            fields=texts(fields),
            search=search,
            as_user=as_user,
            page_size=page_size,
            format=pb.RECORD_FORMAT_JSON,
        )
        pages = self._pages(self._records.ListRecords, request, timeout)
        return (record for page in pages for record in _from_json(page.records_json))

    def list_records_page(  # noqa: PLR0913 - one for each thing that the API takes
        self,
        connection_id: int,
        *,
        page_token: str = "",
        filter: Condition | pb.Filter | None = None,
        order_by: str = "",
        fields: Iterable[str] = (),
        search: str = "",
        count_total: bool = False,
        as_user: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> RecordPage:
        """One page of list_records, with its columns and, with `count_total`, how many match in all.

        `page_token` is the `next_page_token` of the page before; everything else must be as it was there.
        """
        request = pb.ListRecordsRequest(
            connection_id=connection_id,
            page_token=page_token,
            filter=to_filter(filter),
            order_by=order_by,
            fields=texts(fields),
            search=search,
            count_total=count_total,
            as_user=as_user,
            page_size=page_size,
            format=pb.RECORD_FORMAT_JSON,
        )
        page = self._call(self._records.ListRecords, request, timeout)
        return RecordPage(
            records=_from_json(page.records_json),
            next_page_token=page.next_page_token,
            total_size=page.total_size if page.HasField("total_size") else None,
            columns=list(page.columns),
            connection=page.connection,
        )

    def get_record(
        self,
        connection_id: int,
        record_id: str,
        *,
        fields: Iterable[str] = (),
        as_user: str = "",
        timeout: float | None = None,
    ) -> Record:
        """One record. NotFound when there is none, or it is another user's."""
        request = pb.GetRecordRequest(
            connection_id=connection_id, record_id=record_id, fields=texts(fields), as_user=as_user
        )
        answer = self._call(self._records.GetRecord, request, timeout)
        return _record(answer.record, answer.columns)

    def create_record(
        self,
        connection_id: int,
        fields: Mapping[str, object],
        *,
        request_id: str | None = None,
        validate_only: bool = False,
        as_user: str = "",
        timeout: float | None = None,
    ) -> Record:
        """Makes a record and gives it as the table holds it. Its link field is stamped with the user's.

        It is safe to repeat with the same `request_id`; without one the client makes its own.
        """
        request = pb.CreateRecordRequest(
            connection_id=connection_id,
            record=pb.Record(fields=to_struct(fields)),
            request_id=request_id or new_request_id(),
            validate_only=validate_only,
            as_user=as_user,
        )
        answer = self._call(self._records.CreateRecord, request, timeout)
        return _record(answer.record, answer.columns)

    def update_record(
        self,
        connection_id: int,
        record_id: str,
        fields: Mapping[str, object],
        *,
        update_mask: Sequence[str] | None = None,
        etag: str = "",
        validate_only: bool = False,
        as_user: str = "",
        timeout: float | None = None,
    ) -> Record:
        """Sets fields of a record and gives it as the table holds it then; None sets null.

        Only the fields given change; `update_mask=["*"]` sets the others to null. With `etag` the record must not have
        changed since it was read (Conflict).
        """
        request = pb.UpdateRecordRequest(
            connection_id=connection_id,
            record_id=record_id,
            record=pb.Record(fields=to_struct(fields)),
            update_mask=None if update_mask is None else FieldMask(paths=texts(update_mask)),
            etag=etag,
            validate_only=validate_only,
            as_user=as_user,
        )
        answer = self._call(self._records.UpdateRecord, request, timeout)
        return _record(answer.record, answer.columns)

    def delete_record(
        self,
        connection_id: int,
        record_id: str,
        *,
        etag: str = "",
        validate_only: bool = False,
        as_user: str = "",
        timeout: float | None = None,
    ) -> None:
        """Deletes a record. NotFound when there is none, or it is another user's."""
        request = pb.DeleteRecordRequest(
            connection_id=connection_id, record_id=record_id, etag=etag, validate_only=validate_only, as_user=as_user
        )
        self._call(self._records.DeleteRecord, request, timeout)

    def count_records(
        self,
        connection_id: int,
        *,
        filter: Condition | pb.Filter | None = None,
        search: str = "",
        as_user: str = "",
        timeout: float | None = None,
    ) -> int:
        """How many records match."""
        request = pb.CountRecordsRequest(
            connection_id=connection_id, filter=to_filter(filter), search=search, as_user=as_user
        )
        return self._call(self._records.CountRecords, request, timeout).count

    def batch_create_records(
        self,
        connection_id: int,
        records: Iterable[Mapping[str, object]],
        *,
        request_id: str | None = None,
        validate_only: bool = False,
        as_user: str = "",
        timeout: float | None = None,
    ) -> BatchResult:
        """Makes up to 1,000 records from their fields: all or none on SQL, each for itself elsewhere.

        It is safe to repeat with the same `request_id`; without one the client makes its own.
        """
        request = pb.BatchCreateRecordsRequest(
            connection_id=connection_id,
            records=[pb.Record(fields=to_struct(fields)) for fields in records],
            request_id=request_id or new_request_id(),
            validate_only=validate_only,
            as_user=as_user,
        )
        answer = self._call(self._records.BatchCreateRecords, request, timeout)
        records_made = [_record(record) for record in answer.records]
        return BatchResult(records_made, answer.atomic, _errors(answer.statuses), answer.fields_omitted)

    def batch_update_records(
        self,
        connection_id: int,
        records: Iterable[Record],
        *,
        update_mask: Sequence[str] | None = None,
        validate_only: bool = False,
        as_user: str = "",
        timeout: float | None = None,
    ) -> BatchResult:
        """Changes up to 1,000 records: all or none on SQL, each for itself elsewhere.

        Each sets the fields that its record has, and where the record has an etag that must be current. Those of
        list_records can be given back changed; `update_mask` restricts what is set in each.
        """
        request = pb.BatchUpdateRecordsRequest(
            connection_id=connection_id,
            records=[pb.Record(id=item.id, fields=to_struct(item.fields), etag=item.etag) for item in records],
            update_mask=None if update_mask is None else FieldMask(paths=texts(update_mask)),
            validate_only=validate_only,
            as_user=as_user,
        )
        answer = self._call(self._records.BatchUpdateRecords, request, timeout)
        records_now = [_record(record) for record in answer.records]
        return BatchResult(records_now, answer.atomic, _errors(answer.statuses), answer.fields_omitted)

    def batch_delete_records(
        self,
        connection_id: int,
        record_ids: Iterable[str],
        *,
        validate_only: bool = False,
        as_user: str = "",
        timeout: float | None = None,
    ) -> BatchResult:
        """Deletes up to 1,000 records: all or none on SQL, each for itself elsewhere."""
        request = pb.BatchDeleteRecordsRequest(
            connection_id=connection_id, record_ids=texts(record_ids), validate_only=validate_only, as_user=as_user
        )
        answer = self._call(self._records.BatchDeleteRecords, request, timeout)
        return BatchResult([], answer.atomic, _errors(answer.statuses), fields_omitted=False)

    def describe_table(
        self, connection_id: int, *, as_user: str = "", timeout: float | None = None
    ) -> pb.DescribeTableResponse:
        """The `columns` that the caller may see, with their types, and the `capabilities` of the source."""
        request = pb.DescribeTableRequest(connection_id=connection_id, as_user=as_user)
        return self._call(self._records.DescribeTable, request, timeout)


def _from_json(records_json: bytes) -> list[Record]:
    return [Record(item["id"], item["fields"], item["etag"]) for item in json.loads(records_json or b"[]")]


def _record(record: pb.Record, columns: Iterable[Column] = ()) -> Record:
    floats = frozenset(column.field for column in columns if column.type == COLUMN_TYPE_FLOAT)
    return Record(record.id, from_struct(record.fields, floats), record.etag)


def _errors(statuses: Iterable[Status]) -> list[ManagerError | None]:
    return [from_status(status) for status in statuses]
