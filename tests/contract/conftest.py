"""A server for the tests of a module, and the sources that the suite is run against."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.contract.airtable_source import AirtableUnderTest
from tests.contract.calls import Caller
from tests.contract.mysql_source import MysqlUnderTest, mysql_database
from tests.contract.nocodb_postgresql_source import NocodbOverPostgresql
from tests.contract.nocodb_source import NocodbUnderTest
from tests.contract.postgresql_source import PostgresqlUnderTest, postgresql_database
from tests.contract.server import World, world_in
from tests.contract.sources import SourceUnderTest
from tests.contract.sqlite_source import SqliteUnderTest
from tests.fakes.airtable import FakeAirtable
from tests.servers.nocodb_server import NocodbServer


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    program = str(Path(__file__).with_name("unhurried.py"))
    with world_in(tmp_path_factory.mktemp("world"), program=(program,)) as made:
        yield made


@pytest.fixture(scope="session")
def ana(world: World) -> Caller:
    return world.user("token-of-ana")


@pytest.fixture(scope="session")
def bruno(world: World) -> Caller:
    return world.user("token-of-bruno")


@contextmanager
def _sqlite(world: World, _: pytest.FixtureRequest) -> Iterator[SourceUnderTest]:
    yield SqliteUnderTest(world.sources)


@contextmanager
def _mysql(_: World, __: pytest.FixtureRequest) -> Iterator[SourceUnderTest]:
    with mysql_database() as place, closing(MysqlUnderTest(place)) as source:
        yield source


@contextmanager
def _postgresql(_: World, __: pytest.FixtureRequest) -> Iterator[SourceUnderTest]:
    with postgresql_database() as place, closing(PostgresqlUnderTest(place)) as source:
        yield source


@contextmanager
def _nocodb(world: World, request: pytest.FixtureRequest) -> Iterator[SourceUnderTest]:
    server = request.getfixturevalue("nocodb_server")
    assert isinstance(server, NocodbServer)
    with closing(NocodbUnderTest(server, world.sources)) as source:
        yield source


@contextmanager
def _nocodb_postgresql(_: World, request: pytest.FixtureRequest) -> Iterator[SourceUnderTest]:
    server = request.getfixturevalue("nocodb_server")
    assert isinstance(server, NocodbServer)
    with postgresql_database() as place, closing(NocodbOverPostgresql(server, place)) as source:
        yield source


@contextmanager
def _airtable(_: World, __: pytest.FixtureRequest) -> Iterator[SourceUnderTest]:
    with FakeAirtable() as fake:
        yield AirtableUnderTest(fake)


_SOURCES = {
    "sqlite": _sqlite,
    "mysql": _mysql,
    "postgresql": _postgresql,
    "nocodb": _nocodb,
    "nocodb_pg": _nocodb_postgresql,
    "airtable": _airtable,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """NocoDB over PostgreSQL is for CI alone: most of what the suite tries is the same over SQLite.

    What differs has a test of its own, which always runs (integration/sources/test_nocodb_postgresql.py).
    """
    if os.environ.get("CI"):
        return
    for item in items:
        spec = getattr(item, "callspec", None)
        if spec is not None and spec.params.get("source") == "nocodb_pg":
            item.add_marker(pytest.mark.skip(reason="NocoDB over PostgreSQL is tried in CI (CI=1 has it here)"))


@pytest.fixture(scope="session", params=_SOURCES)
def source(request: pytest.FixtureRequest, world: World) -> Iterator[SourceUnderTest]:
    """The source that the suite is run against. A new engine is one more class and one more name here."""
    with _SOURCES[str(request.param)](world, request) as made:
        yield made
