"""ListRecords, GetRecord, CountRecords and DescribeTable over rows that are there."""

import json

import pytest
from grpc import StatusCode

from tests.contract.calls import Caller, refused
from tests.contract.desk import Desk, compared, connect, plain
from tests.contract.server import World
from tests.contract.sources import PEOPLE, MadeTable, Shape, SourceUnderTest, Spec
from wuzapi_manager.v1 import common_pb2 as common
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.domain.table import ColumnType


@pytest.fixture(scope="module")
def people(source: SourceUnderTest, ana: Caller, bruno: Caller) -> MadeTable:
    return source.make(
        PEOPLE,
        [
            [1, ana.token, "Zeca", 40],
            [2, bruno.token, "Maria", 30],
            [3, ana.token, "Élida", None],
            [4, ana.token, None, 7],
            [5, None, "nobody's", 1],
        ],
    )


@pytest.fixture(scope="module")
def connection(world: World, source: SourceUnderTest, people: MadeTable, ana: Caller, bruno: Caller) -> int:
    return connect(world, source, people, ana, bruno)


@pytest.fixture(scope="module")
def desk(ana: Caller, connection: int) -> Desk:
    return Desk(ana, connection)


def test_a_user_lists_own_rows_by_key(desk: Desk) -> None:
    """A list without more holds all of the caller's rows by primary key, without the link field that holds tokens."""
    page = desk.page()
    assert [plain(record) for record in page.records] == [
        {"id": 1, "name": "Zeca", "age": 40},
        {"id": 3, "name": "Élida", "age": None},
        {"id": 4, "name": None, "age": 7},
    ]
    assert page.next_page_token == ""
    assert not page.HasField("total_size")
    assert len({record.id for record in page.records}) == 3
    assert all(record.etag for record in page.records)


def test_the_columns_of_a_list_are_those_of_its_records(desk: Desk) -> None:
    """Columns name the type of every field, in the table's order, and what may be written."""
    columns = desk.page().columns
    assert [(column.field, column.column, column.type) for column in columns] == [
        ("id", "id", common.COLUMN_TYPE_INTEGER),
        ("name", "name", common.COLUMN_TYPE_TEXT),
        ("age", "age", common.COLUMN_TYPE_INTEGER),
    ]
    assert [column.primary_key for column in columns] == [True, False, False]
    assert [column.nullable for column in columns] == [False, True, True]
    assert [column.has_default for column in columns] == [True, False, False]
    assert all(column.native_type for column in columns)


def test_a_list_tells_of_its_connection_what_users_may_know(desk: Desk, connection: int) -> None:
    """The connection in a list has neither source nor users nor link field."""
    told = desk.page().connection
    assert told.id == connection
    assert told.name
    assert told.WhichOneof("source") is None
    assert not told.assigned_users
    assert not told.user_link_field


def test_fields_choose_what_leaves(desk: Desk) -> None:
    """Only the fields asked for are in the answer, each once, in the order asked for."""
    page = desk.page(fields=["age", "name", "age"])
    assert plain(page.records[0]) == {"age": 40, "name": "Zeca"}
    assert [column.field for column in page.columns] == ["age", "name"]
    assert plain(desk.get(page.records[0].id, ["name"])) == {"name": "Zeca"}


def test_fields_that_are_not_there_are_named(desk: Desk) -> None:
    """Every unknown field is a violation of its own; the link field with tokens is as unknown as any other."""
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        desk.page(fields=["name", "owner", "nothing"])
    assert set(refusal.violations) == {"fields[1]", "fields[2]"}
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        desk.get("1", ["owner"])
    assert set(refusal.violations) == {"fields[0]"}


def test_the_total_is_counted_where_asked_for(desk: Desk, bruno: Caller) -> None:
    """The total is that of all matching records of the caller, whatever the page."""
    page = desk.page(page_size=1, count_total=True)
    assert (len(page.records), page.total_size) == (1, 3)
    page = desk.page(compared("age", pb.OP_GT, 1000), count_total=True)
    assert page.HasField("total_size")
    assert page.total_size == 0
    assert Desk(bruno, desk.id).page(count_total=True).total_size == 1


