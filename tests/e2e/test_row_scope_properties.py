"""The row scope under random tables, mappings, links and steps: nobody sees or changes what is another's.

Each example makes a table of its own and takes some steps on it as random users. Every byte that comes back is searched
for what stands in rows of others or in hidden columns, and after each step the whole table is compared with what it
was. ROW_SCOPE_EXAMPLES says how many examples; without it they are few and always the same ones.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from random import SystemRandom

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.contract import unhurried
from tests.contract.calls import Caller
from tests.contract.mysql_source import mysql_database
from tests.contract.postgresql_source import postgresql_database
from tests.contract.server import World, world_in
from tests.e2e.row_scope_airtable import AirtableEngine
from tests.e2e.row_scope_engine import Engine
from tests.e2e.row_scope_mysql import MysqlEngine
from tests.e2e.row_scope_nocodb import NocodbEngine
from tests.e2e.row_scope_nocodb_postgresql import NocodbPostgresqlEngine
from tests.e2e.row_scope_people import PEOPLE, Person
from tests.e2e.row_scope_postgresql import PostgresqlEngine
from tests.e2e.row_scope_reads import gets, lists, reaches
from tests.e2e.row_scope_sqlite import SqliteEngine
from tests.e2e.row_scope_story import Story
from tests.e2e.row_scope_writes import batches, creates, deletes, imports, updates
from tests.fakes.airtable import FakeAirtable
from tests.servers.nocodb_server import server_or_skip

LONG = "ROW_SCOPE_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("ROW_SCOPE_EXAMPLES", "27"))
# After the first ten Hypothesis varies each example a little, several times: a new beginning gives others.
FEW = 9
STEPS = (lists, gets, creates, updates, deletes, batches, imports, reaches)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server of its own: elsewhere the same tokens are other users'. It asks Airtable as often as it likes."""
    with world_in(tmp_path_factory.mktemp("world"), program=(unhurried.__file__,)) as made:
        yield made


@contextmanager
def _nocodb(world: World) -> Iterator[Engine]:
    with closing(NocodbEngine(server_or_skip(), world.sources)) as engine:
        yield engine


@contextmanager
def _nocodb_postgresql(_: World) -> Iterator[Engine]:
    with postgresql_database() as place, closing(NocodbPostgresqlEngine(server_or_skip(), place)) as engine:
        yield engine


@contextmanager
def _sqlite(world: World) -> Iterator[Engine]:
    yield SqliteEngine(world.sources)


@contextmanager
def _postgresql(_: World) -> Iterator[Engine]:
    with postgresql_database() as place, closing(PostgresqlEngine(place)) as engine:
        yield engine


@contextmanager
def _mysql(_: World) -> Iterator[Engine]:
    with mysql_database() as place, closing(MysqlEngine(place)) as engine:
        yield engine


@contextmanager
def _airtable(_: World) -> Iterator[Engine]:
    with FakeAirtable() as fake:
        yield AirtableEngine(fake)


_ENGINES = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
    "nocodb": _nocodb,
    "nocodb_pg": _nocodb_postgresql,
    "airtable": _airtable,
}


@pytest.fixture(scope="module", params=_ENGINES)
def engine(request: pytest.FixtureRequest, world: World) -> Iterator[Engine]:
    """The engine that the tables lie in. A new one is one more class and one more name here."""
    with _ENGINES[str(request.param)](world) as made:
        yield made


@pytest.fixture(scope="module")
def people(world: World) -> dict[Person, Caller]:
    return {person: world.user(person.token, identity=person.identity, jid=person.jid) for person in PEOPLE}


@pytest.mark.timeout(120 + 2 * EXAMPLES)
def test_nobody_sees_or_changes_what_is_anothers(world: World, engine: Engine, people: dict[Person, Caller]) -> None:
    """After every step of any story no answer held another user's row, and no other user's row had changed."""

    @settings(
        max_examples=FEW,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=True,
        # Taking the cause of a failure apart takes minutes: it is for who looks for one.
        phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if LONG else [])],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def explore(data: st.DataObject) -> None:
        story = Story(world, engine, people, data)
        try:
            story.tell(STEPS)
        finally:
            story.end()

    first = SystemRandom().randrange(2**32) if LONG else 0
    for number in range(first, first + EXAMPLES // FEW):
        seed(number)(explore)()
