"""What RecordService says to bad input: which field, in which words of both languages, and that no row changes."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Value
from grpc import StatusCode

from tests.contract.calls import Caller, refused
from tests.contract.desk import Desk, all_of, compared, record_of
from tests.contract.server import World
from tests.e2e.bad_records import CASES, LONG, SQL, creating, updating
from tests.e2e.refusals import Bad, call, insist, names
from tests.e2e.samples import connected, new_file
from wuzapi_manager.v1 import record_pb2 as pb

TYPES = {
    "boolean": "BOOLEAN",
    "whole": "INTEGER",
    "decimal": "DECIMAL(20, 6)",
    "double": "DOUBLE",
    "text": "TEXT",
    "bytes": "BLOB",
    "day": "DATE",
    "clock": "TIME",
    "moment": "DATETIME",
    "uuid": "UUID",
    "json": "JSON",
}
WRONG: dict[str, list[Any]] = {
    "boolean": ["true", "x", [], {}],
    "whole": [1.5, "1.0", "x", "", True, [], {}, "NaN", "0x1", " 1", "1e3", SQL],
    "decimal": ["x", "", True, [], {}, "1e", " 1", "1,5", SQL],
    "double": ["x", "", True, [], {}, "1e999", "inf", SQL],
    "text": [1, True, [], {}, ["a"], "a\0b"],
    "bytes": ["no base64!", "YQ", "YQ=", 1, True, []],
    "day": ["23/11/2026", "2026-13-01", "2026-02-30", "", True, [], {}, SQL],
    "clock": ["25:00", "1:00", "", True, [], {}],
    "moment": ["yesterday", "2026-02-30T00:00:00", "2026-01-01T25:00:00", "", True, []],
    "uuid": ["x", "", 1, True, [], "0" * 31, SQL],
}


@pytest.fixture(scope="module")
def ana(world: World) -> Caller:
    return world.user("token-of-ana")


@pytest.fixture(scope="module")
def file(world: World) -> Path:
    columns = ", ".join(f"{name} {declared}" for name, declared in TYPES.items())
    return new_file(
        world.sources,
        f"CREATE TABLE orders (id INTEGER PRIMARY KEY, owner TEXT, must TEXT NOT NULL, {columns})",
        "INSERT INTO orders (id, owner, must) VALUES (1, 'token-of-ana', 'a'), (2, 'token-of-bruno', 'b'), "
        "(3, 'token-of-ana', 'c'), (4, 'token-of-ana', 'd')",
    )


@pytest.fixture(scope="module")
def desk(world: World, file: Path, ana: Caller) -> Desk:
    return Desk(ana, connected(world, file, ana, world.user("token-of-bruno")))


def rows(file: Path) -> list[tuple[object, ...]]:
    """All rows, behind the service's back."""
    with closing(sqlite3.connect(file)) as database:
        return list(database.execute("SELECT * FROM orders ORDER BY id"))


@pytest.mark.parametrize("bad", CASES, ids=names(CASES))
def test_bad_input_is_refused(desk: Desk, file: Path, bad: Bad) -> None:
    """Each bad field is named, in English and in Portuguese, and no row changes."""
    before = rows(file)
    insist(desk.caller, bad, desk.id)
    assert rows(file) == before


