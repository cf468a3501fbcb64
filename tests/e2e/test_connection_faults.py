"""What is wrong with a connection, by engine: at which step its test ends, and whose turn it is then."""

import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

import psycopg
import pymysql
import pytest

from tests.contract.airtable_source import AirtableUnderTest
from tests.contract.mysql_source import MysqlUnderTest, mysql_database
from tests.contract.nocodb_source import NocodbUnderTest
from tests.contract.postgresql_source import PostgresqlUnderTest, postgresql_database
from tests.contract.server import World, world_in
from tests.contract.sources import PEOPLE, SourceUnderTest
from tests.contract.sqlite_source import SqliteUnderTest
from tests.fakes.airtable import FakeAirtable
from tests.fakes.dumb_servers import closed_port, dumb_server, says, speaks_no_tls, speaks_tls
from tests.integration.server.certificates import Authority
from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager.v1 import connection_pb2 as pb

CONFIG, TRANSIENT = pb.TEST_FAULT_CONFIG, pb.TEST_FAULT_TRANSIENT
HOSTED = ("postgresql", "mysql", "nocodb", "airtable")
SQL = ("postgresql", "mysql")
HTTP = ("nocodb", "airtable")
PASSWORD = "wrong-s3cret-of-a-test"


class Stage(NamedTuple):
    """A server, and a working connection of each kind by its name."""

    world: World
    good: dict[str, pb.Connection]
    certificates: dict[str, ssl.SSLContext]

    def changed(self, kind: str, **parts: object) -> pb.Connection:
        """The working connection, but for these parts of its source."""
        made = pb.Connection()
        made.CopyFrom(self.good[kind])
        for name, value in parts.items():
            setattr(getattr(made, kind), name, value)
        return made

    def at(self, kind: str, port: int, host: str = "127.0.0.1", *, tls: bool = False) -> pb.Connection:
        """It lies there; with `tls`, by TLS alone."""
        if kind in SQL:
            mode = pb.TLS_MODE_VERIFY_FULL if tls else pb.TLS_MODE_PREFER
            return self.changed(kind, host=host, port=port, tls_mode=mode, password=PASSWORD)
        url = f"{'https' if tls else 'http'}://{host}:{port}"
        return self.changed(kind, **{"host" if kind == "nocodb" else "base_url": url})


def contexts(folder: Path, trusted: Authority) -> dict[str, ssl.SSLContext]:
    """Servers' sides of TLS by what is wrong with their certificates."""
    made = {
        "expired": trusted.issue("expired", days=-1),
        "of another name": trusted.issue("other", dns="other.example"),
        "of an unknown authority": Authority(folder, "unknown").issue("unknown server"),
    }
    found = {}
    for name, files in made.items():
        found[name] = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        found[name].load_cert_chain(*files)
    return found


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, nocodb_server: NocodbServer) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("faults")
    trusted = Authority(folder, "trusted")
    with ExitStack() as stack:
        world = stack.enter_context(
            world_in(
                folder,
                ssl_cert_file=str(trusted.file),
                allowed_source_hosts="127.0.0.0/8,localhost,no-such-host.invalid",
            )
        )
        sources: dict[str, SourceUnderTest] = {
            "sqlite": SqliteUnderTest(world.sources),
            "postgresql": stack.enter_context(closing(PostgresqlUnderTest(stack.enter_context(postgresql_database())))),
            "mysql": stack.enter_context(closing(MysqlUnderTest(stack.enter_context(mysql_database())))),
            "nocodb": stack.enter_context(closing(NocodbUnderTest(nocodb_server, world.sources))),
            "airtable": AirtableUnderTest(stack.enter_context(FakeAirtable())),
        }
        good = {}
        for kind, source in sources.items():
            good[kind] = source.source_of(source.make(PEOPLE, [[1, "ana", "Ana", 30]]))
            good[kind].name, good[kind].user_link_field = kind, "owner"
        yield Stage(world, good, contexts(folder, trusted))


