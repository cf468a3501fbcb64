"""A caller at one connection: the RPCs of RecordService with plain values in and out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct, Value

from tests.contract.calls import Caller
from tests.contract.server import World
from tests.contract.sources import MadeTable, SourceUnderTest
from wuzapi_manager.v1 import common_pb2 as common
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import record_pb2 as pb

# Values are whatever a Struct takes: its stubs name that privately.
Fields = Mapping[str, Any]


class Desk:
    """A caller at one connection; `as_user` is for the administrator."""

    def __init__(self, caller: Caller, connection_id: int, as_user: str = "") -> None:
        self.caller = caller
        self.rpc = caller.records
        self.id = connection_id
        self.as_user = as_user

    def page(
        self,
        where: pb.Filter | None = None,
        *,
        order_by: str = "",
        search: str = "",
        fields: Sequence[str] = (),
        page_size: int = 0,
        page_token: str = "",
        count_total: bool = False,
        json: bool = False,
    ) -> pb.ListRecordsResponse:
        """One page."""
        return self.rpc.ListRecords(
            pb.ListRecordsRequest(
                connection_id=self.id,
                page_size=page_size,
                page_token=page_token,
                filter=where,
                order_by=order_by,
                fields=fields,
                search=search,
                count_total=count_total,
                format=pb.RECORD_FORMAT_JSON if json else pb.RECORD_FORMAT_STRUCT,
                as_user=self.as_user,
            )
        )

    def pages(
        self, where: pb.Filter | None = None, *, order_by: str = "", search: str = "", page_size: int = 0
    ) -> Iterator[pb.ListRecordsResponse]:
        """All pages."""
        token = ""
        while True:
            page = self.page(where, order_by=order_by, search=search, page_size=page_size, page_token=token)
            yield page
            token = page.next_page_token
            if not token:
                return

    def all(
        self, where: pb.Filter | None = None, *, order_by: str = "", search: str = "", page_size: int = 0
    ) -> list[dict[str, object]]:
        """The values of all records on all pages."""
        pages = self.pages(where, order_by=order_by, search=search, page_size=page_size)
        return [plain(record) for page in pages for record in page.records]

    def column(
        self, field: str, where: pb.Filter | None = None, *, order_by: str = "", search: str = "", page_size: int = 0
    ) -> list[object]:
        """The values of one field in all records."""
        found = self.all(where, order_by=order_by, search=search, page_size=page_size)
        return [record.get(field) for record in found]

    def get(self, record_id: str, fields: Sequence[str] = ()) -> pb.Record:
        """One record."""
        return self.rpc.GetRecord(
            pb.GetRecordRequest(connection_id=self.id, record_id=record_id, fields=fields, as_user=self.as_user)
        ).record

    def count(self, where: pb.Filter | None = None, search: str = "") -> int:
        """How many."""
        return self.rpc.CountRecords(
            pb.CountRecordsRequest(connection_id=self.id, filter=where, search=search, as_user=self.as_user)
        ).count

    def create(self, values: Fields, *, request_id: str = "", validate_only: bool = False) -> pb.Record:
        """Makes a record."""
        return self.rpc.CreateRecord(
            pb.CreateRecordRequest(
                connection_id=self.id,
                record=record_of(values),
                request_id=request_id,
                validate_only=validate_only,
                as_user=self.as_user,
            )
        ).record

    def update(
        self,
        record_id: str,
        values: Fields,
        mask: Sequence[str] = (),
        *,
        etag: str = "",
        validate_only: bool = False,
    ) -> pb.Record:
        """Changes a record."""
        return self.rpc.UpdateRecord(
            pb.UpdateRecordRequest(
                connection_id=self.id,
                record_id=record_id,
                record=record_of(values),
                update_mask=FieldMask(paths=mask) if mask else None,
                etag=etag,
                validate_only=validate_only,
                as_user=self.as_user,
            )
        ).record

    def delete(self, record_id: str, *, etag: str = "", validate_only: bool = False) -> None:
        """Deletes a record."""
        self.rpc.DeleteRecord(
            pb.DeleteRecordRequest(
                connection_id=self.id,
                record_id=record_id,
                etag=etag,
                validate_only=validate_only,
                as_user=self.as_user,
            )
        )

    def create_many(
        self, rows: Iterable[Fields], *, request_id: str = "", validate_only: bool = False
    ) -> pb.BatchCreateRecordsResponse:
        """Makes records."""
        return self.rpc.BatchCreateRecords(
            pb.BatchCreateRecordsRequest(
                connection_id=self.id,
                records=[record_of(row) for row in rows],
                request_id=request_id,
                validate_only=validate_only,
                as_user=self.as_user,
            )
        )

    def update_many(
        self, rows: Iterable[tuple[str, Fields, str]], mask: Sequence[str] = (), *, validate_only: bool = False
    ) -> pb.BatchUpdateRecordsResponse:
        """Changes records, each given as id, values and etag."""
        return self.rpc.BatchUpdateRecords(
            pb.BatchUpdateRecordsRequest(
                connection_id=self.id,
                records=[pb.Record(id=one, fields=struct(values), etag=etag) for one, values, etag in rows],
                update_mask=FieldMask(paths=mask) if mask else None,
                validate_only=validate_only,
                as_user=self.as_user,
            )
        )

    def delete_many(self, record_ids: Sequence[str], *, validate_only: bool = False) -> pb.BatchDeleteRecordsResponse:
        """Deletes records."""
        return self.rpc.BatchDeleteRecords(
            pb.BatchDeleteRecordsRequest(
                connection_id=self.id, record_ids=record_ids, validate_only=validate_only, as_user=self.as_user
            )
        )

    def chunks(
        self,
        kind: pb.FileFormat.ValueType = pb.FILE_FORMAT_JSONL,
        where: pb.Filter | None = None,
        *,
        search: str = "",
        fields: Sequence[str] = (),
        resume_token: str = "",
    ) -> Iterator[pb.ExportRecordsResponse]:
        """The chunks of an export."""
        return self.rpc.ExportRecords(
            pb.ExportRecordsRequest(
                connection_id=self.id,
                format=kind,
                filter=where,
                search=search,
                fields=fields,
                resume_token=resume_token,
                as_user=self.as_user,
            )
        )

    def export(
        self,
        kind: pb.FileFormat.ValueType = pb.FILE_FORMAT_JSONL,
        where: pb.Filter | None = None,
        *,
        search: str = "",
        fields: Sequence[str] = (),
    ) -> bytes:
        """A whole export."""
        return b"".join(chunk.chunk for chunk in self.chunks(kind, where, search=search, fields=fields))

    def take_in(
        self,
        data: bytes,
        kind: pb.FileFormat.ValueType = pb.FILE_FORMAT_JSONL,
        *,
        skip: bool = False,
        request_id: str = "",
        validate_only: bool = False,
        piece: int = 60_000,
    ) -> pb.ImportRecordsResponse:
        """An import of a file, sent in pieces of so many bytes."""

        def requests() -> Iterator[pb.ImportRecordsRequest]:
            yield pb.ImportRecordsRequest(
                connection_id=self.id,
                format=kind,
                on_error=pb.ON_ERROR_SKIP if skip else pb.ON_ERROR_STOP,
                request_id=request_id,
                validate_only=validate_only,
                as_user=self.as_user,
                chunk=data[:piece],
            )
            for at in range(piece, len(data), piece):
                yield pb.ImportRecordsRequest(chunk=data[at : at + piece])

        return self.rpc.ImportRecords(requests())

    def describe(self) -> pb.DescribeTableResponse:
        """What the caller sees of the table."""
        return self.rpc.DescribeTable(pb.DescribeTableRequest(connection_id=self.id, as_user=self.as_user))


def connect(
    world: World,
    source: SourceUnderTest,
    table: MadeTable,
    *users: Caller,
    link: str = "owner",
    value: connections.UserLinkValue.ValueType = connections.USER_LINK_VALUE_TOKEN,
    shared: bool = False,
    mappings: Sequence[common.FieldMapping] = (),
) -> int:
    """Connects a table and assigns it to users; gives the connection's id."""
    connection = source.source_of(table)
    connection.name = f"connection of {table.name}"[:255]
    connection.user_link_field = link
    connection.user_link_value = value
    connection.row_scope = connections.ROW_SCOPE_SHARED if shared else connections.ROW_SCOPE_USER
    connection.assigned_users.extend(user.identity for user in users)
    connection.field_mappings.extend(mappings)
    return world.admin.connections.CreateConnection(
        connections.CreateConnectionRequest(connection=connection)
    ).connection.id


