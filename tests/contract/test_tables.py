"""Tables as they are found: names of any kind, keys of any kind or none, views, and tables that change or vanish."""

import itertools
import time
from collections.abc import Callable

import grpc
import pytest
from grpc import StatusCode

from tests.contract.calls import Caller, Refusal, refused
from tests.contract.desk import Desk, all_of, compared, connect, plain
from tests.contract.server import World
from tests.contract.sources import PEOPLE, Shape, SourceUnderTest, Spec, demands
from wuzapi_manager.v1 import common_pb2 as common
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager.v1.record_pb2 import FILE_FORMAT_CSV
from wuzapi_manager_server.domain.table import ColumnType
from wuzapi_manager_server.services.described import AGAIN

NAMES = [
    'a "b" c',
    "100%s",
    "col:name",
    "ünï",
    "class",
    "semi;colon",
    "it's",
    "[x]",
    "`tick`",
    "a,b",
    "select",
    "%(x)s",
    "日本",
]


@pytest.mark.parametrize("mapped", [False, True])
def test_names_of_any_kind_work_everywhere(world: World, source: SourceUnderTest, ana: Caller, *, mapped: bool) -> None:
    """Quotes, percent signs, colons, spaces, accents and keywords in names of tables, columns and fields."""
    shape = Shape(
        (
            Spec('key "of" 100%', ColumnType.INTEGER, nullable=False, key=True, given=True),
            Spec("wem's : gehört %s"),
            *map(Spec, NAMES),
        ),
        name='we"ird; drop table x -- %s :p',
    )
    table = source.make(shape, [[1, ana.token, *NAMES], [2, "other", *NAMES]])
    fields = [f"field {name}" for name in NAMES] if mapped else NAMES
    mappings = [common.FieldMapping(field=field, column=name) for field, name in zip(fields, NAMES, strict=True)]
    desk = Desk(ana, connect(world, source, table, ana, link="wem's : gehört %s", mappings=mappings if mapped else ()))
    record = desk.page().records[0]
    assert {name: value for name, value in plain(record).items() if name in fields} == dict(
        zip(fields, NAMES, strict=True)
    )
    everything = all_of(*(compared(field, pb.OP_EQ, name) for field, name in zip(fields, NAMES, strict=True)))
    order = ", ".join(f'"{field}" desc' for field in fields if '"' not in field)
    assert len(desk.all(everything, order_by=order, search="ünï", page_size=1)) == 1
    made = desk.create(dict.fromkeys(fields, "new"))
    desk.update(made.id, dict(zip(fields, NAMES, strict=True)))
    assert plain(desk.get(made.id, fields)) == dict(zip(fields, NAMES, strict=True))
    assert desk.take_in(desk.export(FILE_FORMAT_CSV, fields=fields), FILE_FORMAT_CSV).created_count == 2
    desk.delete(made.id)
    assert [row[2:] for row in source.rows(table)] == [tuple(NAMES)] * 4