def insist(stage: Stage, connection: pb.Connection, step: str, fault: pb.TestFault.ValueType) -> list[str]:
    """The test ends at that step, in both languages, and says what to do; what it says in English."""
    said = []
    for language in ("en", "pt-BR"):
        rpc = stage.world.admin.with_metadata(accept_language=language).connections
        answer = rpc.TestConnection(pb.TestConnectionRequest(connection=connection))
        last = answer.steps[-1]
        told = [(each.name, pb.TestFault.Name(each.fault), each.message) for each in answer.steps]
        assert not answer.ok, told
        assert (last.name, pb.TestFault.Name(last.fault)) == (step, pb.TestFault.Name(fault)), told
        assert [each.ok for each in answer.steps] == [True] * (len(told) - 1) + [False]
        assert all(each.message for each in answer.steps)
        assert last.suggestion
        assert PASSWORD not in str(answer)
        said.append((last.message, last.suggestion))
    assert all(one != other for one, other in zip(*said, strict=True)), said
    return [*said[0]]


@pytest.mark.parametrize("kind", [*HOSTED, "sqlite"])
def test_what_is_right_passes(stage: Stage, kind: str) -> None:
    """The connection that the others are made of has no fault."""
    rpc = stage.world.admin.connections
    answer = rpc.TestConnection(pb.TestConnectionRequest(connection=stage.good[kind]))
    assert answer.ok, answer.steps


@pytest.mark.parametrize("kind", HOSTED)
def test_a_host_without_an_address(stage: Stage, kind: str) -> None:
    """A name that nobody knows ends at `resolve`; it may be known later."""
    insist(stage, stage.at(kind, 5, "no-such-host.invalid"), "resolve", TRANSIENT)


@pytest.mark.parametrize("kind", HOSTED)
def test_a_port_that_nobody_listens_on(stage: Stage, kind: str) -> None:
    """It ends at `connect`; the server may be about to start."""
    insist(stage, stage.at(kind, closed_port()), "connect", TRANSIENT)


@pytest.mark.parametrize(
    ("kind", "step"),
    [("postgresql", "tls"), ("mysql", "tls"), ("nocodb", "authenticate"), ("airtable", "authenticate")],
)
@pytest.mark.parametrize(
    "words", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\xff" * 99, b"HTTP/1.1 999 ?\r\n\r\n<html>"], ids=["ssh", "bytes", "http"]
)
def test_a_server_of_another_kind(stage: Stage, kind: str, step: str, words: bytes) -> None:
    """Garbage is told as a server that does not answer as it should."""
    with dumb_server(says(words)) as port:
        insist(stage, stage.at(kind, port), step, TRANSIENT)


@pytest.mark.parametrize("kind", HOSTED)
def test_tls_that_is_not_offered(stage: Stage, kind: str) -> None:
    """Where TLS is asked for and the server has none, it ends at `tls`, and the password is not told."""
    with dumb_server(speaks_no_tls(kind)) as port:
        insist(stage, stage.at(kind, port, tls=True), "tls", CONFIG)


@pytest.mark.parametrize("kind", HOSTED)
@pytest.mark.parametrize("certificate", ["expired", "of another name", "of an unknown authority"])
def test_a_certificate_that_does_not_hold(stage: Stage, kind: str, certificate: str) -> None:
    """It ends at `tls`: somebody has to renew or trust it."""
    with dumb_server(speaks_tls(kind, stage.certificates[certificate])) as port:
        insist(stage, stage.at(kind, port, "localhost", tls=True), "tls", CONFIG)


def test_a_server_that_says_nothing(tmp_path: Path, stage: Stage) -> None:
    """A port that accepts and is silent costs what the settings allow, and the step is told; all engines at once."""
    with (
        dumb_server(None) as port,
        world_in(tmp_path, sql_timeout="1", nocodb_timeout="1", airtable_timeout="1") as world,
    ):
        impatient = stage._replace(world=world)
        begun = time.monotonic()
        with ThreadPoolExecutor(len(HOSTED)) as pool:
            for told in [pool.submit(insist, impatient, stage.at(kind, port), *SILENT[kind]) for kind in HOSTED]:
                assert told.result()
        assert time.monotonic() - begun < 15


SILENT = {
    "postgresql": ("tls", TRANSIENT),
    "mysql": ("tls", TRANSIENT),
    "nocodb": ("authenticate", TRANSIENT),
    "airtable": ("authenticate", TRANSIENT),
}


