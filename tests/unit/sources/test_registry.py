"""Which sources stay open."""

import asyncio
from typing import cast

import pytest

from wuzapi_manager_server.domain.connection import Connection, ConnectionType, Source, Sqlite
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.sources.base import RecordSource
from wuzapi_manager_server.sources.registry import Sources
from wuzapi_manager_server.upstreams.addresses import AddressGuard


class Opened:
    """A source that only knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        """See RecordSource."""
        self.closed = True


class Engine:
    """Opens them."""

    def check(self, _configuration: Source) -> Text | None:
        """Any will do."""
        return None

    def open(self, _configuration: Source) -> RecordSource:
        """One more."""
        return cast("RecordSource", Opened())


def connection(identifier: int, database: str = "a.db", version: int = 1) -> Connection:
    return Connection("c", Sqlite(database, "t"), id=identifier, version=version)


@pytest.fixture
def sources() -> Sources:
    return Sources({ConnectionType.SQLITE: Engine()}, lambda _: None, AddressGuard(), size=2)


async def used(sources: Sources, of: Connection) -> Opened:
    """The source as a call uses it that ends at once."""
    return cast("Opened", await asyncio.create_task(sources.of(of)))


async def test_what_nobody_uses_goes_when_others_need_the_room(sources: Sources) -> None:
    """The one that was asked for longest ago."""
    first, second = await used(sources, connection(1)), await used(sources, connection(2))
    assert await used(sources, connection(1)) is first
    third = await used(sources, connection(3))
    assert [each.closed for each in (first, second, third)] == [False, True, False]
    await sources.close()
    assert first.closed
    assert third.closed


async def test_what_a_call_uses_stays_open(sources: Sources) -> None:
    """However long ago it began: others go in its place, and it goes once the call has ended."""
    going_on = asyncio.Event()

    async def call() -> Opened:
        source = cast("Opened", await sources.of(connection(1)))
        await going_on.wait()
        return source

    task = asyncio.create_task(call())
    others = [await used(sources, connection(identifier)) for identifier in range(2, 7)]
    assert [each.closed for each in others] == [True] * 4 + [False]
    going_on.set()
    source = await task
    assert not source.closed
    await used(sources, connection(8))
    assert source.closed


async def test_another_version_with_the_same_place_is_the_same_source(sources: Sources) -> None:
    """A change of anything else cuts nobody off; a change of the place does."""
    first = await used(sources, connection(1))
    assert await used(sources, connection(1, version=2)) is first
    assert await used(sources, connection(1, "b.db", version=3)) is not first
    assert first.closed
