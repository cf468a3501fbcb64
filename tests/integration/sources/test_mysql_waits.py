"""What waits for MySQL ends in time: slow statements, dead servers, full pools, locks, altered tables."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.integration.sources.helpers import soon
from tests.integration.sources.mysql import Run, database, place, run
from tests.integration.sources.mysql_faults import (
    opened,
    others,
    proxied,
    settled,
    table,
)
from tests.integration.sources.sql_faults import SLOW, until
from wuzapi_manager_server.domain.connection import Mysql
from wuzapi_manager_server.domain.table import Owner
from wuzapi_manager_server.errors import (
    Conflict,
    ConnectionFailed,
    QueryFailed,
    ServiceError,
    TimedOut,
)
from wuzapi_manager_server.sources.base import Change, Query
from wuzapi_manager_server.sources.mysql import MysqlSource

__all__ = ["database", "place", "run", "table"]


def slow_view(run: Run, table: Mysql) -> Mysql:
    run("CREATE VIEW slow AS SELECT id, CAST(SLEEP(20) AS CHAR) AS s FROM t")
    return replace(table, table_name="slow")


SLEEPING = "STATE = 'User sleep'"


async def test_a_statement_ends_with_the_deadline(run: Run, table: Mysql) -> None:
    """At the caller's deadline the call ends; the server stops soon, by a bound of its own, and the next call works."""
    async with opened(slow_view(run, table)) as source:
        await source.describe(soon())
        began = time.monotonic()
        with pytest.raises(TimedOut):
            await source.fetch(Query(None, limit=9), soon(0.8))
        assert time.monotonic() - began < SLOW / 2
        await until(lambda: not others(run, SLEEPING))
        source.forget()
        assert (await source.describe(soon())).columns
    async with opened(replace(table, table_name="slow"), longest=1.0) as source:
        with pytest.raises(TimedOut):
            await source.fetch(Query(None, limit=9), soon())


async def test_a_server_that_bounds_its_statements_itself(run: Run, table: Mysql) -> None:
    """A statement that the server ends for its length is late, not broken."""
    async with opened(slow_view(run, table)) as source:
        await source.describe(soon())
        call = asyncio.create_task(source.fetch(Query(None, limit=9), soon(9.0)))
        await until(lambda: bool(others(run, SLEEPING)))
        for each in others(run, SLEEPING):
            run(f"KILL QUERY {each}")
        with pytest.raises((ConnectionFailed, TimedOut)):
            await call


async def test_a_caller_who_leaves_frees_the_slot(run: Run, table: Mysql) -> None:
    """When calls are cancelled their slots are free again at once, and the server stops soon."""
    async with opened(slow_view(run, table)) as source:
        await source.describe(soon())
        calls = [asyncio.create_task(source.fetch(Query(None, limit=9), soon(2.0))) for _ in range(4)]
        await until(lambda: len(others(run, SLEEPING)) == 4)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        source.forget()
        assert (await source.describe(soon())).columns
        await until(lambda: not others(run, SLEEPING))


async def test_a_dead_server_holds_no_thread(table: Mysql) -> None:
    """A server that falls silent in mid-statement costs the deadline, and the threads come free soon after."""
    async with proxied(table) as (proxy, source):
        await source.describe(soon())
        proxy.deaf = True
        calls: list[Awaitable[object]] = [source.count(None, None, soon(1.0)) for _ in range(6)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, TimedOut | ConnectionFailed) for result in results)
        proxy.deaf = False
        assert await source.count(None, None, soon()) == 9


