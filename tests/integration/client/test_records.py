"""The calls of records through the client."""

import json
from decimal import Decimal

from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships stubs, but no py.typed

from tests.integration.client.service import SERVICES, Service
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager.v1.common_pb2 import COLUMN_TYPE_FLOAT, COLUMN_TYPE_INTEGER, Column
from wuzapi_manager.v1.connection_pb2 import Connection
from wuzapi_manager_client import Record, WuzapiManager, contains, eq, errors
from wuzapi_manager_client.values import to_struct

UUID = "0b0e2e9e-6f6f-4d5c-9f0a-000000000001"
COLUMNS = [Column(field="age", type=COLUMN_TYPE_INTEGER), Column(field="score", type=COLUMN_TYPE_FLOAT)]


def as_json(*records: Record) -> bytes:
    return json.dumps([record._asdict() for record in records]).encode()


ANA = Record("1", {"name": "Ana", "age": 30, "score": 1.0, "big": "9007199254740993", "tags": ["a", None]}, "v1")
BIA = Record("2", {"name": "Bia", "age": 31, "score": 2.5}, "v2")


def test_records_are_listed_page_by_page_as_dicts(service: Service, me: WuzapiManager) -> None:
    """The iterator goes through all pages, and every record has its id, fields and etag."""
    service.answers["ListRecords"] = [
        pb.ListRecordsResponse(records_json=as_json(ANA), next_page_token="p2"),
        pb.ListRecordsResponse(next_page_token="p3"),
        pb.ListRecordsResponse(records_json=as_json(BIA)),
    ]
    where = eq("city", "Recife") & contains("name", "a")
    records = me.list_records(
        3, filter=where, order_by="name desc", fields=["name"], search="x", as_user="ana", page_size=1
    )
    assert list(records) == [ANA, BIA]
    expected = pb.ListRecordsRequest(
        connection_id=3,
        filter=where.message,
        order_by="name desc",
        fields=["name"],
        search="x",
        as_user="ana",
        page_size=1,
        format=pb.RECORD_FORMAT_JSON,
    )
    for request, token in zip(service.requests("ListRecords"), ["", "p2", "p3"], strict=True):
        expected.page_token = token
        assert request == expected


def test_one_page_tells_all_about_itself(service: Service, me: WuzapiManager) -> None:
    """A page has its records, token, columns, connection and, where asked for, the total."""
    answer = pb.ListRecordsResponse(
        records_json=as_json(ANA), next_page_token="p2", total_size=0, columns=COLUMNS, connection=Connection(id=3)
    )
    service.answers["ListRecords"] = [answer, pb.ListRecordsResponse()]
    page = me.list_records_page(3, count_total=True, page_token="p1", filter=eq("a", 1).message)
    assert (page.records, page.next_page_token, page.total_size) == ([ANA], "p2", 0)
    assert (page.columns, page.connection.id) == (COLUMNS, 3)
    request = service.requests("ListRecords")[0]
    assert request == pb.ListRecordsRequest(
        connection_id=3,
        count_total=True,
        page_token="p1",
        filter=eq("a", 1).message,
        format=pb.RECORD_FORMAT_JSON,
    )
    assert me.list_records_page(3).total_size is None


def test_a_record_is_read_as_it_is_listed(service: Service, me: WuzapiManager) -> None:
    """A record has the same values and Python types whether it was listed or read alone."""
    wire = pb.Record(id=ANA.id, etag=ANA.etag, fields=to_struct(ANA.fields))
    service.answers["GetRecord"] = pb.GetRecordResponse(record=wire, columns=COLUMNS)
    record = me.get_record(3, "1", fields=["name", "age"], as_user="ana")
    assert record == ANA
    assert {name: type(value) for name, value in record.fields.items()} == {
        name: type(value) for name, value in ANA.fields.items()
    }
    assert service.requests("GetRecord") == [
        pb.GetRecordRequest(connection_id=3, record_id="1", fields=["name", "age"], as_user="ana")
    ]


