"""The writer: what is answered is committed, and what fails, fails alone."""

import asyncio
import gc
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw
import pytest

from wuzapi_manager_server.errors import Code, DatabaseError, NotFound, RateLimited, Text
from wuzapi_manager_server.storage import writer
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.integrity import problems_of
from wuzapi_manager_server.storage.pragmas import Pragmas


def put(database: Database, key: str, value: str = "") -> Callable[[], int]:
    return lambda: database.changed("INSERT INTO system_metadata VALUES (?, ?, '', '')", (key, value))


def keys(database: Database) -> list[str]:
    return [key for (key,) in database.rows("SELECT key FROM system_metadata ORDER BY key")]


class Gate:
    """Work that holds the writer until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self.released.wait(30)

    async def closed(self, database: Database) -> "asyncio.Task[None]":
        task = asyncio.create_task(database.write(self))
        await asyncio.to_thread(self.entered.wait, 30)
        return task


async def test_an_answered_write_is_seen_by_every_reader(database: Database) -> None:
    """After the await the row is read by the loop's thread, by a long reader and by another process's connection."""
    assert await database.write(put(database, "a")) == 1
    other = apsw.Connection(str(database.path))
    assert keys(database) == ["a"]
    assert await database.read_long(lambda: keys(database)) == ["a"]
    assert other.execute("SELECT key FROM system_metadata").get == "a"
    other.close()


async def test_what_is_queued_together_is_one_transaction(database: Database) -> None:
    """Writes that wait while another runs are committed at once, in the order they came."""
    gate = Gate()
    first = await gate.closed(database)
    order: list[int] = []

    def work(number: int) -> None:
        put(database, str(number))()
        order.append(number)

    waiting = [asyncio.create_task(database.write(partial(work, number))) for number in range(10)]
    await asyncio.sleep(0)
    version = database.rows("PRAGMA data_version")
    gate.released.set()
    await asyncio.gather(first, *waiting)
    assert order == list(range(10))
    assert database.rows("PRAGMA data_version")[0][0] == version[0][0] + 1


async def test_an_error_undoes_its_own_write_alone(database: Database) -> None:
    """Of three writes in one transaction the middle one raises: it is undone and told, the others stand."""
    gate = Gate()
    first = await gate.closed(database)

    def bad() -> None:
        put(database, "bad")()
        raise NotFound(Text("gone", "sumiu"))

    tasks = [asyncio.create_task(database.write(work)) for work in (put(database, "a"), bad, put(database, "b"))]
    await asyncio.sleep(0)
    gate.released.set()
    await first
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert (results[0], results[2]) == (1, 1)
    assert isinstance(results[1], NotFound)
    assert keys(database) == ["a", "b"]


async def test_a_programming_error_goes_to_its_caller(database: Database) -> None:
    """An exception that is no ServiceError undoes its write, reaches its caller, and the writer goes on."""

    def bad() -> None:
        put(database, "bad")()
        raise KeyError("bad")

    with pytest.raises(KeyError):
        await database.write(bad)
    await database.write(put(database, "good"))
    assert keys(database) == ["good"]


async def test_a_failed_statement_tells_nothing_of_itself(database: Database) -> None:
    """A broken constraint is an unknown error to callers; the driver's exception is its cause, for the log."""
    await database.write(put(database, "a"))
    with pytest.raises(DatabaseError) as raised:
        await database.write(put(database, "a"))
    assert raised.value.code is Code.INTERNAL
    assert raised.value.text.pt == "Erro desconhecido no banco de dados"
    assert "UNIQUE" not in f"{raised.value}{raised.value.suggestion}"
    assert "UNIQUE" in str(raised.value.__cause__)


async def test_a_caller_that_goes_away_does_not_stop_what_began(database: Database) -> None:
    """A cancelled write that had begun is committed; one that only waited is not carried out."""
    gate = Gate()

    def begun() -> None:
        put(database, "begun")()
        gate()

    running = asyncio.create_task(database.write(begun))
    await asyncio.to_thread(gate.entered.wait, 30)
    waiting = asyncio.create_task(database.write(put(database, "waiting")))
    await asyncio.sleep(0)
    running.cancel()
    waiting.cancel()
    assert [type(result) for result in await asyncio.gather(running, waiting, return_exceptions=True)] == [
        asyncio.CancelledError,
        asyncio.CancelledError,
    ]
    gate.released.set()
    await database.write(lambda: None)
    assert keys(database) == ["begun"]


