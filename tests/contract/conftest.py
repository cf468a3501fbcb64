"""A server for the tests of a module, and the sources that the suite is run against."""

from collections.abc import Iterator

import pytest

from tests.contract.server import World, world_in
from tests.contract.sources import SourceUnderTest
from tests.contract.sqlite_source import SqliteUnderTest


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="session", params=["sqlite"])
def source(request: pytest.FixtureRequest, world: World) -> SourceUnderTest:
    """The source that the suite is run against. A new engine is one more class and one more name here."""
    return {"sqlite": SqliteUnderTest}[str(request.param)](world.sources)