async def test_a_full_pool(run: Run, table: Mysql) -> None:
    """Whoever finds all connections at work waits a bounded time, and is told so; then all is as before."""
    async with opened(slow_view(run, table)) as source:
        await source.describe(soon())
        calls = [asyncio.create_task(source.fetch(Query(None, limit=9), soon(4.0))) for _ in range(4)]
        await until(lambda: len(others(run, SLEEPING)) == 4)
        with pytest.raises(TimedOut):
            await source.count(None, None, soon(0.5))
        assert len(others(run)) == 4
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_row_that_another_holds_locked(run: Run, table: Mysql) -> None:
    """A lock is waited for a bounded time; nothing is written then, and later it is."""
    async with opened(table) as source:
        await source.describe(soon())
        run("BEGIN")
        run("UPDATE t SET n = 5 WHERE id = 1")
        with pytest.raises((TimedOut, ConnectionFailed)):
            await source.update([Change((1,), {"n": 7})], None, soon(0.7))
        with pytest.raises(Conflict):
            await source.update([Change((2,), {"n": 7}), Change((1,), {"n": 7})], None, soon())
        run("COMMIT")
        assert run("SELECT n FROM t WHERE id <= 2") == [(5,), (0,)]
        await source.update([Change((1,), {"n": 7})], None, soon())
        assert run("SELECT n FROM t WHERE id = 1") == [(7,)]


async def test_a_deadlock_is_a_conflict(run: Run, table: Mysql) -> None:
    """Of two writers that wait for each other, one is given up by the server, whole, and told to try again."""
    async with opened(table) as source:
        await source.describe(soon())
        run("BEGIN")
        run("UPDATE t SET n = 200 WHERE id BETWEEN 2 AND 9")  # the heavier of the two: the other is given up
        both = asyncio.create_task(source.update([Change((1,), {"n": 3}), Change((2,), {"n": 3})], None, soon()))
        await asyncio.wait({both}, timeout=1.0)  # it holds row 1 by now, and waits for row 2
        other = asyncio.get_running_loop().run_in_executor(None, run, "UPDATE t SET n = 200 WHERE id = 1")
        with pytest.raises(Conflict):
            await both
        await other
        run("COMMIT")
        assert run("SELECT DISTINCT n FROM t") == [(200,)]


async def test_no_transaction_stays_open_behind_a_write(run: Run, table: Mysql) -> None:
    """Whether it was done, refused by the server, or by us: locks of a write that is over would keep others waiting."""
    refused: list[Callable[[MysqlSource], Awaitable[object]]] = [
        lambda source: source.insert([{"id": 1, "n": 1}], None, soon()),
        lambda source: source.insert([{"id": 20, "n": 1}, {"id": 1, "n": 1}], None, soon()),
        lambda source: source.update([Change((2,), {"n": 1}), Change((77,), {"n": 1})], None, soon()),
        lambda source: source.delete([((2,), None), ((77,), None)], None, soon()),
        lambda source: source.insert([{"id": 20, "n": 1}], Owner("n", "2"), soon()),
    ]
    async with opened(table) as source:
        await source.insert([{"id": 10, "n": 1}], None, soon())
        assert open_transactions(run) == 0
        for write in refused:
            with pytest.raises(ServiceError):
                await write(source)
            assert open_transactions(run) == 0
        assert run("SELECT id FROM t WHERE n <> 0") == [(10,)]


def open_transactions(run: Run) -> int:
    ((count,),) = run(
        "SELECT COUNT(*) FROM information_schema.INNODB_TRX JOIN information_schema.PROCESSLIST"
        " ON trx_mysql_thread_id = ID WHERE DB = DATABASE()"
    )
    return int(str(count))


async def test_a_table_that_is_altered_between_two_calls(run: Run, table: Mysql) -> None:
    """A column that is dropped, renamed or of another type costs one call at most, and no value stands elsewhere."""
    async with opened(table) as source:
        await source.fetch(Query(None, limit=1), soon())
        run("ALTER TABLE t MODIFY n VARCHAR(9)")
        await settled(source)
        run("ALTER TABLE t ADD COLUMN m VARCHAR(9) DEFAULT 'm', DROP COLUMN n")
        await settled(source)
        described = await source.describe(soon())
        assert [column.name for column in described.columns] == ["id", "m"]
        rows = await source.fetch(Query(None, limit=1, table=described), soon())
        assert [row.cells for row in rows] == [(1, "m")]
        run("DROP TABLE t")
        for _ in range(2):
            with pytest.raises(QueryFailed) as refused:
                await source.fetch(Query(None, limit=1), soon())
            assert "'t'" in refused.value.text.en