@pytest.mark.parametrize(("column", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_values_that_a_column_cannot_hold_are_refused(desk: Desk, file: Path, column: str, value: Any) -> None:
    """Creates, updates, batches, imports and filters name the field and its column's type, and write nothing."""
    before = rows(file)
    good, wrong = {"must": "x"}, {"must": "x", column: value}
    path = f"fields.{column}"
    calls: list[tuple[Callable[[int], Message], str]] = [
        (creating(record=record_of(wrong)), f"record.{path}"),
        (updating(record=record_of(wrong)), f"record.{path}"),
        (updating(column, record=record_of(wrong)), f"record.{path}"),
        (
            lambda at: pb.BatchCreateRecordsRequest(
                connection_id=at, records=[record_of(each) for each in (good, wrong, good)]
            ),
            f"records[1].{path}",
        ),
        (
            lambda at: pb.BatchUpdateRecordsRequest(
                connection_id=at,
                records=[pb.Record(id=one, fields=record_of(each).fields) for one, each in (("1", good), ("3", wrong))],
            ),
            f"records[1].{path}",
        ),
    ]
    for request, field in calls:
        portuguese = insist(desk.caller, Bad(request, field, "must", ""), desk.id)
        assert f"Campo '{column}' " in portuguese.localized_violations[field]
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        desk.page(compared(column, pb.OP_EQ, value))
    assert set(refusal.violations) == {"filter.comparison.value"}
    assert rows(file) == before


def test_what_no_column_keeps_is_refused_within_documents_too(desk: Desk) -> None:
    """U+0000 in a text or name of a JSON document, and numbers that are none, are refused."""
    for value in ({"a": "x\0"}, {"a\0": 1}, ["\0"]):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            desk.create({"must": "x", "json": value})
        assert set(refusal.violations) == {"record.fields.json"}
    record = record_of({"must": "x"})
    record.fields.fields["json"].CopyFrom(Value(number_value=float("nan")))
    record.fields.fields["whole"].CopyFrom(Value(number_value=float("inf")))
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        desk.rpc.CreateRecord(pb.CreateRecordRequest(connection_id=desk.id, record=record))
    assert "record.fields.whole" in refusal.violations


def test_every_bad_field_is_told_at_once(desk: Desk) -> None:
    """All that is wrong with a request is in one answer."""
    wrong = record_of({"nothing": 1, "whole": "x", "day": "x"})
    wrong.id = wrong.etag = "9"
    requests: list[tuple[Message, set[str]]] = [
        (
            pb.ListRecordsRequest(
                connection_id=desk.id,
                page_size=-1,
                page_token="x",
                order_by="x",
                fields=["x", "id", "y"],
                search="x" * 1001,
                format=9,  # type: ignore[arg-type]  # no such number: the point
                filter=all_of(
                    compared("x", pb.OP_EQ, 1), compared("whole", pb.OP_EQ, "x"), compared("", pb.OP_EQ), pb.Filter()
                ),
            ),
            {
                *("page_size", "page_token", "order_by", "fields[0]", "fields[2]", "search", "format"),
                *("filter.and.filters[0].comparison.field", "filter.and.filters[1].comparison.value"),
                *("filter.and.filters[2].comparison.field", "filter.and.filters[2].comparison.value"),
                "filter.and.filters[3]",
            },
        ),
        (
            pb.CreateRecordRequest(connection_id=desk.id, record=wrong, request_id="x"),
            {
                *("record.id", "record.etag", "request_id"),
                *(f"record.fields.{name}" for name in ("nothing", "whole", "day", "must")),
            },
        ),
        (
            pb.UpdateRecordRequest(connection_id=desk.id, record_id="9", record=wrong),
            {f"record.fields.{name}" for name in ("nothing", "whole", "day")},
        ),
        (
            pb.UpdateRecordRequest(
                connection_id=desk.id,
                record_id="8",
                record=wrong,
                update_mask=FieldMask(paths=["day", "x", "whole", "y"]),
                etag="8",
            ),
            {"record_id", "etag", "update_mask", "record.fields.day", "record.fields.whole"},
        ),
        (
            pb.UpdateRecordRequest(connection_id=desk.id, record_id="9", update_mask=FieldMask(paths=["x"])),
            {"update_mask"},
        ),
        (
            pb.BatchUpdateRecordsRequest(
                connection_id=desk.id, records=[wrong, pb.Record()], update_mask=FieldMask(paths=["x", "whole"])
            ),
            {"update_mask", "records[0].fields.whole", "records[1].id"},
        ),
        (
            pb.UpdateRecordRequest(connection_id=desk.id, record=pb.Record(fields=wrong.fields)),
            {"record_id", *(f"record.fields.{name}" for name in ("nothing", "whole", "day"))},
        ),
        (pb.GetRecordRequest(connection_id=desk.id, fields=["x", "id", "y"]), {"record_id", "fields[0]", "fields[2]"}),
        (pb.GetRecordRequest(), {"connection_id", "record_id"}),
        (pb.UpdateRecordRequest(record=wrong), {"connection_id"}),
        (pb.DeleteRecordRequest(), {"connection_id", "record_id"}),
    ]
    for request, expected in requests:
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            call(desk.caller, request)
        assert set(refusal.violations) == expected


def test_duplicates_in_a_batch_are_refused(desk: Desk, file: Path) -> None:
    """A record that stands twice is refused, by update and by delete, and none is touched."""
    before = rows(file)
    record = pb.Record(id="1", fields=record_of({"text": "x"}).fields)
    for request in (
        pb.BatchUpdateRecordsRequest(connection_id=desk.id, records=[record, record]),
        pb.BatchDeleteRecordsRequest(connection_id=desk.id, record_ids=["1", "3", "1"]),
    ):
        with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR"):
            call(desk.caller, request)
    assert rows(file) == before


def test_etags_that_are_not_current_are_refused(desk: Desk, file: Path) -> None:
    """Whatever stands in an etag, it is current or the call is ABORTED."""
    before = rows(file)
    for etag in ("x", SQL, "\0", LONG, " "):
        for change in (
            pb.UpdateRecordRequest(connection_id=desk.id, record_id="1", etag=etag, record=record_of({"text": "x"})),
            pb.DeleteRecordRequest(connection_id=desk.id, record_id="1", etag=etag),
        ):
            with refused(StatusCode.ABORTED, "CONFLICT") as refusal:
                call(desk.caller, change)
            assert refusal.metadata["etag"]
    assert rows(file) == before


def test_tokens_are_good_for_their_own_list_and_caller_alone(world: World, desk: Desk) -> None:
    """A token of another filter, order, search, connection, user or RPC, or with a changed byte, is refused."""
    bruno = Desk(world.user("token-of-bruno"), desk.id)
    admin = Desk(world.admin, desk.id)
    as_ana = Desk(world.admin, desk.id, as_user="token-of-ana")
    token = desk.page(page_size=1).next_page_token
    own = admin.page(page_size=1).next_page_token
    assert token
    assert own
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(0, len(token) - 3, 5)]
    calls: list[Callable[[], object]] = [
        lambda: desk.page(compared("text", pb.OP_IS_NULL), page_token=token),
        lambda: desk.page(order_by="must", page_token=token),
        lambda: desk.page(search="x", page_token=token),
        lambda: bruno.page(page_token=token),
        lambda: admin.page(page_token=token),
        lambda: as_ana.page(page_token=token),
        lambda: as_ana.page(page_token=own),
        lambda: desk.page(page_token=own),
        lambda: list(desk.chunks(resume_token=token)),
        *(lambda each=each: desk.page(page_token=each) for each in changed),
    ]
    for each in calls:
        with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
            each()
        assert set(refusal.violations) <= {"page_token", "resume_token"}
    assert desk.page(page_token=token, page_size=5).records
    resume = next(desk.chunks()).resume_token
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR"):
        list(bruno.chunks(resume_token=resume))
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR"):
        desk.page(page_token=resume)


def test_an_empty_stream_is_no_import(desk: Desk) -> None:
    """An import without a message says so."""
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        desk.rpc.ImportRecords(iter(()))
    assert "the stream was empty" in refusal.message


def test_an_administrator_must_say_whose_row_it_is(world: World, desk: Desk, file: Path) -> None:
    """A create as the administrator without as_user and link field is refused."""
    before = rows(file)
    bad = Bad(creating(), "as_user", "whose row is it", "de quem é a linha")
    insist(world.admin, bad, desk.id)
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        Desk(world.admin, desk.id).create({"must": "x", "whole": "x"})
    assert set(refusal.violations) == {"as_user", "record.fields.whole"}
    assert rows(file) == before


def test_a_connection_that_is_not_there_is_not_found(world: World) -> None:
    """The administrator hears NOT_FOUND with the id, whatever is asked of it."""
    for kind in (pb.ListRecordsRequest, pb.CountRecordsRequest, pb.ExportRecordsRequest, pb.DescribeTableRequest):
        for identifier in (2**62, -1):
            with refused(StatusCode.NOT_FOUND, "NOT_FOUND") as refusal:
                call(world.admin, kind(connection_id=identifier))
            assert refusal.metadata["id"] == str(identifier)
