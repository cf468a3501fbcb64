"""The one thread that writes.

Whatever is queued is carried out in one transaction, a savepoint an item, and answered after its COMMIT: one wait for
the disk serves many callers, and none of them ever meets a lock that another holds.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from wuzapi_manager_server.errors import Code, DatabaseError, RateLimited, ServiceError, Text
from wuzapi_manager_server.storage.faults import SOON

T = TypeVar("T")

MAX_QUEUED = 10_000
MAX_BATCH = 256


class Transactional(Protocol):
    """What the writer needs of its connection, which it opens, uses and closes on its own thread."""

    def open(self) -> None:
        """Opens the connection."""
        ...

    def execute(self, text: str) -> None:
        """Runs a statement without result. ServiceError when it fails."""
        ...

    def in_transaction(self) -> bool:
        """Whether a transaction is open; some failures of SQLite end it."""
        ...

    def close(self) -> None:
        """Closes the connection."""
        ...


class _Item(Generic[T]):
    """A piece of work, and what became of it once `done` is set."""

    __slots__ = ("alone", "done", "error", "loop", "value", "work")
    value: T

    def __init__(self, work: Callable[[], T], *, alone: bool) -> None:
        self.work = work
        self.alone = alone
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.error: Exception | None = None

    def carry_out(self) -> None:
        try:
            self.value = self.work()
        except Exception as error:  # noqa: BLE001 - it is the caller's, and is raised there
            self.error = error


class Writer:
    """Runs work on the thread of the writing connection. `start` before, `close` after use."""

    def __init__(self, connection: Transactional) -> None:
        self._connection = connection
        self._queue: deque[_Item[object]] = deque()
        self._ready = threading.Condition()
        self._closing = False
        self._opened: Future[None] = Future()
        self._at_work_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)

    def start(self) -> None:
        """Starts the thread; raises what opening the connection raised."""
        self._thread.start()
        self._opened.result()

    async def do(self, work: Callable[[], T], *, alone: bool = False) -> T:
        """What `work` gives, after it was committed; `alone` runs it outside of any transaction.

        Raises what `work` raises, which undoes this work alone; DatabaseError when the transaction fails; RateLimited
        when too much is queued. A caller that is cancelled stops work that has not begun, and no other.
        """
        item = _Item(work, alone=alone)
        with self._ready:
            if self._closing:
                raise _closing()
            if len(self._queue) >= MAX_QUEUED:
                raise _too_much()
            self._queue.append(item)  # type: ignore[arg-type]  # the queue does not care what the work gives
            self._ready.notify()
        await item.done
        if item.error is not None:
            raise item.error
        return item.value

    @property
    def queued(self) -> int:
        """How many writes wait."""
        return len(self._queue)

    def at_work(self, most: float) -> bool:
        """Whether it has the lock and has worked for no more than `most` seconds without a COMMIT."""
        since = self._at_work_since
        return since is not None and time.monotonic() - since <= most

    async def close(self) -> None:
        """Takes no more work, and returns when all that was taken is done."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self._connection.open()
        except ServiceError as error:
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        while batch := self._take():
            if batch[0].alone:
                self._at_work_since = time.monotonic()
                batch[0].carry_out()
            else:
                self._commit(batch)
            self._at_work_since = None
            _tell(batch)
            del batch  # what was answered must not wait here for the next write to be freed
        self._connection.close()

    def _take(self) -> list[_Item[object]]:
        """The next items for one transaction, or one that is to be alone; none at the end."""
        with self._ready:
            while not self._queue and not self._closing:
                self._ready.wait()
            batch: list[_Item[object]] = []
            while self._queue and len(batch) < MAX_BATCH:
                if self._queue[0].alone and batch:
                    break
                batch.append(self._queue.popleft())
                if batch[0].alone:
                    break
            return batch

    def _commit(self, items: list[_Item[object]]) -> None:
        """Carries items out in one transaction; a failure that loses the transaction fails them all."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._at_work_since = time.monotonic()
            for item in items:
                if not item.done.cancelled():
                    self._carry_out(item)
            self._at_work_since = None
            connection.execute("COMMIT")
        except ServiceError as error:
            for item in items:
                item.error = error
            if connection.in_transaction():
                with suppress(ServiceError):  # what is told is the first failure
                    connection.execute("ROLLBACK")

    def _carry_out(self, item: _Item[object]) -> None:
        connection = self._connection
        connection.execute("SAVEPOINT item")
        item.carry_out()
        if item.error is not None:
            if not connection.in_transaction() and isinstance(item.error, ServiceError):
                raise item.error
            connection.execute("ROLLBACK TO item")
        connection.execute("RELEASE item")


def _tell(items: list[_Item[object]]) -> None:
    """Wakes the callers, one signal a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Item[object]]] = {}
    for item in items:
        by_loop.setdefault(item.loop, []).append(item)
    for loop, mine in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_wake, mine)


def _wake(items: list[_Item[object]]) -> None:
    for item in items:
        if not item.done.done():
            item.done.set_result(None)


def _closing() -> DatabaseError:
    return DatabaseError(
        Code.UNAVAILABLE,
        Text("The service is stopping", "O serviço está sendo encerrado"),
        suggestion=Text("Try again in a few seconds", "Tente novamente em alguns segundos"),
        retry_after=SOON,
    )


def _too_much() -> RateLimited:
    return RateLimited(
        Text("Too many writes are waiting", "Muitas gravações aguardando"),
        suggestion=Text("Wait a few seconds before trying again", "Aguarde alguns segundos antes de tentar novamente"),
        retry_after=SOON,
    )
