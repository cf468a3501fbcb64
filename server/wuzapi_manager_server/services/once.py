"""Safe repeats: the same request_id and body again gives the stored answer and has no second effect.

What is done within the service's own database is recorded in the same transaction. What is done elsewhere is recorded
as begun before it starts, so that a repeat after a crash is told that the outcome is not known instead of doing it
twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

from wuzapi_manager_server.errors import InvalidInput, OutcomeUnknown, ServiceError, Text, Violation, WrittenOtherwise
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.idempotency import IdempotencyStore


class Request(NamedTuple):
    """A request that may come again: its id (where empty, nothing is recorded), whose and which it is, its body."""

    request_id: str
    scope: bytes
    body: bytes


class Once:
    """Does work at most once per request id."""

    def __init__(self, database: Database, store: IdempotencyStore) -> None:
        self._database = database
        self._store = store
        self._running: set[asyncio.Task[bytes]] = set()

    async def within(self, request: Request, work: Callable[[], bytes]) -> bytes:
        """The answer of `work`, which runs in the writer's transaction together with the record of it."""
        check_request_id(request.request_id)
        if not request.request_id:
            return await self._database.write(work)
        scope = scope_of(request)

        def recorded() -> bytes:
            stored = self._store.begin(scope, request.body)
            if stored is not None:
                return stored
            answer = work()
            self._store.finish(scope, answer)
            return answer

        return await self._database.write(recorded)

    async def around(
        self, request: Request, work: Callable[[], Awaitable[bytes]], undone: Callable[[], bool] = lambda: True
    ) -> bytes:
        """The answer of `work`, which has an effect elsewhere. It is completed also when the caller goes away.

        After a ServiceError of `work`, but for those that say that something may be done (OutcomeUnknown,
        WrittenOtherwise), the id may be used again where `undone` says that nothing was done.
        """
        task = asyncio.create_task(self.through(request, work, undone))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def through(
        self, request: Request, work: Callable[[], Awaitable[bytes]], undone: Callable[[], bool] = lambda: True
    ) -> bytes:
        """The answer of `work`, which is broken off when the caller goes away.

        After a ServiceError of `work` the id may be used again where `undone` says that nothing was done; otherwise,
        after OutcomeUnknown, WrittenOtherwise and, when its time has passed, a cancellation, a repeat is told that the
        outcome is not known.
        """
        check_request_id(request.request_id)
        if not request.request_id:
            return await work()
        scope = scope_of(request)
        stored = await self._database.write(lambda: self._store.begin(scope, request.body))
        if stored is not None:
            return stored
        try:
            answer = await work()
        except (OutcomeUnknown, WrittenOtherwise):
            with suppress(ServiceError):  # a repeat is told so all the same, only later
                await self._database.write(lambda: self._store.leave(scope))
            raise
        except ServiceError:
            settle = self._store.abandon if undone() else self._store.leave
            await self._database.write(lambda: settle(scope))
            raise
        await self._database.write(lambda: self._store.finish(scope, answer))
        return answer

    async def drain(self, seconds: float) -> None:
        """Waits so long for what goes on without its caller. What goes on still is cut off, and a repeat is told so."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _finished(self, task: asyncio.Task[bytes]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone, and asyncio complains of exceptions that nobody fetched


def check_request_id(request_id: str) -> None:
    """InvalidInput where it is neither empty nor a UUID."""
    if not request_id:
        return
    try:
        fits = str(UUID(request_id)) == request_id.lower()
    except ValueError:
        fits = False
    if not fits:
        raise InvalidInput([Violation("request_id", Text("must be a UUID", "request_id deve ser um UUID"))])


def scope_of(request: Request) -> bytes:
    """What stands for whose request it is, which, and its id."""
    return request.scope + b"\0" + request.request_id.lower().encode()
