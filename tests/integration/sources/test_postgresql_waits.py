"""What waits for PostgreSQL ends in time: slow statements, dead servers, full pools, locks, altered tables."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import psycopg
import pytest

from tests.integration.sources.helpers import soon
from tests.integration.sources.postgresql import database, place, schema
from tests.integration.sources.postgresql_faults import (
    backends,
    opened,
    proxied,
    settled,
    table,
)
from tests.integration.sources.sql_faults import until
from wuzapi_manager_server.domain.connection import Postgresql
from wuzapi_manager_server.errors import (
    AlreadyExists,
    Conflict,
    ConnectionFailed,
    OutcomeUnknown,
    QueryFailed,
    TimedOut,
)
from wuzapi_manager_server.sources.base import Change, Query

__all__ = ["database", "place", "schema", "table"]


def slow_view(database: psycopg.Connection, table: Postgresql) -> Postgresql:
    database.execute("CREATE VIEW slow AS SELECT g AS n, pg_sleep(60)::text AS s FROM generate_series(1, 9) g")
    return replace(table, table_name="slow")


SLEEPING = "state = 'active' AND wait_event = 'PgSleep'"


async def test_a_statement_ends_with_the_deadline(database: psycopg.Connection, table: Postgresql) -> None:
    """At the caller's deadline the server stops working too, and the connection is of use again."""
    async with opened(slow_view(database, table)) as source:
        await source.describe(soon())
        with pytest.raises(TimedOut):
            await source.fetch(Query(None, limit=9), soon(0.5))
        await until(lambda: backends(database, SLEEPING) == 0)
        assert (await source.describe(soon())).columns
    async with opened(replace(table, table_name="slow"), longest=0.5) as source:
        with pytest.raises(TimedOut):
            await source.fetch(Query(None, limit=9), soon())
        await until(lambda: backends(database, SLEEPING) == 0)


async def test_a_caller_who_leaves_stops_the_statement(database: psycopg.Connection, table: Postgresql) -> None:
    """When the call is cancelled, the server stops, and the slot is free again."""
    async with opened(slow_view(database, table)) as source:
        await source.describe(soon())
        calls = [asyncio.create_task(source.fetch(Query(None, limit=9), soon())) for _ in range(4)]
        await until(lambda: backends(database, SLEEPING) == 4)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await until(lambda: backends(database, SLEEPING) == 0)
        source.forget()
        assert (await source.describe(soon())).columns


async def test_a_dead_server_holds_no_thread(table: Postgresql) -> None:
    """A server that falls silent in mid-statement costs the deadline, and the thread comes free soon after."""
    async with proxied(table) as (proxy, source):
        await source.describe(soon())
        proxy.deaf = True
        calls: list[Awaitable[object]] = [source.count(None, None, soon(1.0)) for _ in range(6)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, TimedOut | ConnectionFailed) for result in results)
        proxy.deaf = False
        assert await source.count(None, None, soon()) == 9


async def test_a_full_pool(database: psycopg.Connection, table: Postgresql) -> None:
    """Whoever finds all connections at work waits a bounded time, and is told so; then all is as before."""
    async with opened(slow_view(database, table)) as source:
        await source.describe(soon())
        calls = [asyncio.create_task(source.fetch(Query(None, limit=9), soon())) for _ in range(4)]
        await until(lambda: backends(database, SLEEPING) == 4)
        with pytest.raises(TimedOut):
            await source.count(None, None, soon(0.5))
        assert backends(database) == 4
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_row_that_another_holds_locked(database: psycopg.Connection, table: Postgresql) -> None:
    """A lock is waited for a bounded time; nothing is written then, and later it is."""
    async with opened(table) as source:
        await source.describe(soon())
        with database.transaction():
            database.execute("UPDATE t SET n = 5 WHERE id = 1")
            with pytest.raises((TimedOut, ConnectionFailed)):
                await source.update([Change((1,), {"n": 7})], None, soon(0.7))
        await until(lambda: backends(database, "wait_event_type = 'Lock'") == 0)
        assert database.execute("SELECT n FROM t WHERE id = 1").fetchone() == (5,)
        await source.update([Change((1,), {"n": 7})], None, soon())
        assert database.execute("SELECT n FROM t WHERE id = 1").fetchone() == (7,)


