"""SQLite files that may not be sources, and files that are none: nothing outside the folder is read or even told of."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message
from grpc import StatusCode

from tests.behind import behind
from tests.contract.calls import refused
from tests.contract.server import World, world_in
from tests.e2e.refusals import call
from tests.e2e.samples import connection_of, create, kept, new_file
from wuzapi_manager.v1 import connection_pb2 as pb
from wuzapi_manager.v1 import record_pb2 as records

SECRET_TABLE = "database_connections"


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server whose own folder lies within SQLITE_SOURCES_DIR."""
    folder = tmp_path_factory.mktemp("exposed")
    with world_in(folder, sqlite_sources_dir=str(folder)) as made:
        yield made


def of_file(database: str, table: str = "orders") -> pb.Connection:
    """A connection to a table of a file."""
    connection = connection_of()
    connection.sqlite.database, connection.sqlite.table_name = database, table
    return connection


def saved(world: World, connection: pb.Connection) -> int:
    """A saved connection; where saving is refused, one whose file is put there behind the service's back."""
    made = create(world, of_file("harmless.db", connection.sqlite.table_name)).id
    with behind(world.database) as database:
        database.execute(
            "UPDATE database_connections SET database_name = ?, version = version + 1 WHERE id = ?",
            (connection.sqlite.database, made),
        )
    return made


def uses(identifier: int, connection: pb.Connection) -> list[Message]:
    """Whatever reads a source, saved or not."""
    return [
        pb.DescribeSourceRequest(connection=connection),
        pb.DescribeSourceRequest(id=identifier),
        records.ListRecordsRequest(connection_id=identifier),
        records.GetRecordRequest(connection_id=identifier, record_id="1"),
        records.CountRecordsRequest(connection_id=identifier),
        records.CreateRecordRequest(connection_id=identifier, as_user="x"),
        records.DeleteRecordRequest(connection_id=identifier, record_id="1"),
        records.ExportRecordsRequest(connection_id=identifier),
        records.ImportRecordsRequest(connection_id=identifier, chunk=b"{}", as_user="x"),
        records.DescribeTableRequest(connection_id=identifier),
    ]


def refuse(world: World, connection: pb.Connection, code: StatusCode) -> None:
    """Insists that nothing reads the source, that a test of it fails, and that no answer tells of other paths."""
    identifier = saved(world, connection)
    before = kept(world)
    for request in uses(identifier, connection):
        with refused(code) as refusal:
            call(world.admin, request)
        said = refusal.message + refusal.localized + refusal.help
        assert str(world.sources.parent) not in said.replace(connection.sqlite.database, "")
    assert kept(world) == before
    answer = world.admin.connections.TestConnection(pb.TestConnectionRequest(id=identifier))
    assert not answer.ok
    assert answer.connection.status == pb.CONNECTION_STATUS_ERROR


def writes(connection: pb.Connection) -> list[Message]:
    """Whatever keeps a connection."""
    return [
        pb.CreateConnectionRequest(connection=connection),
        pb.CreateConnectionRequest(connection=connection, validate_only=True),
        pb.BatchCreateConnectionsRequest(connections=[of_file("harmless.db"), connection]),
    ]


