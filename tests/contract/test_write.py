"""Create, update and delete: what they change, what they refuse, and that refusals change nothing."""

from collections.abc import Callable

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from grpc import StatusCode

from tests.contract.calls import Caller, refused
from tests.contract.desk import Desk, connect, plain, record_of
from tests.contract.server import World
from tests.contract.sources import PEOPLE, MadeTable, Shape, SourceUnderTest, Spec, demands
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.domain.table import ColumnType


@pytest.fixture
def table(source: SourceUnderTest, ana: Caller, bruno: Caller) -> MadeTable:
    return source.make(
        PEOPLE, [[1, ana.token, "one", 1], [2, bruno.token, "two", 2], [3, ana.token, "three", 3], [4, None, "four", 4]]
    )


@pytest.fixture
def desk(world: World, source: SourceUnderTest, table: MadeTable, ana: Caller, bruno: Caller) -> Desk:
    return Desk(ana, connect(world, source, table, ana, bruno))


def test_a_created_record_is_stamped_and_given_as_the_table_holds_it(
    source: SourceUnderTest, table: MadeTable, desk: Desk, ana: Caller
) -> None:
    """The answer has the id that the engine gave, an etag and every field; the row bears the caller's link value."""
    answer = desk.rpc.CreateRecord(
        pb.CreateRecordRequest(connection_id=desk.id, record=record_of({"name": "five", "age": 5}))
    )
    assert plain(answer.record) == {"id": 5, "name": "five", "age": 5}
    assert answer.record == desk.get(answer.record.id)
    assert [column.field for column in answer.columns] == ["id", "name", "age"]
    assert source.rows(table)[-1] == (5, ana.token, "five", 5)


def test_what_a_create_leaves_out_is_null_or_the_engines_own(source: SourceUnderTest, desk: Desk) -> None:
    """A record may be made of any of its fields; a key that is given is taken."""
    assert plain(desk.create({})) == {"id": 5, "name": None, "age": None}
    if source.can.chosen_keys:
        assert plain(desk.create({"id": 77, "age": None})) == {"id": 77, "name": None, "age": None}
    else:
        with refused(StatusCode.INVALID_ARGUMENT):
            desk.create({"id": 77, "age": None})
    if source.can.keeps(""):
        assert plain(desk.create({"name": ""}))["name"] == ""