def test_records_are_made_changed_and_deleted(service: Service, me: WuzapiManager) -> None:
    """Fields are plain dicts; the answer is the record as the table holds it."""
    wire = pb.Record(id="1", etag="v1", fields=to_struct({"name": "Ana", "score": 1.0}))
    service.answers["CreateRecord"] = pb.CreateRecordResponse(record=wire, columns=COLUMNS)
    service.answers["UpdateRecord"] = pb.UpdateRecordResponse(record=wire, columns=COLUMNS)
    fields = {"name": "Ana", "price": Decimal("9.90"), "none": None}
    made = me.create_record(3, fields, request_id=UUID, validate_only=True, as_user="ana")
    changed = me.update_record(3, "1", fields, update_mask=["name"], etag="v0", validate_only=True, as_user="ana")
    assert made == changed == Record("1", {"name": "Ana", "score": 1.0}, "v1")
    me.update_record(3, "1", {"name": None})
    me.delete_record(3, "1", etag="v0", validate_only=True, as_user="ana")
    struct = to_struct({"name": "Ana", "price": "9.90", "none": None})
    assert [seen.request for seen in service.seen] == [
        pb.CreateRecordRequest(
            connection_id=3, record=pb.Record(fields=struct), request_id=UUID, validate_only=True, as_user="ana"
        ),
        pb.UpdateRecordRequest(
            connection_id=3,
            record_id="1",
            record=pb.Record(fields=struct),
            update_mask=FieldMask(paths=["name"]),
            etag="v0",
            validate_only=True,
            as_user="ana",
        ),
        pb.UpdateRecordRequest(connection_id=3, record_id="1", record=pb.Record(fields=to_struct({"name": None}))),
        pb.DeleteRecordRequest(connection_id=3, record_id="1", etag="v0", validate_only=True, as_user="ana"),
    ]


def test_records_are_counted_and_described(service: Service, me: WuzapiManager) -> None:
    """A count is an int; a description is the API's own message."""
    service.answers["CountRecords"] = pb.CountRecordsResponse(count=7)
    service.answers["DescribeTable"] = pb.DescribeTableResponse(capabilities=pb.Capabilities(writable=True))
    assert me.count_records(3, filter=eq("a", 1), search="x", as_user="ana") == 7
    assert me.describe_table(3, as_user="ana").capabilities.writable
    assert [seen.request for seen in service.seen] == [
        pb.CountRecordsRequest(connection_id=3, filter=eq("a", 1).message, search="x", as_user="ana"),
        pb.DescribeTableRequest(connection_id=3, as_user="ana"),
    ]


def test_batches_tell_what_became_of_each(service: Service, me: WuzapiManager) -> None:
    """Where a batch is not all or nothing, each refusal is an exception in its place."""
    wire = pb.Record(id="1", etag="v1", fields=to_struct({"name": "Ana"}))
    mixed = [Status(), Status(code=6, message="taken")]
    service.answers["BatchCreateRecords"] = pb.BatchCreateRecordsResponse(records=[wire, pb.Record()], statuses=mixed)
    service.answers["BatchUpdateRecords"] = pb.BatchUpdateRecordsResponse(
        records=[wire], atomic=True, fields_omitted=True
    )
    service.answers["BatchDeleteRecords"] = pb.BatchDeleteRecordsResponse(atomic=True)
    made = me.batch_create_records(3, [{"name": "Ana"}, {}], request_id=UUID, validate_only=True, as_user="ana")
    assert made.records[0] == Record("1", {"name": "Ana"}, "v1")
    assert (made.atomic, made.errors[0], type(made.errors[1])) == (False, None, errors.AlreadyExists)
    changed = me.batch_update_records(
        3, [Record("1", {"name": "Ana"}, "v0")], update_mask=["name"], validate_only=True, as_user="ana"
    )
    assert (changed.atomic, changed.errors, changed.fields_omitted) == (True, [], True)
    deleted = me.batch_delete_records(3, ["1", "2"], validate_only=True, as_user="ana")
    assert (deleted.records, deleted.atomic, deleted.errors) == ([], True, [])
    ana = to_struct({"name": "Ana"})
    assert [seen.request for seen in service.seen] == [
        pb.BatchCreateRecordsRequest(
            connection_id=3,
            records=[pb.Record(fields=ana), pb.Record(fields=to_struct({}))],
            request_id=UUID,
            validate_only=True,
            as_user="ana",
        ),
        pb.BatchUpdateRecordsRequest(
            connection_id=3,
            records=[pb.Record(id="1", fields=ana, etag="v0")],
            update_mask=FieldMask(paths=["name"]),
            validate_only=True,
            as_user="ana",
        ),
        pb.BatchDeleteRecordsRequest(connection_id=3, record_ids=["1", "2"], validate_only=True, as_user="ana"),
    ]


def test_every_rpc_has_a_method() -> None:
    """No RPC of these services is missing from the client."""
    for service in SERVICES:
        for method in service.methods:
            name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in method.name).lstrip("_")
            assert callable(getattr(WuzapiManager, name)), method.full_name