def test_count_counts_what_matches(desk: Desk) -> None:
    """CountRecords counts the caller's rows, filtered and searched."""
    assert desk.count() == 3
    assert desk.count(compared("age", pb.OP_GE, 7)) == 2
    assert desk.count(search="ZEC") == 1
    assert desk.count(compared("age", pb.OP_EQ, 7), search="zeca") == 0


def test_records_travel_as_json_alike(desk: Desk) -> None:
    """RECORD_FORMAT_JSON holds the same ids, fields and etags as messages do, as one JSON array."""
    messages = desk.page(order_by="age desc", count_total=True)
    page = desk.page(order_by="age desc", count_total=True, json=True)
    assert not page.records
    assert json.loads(page.records_json) == [
        {"id": record.id, "fields": plain(record), "etag": record.etag} for record in messages.records
    ]
    assert page.columns == messages.columns
    assert page.total_size == messages.total_size


def test_an_empty_list_is_an_empty_json_array(desk: Desk) -> None:
    """No record is no record, in both formats."""
    nothing = compared("name", pb.OP_EQ, "nobody")
    assert desk.page(nothing, json=True).records_json == b"[]"
    assert not desk.page(nothing).records


def test_a_record_is_found_by_its_id(desk: Desk) -> None:
    """GetRecord gives what the list gave, with the columns."""
    for record in desk.page().records:
        assert desk.get(record.id) == record
    answer = desk.rpc.GetRecord(pb.GetRecordRequest(connection_id=desk.id, record_id="3"))
    assert [column.field for column in answer.columns] == ["id", "name", "age"]


@pytest.mark.parametrize(
    "identifier",
    ["2", "5", "99", "01", " 1", "1 ", "+1", "1.0", "1e0", "0x1", "-1", "name", "'1'", "1 or 1=1", "~", "~AAAA",
     "~WzFd", "1\x002", "9" * 5000, "../1", "%31", "null", "-9223372036854775809"],
)  # fmt: skip
def test_an_id_of_no_own_row_is_not_found(desk: Desk, identifier: str) -> None:
    """Other users' rows, rows of nobody and ids that no row has are all the same: not there."""
    with refused(StatusCode.NOT_FOUND, "NOT_FOUND") as absent:
        desk.get(identifier)
    with refused(StatusCode.NOT_FOUND, "NOT_FOUND") as other:
        desk.get("123456")
    assert (absent.message, absent.localized, absent.metadata) == (other.message, other.localized, other.metadata)


def test_a_table_describes_itself(desk: Desk) -> None:
    """DescribeTable gives the caller's columns and what the source can do."""
    answer = desk.describe()
    assert [column.field for column in answer.columns] == ["id", "name", "age"]
    can = answer.capabilities
    assert can.writable
    assert can.read_only_reason == ""
    assert can.max_batch_size > 0


def test_what_the_table_holds_meanwhile_is_what_is_read(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """Nothing is kept between calls: a row changed behind the service's back is read as it is."""
    table = source.make(PEOPLE, [[1, ana.token, "before", 1]])
    desk = Desk(ana, connect(world, source, table, ana))
    before = desk.get("1")
    source.run(table, "UPDATE {t} SET name = 'after' WHERE id = 1")
    after = desk.get("1")
    assert plain(after)["name"] == "after"
    assert after.etag != before.etag


def test_a_hidden_value_changes_the_etag_too(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """An etag changes with any value of the row, also one that the caller does not see."""
    table = source.make(Shape((*PEOPLE.columns, Spec("secret", ColumnType.TEXT))), [[1, ana.token, "Ana", 1, "a"]])
    mappings = [common.FieldMapping(field="name"), common.FieldMapping(field="secret", visible=False)]
    desk = Desk(ana, connect(world, source, table, ana, mappings=mappings))
    before = desk.get("1")
    source.run(table, "UPDATE {t} SET secret = 'b'")
    after = desk.get("1")
    assert plain(after) == plain(before) == {"name": "Ana"}
    assert after.etag != before.etag