def struct(values: Fields) -> Struct:
    """Values as they travel."""
    message = Struct()
    message.update(values)
    return message


def record_of(values: Fields) -> pb.Record:
    """A record of values."""
    return pb.Record(fields=struct(values))


def plain(record: pb.Record) -> dict[str, object]:
    """The values of a record."""
    return cast("dict[str, object]", MessageToDict(record.fields))


def compared(field: str, op: pb.Op.ValueType, value: Any = ...) -> pb.Filter:
    """A comparison; without a value where none is given."""
    comparison = pb.Comparison(field=field, op=op)
    if value is not ...:
        comparison.value.CopyFrom(struct({"": value}).fields[""])
    return pb.Filter(comparison=comparison)


def all_of(*filters: pb.Filter) -> pb.Filter:
    """All hold."""
    return _group("and", filters)


def any_of(*filters: pb.Filter) -> pb.Filter:
    """One holds."""
    return _group("or", filters)


def no(part: pb.Filter) -> pb.Filter:
    """It does not hold."""
    made = pb.Filter()
    getattr(made, "not").CopyFrom(part)
    return made


def _group(kind: str, filters: Sequence[pb.Filter]) -> pb.Filter:
    made = pb.Filter()
    getattr(made, kind).CopyFrom(pb.FilterGroup(filters=filters))
    return made


def value_of(value: Any) -> Value:
    """A value as it travels."""
    return struct({"": value}).fields[""]
