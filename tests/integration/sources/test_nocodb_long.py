"""What does not fit into a URL: long filters, searches in many columns, keys that no condition can say."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from tests.contract.nocodb_source import NocodbUnderTest, place_of
from tests.contract.sources import Shape, Spec, Value
from tests.fakes.http_server import Answer, Request
from tests.fakes.nocodb import BASE, TABLE, TOKEN, FakeNocodb
from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager_server.domain.connection import Nocodb
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.filter import And, Comparison, Filter, Op, Or
from wuzapi_manager_server.domain.table import Cell, ColumnType, Key, Owner
from wuzapi_manager_server.errors import QueryFailed
from wuzapi_manager_server.sources.base import Query
from wuzapi_manager_server.sources.nocodb import NocodbEngine, NocodbSource
from wuzapi_manager_server.upstreams.addresses import AddressGuard

SECONDS = 60.0
ANA = Owner("owner", "ana")
WIDE = [Spec(f"t{at}") for at in range(60)]
Open = Callable[[Shape, list[list[Value]]], NocodbSource]


@pytest.fixture
def made(nocodb_server: NocodbServer, tmp_path: Path) -> Iterator[NocodbUnderTest]:
    with closing(NocodbUnderTest(nocodb_server, tmp_path)) as source:
        yield source


@pytest.fixture
async def opened(nocodb_server: NocodbServer, made: NocodbUnderTest) -> AsyncIterator[Open]:
    """Makes a table and opens a source on it."""
    sources: list[NocodbSource] = []

    def make(shape: Shape, rows: list[list[Value]]) -> NocodbSource:
        place = place_of(made.make(shape, rows))
        engine = NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS)
        sources.append(engine.open(Nocodb(nocodb_server.url, place.base, place.table, secret=nocodb_server.token)))
        return sources[-1]

    yield make
    for source in sources:
        await source.close()


def soon() -> Deadline:
    return Deadline.after(SECONDS)


LONG: list[tuple[Filter[Cell], list[Key]]] = [
    (And(tuple(Comparison("n", Op.IN, tuple(range(100))) for _ in range(30))), [(1,)]),
    (
        And(
            (Comparison("t1", Op.EQ, ("x1",)), *(Comparison[Cell]("t0", Op.CONTAINS, ("é" * 250,)) for _ in range(30)))
        ),
        [],
    ),
    (
        Or(
            (Comparison("t1", Op.EQ, ("x1",)), *(Comparison[Cell]("t0", Op.CONTAINS, ("é" * 250,)) for _ in range(190)))
        ),
        [(1,)],
    ),
    (Or(tuple(Comparison(f"t{at}", Op.CONTAINS, (f"x1{'é' * 80}" if at else "x1",)) for at in range(60))), [(1,)]),
]


async def test_a_long_filter_finds_what_a_short_one_would(opened: Open) -> None:
    """What does not fit is left out, and every row is compared here."""
    key = Spec("id", ColumnType.INTEGER, nullable=False, key=True)
    rows: list[list[Value]] = [
        [at, "ana" if at % 2 else "bob", at * 60, f"x{at}", f"x{at}", *[None] * 58] for at in range(1, 6)
    ]
    source = opened(Shape((key, Spec("owner"), Spec("n", ColumnType.INTEGER), *WIDE)), rows)
    for where, expected in LONG:
        assert [row.key for row in await source.fetch(Query(ANA, where, limit=10), soon())] == expected
        assert await source.count(ANA, where, soon()) == len(expected)
    assert await source.count(ANA, None, soon()) == 3


KEYS = ["a", "b'\"", "b'\"2", "c" * 12_000, "d", "e'\"", "é" * 4_000, "é" * 4_001]


async def test_keys_that_no_condition_can_say_are_paged_through(opened: Open) -> None:
    """Long keys and those with both kinds of quotes are in every list once, behind any place, by pages of any size."""
    shape = Shape((Spec("id", nullable=False, key=True), Spec("owner")))
    source = opened(shape, [[key, "bob" if key == "b'\"2" else "ana"] for key in KEYS])
    own = [(key,) for key in KEYS if key != "b'\"2"]
    for size in (1, 2, 3, 10):
        after: Key = ()
        seen: list[Key] = []
        while page := await source.fetch(Query(ANA, after=after, limit=size), soon()):
            seen += [row.key for row in page]
            after = page[-1].cursor
        assert seen == own
    async with aclosing(source.stream(Query(ANA, after=("b'\"",)), soon)) as lists:
        assert [row.key async for rows in lists for row in rows] == own[2:]
    assert await source.count(ANA, None, soon()) == len(own)
    with pytest.raises(QueryFailed, match="gone"):
        await source.fetch(Query(ANA, after=("gone'\"",), limit=5), soon())
    for key in KEYS:
        found = await source.get((key,), None, soon())
        assert found is not None
        assert found.key == (key,)


@pytest.mark.parametrize("status", [414, 431])
async def test_a_server_that_takes_shorter_urls_is_asked_shorter(status: int) -> None:
    """What stands before NocoDB may take less: conditions are left out until it answers, or none is left."""
    with FakeNocodb() as fake:
        longest = 4_000

        def fault(request: Request) -> Answer | None:
            return Answer(status, b"") if len(request.path) > longest else None

        fake.fault = fault
        source = NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS).open(Nocodb(fake.url, BASE, TABLE, secret=TOKEN))
        where = And(tuple(Comparison[Cell]("name", Op.CONTAINS, ("one"[: at % 3],)) for at in range(200)))
        assert [row.key for row in await source.fetch(Query(ANA, where, limit=5), soon())] == [(1,)]
        assert await source.get((1,), ANA, soon())
        longest = 150
        assert [row.key for row in await source.fetch(Query(ANA, where, limit=5), soon())] == [(1,)]
        longest = 0
        with pytest.raises(QueryFailed, match="too long"):
            await source.fetch(Query(ANA, where, limit=5), soon())
        await source.close()
