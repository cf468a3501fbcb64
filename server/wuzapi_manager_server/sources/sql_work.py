"""Blocking work on one database, in threads: bounded in number and time, and stopped when nobody waits for it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from wuzapi_manager_server.domain.deadline import Deadline, timed_out
from wuzapi_manager_server.errors import ConnectionFailed, OutcomeUnknown, RateLimited, ServiceError, Text

T = TypeVar("T")

LONGEST_WAIT = 5.0
"""Seconds to wait for a lock of others, or for a turn, however late the deadline is."""

MARGIN = 0.25
"""Seconds kept of a deadline to answer that a lock did not come free."""


class Job:
    """One piece of work: until when it is wanted, and whether it still is. Safe between threads."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._reason: ServiceError | None = None
        self._committing = False
        self._alone = False
        self._interrupt: Callable[[], None] | None = None

    @property
    def committing(self) -> bool:
        """Whether the point of no return is behind it."""
        return self._committing

    @property
    def saving(self) -> bool:
        """Whether what fails now may be saved all the same, unless the server says that it is not."""
        return self._committing or self._alone

    def interruptible(self, interrupt: Callable[[], None] | None) -> None:
        """Has `interrupt` called, from another thread and under a lock, when the work is to end: it must not wait.

        It wakes a thread that waits for a server; None when there is nothing to wake any more.
        """
        with self._lock:
            self._interrupt = interrupt
            if interrupt is not None and self._reason is not None:
                interrupt()

    def stop(self, reason: ServiceError) -> bool:
        """Asks the work to end with `reason`. False where it is saving its result already: its own end tells then."""
        with self._lock:
            if not self._committing:
                self._reason = self._reason or reason
                if self._interrupt is not None:
                    self._interrupt()
            return not self.saving

    def stopped(self) -> bool:
        """Whether the work shall end."""
        return not self._committing and (self._reason is not None or self.deadline.remaining() <= 0)

    def check(self) -> None:
        """Raises the reason to end, where there is one."""
        if self.stopped():
            raise self._reason or timed_out()

    def begin_commit(self) -> None:
        """The point of no return: raises where the work shall end, and from then on it cannot be stopped."""
        with self._lock:
            self.check()
            self._committing = True

    def begin_alone(self) -> None:
        """What comes is one statement that saves itself: it can be stopped, but only its end tells what it did."""
        with self._lock:
            self.check()
            self._alone = True

    def patience(self) -> float:
        """Seconds to wait for a lock: little enough to answer within the deadline."""
        return max(0.0, min(LONGEST_WAIT, self.deadline.remaining() - MARGIN))