def test_a_taken_key_is_refused_and_replaces_nothing(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """A key that exists, the caller's own or another's, is ALREADY_EXISTS, and no row is replaced."""
    if not source.can.chosen_keys:
        pytest.skip("a create cannot choose a key")
    before = source.rows(table)
    for key in (1, 2, 4):
        with refused(StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"):
            desk.create({"id": key, "name": "mine"})
        with refused(StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"):
            desk.create_many([{"name": "new"}, {"id": key}])
    with refused(StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"):
        desk.update("1", {"id": 2})
    assert source.rows(table) == before


def test_a_record_to_make_has_neither_id_nor_etag(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """Output-only parts of a record are refused where a record is made, each by its path."""
    before = source.rows(table)
    given = pb.Record(id="9", etag="x", fields=record_of({"nothing": 1}).fields)
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        desk.rpc.CreateRecord(pb.CreateRecordRequest(connection_id=desk.id, record=given))
    assert set(refusal.violations) == {"record.id", "record.etag", "record.fields.nothing"}
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        desk.rpc.BatchCreateRecords(
            pb.BatchCreateRecordsRequest(connection_id=desk.id, records=[record_of({"name": "x"}), given])
        )
    assert set(refusal.violations) == {"records[1].id", "records[1].etag", "records[1].fields.nothing"}
    assert source.rows(table) == before


@pytest.mark.parametrize("name", ["owner", "OWNER", "nothing", "", "name ", 'name"', "rowid", "id\0", "n" * 10_000])
def test_fields_that_are_not_there_cannot_be_written(
    source: SourceUnderTest, table: MadeTable, desk: Desk, name: str
) -> None:
    """Unknown fields and the link field are refused by every write, and nothing is written."""
    before = source.rows(table)
    writes: list[Callable[[], object]] = [
        lambda: desk.create({name: "x"}),
        lambda: desk.update("1", {name: "x", "name": "y"}),
        lambda: desk.create_many([{"name": "y"}, {name: "x"}]),
        lambda: desk.update_many([("1", {"name": "y"}, ""), ("3", {name: "x"}, "")]),
    ]
    for write in writes:
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            write()
        assert len(refusal.violations) == 1
    assert source.rows(table) == before


def test_every_bad_value_is_told_at_once(desk: Desk) -> None:
    """All bad fields of all records of a batch are told together."""
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        desk.create_many([{"age": "x", "name": 5}, {}, {"owner": "me", "id": True}])
    assert set(refusal.violations) == {
        "records[0].fields.age",
        "records[0].fields.name",
        "records[2].fields.owner",
        "records[2].fields.id",
    }


def test_an_update_changes_what_it_names_and_nothing_else(
    source: SourceUnderTest, table: MadeTable, desk: Desk, ana: Caller
) -> None:
    """Without a mask the given fields are set; the answer is the row as it is; its etag is another."""
    before = desk.get("1")
    answer = desk.rpc.UpdateRecord(
        pb.UpdateRecordRequest(connection_id=desk.id, record_id="1", record=record_of({"name": None}))
    )
    assert plain(answer.record) == {"id": 1, "name": None, "age": 1}
    assert answer.record.etag != before.etag
    assert answer.record == desk.get("1")
    assert [column.field for column in answer.columns] == ["id", "name", "age"]
    assert source.rows(table)[0] == (1, ana.token, None, 1)


def test_a_mask_says_what_is_set(desk: Desk) -> None:
    """A mask names fields, with or without `fields.`; what it names and is not given becomes null; `*` means all."""
    assert plain(desk.update("1", {"name": "x", "age": 9}, ["name"])) == {"id": 1, "name": "x", "age": 1}
    assert plain(desk.update("1", {"name": "y"}, ["fields.name", "age"])) == {"id": 1, "name": "y", "age": None}
    assert plain(desk.update("1", {"id": 1, "age": 5}, ["*"])) == {"id": 1, "name": None, "age": 5}


@pytest.mark.parametrize("mask", [["nothing"], ["owner"], ["fields.owner"], ["name", "*"], ["id.x"], ["fields"], [""]])
def test_a_mask_that_names_what_is_not_there_is_refused(
    source: SourceUnderTest, table: MadeTable, desk: Desk, mask: list[str]
) -> None:
    """Unknown paths are refused, in single updates and batches."""
    before = source.rows(table)
    for call in (
        lambda: desk.update("1", {"name": "x"}, mask),
        lambda: desk.update_many([("1", {"name": "x"}, "")], mask),
    ):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            call()
        assert set(refusal.violations) == {"update_mask"}
    assert source.rows(table) == before


def test_an_update_of_nothing_is_refused(desk: Desk) -> None:
    """An update has to set something."""
    with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD"):
        desk.update("1", {})
    with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD"):
        desk.update_many([("1", {"name": "x"}, ""), ("3", {}, "")])


def test_a_changed_key_gives_a_changed_id(source: SourceUnderTest, desk: Desk) -> None:
    """A key may be changed where the table allows it: the record is found by its new id, and no more by its old."""
    if not source.can.chosen_keys:
        pytest.skip("an update cannot change a key")
    moved = desk.update("1", {"id": 50})
    assert moved.id == "50"
    assert plain(desk.get("50"))["name"] == "one"
    with refused(StatusCode.NOT_FOUND):
        desk.get("1")


def test_an_etag_that_is_not_current_refuses_the_write(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """A mismatch is ABORTED with the current etag, and changes nothing; the current one is accepted."""
    old = desk.get("1").etag
    current = desk.update("1", {"age": 100}, etag=old).etag
    before = source.rows(table)
    writes: list[Callable[[], object]] = [
        lambda: desk.update("1", {"name": "x"}, etag=old),
        lambda: desk.update("1", {"name": "x"}, etag=old, validate_only=True),
        lambda: desk.delete("1", etag=old),
        lambda: desk.delete("1", etag=old, validate_only=True),
        lambda: desk.update_many([("3", {"name": "x"}, ""), ("1", {"name": "x"}, old)]),
        lambda: desk.update("1", {"name": "x"}, etag="x" * 10_000),
    ]
    for write in writes:
        with refused(StatusCode.ABORTED, "CONFLICT") as refusal:
            write()
        assert refusal.metadata["etag"] == current
        assert refusal.help
    assert source.rows(table) == before
    desk.update_many([("1", {"name": "x"}, current)])
    desk.delete("1", etag=desk.get("1").etag)


def test_ids_and_etags_given_twice_must_agree(desk: Desk) -> None:
    """A record within an update may repeat the id and the etag, and may not contradict them."""
    etag = desk.get("1").etag
    update = pb.UpdateRecordRequest(
        connection_id=desk.id,
        record_id="1",
        etag=etag,
        record=pb.Record(id="1", etag=etag, fields=record_of({"name": "x"}).fields),
    )
    assert plain(desk.rpc.UpdateRecord(update).record)["name"] == "x"
    update.record.id, update.record.etag = "3", "other"
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        desk.rpc.UpdateRecord(update)
    assert set(refusal.violations) == {"record_id", "etag"}


def test_a_deleted_record_is_gone(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """A delete takes one row and no other; a second one finds nothing."""
    desk.delete("1")
    assert [row[0] for row in source.rows(table)] == [2, 3, 4]
    for call in (lambda: desk.delete("1"), lambda: desk.get("1"), lambda: desk.update("1", {"name": "x"})):
        with refused(StatusCode.NOT_FOUND, "NOT_FOUND"):
            call()


@pytest.mark.parametrize("identifier", ["2", "4", "99", "x", "~", "1'", "1 OR 1=1", "1\0"])
def test_rows_of_others_cannot_be_written(
    source: SourceUnderTest, table: MadeTable, desk: Desk, identifier: str
) -> None:
    """Another's row, a row of nobody and no row at all are NOT_FOUND alike for every write, alone and in batches."""
    before = source.rows(table)
    writes: list[Callable[[], object]] = [
        lambda: desk.update(identifier, {"name": "x"}),
        lambda: desk.update(identifier, {"name": "x"}, validate_only=True),
        lambda: desk.delete(identifier),
        lambda: desk.delete(identifier, validate_only=True),
        lambda: desk.delete(identifier, etag="x"),
        lambda: desk.update_many([("1", {"name": "x"}, ""), (identifier, {"name": "x"}, "")]),
        lambda: desk.delete_many(["1", identifier]),
        lambda: desk.delete_many(["1", identifier], validate_only=True),
    ]
    for at, write in enumerate(writes):
        with refused(StatusCode.NOT_FOUND, "NOT_FOUND") as refusal:
            write()
        if at > 4:
            assert refusal.metadata["index"] == "1"
    assert source.rows(table) == before


def test_a_dry_run_changes_nothing(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """With validate_only every write is checked and answered, and nothing is written."""
    before = source.rows(table)
    assert plain(desk.create({"name": "x"}, validate_only=True)) == {"name": "x"}
    assert plain(desk.update("1", {"name": "x"}, validate_only=True)) == {"name": "x"}
    desk.delete("1", validate_only=True)
    assert len(desk.create_many([{"name": "x"}] * 3, validate_only=True).records) == 3
    assert len(desk.update_many([("1", {"name": "x"}, "")], validate_only=True).records) == 1
    desk.delete_many(["1", "3"], validate_only=True)
    assert desk.take_in(b'{"name": "x"}\n{"name": "y"}', validate_only=True).created_count == 2
    assert source.rows(table) == before


def test_a_dry_run_refuses_what_the_call_would(desk: Desk) -> None:
    """What can be found wrong without writing is told by a dry run too."""
    for call in (
        lambda: desk.create({"age": "x"}, validate_only=True),
        lambda: desk.create({}, request_id="no uuid", validate_only=True),
        lambda: desk.create_many([{}], request_id="no uuid", validate_only=True),
        lambda: desk.update("1", {"age": "x"}, validate_only=True),
        lambda: desk.create_many([], validate_only=True),
        lambda: desk.delete_many(["1", "1"], validate_only=True),
    ):
        with refused(StatusCode.INVALID_ARGUMENT):
            call()


def test_a_batch_makes_changes_and_deletes_in_order(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """Answers of batches stand in the order of the request, whole."""
    made = desk.create_many([{"name": f"n{at}", "age": at} for at in range(300)])
    assert not made.fields_omitted
    assert [plain(record)["name"] for record in made.records] == [f"n{at}" for at in range(300)]
    assert [desk.get(record.id) for record in made.records[::100]] == list(made.records[::100])
    ids = [record.id for record in made.records][::-1]
    changed = desk.update_many([(one, {"age": 7, "name": "x"}, "") for one in ids], ["age"])
    assert [record.id for record in changed.records] == ids
    assert {plain(record)["age"] for record in changed.records} == {7}
    assert plain(changed.records[0])["name"] == "n299"
    gone = desk.delete_many(ids)
    for answer in (made, changed, gone):
        assert answer.atomic is source.can.transactions
        assert [status.code for status in answer.statuses] == ([] if source.can.transactions else [0] * 300)
    assert len(source.rows(table)) == 4


def test_a_batch_is_all_or_nothing(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """Where a source has transactions, one refused item leaves all as it was."""
    if not source.can.transactions:
        pytest.skip("each item is for itself")
    before = source.rows(table)
    with refused(StatusCode.ALREADY_EXISTS):
        desk.create_many([{"id": 500 + at} for at in range(20)] + [{"id": 500}])
    with refused(StatusCode.ALREADY_EXISTS):
        desk.update_many([("1", {"name": "changed"}, ""), ("3", {"id": 2}, "")])
    with refused(StatusCode.NOT_FOUND):
        desk.delete_many(["1", "3", "4"])
    assert source.rows(table) == before


def test_batches_have_bounds_and_name_each_record_once(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """1 to 1,000 items; none twice, however it is named."""
    before = source.rows(table)
    empty: list[Callable[[], object]] = [
        lambda: desk.create_many([]),
        lambda: desk.update_many([]),
        lambda: desk.delete_many([]),
    ]
    for call in empty:
        with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD"):
            call()
    bad: list[Callable[[], object]] = [
        lambda: desk.create_many([{}] * 1001),
        lambda: desk.update_many([(str(at), {"age": 1}, "") for at in range(1001)]),
        lambda: desk.delete_many([str(at) for at in range(1001)]),
        lambda: desk.update_many([("1", {"age": 1}, ""), ("1", {"age": 2}, "")]),
        lambda: desk.delete_many(["1", "3", "1"]),
        lambda: desk.update_many([("", {"age": 1}, "")]),
    ]
    for call in bad:
        with refused(StatusCode.INVALID_ARGUMENT):
            call()
    assert source.rows(table) == before
    assert len(desk.create_many([{"age": 1}] * 1000).records) == 1000


def test_a_batch_too_large_to_answer_is_done_and_told(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """Where records are too large for one answer together, the answer has ids and etags alone and says so."""
    if source.can.max_text < 250_000:
        pytest.skip("no record is that large")
    desk.create_many([{"name": "é" * 250_000}] * 4)
    ids = [record.id for record in desk.page(fields=["id"]).records][-4:]
    for _ in range(2):
        ids += [record.id for record in desk.create_many([{"name": "é" * 250_000}] * 4).records]
    answer = desk.update_many([(one, {"age": 3}, "") for one in ids])
    assert answer.fields_omitted
    assert [record.id for record in answer.records] == ids
    assert all(record.etag and not record.fields.fields for record in answer.records)
    assert [row[3] for row in source.rows(table)][-12:] == [3] * 12


def test_constraints_of_the_table_are_told_as_such(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """A unique value that is taken is ALREADY_EXISTS; a missing required one is named before the engine is asked."""
    demands(source.can.constraints)
    shape = Shape(
        (
            Spec("id", ColumnType.INTEGER, nullable=False, key=True, given=True),
            Spec("owner"),
            Spec("code", unique=True),
            Spec("must", nullable=False),
        )
    )
    table = source.make(shape, [[1, ana.token, "a", "x"]])
    desk = Desk(ana, connect(world, source, table, ana))
    with refused(StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"):
        desk.create({"code": "a", "must": "x"})
    with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD") as refusal:
        desk.create({"code": "b"})
    assert set(refusal.violations) == {"record.fields.must"}
    writes: list[Callable[[], object]] = [
        lambda: desk.create({"must": None}),
        lambda: desk.update("1", {"must": None}),
        lambda: desk.update("1", {}, ["must"]),
    ]
    for write in writes:
        with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED"):
            write()
    assert source.rows(table) == [(1, ana.token, "a", "x")]


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE x; --", '"', "%s", ":name", "?", "\\", "{}", "é\u200b🦜", "a" * 200_000]
)
def test_hostile_texts_are_kept_as_they_are(source: SourceUnderTest, table: MadeTable, desk: Desk, text: str) -> None:
    """A text is a value, whatever it looks like."""
    text = text[: source.can.max_text]
    made = desk.create({"name": text})
    assert plain(desk.get(made.id))["name"] == text
    assert plain(desk.update("1", {"name": text}))["name"] == text
    assert [row[2] for row in source.rows(table)] == [text, "two", "three", "four", text]


def test_values_without_kind_are_null(desk: Desk) -> None:
    """A google.protobuf.Value that holds nothing is null, not a fault."""
    fields = Struct()
    fields.fields["name"].CopyFrom(Value())
    made = desk.rpc.CreateRecord(pb.CreateRecordRequest(connection_id=desk.id, record=pb.Record(fields=fields))).record
    assert plain(made)["name"] is None
