"""Locks of other programs, deadlines, cancellation and many calls at once."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.sources.conftest import Make, Open
from tests.integration.sources.helpers import column, elsewhere, held, read, soon
from wuzapi_manager_server.domain.table import Row
from wuzapi_manager_server.errors import ConnectionFailed, QueryFailed, Text, TimedOut
from wuzapi_manager_server.sources.base import Change, Query
from wuzapi_manager_server.sources.sqlite import SqliteSource
from wuzapi_manager_server.sources.sqlite_folder import SqliteFolder

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 0);"
SLOW = "CREATE VIEW slow AS WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT * FROM x;"
SLOW_TRIGGER = "CREATE TRIGGER s AFTER INSERT ON t WHEN new.n = -1 BEGIN SELECT count(*) FROM slow; END;"

CALLS: list[Callable[[SqliteSource], Awaitable[object]]] = [
    lambda t: t.insert([{"n": 1}], None, soon(1)),
    lambda t: t.update([Change((1,), {"n": 1})], None, soon(1)),
    lambda t: t.delete([((1,), None)], None, soon(1)),
]


@pytest.mark.parametrize("call", CALLS)
async def test_a_writing_program_is_waited_for_within_the_deadline(
    make: Make, source: Open, root: Path, call: Callable[[SqliteSource], Awaitable[object]]
) -> None:
    """While another program writes, reads go on and writes end in UNAVAILABLE with advice, before the deadline."""
    make(TABLE)
    t = source("t")
    await t.describe(soon())
    with held(root / "shop.db", "BEGIN IMMEDIATE"):
        begun = time.monotonic()
        with pytest.raises(ConnectionFailed) as caught:
            await call(t)
        assert 0.5 < time.monotonic() - begun < 2
        assert caught.value.retry_after
        assert await column(t, "n") == [0]
    await call(t)


async def test_an_exclusive_lock_stops_reads_too(make: Make, source: Open, root: Path) -> None:
    """A program that locks the whole file makes reads wait, then fail as busy; afterwards all is well."""
    make(TABLE)
    t = source("t")
    with held(root / "shop.db"):
        with pytest.raises(ConnectionFailed):
            await t.fetch(Query(None, limit=1), soon(1))
        steps = await t.test("", soon(1))
        assert [(step.name, step.ok) for step in steps] == [("resolve", True), ("connect", False)]
    assert await column(t, "n") == [0]


async def test_a_lock_that_is_released_in_time_is_no_error(make: Make, source: Open, root: Path) -> None:
    """A write waits for another program's short transaction."""
    make(TABLE)
    t = source("t")
    with held(root / "shop.db", "BEGIN IMMEDIATE"):
        write = asyncio.create_task(t.insert([{"n": 1}], None, soon()))
        done, _ = await asyncio.wait({write}, timeout=0.3)
        assert not done
    await write
    assert await column(t, "n") == [0, 1]


async def test_a_commit_that_a_reader_holds_up_is_undone(make: Make, source: Open, root: Path) -> None:
    """Where a reader of a rollback-journal file keeps COMMIT waiting for too long, nothing is written."""
    make(TABLE)
    t = source("t")
    await t.describe(soon())
    with held(root / "shop.db", "BEGIN", "SELECT count(*) FROM t"), pytest.raises(ConnectionFailed):
        await t.insert([{"n": 1}], None, soon(1))
    await t.insert([{"n": 2}], None, soon())
    assert await column(t, "n") == [0, 2]


async def test_a_slow_query_ends_at_its_deadline(make: Make, source: Open, executor: ThreadPoolExecutor) -> None:
    """A query without end is stopped at its deadline, and its thread and connection are free again."""
    make(TABLE + SLOW)
    slow = source("slow")
    await slow.describe(soon())
    for _ in range(6):  # more than there are connections
        begun = time.monotonic()
        with pytest.raises(TimedOut):
            await slow.count(None, None, soon(0.2))
        assert time.monotonic() - begun < 5
    assert len(await slow.fetch(Query(None, limit=2), soon())) == 2


async def test_the_folders_own_timeout_holds(make: Make, root: Path, executor: ThreadPoolExecutor) -> None:
    """A later deadline of the caller does not lengthen the service's own."""
    make(TABLE + SLOW)
    slow = SqliteSource(SqliteFolder(root, [], executor, 0.2), "shop.db", "slow")
    with pytest.raises(TimedOut):
        await slow.count(None, None, soon(60))
    await slow.close()


async def test_a_slow_write_is_rolled_back_at_its_deadline(make: Make, source: Open) -> None:
    """A write that a trigger makes endless changes nothing, and the next one goes through."""
    make(TABLE + SLOW + SLOW_TRIGGER)
    t = source("t")
    with pytest.raises(TimedOut):
        await t.insert([{"n": 5}, {"n": -1}], None, soon(0.3))
    await t.insert([{"n": 6}], None, soon())
    assert await column(t, "n") == [0, 6]