@pytest.mark.parametrize(
    ("kind", "parts", "step"),
    [
        ("postgresql", {"username": "no_such_role"}, "authenticate"),
        ("postgresql", {"database": "no such database"}, "authenticate"),
        ("postgresql", {"schema": "no such schema"}, "table"),
        ("mysql", {"password": PASSWORD}, "authenticate"),
        ("mysql", {"username": "no_such_user", "password": PASSWORD}, "authenticate"),
        ("mysql", {"database": "no such database"}, "authenticate"),
        ("nocodb", {"token": PASSWORD}, "authenticate"),
        ("nocodb", {"project_id": "pNoSuchBase0000"}, "table"),
        ("airtable", {"api_key": PASSWORD}, "authenticate"),
        ("airtable", {"base_id": "appNoSuchBase000"}, "authenticate"),
        ("sqlite", {"database": "no such file.db"}, "resolve"),
        ("sqlite", {"database": "../outside.db"}, "resolve"),
        ("sqlite", {"database": "no database.db"}, "connect"),
        *((kind, {"table_name": "no such table"}, "table") for kind in (*SQL, "sqlite")),
        *((kind, {"table_id": "mNoSuchTable000"}, "table") for kind in HTTP),
    ],
)
def test_what_somebody_has_to_put_right(stage: Stage, kind: str, parts: dict[str, str], step: str) -> None:
    """Wrong secrets, databases, bases, files and tables end at their own steps."""
    (stage.world.sources / "no database.db").write_text("this is no database\n" * 100)
    missing = step == "resolve" and ".." not in parts["database"]  # a file may come; a way out of the folder never does
    insist(stage, stage.changed(kind, **parts), step, TRANSIENT if missing else CONFIG)


@pytest.mark.parametrize("kind", [*HOSTED, "sqlite"])
def test_columns_that_are_not_there(stage: Stage, kind: str) -> None:
    """A mapped column ends at `columns`, the link field at its own step; both are named."""
    connection = stage.changed(kind)
    connection.user_link_field = "no_such_link"
    assert "no_such_link" in insist(stage, connection, "user_link_field", CONFIG)[0]
    connection.field_mappings.add(field="name", column="no_such_column")
    assert "no_such_column" in insist(stage, connection, "columns", CONFIG)[0]


def test_rights_that_a_role_of_postgresql_lacks(stage: Stage) -> None:
    """A table that may not be read is told at `table`, a view whose owner may not read on at `read`."""
    good = stage.good["postgresql"].postgresql
    role = f"role_{token_hex(6)}"
    with psycopg.connect(
        host=good.host,
        port=good.port,
        dbname=good.database,
        user=good.username,
        password=good.password,
        autocommit=True,
    ) as database:
        table = psycopg.sql.Identifier(good.table_name).as_string()
        database.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'".encode())
        try:
            theirs = stage.changed("postgresql", username=role, password=PASSWORD)
            insist(stage, theirs, "table", CONFIG)
            database.execute(f"CREATE VIEW blind AS SELECT * FROM {table}; ALTER VIEW blind OWNER TO {role}".encode())
            theirs.postgresql.table_name = "blind"
            insist(stage, theirs, "read", CONFIG)
            database.execute(f"GRANT SELECT ON {table} TO {role}".encode())
            rpc = stage.world.admin.connections
            assert rpc.TestConnection(pb.TestConnectionRequest(connection=theirs)).ok
        finally:
            database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_rights_that_a_user_of_mariadb_lacks(stage: Stage) -> None:
    """The same with a user who may see no table, and a view that reads what its definer may not."""
    good = stage.good["mysql"].mysql
    user, place = f"user_{token_hex(6)}", f"`{good.database}`"
    with (
        pymysql.connect(
            host=good.host, port=good.port, user=good.username, password=good.password, database=good.database
        ) as database,
        database.cursor() as cursor,
    ):
        cursor.execute(f"CREATE USER {user} IDENTIFIED BY '{PASSWORD}'")
        try:
            theirs = stage.changed("mysql", username=user, password=PASSWORD)
            insist(stage, theirs, "authenticate", CONFIG)
            cursor.execute("CREATE TABLE other (id INT PRIMARY KEY)")
            cursor.execute(f"GRANT SELECT ON {place}.other TO {user}")
            insist(stage, theirs, "table", CONFIG)
            cursor.execute(f"CREATE DEFINER = {user} VIEW blind AS SELECT * FROM `{good.table_name}`")
            cursor.execute(f"GRANT SELECT ON {place}.blind TO {user}")
            theirs.mysql.table_name = "blind"
            insist(stage, theirs, "read", CONFIG)
            cursor.execute(f"GRANT SELECT ON {place}.`{good.table_name}` TO {user}")
            rpc = stage.world.admin.connections
            assert rpc.TestConnection(pb.TestConnectionRequest(connection=theirs)).ok
        finally:
            cursor.execute(f"DROP USER {user}")