OUTSIDE = [
    "..",
    "../data/wuzapi.db",
    "../../etc/passwd",
    "x/../../data/wuzapi.db",
    "x/../y.db",
    "./../data/wuzapi.db",
    "/etc/passwd",
    "/proc/self/environ",
    "//etc/passwd",
    "/",
    ".",
    "x/..",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_paths_out_of_the_folder_are_refused(world: World, path: str) -> None:
    """`..`, absolute and own paths are PERMISSION_DENIED when they are kept and when they are used."""
    before = kept(world)
    connection = of_file(path)
    there = create(world, of_file("harmless.db"))
    changed = pb.UpdateConnectionRequest(connection=pb.Connection(id=there.id, sqlite=connection.sqlite))
    before = kept(world)
    for request in (*writes(connection), changed):
        with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR") as refusal:
            call(world.admin, request)
        assert "does not lie in the folder of SQLite sources" in refusal.message
    assert kept(world) == before
    refuse(world, connection, StatusCode.PERMISSION_DENIED)


def link(place: Path, target: Path | str) -> Path:
    """A symbolic link."""
    place.symlink_to(target)
    return place


LINKS: dict[str, Callable[[Path, Path], str]] = {
    "a link to a file outside": lambda folder, outside: link(folder / "l1.db", outside / "o.db").name,
    "a relative link": lambda folder, _: link(folder / "l2.db", "../outside/o.db").name,
    "a link to a folder outside": lambda folder, outside: f"{link(folder / 'l3', outside).name}/o.db",
    "a chain of links": lambda folder, outside: link(folder / "l5.db", link(folder / "l4.db", outside / "o.db")).name,
    "a link to the service's own database": lambda folder, outside: (
        link(folder / "l6.db", outside.parent / "data" / "wuzapi.db").name
    ),
    "a link to a file that is not there": lambda folder, outside: link(folder / "l7.db", outside / "none.db").name,
    "a link through a folder and back": lambda folder, outside: (
        f"{link(folder / 'l8', outside).name}/../{folder.name}/x"
    ),
}


@pytest.mark.parametrize("name", LINKS)
def test_links_out_of_the_folder_are_refused(world: World, name: str) -> None:
    """Where a path leads in the end decides, through folders and chains of links."""
    outside = world.sources.parent / "outside"
    if not outside.exists():
        outside.mkdir()
        new_file(outside).rename(outside / "o.db")
    connection = of_file(LINKS[name](world.sources, outside))
    before = kept(world)
    for request in writes(connection):
        with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR"):
            call(world.admin, request)
    assert kept(world) == before
    refuse(world, connection, StatusCode.PERMISSION_DENIED)


def test_links_within_the_folder_are_followed(world: World) -> None:
    """A link to another source is that source."""
    file = new_file(world.sources)
    link(world.sources / "within.db", file)
    assert call(world.admin, pb.DescribeSourceRequest(connection=of_file("within.db")))


def test_a_link_that_is_turned_outwards_is_refused_from_then_on(world: World) -> None:
    """A connection that worked stops the moment its file is a link to elsewhere."""
    file = new_file(world.sources)
    made = create(world, of_file(file.name))
    listing = records.ListRecordsRequest(connection_id=made.id)
    assert call(world.admin, listing)
    file.unlink()
    link(file, world.database)
    with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR"):
        call(world.admin, listing)


@pytest.mark.parametrize("own", ["wuzapi.db", "wuzapi.db-wal", "wuzapi.db-shm", "secret.key", "admin.token", "x/y.db"])
@pytest.mark.parametrize("absolute", [False, True])
def test_the_services_own_files_are_no_sources(exposed: World, own: str, *, absolute: bool) -> None:
    """Though they lie within the folder, the database, what is beside it and the secrets are PERMISSION_DENIED."""
    path = str(exposed.data / own) if absolute else f"data/{own}"
    connection = of_file(path, SECRET_TABLE)
    before = kept(exposed)
    for request in writes(connection):
        with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR") as refusal:
            call(exposed.admin, request)
        assert "belongs to the service itself" in refusal.message
    assert kept(exposed) == before
    refuse(exposed, connection, StatusCode.PERMISSION_DENIED)


@pytest.mark.parametrize("own", ["wuzapi.db", "secret.key"])
def test_other_names_of_the_services_own_files_are_no_sources(world: World, own: str) -> None:
    """A hard link to them is PERMISSION_DENIED, and so is one beside a harmless file, where SQLite would read it."""
    place = world.sources / f"hard-{own}.db"
    os.link(world.data / own, place)
    refuse(world, of_file(place.name, SECRET_TABLE), StatusCode.PERMISSION_DENIED)
    file = new_file(world.sources)
    beside = file.with_name(file.name + "-journal")
    os.link(world.data / own, beside)
    refuse(world, of_file(file.name), StatusCode.PERMISSION_DENIED)
    place.unlink()
    beside.unlink()


def test_what_is_no_file_is_told_as_missing(world: World) -> None:
    """Folders, pipes and missing files are UNAVAILABLE: the file was not found; nothing is made, nothing hangs."""
    (world.sources / "a folder.db").mkdir()
    os.mkfifo(world.sources / "a pipe.db")
    for name in ("a folder.db", "a pipe.db", "missing.db", "no folder/x.db", "x" * 300, "a folder.db/x"):
        refuse(world, of_file(name), StatusCode.UNAVAILABLE)
    assert not (world.sources / "missing.db").exists()


def test_what_is_no_database_is_told_as_such(world: World) -> None:
    """A text, an empty file's missing table, and a cut database are refused without a word of the driver."""
    (world.sources / "text.db").write_text("this is no database\n" * 300)
    cut = new_file(world.sources)
    cut.write_bytes(cut.read_bytes()[:3000])
    (world.sources / "empty.db").touch()
    for name in ("text.db", cut.name, "empty.db"):
        connection = of_file(name)
        made = create(world, connection)
        request = records.ListRecordsRequest(connection_id=made.id)
        with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED") as refusal:
            call(world.admin, request)
        said = (refusal.message + refusal.localized + refusal.help).lower()
        assert not [
            word for word in ("notadberror", "apsw", "sqlalchemy", "traceback", str(world.sources)) if word in said
        ]
        assert not world.admin.connections.TestConnection(pb.TestConnectionRequest(id=made.id)).ok


@pytest.mark.parametrize(
    "table",
    [
        *(
            "sqlite_master",
            "sqlite_schema",
            "sqlite_sequence",
            "SQLITE_MASTER",
            "main.sqlite_master",
            "sqlite_temp_master",
        ),
        *("pragma_table_list", "pragma_database_list", "dbstat", "(SELECT 1)", "orders; --", 'orders" --', "no such"),
        *("orders UNION SELECT * FROM sqlite_master", "main.orders", " orders", "temp.x"),
    ],
)
def test_no_table_of_sqlite_itself_is_read(world: World, table: str) -> None:
    """SQLite's own tables, functions that look like tables, and SQL for a name are no tables."""
    made = create(world, of_file(new_file(world.sources).name, table))
    for request in (
        records.ListRecordsRequest(connection_id=made.id),
        records.DescribeTableRequest(connection_id=made.id),
        records.CreateRecordRequest(connection_id=made.id, as_user="x"),
    ):
        with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED") as refusal:
            call(world.admin.with_metadata(accept_language="pt-BR"), request)
        assert "não encontrada no banco de dados" in refusal.localized