async def test_one_locked_row_leaves_others_their_reads(
    place: str, database: psycopg.Connection, table: Postgresql
) -> None:
    """However many writers wait for it, reads go on at once; a create alone is such a writer too."""
    database.execute("CREATE UNIQUE INDEX ON t (n) WHERE n > 0")
    async with opened(table) as source:
        await source.describe(soon())
        with database.transaction():
            database.execute("UPDATE t SET n = 5 WHERE id = 1")
            writes: list[Awaitable[object]] = [source.update([Change((1,), {"n": 7})], None, soon(4)) for _ in range(4)]
            writes += [source.insert([{"id": 20 + at, "n": 5}], None, soon(4)) for at in range(4)]
            waiting = asyncio.gather(*writes, return_exceptions=True)
            with psycopg.connect(place, autocommit=True) as watching:
                await until(lambda: backends(watching, "wait_event_type = 'Lock'") == 3)
            for _ in range(5):
                assert await source.count(None, None, soon(1)) == 9
            assert all(isinstance(each, TimedOut | ConnectionFailed) for each in await waiting)


async def test_a_deadlock_is_a_conflict(place: str, database: psycopg.Connection, table: Postgresql) -> None:
    """Of two writers that wait for each other, the one that the server gives up is told to try again."""
    async with opened(table) as source:
        await source.describe(soon())
        database.execute("BEGIN; UPDATE t SET n = 1 WHERE id = 2")
        call = asyncio.create_task(source.update([Change((1,), {"n": 2}), Change((2,), {"n": 2})], None, soon()))
        with psycopg.connect(place, autocommit=True) as watching:
            await until(lambda: backends(watching, "wait_event_type = 'Lock'") == 1)
        other = asyncio.get_running_loop().run_in_executor(None, database.execute, "UPDATE t SET n = 1 WHERE id = 1")
        with pytest.raises(Conflict):
            await call
        await other
        database.execute("COMMIT")
        assert database.execute("SELECT n FROM t WHERE id <= 2").fetchall() == [(1,), (1,)]


@pytest.mark.parametrize("count", [1, 2])
async def test_what_fails_when_it_is_saved(database: psycopg.Connection, table: Postgresql, count: int) -> None:
    """A constraint that is checked by COMMIT, or where a row saves itself, gives its own error; nothing is written."""
    database.execute("UPDATE t SET n = id; ALTER TABLE t ADD UNIQUE (n) DEFERRABLE INITIALLY DEFERRED")
    async with opened(table) as source:
        await source.describe(soon())
        with pytest.raises(AlreadyExists):
            await source.insert([{"id": 10 + at, "n": 1 + at} for at in range(count)], None, soon())
        assert await source.count(None, None, soon()) == 9


async def test_one_row_that_waits_for_a_lock(database: psycopg.Connection, table: Postgresql) -> None:
    """At the deadline it is given up, and nothing is written then or later; without the lock it is written."""
    async with opened(table) as source:
        await source.describe(soon())
        with database.transaction():
            database.execute("LOCK TABLE t IN EXCLUSIVE MODE")
            with pytest.raises(TimedOut) as raised:
                await source.insert([{"id": 10, "n": 1}], None, soon(0.7))
            assert not isinstance(raised.value, OutcomeUnknown)
        await until(lambda: backends(database, "wait_event_type = 'Lock'") == 0)
        assert database.execute("SELECT count(*) FROM t").fetchone() == (9,)
        assert len(await source.insert([{"id": 10, "n": 1}], None, soon())) == 1


async def test_one_row_whose_caller_leaves(database: psycopg.Connection, table: Postgresql) -> None:
    """A cancelled call stops the statement on the server, and nothing is written."""
    async with opened(table) as source:
        await source.describe(soon())
        with database.transaction():
            database.execute("LOCK TABLE t IN EXCLUSIVE MODE")
            call = asyncio.create_task(source.insert([{"id": 10, "n": 1}], None, soon()))
            await until(lambda: backends(database, "wait_event_type = 'Lock'") == 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await until(lambda: backends(database, "wait_event_type = 'Lock'") == 0)
        assert database.execute("SELECT count(*) FROM t").fetchone() == (9,)


async def test_a_table_that_is_altered_between_two_calls(database: psycopg.Connection, table: Postgresql) -> None:
    """A column that is dropped, renamed or of another type costs one call at most, and no value stands elsewhere."""
    async with opened(table) as source:
        for _ in range(8):  # by now the statement is prepared on every connection
            await source.fetch(Query(None, limit=1), soon())
        database.execute("ALTER TABLE t ALTER n TYPE text")
        await settled(source)
        database.execute("ALTER TABLE t ADD COLUMN m text DEFAULT 'm'; ALTER TABLE t DROP COLUMN n")
        await settled(source)
        described = await source.describe(soon())
        assert [column.name for column in described.columns] == ["id", "m"]
        rows = await source.fetch(Query(None, limit=1, table=described), soon())
        assert [row.cells for row in rows] == [(1, "m")]
        database.execute("DROP TABLE t")
        for _ in range(2):
            with pytest.raises(QueryFailed):
                await source.fetch(Query(None, limit=1), soon())