class Workers:
    """Runs the work of one database: at most `slots` pieces at once, `writers` of them writing.

    Turns are waited for in the event loop, so a busy database holds no more than its slots of the shared threads. One
    slot is for short reads alone: writes may wait for a lock, and who keeps a slot for who reads slowly.
    """

    def __init__(self, executor: Executor, slots: int, writers: int = 1) -> None:
        self._executor = executor
        self._slots = asyncio.Semaphore(slots)
        self._long = asyncio.Semaphore(max(1, slots - 1))
        self._writes = asyncio.Semaphore(writers)
        self._kept = asyncio.Semaphore(max(1, slots // 2))
        self._running: dict[asyncio.Future[Any], Job] = {}
        self._closed = False

    async def run(self, work: Callable[[Job], T], deadline: Deadline, *, write: bool = False) -> T:
        """The result of `work`. TimedOut at the deadline (OutcomeUnknown in COMMIT), ConnectionFailed without a turn.

        When the task is cancelled the work is told to stop; what is being saved then is completed.
        """
        gates = [self._writes, self._long, self._slots] if write else [self._slots]
        await _enter(gates, deadline)
        return await self._run(work, deadline, gates)

    @asynccontextmanager
    async def turn(self, deadline: Deadline) -> AsyncIterator["Turn"]:
        """A slot, kept for several pieces of work one after another. ConnectionFailed or RateLimited without a turn.

        At most half of the slots are kept at once: short work must not wait for whoever reads slowly.
        """
        gates = [self._kept, self._long, self._slots]
        await _enter(gates, deadline, _all_kept)
        turn = Turn(self)
        try:
            yield turn
        finally:
            turn.leave(gates)

    async def _run(
        self, work: Callable[[Job], T], deadline: Deadline, gates: list[asyncio.Semaphore], turn: "Turn | None" = None
    ) -> T:
        job = Job(deadline)
        if self._closed:
            _leave(gates)
            raise closed()
        try:
            future = asyncio.get_running_loop().run_in_executor(self._executor, _checked, work, job)
        except BaseException as error:
            _leave(gates)
            if isinstance(error, RuntimeError):  # the threads are shut down
                raise closed() from error
            raise
        self._running[future] = job
        if turn is not None:
            turn.work = future
        future.add_done_callback(lambda _: self._done(future, gates))
        return await _outcome(future, job)

    def _done(self, future: "asyncio.Future[T]", gates: list[asyncio.Semaphore]) -> None:
        self._running.pop(future, None)
        _leave(gates)
        if not future.cancelled():
            future.exception()  # seen, also where the task that asked is gone

    async def close(self) -> None:
        """Stops what runs, and waits for it a bounded time."""
        self._closed = True
        for job in self._running.values():
            job.stop(closed())
        if self._running:
            await asyncio.wait(set(self._running), timeout=LONGEST_WAIT)


class Turn:
    """A slot of Workers that somebody keeps."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self.work: asyncio.Future[Any] | None = None

    async def run(self, work: Callable[[Job], T], deadline: Deadline) -> T:
        """See Workers.run. One piece at a time: one that was given up is waited for first."""
        if self.work is not None and not self.work.done():
            await asyncio.wait({self.work}, timeout=deadline.cap(LONGEST_WAIT))
            if not self.work.done():
                raise busy()
        return await self._workers._run(work, deadline, [], self)  # noqa: SLF001 - they are one thing in two parts

    def leave(self, gates: list[asyncio.Semaphore]) -> None:
        """Gives the slot back once the last piece of work has ended."""
        if self.work is None or self.work.done():
            _leave(gates)
        else:
            self.work.add_done_callback(lambda _: _leave(gates))


def _checked(work: Callable[[Job], T], job: Job) -> T:
    job.check()
    return work(job)


async def _outcome(future: "asyncio.Future[T]", job: Job) -> T:
    try:
        done, _ = await asyncio.wait({future}, timeout=job.deadline.remaining())
        if not done and job.stop(timed_out()):
            raise timed_out()
        if not done:
            done, _ = await asyncio.wait({future}, timeout=LONGEST_WAIT)
    except asyncio.CancelledError:
        job.stop(closed())
        raise
    if not done:
        raise outcome_unknown()
    return future.result()


async def _enter(
    gates: list[asyncio.Semaphore], deadline: Deadline, first: Callable[[], ServiceError] | None = None
) -> None:
    """Enters all of them, one after another; the error is `first` where not even the first lets anyone in."""
    entered: list[asyncio.Semaphore] = []
    try:
        async with asyncio.timeout(deadline.cap(LONGEST_WAIT)):
            for gate in gates:
                await gate.acquire()
                entered.append(gate)
    except BaseException as error:
        _leave(entered)
        if isinstance(error, TimeoutError):
            deadline.cap(LONGEST_WAIT)
            raise (first() if first and not entered else crowded()) from error
        raise


def _leave(gates: list[asyncio.Semaphore]) -> None:
    for gate in gates:
        gate.release()


def outcome_unknown() -> OutcomeUnknown:
    """The error for a change that was being saved when the answer stayed out."""
    return OutcomeUnknown(
        Text(
            "No answer came while the change was being saved, and it is not known whether it was",
            "Não houve resposta durante a gravação, e não se sabe se ela foi concluída",
        ),
        suggestion=Text("Read the record before you try again", "Leia o registro antes de tentar novamente"),
    )


def busy() -> ConnectionFailed:
    """The error for a database that others hold for too long."""
    return ConnectionFailed(
        Text("The source is busy: others hold it locked", "A fonte está ocupada: bloqueada por outro programa"),
        suggestion=Text("Try again in a moment", "Tente novamente em instantes"),
        retry_after=1.0,
    )


def crowded() -> ConnectionFailed:
    """The error for a database that has more calls at once than it gets turns."""
    return ConnectionFailed(
        Text("Too many calls at once wait for this source", "Há chamadas demais esperando por esta fonte"),
        suggestion=Text("Try again in a moment", "Tente novamente em instantes"),
        retry_after=1.0,
    )


def _all_kept() -> RateLimited:
    return RateLimited(
        Text(
            "Too many exports of this database run at once: this is a limit of the service's own",
            "Há exportações demais deste banco ao mesmo tempo: este limite é do próprio serviço",
        ),
        suggestion=Text("Try again once another has ended", "Tente novamente quando outra terminar"),
        retry_after=LONGEST_WAIT,
    )


def closed() -> ConnectionFailed:
    """The error for a source that was given up meanwhile."""
    return ConnectionFailed(
        Text("The connection to the source was closed", "A conexão com a fonte foi encerrada"),
        suggestion=Text("Try again", "Tente novamente"),
        retry_after=1.0,
    )