async def test_too_many_waiting_writes_are_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the queue is full the next write is RATE_LIMIT_ERROR with a time to wait, and those queued are done."""
    monkeypatch.setattr(writer, "MAX_QUEUED", 3)
    gate = Gate()
    first = await gate.closed(database)
    waiting = [asyncio.create_task(database.write(put(database, str(number)))) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited) as raised:
        await database.write(put(database, "too much"))
    assert raised.value.retry_after
    gate.released.set()
    await asyncio.gather(first, *waiting)
    assert keys(database) == ["0", "1", "2"]


async def test_closing_commits_what_was_accepted(path: Path) -> None:
    """Writes that were queued when close was called are committed and answered; later ones are UNAVAILABLE."""
    database = Database.open(path)
    gate = Gate()
    first = await gate.closed(database)
    waiting = [asyncio.create_task(database.write(put(database, f"{number:04}"))) for number in range(600)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    with pytest.raises(DatabaseError) as raised:
        await database.write(put(database, "late"))
    assert raised.value.code is Code.UNAVAILABLE
    gate.released.set()
    await asyncio.gather(first, *waiting, closing)
    again = Database.open(path)
    assert keys(again) == [f"{number:04}" for number in range(600)]
    await again.close()


async def test_a_loop_that_ended_does_not_stop_the_writer(database: Database) -> None:
    """A write whose event loop was closed meanwhile is committed, and other loops are served."""
    gate = Gate()

    def work() -> None:
        put(database, "left")()
        gate()

    def leave() -> None:
        other = asyncio.new_event_loop()
        task = other.create_task(database.write(work))
        other.call_soon(lambda: other.call_soon(other.stop))
        other.run_forever()
        assert gate.entered.wait(30)
        task.cancel()
        other.call_soon(lambda: other.call_soon(other.stop))
        other.run_forever()
        other.close()

    await asyncio.to_thread(leave)
    gate.released.set()
    await database.write(lambda: None)
    assert keys(database) == ["left"]


async def test_a_lock_is_waited_for_then_told_in_the_seeds_words(path: Path) -> None:
    """While another program holds the lock, a write waits for the timeout, then is UNAVAILABLE; freed, it goes on."""
    database = Database.open(path, Pragmas(timeout_ms=100))
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(
        *(database.write(put(database, str(number))) for number in range(3)), return_exceptions=True
    )
    for error in results:
        assert isinstance(error, DatabaseError)
        assert (error.code, error.retry_after) == (Code.UNAVAILABLE, 1.0)
        assert error.text.pt == "Banco de dados está ocupado"
        assert error.suggestion == Text("Try again in a few seconds", "Tente novamente em alguns segundos")
    assert not await database.writable()
    other.execute("ROLLBACK")
    assert await database.writable()
    await database.write(put(database, "now"))
    assert keys(database) == ["now"]
    other.close()
    await database.close()


async def test_a_lock_that_is_given_back_in_time_is_not_noticed(database: Database) -> None:
    """A write that finds the lock taken is committed once it is free."""
    other = apsw.Connection(str(database.path))
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(database.write(put(database, "a")))
    await database.read_long(lambda: keys(database))
    other.execute("COMMIT")
    assert await waiting == 1
    other.close()


@pytest.mark.parametrize("wal", [True, False])
async def test_a_full_disk_is_told_and_mends_itself(path: Path, *, wal: bool) -> None:
    """When no page is left, writes are RESOURCE_EXHAUSTED and undone; with room again they go on; reads always work."""
    database = Database.open(path, Pragmas(wal=wal))
    await database.write(put(database, "before"))
    pages = database.rows("PRAGMA page_count")[0][0]
    await database.alone(lambda: database.rows(f"PRAGMA max_page_count = {pages + 2}"))
    big = "x" * 50_000
    results = await asyncio.gather(
        database.write(put(database, "big", big)), database.write(put(database, "bigger", big)), return_exceptions=True
    )
    for error in results:
        assert isinstance(error, DatabaseError)
        assert error.code is Code.RESOURCE_EXHAUSTED
        assert error.text.pt == "Não há espaço em disco para o banco de dados"
    assert keys(database) == ["before"]
    await database.alone(lambda: database.rows("PRAGMA max_page_count = 100000"))
    await database.write(put(database, "big", big))
    assert keys(database) == ["before", "big"]
    assert problems_of(database.path, full=True) == ()
    await database.close()


async def test_a_failed_commit_fails_all_of_its_writes(database: Database) -> None:
    """A COMMIT that SQLite refuses (a deferred foreign key) undoes and fails every write of the transaction."""
    gate = Gate()
    first = await gate.closed(database)

    def orphan() -> None:
        database.rows("PRAGMA defer_foreign_keys = 1")
        database.changed("INSERT INTO connection_assignments VALUES (7, x'00', '', 0)")

    tasks = [asyncio.create_task(database.write(work)) for work in (put(database, "a"), orphan, put(database, "b"))]
    await asyncio.sleep(0)
    gate.released.set()
    results = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert results[0] is None
    assert all(isinstance(error, DatabaseError) for error in results[1:])
    assert keys(database) == []
    await database.write(put(database, "after"))
    assert keys(database) == ["after"]


async def test_a_failure_that_ends_the_transaction_fails_all_of_its_writes(database: Database) -> None:
    """Where SQLite rolls back by itself, the writes before are told so too: none is answered that is not there."""
    gate = Gate()
    first = await gate.closed(database)

    def conflict() -> None:
        database.changed("INSERT OR ROLLBACK INTO system_metadata VALUES ('a', '', '', '')")

    tasks = [asyncio.create_task(database.write(work)) for work in (put(database, "a"), conflict, put(database, "b"))]
    await asyncio.sleep(0)
    gate.released.set()
    results = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert all(isinstance(error, DatabaseError) for error in results[1:])
    assert keys(database) == []
    await database.write(put(database, "after"))
    assert keys(database) == ["after"]


async def test_readers_cannot_write(database: Database) -> None:
    """A statement that writes outside of `write` fails, on the loop's thread and on the long readers'."""
    for attempt in (put(database, "a"), lambda: asyncio.run(database.read_long(put(database, "a")))):
        with pytest.raises(DatabaseError) as raised:
            await asyncio.to_thread(attempt)
        assert raised.value.text.pt == "O banco de dados está somente para leitura"


async def test_alone_runs_outside_of_any_transaction(database: Database) -> None:
    """VACUUM, which no transaction may hold, runs between two transactions, and its errors reach its caller."""
    gate = Gate()
    first = await gate.closed(database)
    before = asyncio.create_task(database.write(put(database, "a")))
    await asyncio.sleep(0)
    vacuum = asyncio.create_task(database.alone(lambda: database.rows("VACUUM")))
    await asyncio.sleep(0)
    after = asyncio.create_task(database.write(put(database, "b")))
    await asyncio.sleep(0)
    gate.released.set()
    await asyncio.gather(first, before, vacuum, after)
    assert keys(database) == ["a", "b"]
    with pytest.raises(DatabaseError):
        await database.alone(lambda: database.rows("NONSENSE"))


async def test_answers_are_not_held_until_the_next_write(database: Database) -> None:
    """What a write gave is freed once its caller lets it go."""

    class Answer:
        pass

    await database.write(Answer)
    gc.collect()
    assert not [found for found in gc.get_objects() if isinstance(found, Answer)]


async def test_writable_is_false_when_the_disk_is_nearly_full(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less free space than is asked for means that the database is not writable."""
    assert await database.writable()
    monkeypatch.setattr("wuzapi_manager_server.storage.database.MIN_FREE_BYTES", 1 << 62)
    assert not await database.writable()


@pytest.mark.parametrize("alone", [False, True])
async def test_long_work_is_no_reason_to_call_it_not_writable(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, alone: bool
) -> None:
    """What has the lock and works is a sign that writes go through, as long as it is not taken for stuck."""
    monkeypatch.setattr("wuzapi_manager_server.storage.database._PROBE_SECONDS", 0.05)
    begun, end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        end.wait()

    working = asyncio.create_task((database.alone if alone else database.write)(work))
    await asyncio.to_thread(begun.wait)
    assert await database.writable()
    monkeypatch.setattr("wuzapi_manager_server.storage.database._LONGEST_WORK", 0.0)
    assert not await database.writable()
    end.set()
    await working
    assert await database.writable()


def moved_away(path: Path) -> Path:
    return path.rename(path.with_name("elsewhere.db"))


async def test_a_file_that_vanished_is_not_made_anew(path: Path) -> None:
    """A database whose file was moved away is not replaced by an empty one on the next connection."""
    database = Database.open(path)
    elsewhere = moved_away(path)
    with pytest.raises(DatabaseError) as raised:
        keys(database)
    assert raised.value.text.pt == "Não foi possível abrir o banco de dados"
    assert list(path.parent.glob("*.db")) == [elsewhere]
    await database.close()