def test_a_composite_key_tells_its_rows_apart(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """Records of a composite key have distinct ids, page in the key's order, and are found, changed and deleted."""
    demands(source.can.any_key)
    texts = ["a", "b", "a,b" if source.can.keys_with_commas else "a.b", '"', "", "~", "é"]
    parts = list(itertools.product(texts, [-1, 0, 7]))
    shape = Shape(
        (
            Spec("t", nullable=False, key=True),
            Spec("n", ColumnType.INTEGER, nullable=False, key=True),
            Spec("owner"),
            Spec("v"),
        )
    )
    table = source.make(shape, [[t, n, ana.token if n else "other", "x"] for t, n in parts])
    desk = Desk(ana, connect(world, source, table, ana))
    own = sorted((t, n) for t, n in parts if n)
    records = [record for page in desk.pages(page_size=3) for record in page.records]
    assert sorted((plain(record)["t"], plain(record)["n"]) for record in records) == own
    assert len({record.id for record in records}) == len(own)
    assert [record.id for page in desk.pages(page_size=1) for record in page.records] == [one.id for one in records]
    for record in records:
        assert desk.get(record.id) == record
        desk.update(record.id, {"v": f"{plain(record)['t']}{plain(record)['n']}"})
    assert {row[3] for row in source.rows(table)} == {"x"} | {f"{t}{n}.0" for t, n in own}
    made = desk.create({"t": "new", "n": 5})
    assert plain(desk.get(made.id))["t"] == "new"
    with refused(StatusCode.ALREADY_EXISTS):
        desk.create({"t": "a", "n": 0})
    desk.delete_many([record.id for record in records])
    assert len(source.rows(table)) == 8


def test_a_key_may_be_any_text(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """Keys of text with any characters, numbers among them, are found by their ids and by no others."""
    demands(source.can.any_key)
    keys = [
        "1",
        "01",
        "~",
        "~x",
        " ",
        "a/b",
        "../x",
        "é",
        "e\u0301",
        "'",
        "%",
        "\\",
        "null",
        "A",
        "a",
        "x" * 6000,
        "🦜",
        "\n",
    ]
    keys = [key for key in keys if source.can.longest_key is None or len(key) <= source.can.longest_key]
    shape = Shape((Spec("k", nullable=False, key=True), Spec("owner")))
    table = source.make(shape, [[key, ana.token] for key in keys])
    desk = Desk(ana, connect(world, source, table, ana))
    records = [record for page in desk.pages(page_size=2) for record in page.records]
    assert sorted(str(plain(record)["k"]) for record in records) == sorted(keys)
    for record in records:
        assert plain(desk.get(record.id)) == plain(record)
        desk.delete(record.id)
        assert len(source.rows(table)) == len(keys) - 1
        source.add(table, [[plain(record)["k"], ana.token]])


def test_a_key_that_is_the_link_field_is_not_shown(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """Where the key holds tokens, ids tell nothing of them, work for their own connection, and page as others do."""
    demands(source.can.any_key)
    shape = Shape((Spec("owner", nullable=False, key=True), Spec("n", ColumnType.INTEGER, nullable=False, key=True)))
    table = source.make(shape, [[owner, at] for at in range(3) for owner in (ana.token, "token-of-another")])
    desk, admin = (Desk(caller, connect(world, source, table, ana)) for caller in (ana, world.admin))
    for one in (desk, admin):
        pages = list(one.pages(page_size=1))
        assert len(pages) == 3 if one is desk else 6
        for page in pages:
            record = page.records[0]
            assert list(plain(record)) == ["n"]
            assert b"token-of" not in page.SerializeToString()
            assert one.get(record.id) == record
    with refused(StatusCode.NOT_FOUND):
        desk.get(admin.page().records[0].id)


@pytest.mark.parametrize("view", [False, True])
def test_what_has_no_key_is_read_and_refuses_writes(
    world: World, source: SourceUnderTest, ana: Caller, *, view: bool
) -> None:
    """Views and tables without a key list, filter, sort, page, count and export; writes are refused with the reason."""
    demands(source.can.any_key)
    shape = Shape((Spec("n", ColumnType.INTEGER), Spec("owner"), Spec("name")), view=view)
    rows = [[at, ana.token if at % 2 else "other", f"n{at}"] for at in range(20)]
    table = source.make(shape, rows)
    desk = Desk(ana, connect(world, source, table, ana))
    own = [row[0] for row in rows if row[1] == ana.token]
    assert sorted(map(str, desk.column("n", page_size=3))) == sorted(f"{float(str(at))}" for at in own)
    assert desk.column("n", compared("n", pb.OP_LT, 10), order_by="n desc", page_size=2) == [9, 7, 5, 3, 1]
    assert desk.count(search="N1") == 6
    assert {record.id for record in desk.page().records} == {""}
    chunks = list(desk.chunks())
    assert not any(chunk.resume_token for chunk in chunks)
    assert len(b"".join(chunk.chunk for chunk in chunks).splitlines()) == len(own)
    described = desk.describe()
    can = described.capabilities
    assert not can.writable
    assert can.read_only_reason
    assert not can.key_paging
    assert all(column.read_only for column in described.columns)
    before = source.rows(table)
    calls: list[Callable[[], object]] = [
        lambda: desk.get("1"),
        lambda: desk.create({"name": "x"}),
        lambda: desk.create({"name": "x"}, validate_only=True),
        lambda: desk.update("1", {"name": "x"}),
        lambda: desk.delete("1"),
        lambda: desk.create_many([{"name": "x"}]),
        lambda: desk.update_many([("1", {"name": "x"}, "")]),
        lambda: desk.delete_many(["1"]),
        lambda: desk.take_in(b'{"name": "x"}'),
    ]
    for call in calls:
        with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED") as refusal:
            call()
        assert "key" in refusal.message or can.read_only_reason.lower() in refusal.message.lower()
    assert source.rows(table) == before


def settled(call: Callable[[], object]) -> object:
    """The answer; a table that was altered may say so once."""
    try:
        return call()
    except grpc.RpcError as error:
        code = Refusal().read(error).code
    assert code is StatusCode.FAILED_PRECONDITION
    return call()


def test_a_table_that_changes_its_shape_is_followed(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """After a column came or went, values still stand at their own fields."""
    table = source.make(PEOPLE, [[1, ana.token, "Ana", 7]])
    connection = connect(world, source, table, ana)
    desk = Desk(ana, connection)
    assert desk.all() == [{"id": 1, "name": "Ana", "age": 7}]
    source.run(table, "ALTER TABLE {t} ADD COLUMN city VARCHAR(20) DEFAULT 'Recife'")
    if source.can.describes_late:
        assert desk.all() == [{"id": 1, "name": "Ana", "age": 7}]
        assert world.admin.connections.TestConnection(connections.TestConnectionRequest(id=connection)).ok
    assert settled(desk.all) == [{"id": 1, "name": "Ana", "age": 7, "city": "Recife"}]
    source.run(table, "ALTER TABLE {t} DROP COLUMN name")
    assert settled(desk.all) == [{"id": 1, "age": 7, "city": "Recife"}]
    assert plain(desk.update("1", {"city": "Natal"})) == {"id": 1, "age": 7, "city": "Natal"}
    source.run(table, "ALTER TABLE {t} RENAME COLUMN owner TO other")
    with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED"):
        settled(desk.all)


@pytest.mark.parametrize("lost", ["owner", "name"])
def test_a_column_that_is_there_again_is_found(
    world: World, source: SourceUnderTest, ana: Caller, *, lost: str
) -> None:
    """Once the link column or a mapped one has its name back, calls go on at once: no description is waited for."""
    table = source.make(PEOPLE, [[1, ana.token, "Ana", 7]])
    mappings = [common.FieldMapping(field=f"the {name}", column=name) for name in ("id", "name")]
    desk = Desk(ana, connect(world, source, table, ana, mappings=mappings))
    assert desk.count() == 1
    source.run(table, f"ALTER TABLE {{t}} RENAME COLUMN {lost} TO other")
    world.admin.connections.TestConnection(connections.TestConnectionRequest(id=desk.id))  # describes it anew
    for _ in range(3):
        with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED"):
            settled(desk.all)
    source.run(table, f"ALTER TABLE {{t}} RENAME COLUMN other TO {lost}")
    time.sleep(AGAIN)
    assert settled(desk.all) == [{"the id": 1, "the name": "Ana"}]


def test_a_table_that_is_not_there_is_told(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """A dropped table refuses calls by name with what to do, and is found again once it is there."""
    table = source.make(PEOPLE, [[1, ana.token, "Ana", 7]])
    desk = Desk(ana, connect(world, source, table, ana))
    assert desk.count() == 1
    source.run(table, "ALTER TABLE {t} RENAME TO elsewhere")
    calls: list[Callable[[], object]] = [desk.page, desk.count, lambda: desk.create({"name": "x"}), desk.export]
    for call in calls:
        with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED") as refusal:
            call()
        assert table.name in refusal.message
    source.run(table, "ALTER TABLE elsewhere RENAME TO {t}")
    assert settled(desk.count) == 1


def test_a_connection_is_tested_step_by_step(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """TestConnection goes from the source to a row, ends at the first step that fails, and keeps the status."""
    table = source.make(PEOPLE, [[1, ana.token, "Ana", 7]])
    good, bad = connect(world, source, table), connect(world, source, table, link="nothing")
    answer = world.admin.connections.TestConnection(connections.TestConnectionRequest(id=good))
    assert answer.ok
    assert all(step.ok and step.message for step in answer.steps)
    assert [step.name for step in answer.steps][-3:] == ["columns", "user_link_field", "read"]
    assert answer.connection.status == connections.CONNECTION_STATUS_CONNECTED
    answer = world.admin.connections.TestConnection(connections.TestConnectionRequest(id=bad))
    assert not answer.ok
    assert [step.ok for step in answer.steps][-2:] == [True, False]
    assert answer.steps[-1].name == "user_link_field"
    assert [step.fault for step in answer.steps][-2:] == [
        connections.TEST_FAULT_UNSPECIFIED,
        connections.TEST_FAULT_CONFIG,
    ]
    assert "nothing" in answer.steps[-1].message
    assert answer.steps[-1].suggestion
    assert answer.connection.status == connections.CONNECTION_STATUS_ERROR
    portuguese = world.admin.with_metadata(accept_language="pt-BR").connections
    said = portuguese.TestConnection(connections.TestConnectionRequest(id=bad)).steps
    both = [(one.name, one.message == other.message) for one, other in zip(said, answer.steps, strict=True)]
    assert both == [(step.name, False) for step in answer.steps]
    assert said[-1].suggestion != answer.steps[-1].suggestion
    unsaved = source.source_of(table)
    unsaved.row_scope = connections.ROW_SCOPE_SHARED
    answer = world.admin.connections.TestConnection(connections.TestConnectionRequest(connection=unsaved))
    assert answer.ok
    assert not answer.HasField("connection")


def test_a_mapping_to_a_column_that_is_not_there_fails_the_test(
    world: World, source: SourceUnderTest, ana: Caller
) -> None:
    """The step `columns` names the column, also of a connection that is not saved; nothing behind it is told."""
    unsaved = source.source_of(source.make(PEOPLE, [[1, ana.token, "Ana", 7]]))
    unsaved.row_scope = connections.ROW_SCOPE_SHARED
    unsaved.field_mappings.add(field="name", column="no such column")
    answer = world.admin.connections.TestConnection(connections.TestConnectionRequest(connection=unsaved))
    assert not answer.ok
    assert (answer.steps[-1].name, answer.steps[-1].fault) == ("columns", connections.TEST_FAULT_CONFIG)
    assert "no such column" in answer.steps[-1].message
    assert answer.steps[-1].suggestion


def test_a_source_describes_its_tables(world: World, source: SourceUnderTest) -> None:
    """DescribeSource lists tables and views with columns, and suggests mappings and the link field."""
    shape = Shape(
        (
            Spec("id", ColumnType.INTEGER, nullable=False, key=True, given=True),
            Spec("chatWootToken"),
            Spec("customer_name", nullable=False),
        )
    )
    table = source.make(shape)
    request = connections.DescribeSourceRequest(connection=source.source_of(table), page_size=200)
    answer = world.admin.connections.DescribeSource(request)
    tables = [*answer.tables]
    while answer.next_page_token:
        request.page_token = answer.next_page_token
        answer = world.admin.connections.DescribeSource(request)
        tables.extend(answer.tables)
    (found,) = (one for one in tables if one.name == table.name)
    assert [column.column for column in found.columns] == ["id", "chatWootToken", "customer_name"]
    assert found.suggested_user_link_field == "chatWootToken"
    assert [mapping.column for mapping in found.suggested_field_mappings] == ["id", "customer_name"]
    assert not found.view


def test_a_key_of_no_characters_is_found_again_or_refused(world: World, source: SourceUnderTest) -> None:
    """An empty text as a key makes a record that its id finds, or none: never one that nobody knows of."""
    demands(source.can.any_key)
    ana = world.user("token-of-ana")
    table = source.make(Shape((Spec("code", nullable=False, key=True), Spec("owner"), Spec("name"))))
    desk = Desk(ana, connect(world, source, table, ana))
    if source.can.empty_keys:
        made = desk.create({"code": "", "name": "none"})
        assert desk.get(made.id) == made
    else:
        with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED"):
            desk.create({"code": "", "name": "none"})
        assert source.rows(table) == []
