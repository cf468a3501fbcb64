"""Connections tried step by step, and what their sources are described as."""

import pytest
from google.protobuf.duration_pb2 import Duration

from tests.contract.server import World
from tests.e2e.samples import connection_of, create, get, new_file, update
from wuzapi_manager.v1 import connection_pb2 as pb

STEPS = ["resolve", "connect", "table", "columns", "user_link_field", "read"]


def test_a_working_connection_passes_every_step(world: World) -> None:
    """Saved or not, each step is told with how long it took; a saved one becomes CONNECTED."""
    rpc, file = world.admin.connections, new_file(world.sources)
    connection = connection_of()
    connection.sqlite.database = str(file)
    answer = rpc.TestConnection(pb.TestConnectionRequest(connection=connection))
    assert answer.ok
    assert [step.name for step in answer.steps] == STEPS
    assert all(step.ok and step.message and step.duration != Duration() for step in answer.steps)
    assert not answer.HasField("connection")
    nameless = pb.Connection(sqlite=connection.sqlite, row_scope=pb.ROW_SCOPE_SHARED)
    steps = rpc.TestConnection(pb.TestConnectionRequest(connection=nameless)).steps
    assert [step.name for step in steps] == [step for step in STEPS if step != "user_link_field"]
    made = create(world, connection)
    saved = rpc.TestConnection(pb.TestConnectionRequest(id=made.id))
    assert saved.ok
    assert saved.connection.status == pb.CONNECTION_STATUS_CONNECTED
    assert get(world, made.id) == saved.connection


@pytest.mark.parametrize(
    ("failing", "part", "value"),
    [
        ("resolve", "database", "no such file.db"),
        ("connect", "database", "a text.db"),
        ("table", "table_name", "no such table"),
        ("user_link_field", "user_link_field", "no such column"),
    ],
)
def test_a_broken_connection_tells_the_step(world: World, failing: str, part: str, value: str) -> None:
    """The steps end with the one that fails, with a sentence and what to do; a saved connection becomes ERROR."""
    (world.sources / "a text.db").write_text("this is no database\n" * 100)
    connection = connection_of()
    connection.sqlite.database = new_file(world.sources).name
    setattr(connection if part == "user_link_field" else connection.sqlite, part, value)
    made = create(world, connection)
    for request in (pb.TestConnectionRequest(connection=connection), pb.TestConnectionRequest(id=made.id)):
        answer = world.admin.connections.TestConnection(request)
        assert not answer.ok
        assert [step.name for step in answer.steps] == STEPS[: STEPS.index(failing) + 1]
        assert [step.ok for step in answer.steps] == [True] * STEPS.index(failing) + [False]
        assert answer.steps[-1].message
        assert answer.steps[-1].suggestion
        assert str(world.sources) not in str(answer)
    assert answer.connection.status == pb.CONNECTION_STATUS_ERROR
    assert get(world, made.id) == answer.connection


def test_a_repaired_connection_passes(world: World) -> None:
    """A connection that failed passes once its table is named right."""
    rpc, connection = world.admin.connections, connection_of()
    connection.sqlite.database, connection.sqlite.table_name = new_file(world.sources).name, "order"
    made = create(world, connection)
    assert not rpc.TestConnection(pb.TestConnectionRequest(id=made.id)).ok
    update(world, pb.Connection(id=made.id, sqlite=pb.SqliteSource(table_name="orders")), "sqlite.table_name")
    answer = rpc.TestConnection(pb.TestConnectionRequest(id=made.id))
    assert answer.ok
    assert answer.connection.status == pb.CONNECTION_STATUS_CONNECTED


def test_a_source_describes_its_tables_in_pages(world: World) -> None:
    """Tables and views by name, in pages that lose none; no name, table or link field is needed for it."""
    names = [f"t{at:02}" for at in range(12)]
    file = new_file(
        world.sources,
        *(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, x TEXT)" for name in names),
        "CREATE VIEW v AS SELECT * FROM t00",
    )
    target = pb.Connection(sqlite=pb.SqliteSource(database=file.name))
    saved = create(
        world, pb.Connection(name="n", user_link_field="x", sqlite=pb.SqliteSource(database=file.name, table_name="v"))
    )
    for request in (pb.DescribeSourceRequest(connection=target), pb.DescribeSourceRequest(id=saved.id)):
        whole = world.admin.connections.DescribeSource(request)
        assert [table.name for table in whole.tables] == [*names, "v"]
        assert [table.view for table in whole.tables] == [False] * 12 + [True]
        assert not whole.next_page_token
        request.page_size = 5
        found: list[str] = []
        while True:
            page = world.admin.connections.DescribeSource(request)
            assert len(page.tables) <= 5
            found += [table.name for table in page.tables]
            request.page_token = page.next_page_token
            if not request.page_token:
                break
        assert found == [*names, "v"]


@pytest.mark.parametrize(
    ("link", "suggested"),
    [
        ("ChatWootToken", "ChatWootToken"),
        ("wasendToken", "wasendToken"),
        ("user_token", "user_token"),
        ("user_id", "user_id"),
        ("dono", "dono"),
        ("colour", ""),
    ],
)
def test_a_source_suggests_link_field_and_mappings(world: World, link: str, suggested: str) -> None:
    """The link field is known by its name and left out of the mapping, which follows types and constraints."""
    file = new_file(
        world.sources,
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, customerName TEXT NOT NULL, paid BOOLEAN, "
        f"{link} TEXT, due DATE, total REAL)",
    )
    target = pb.Connection(sqlite=pb.SqliteSource(database=file.name))
    table = world.admin.connections.DescribeSource(pb.DescribeSourceRequest(connection=target)).tables[0]
    assert table.suggested_user_link_field == suggested
    assert [column.column for column in table.columns] == ["id", "customerName", "paid", link, "due", "total"]
    mapped = {mapping.field: mapping for mapping in table.suggested_field_mappings}
    assert set(mapped) == {"id", "customerName", "paid", link, "due", "total"} - {suggested}
    assert (mapped["customerName"].label, mapped["customerName"].required) == ("Customer Name", True)
    assert [mapped[name].type for name in ("id", "paid", "due", "total")] == ["number", "checkbox", "date", "number"]
    assert not mapped["id"].editable
    saved = connection_of()
    saved.sqlite.database, saved.sqlite.table_name, saved.user_link_field = file.name, "t", suggested or "id"
    saved.field_mappings.extend(each for each in table.suggested_field_mappings if each.column != "id")
    assert world.admin.connections.TestConnection(pb.TestConnectionRequest(connection=saved)).ok
