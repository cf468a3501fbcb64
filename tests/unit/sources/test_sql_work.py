"""Work in threads: turns, deadlines, and the point of no return."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from wuzapi_manager_server.domain.deadline import Deadline, timed_out
from wuzapi_manager_server.errors import ConnectionFailed, OutcomeUnknown, RateLimited, TimedOut
from wuzapi_manager_server.sources import sql_work
from wuzapi_manager_server.sources.sql_work import Job, Workers


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def test_a_job_stops_until_it_commits() -> None:
    """Work can be stopped up to its commit, with the first reason given, and not any more from then on."""
    job = Job(Deadline.after(10))
    assert not job.stopped()
    job.begin_commit()
    assert not job.stop(timed_out())
    assert not job.stopped()
    other = Job(Deadline.after(10))
    assert other.stop(sql_work.closed())
    assert other.stop(timed_out())
    with pytest.raises(ConnectionFailed):
        other.begin_commit()
    with pytest.raises(TimedOut):
        Job(Deadline.after(0)).check()


async def test_one_write_at_a_time(executor: ThreadPoolExecutor) -> None:
    """Writes go one after the other while reads go on beside them."""
    workers = Workers(executor, 3)
    writing = threading.Semaphore(1)

    def write(_: Job) -> None:
        assert writing.acquire(blocking=False)
        try:
            pause.wait(0.01)
        finally:
            writing.release()

    pause = threading.Event()
    await asyncio.gather(*(workers.run(write, Deadline.after(5), write=True) for _ in range(10)))


async def test_no_turn_in_time(executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a turn in time the caller is told that the source is busy, or that the deadline passed."""
    monkeypatch.setattr(sql_work, "LONGEST_WAIT", 0.1)
    workers, release = Workers(executor, 1), threading.Event()
    first = asyncio.create_task(workers.run(lambda _: release.wait(5), Deadline.after(5)))
    await asyncio.wait({first}, timeout=0.05)
    with pytest.raises(ConnectionFailed) as caught:
        await workers.run(lambda _: None, Deadline.after(5), write=True)
    assert caught.value.retry_after
    with pytest.raises(TimedOut):
        await workers.run(lambda _: None, Deadline.after(0.05))
    waiting = asyncio.create_task(workers.run(lambda _: None, Deadline.after(5)))
    await asyncio.wait({waiting}, timeout=0.02)
    waiting.cancel()
    release.set()
    assert await first
    assert await workers.run(lambda _: 7, Deadline.after(5), write=True) == 7


async def test_one_turn_is_left_for_short_reads(executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers that wait for a lock, and turns that are kept, never take the last slot; each is told its own reason."""
    monkeypatch.setattr(sql_work, "LONGEST_WAIT", 0.1)
    workers, release = Workers(executor, 4, writers=3), threading.Event()
    async with workers.turn(Deadline.after(5)), workers.turn(Deadline.after(5)):
        with pytest.raises(RateLimited) as limited:
            async with workers.turn(Deadline.after(5)):
                pass
        assert limited.value.retry_after
        writer = asyncio.create_task(workers.run(lambda _: release.wait(5), Deadline.after(5), write=True))
        await asyncio.wait({writer}, timeout=0.05)
        with pytest.raises(ConnectionFailed) as crowded:
            await workers.run(lambda _: None, Deadline.after(5), write=True)
        assert "at once" in crowded.value.text.en
        assert await workers.run(lambda _: 7, Deadline.after(5)) == 7
        release.set()
        assert await writer
    async with workers.turn(Deadline.after(5)):
        pass


async def test_a_commit_outlives_the_deadline(executor: ThreadPoolExecutor) -> None:
    """What is being saved at the deadline is waited for, and its result given."""
    workers, release = Workers(executor, 1), threading.Event()

    def save(job: Job) -> str:
        job.begin_commit()
        release.wait(5)
        return "saved"

    task = asyncio.create_task(workers.run(save, Deadline.after(0.05)))
    done, _ = await asyncio.wait({task}, timeout=0.2)
    assert not done
    release.set()
    assert await task == "saved"


async def test_a_commit_that_does_not_end(executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that does not end within its bound is reported as one whose outcome is not known."""
    monkeypatch.setattr(sql_work, "LONGEST_WAIT", 0.1)
    workers, release = Workers(executor, 1), threading.Event()

    def save(job: Job) -> None:
        job.begin_commit()
        release.wait(5)

    with pytest.raises(OutcomeUnknown):
        await workers.run(save, Deadline.after(0.05))
    release.set()
    await workers.close()


async def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    """Work that is cancelled while it waits for a thread never starts."""
    with ThreadPoolExecutor(1) as executor:
        workers, release, begun = Workers(executor, 2), threading.Event(), threading.Event()
        first = asyncio.create_task(workers.run(lambda _: release.wait(5), Deadline.after(5)))
        await asyncio.wait({first}, timeout=0.05)
        second = asyncio.create_task(workers.run(lambda _: begun.set(), Deadline.after(5)))
        await asyncio.wait({second}, timeout=0.05)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        release.set()
        await first
        await workers.close()
        assert not begun.is_set()


async def test_closed_workers_take_no_work(executor: ThreadPoolExecutor) -> None:
    """After closing, and after the threads are shut down, calls say that the source was closed."""
    workers = Workers(executor, 1)
    await workers.close()
    with pytest.raises(ConnectionFailed):
        await workers.run(lambda _: None, Deadline.after(1))
    gone = ThreadPoolExecutor(1)
    gone.shutdown()
    for _ in range(2):
        with pytest.raises(ConnectionFailed):
            await Workers(gone, 1).run(lambda _: None, Deadline.after(1))