async def test_a_deadline_that_has_passed_starts_nothing(make: Make, source: Open) -> None:
    """Without time left nothing is begun."""
    make(TABLE)
    with pytest.raises(TimedOut):
        await source("t").insert([{"n": 1}], None, soon(0))


async def test_a_cancelled_call_stops_its_work(make: Make, source: Open) -> None:
    """When the task is cancelled the query stops at once, and a write that was begun is undone."""
    make(TABLE + SLOW + SLOW_TRIGGER)
    t = source("t")
    await t.describe(soon())
    for call in (source("slow").count(None, None, soon(60)), t.insert([{"n": -1}], None, soon(60))):
        task = asyncio.create_task(call)
        begun = time.monotonic()
        done, _ = await asyncio.wait({task}, timeout=0.1)
        assert not done
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await t.insert([{"n": 1}], None, soon())
        assert time.monotonic() - begun < 20
    assert await column(t, "n") == [0, 1, 1]


async def test_closing_ends_what_runs(make: Make, source: Open) -> None:
    """Calls under way end with ConnectionFailed when the source is closed, and so do later ones."""
    make(TABLE + SLOW)
    slow = source("slow")
    await slow.describe(soon())
    tasks = [asyncio.create_task(slow.count(None, None, soon(60))) for _ in range(6)]
    await asyncio.wait(tasks, timeout=0.1)
    await slow.close()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, ConnectionFailed)
    with pytest.raises(ConnectionFailed):
        await slow.fetch(Query(None, limit=1), soon())
    await slow.close()


async def test_one_slow_file_does_not_take_all_threads(make: Make, source: Open) -> None:
    """Calls that wait for a turn at a busy file hold no thread: another file answers meanwhile."""
    make(TABLE + SLOW)
    make(TABLE, name="other.db")
    slow, other = source("slow"), source("t", "other.db")
    tasks = [asyncio.create_task(slow.count(None, None, soon(1.5))) for _ in range(20)]
    await asyncio.wait(tasks, timeout=0.2)
    assert await column(other, "n") == [0]
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, TimedOut)


async def test_many_writers_lose_nothing(make: Make, source: Open, root: Path) -> None:
    """Increments by many tasks, each in its own transaction with a guard, and by another process, all count."""
    make("PRAGMA journal_mode = WAL;" + TABLE)
    t = source("t")

    async def add() -> None:
        for _ in range(10):
            await t.insert([{"n": 1}], None, soon())

    script = "PRAGMA busy_timeout = 20000;" + "INSERT INTO t (n) VALUES (2);" * 50
    other = asyncio.to_thread(elsewhere, root / "shop.db", script)
    await asyncio.gather(other, *(add() for _ in range(10)))
    numbers = await column(t, "n")
    assert (numbers.count(1), numbers.count(2)) == (100, 50)


async def test_guards_see_the_row_within_the_transaction(make: Make, source: Open) -> None:
    """Of two changes that each insist on the row they read, one is refused."""
    make(TABLE)
    t = source("t")

    def insist(row: Row) -> None:
        if row.cells[1] != 0:
            raise QueryFailed(Text("changed", "alterada"))

    results = await asyncio.gather(
        *(t.update([Change((1,), {"n": n}, insist)], None, soon()) for n in range(1, 6)), return_exceptions=True
    )
    assert sum(isinstance(result, QueryFailed) for result in results) == 4


async def test_a_stream_keeps_no_lock(make: Make, source: Open, root: Path) -> None:
    """Between two lists of a stream another program can write, also to a file without WAL."""
    numbers = "WITH RECURSIVE n (x) AS (SELECT 2 UNION ALL SELECT x + 1 FROM n LIMIT 1200)"
    make(f"{TABLE} {numbers} INSERT INTO t SELECT x, x FROM n")
    t = source("t")
    count = 0
    async for rows in t.stream(Query(None), soon):
        elsewhere(root / "shop.db", f"INSERT INTO t VALUES ({5000 + count}, 0)")
        count += len(rows)
    assert count == 1203


async def test_no_connection_is_left_open(make: Make, source: Open, root: Path) -> None:
    """A source keeps at most four connections to a file, shared with other sources of it, and none once closed."""
    make(TABLE)
    sources = [source("t") for _ in range(3)]
    await asyncio.gather(*(read(each) for each in sources for _ in range(10)))

    def opened() -> int:
        links = Path("/proc/self/fd").iterdir()
        return sum(os.path.realpath(link) == str((root / "shop.db").resolve()) for link in links)

    assert 1 <= opened() <= 4
    for each in sources:
        await each.close()
    assert opened() == 0
