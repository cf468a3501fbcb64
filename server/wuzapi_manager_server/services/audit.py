"""Tells the audit log of what was done elsewhere, and of what was refused."""

import asyncio
from collections.abc import Sequence

from prometheus_client import Counter

from wuzapi_manager_server.domain.audit import Actor, Deed, acting, acting_as
from wuzapi_manager_server.domain.caller import Admin, Caller, User
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import ServiceError
from wuzapi_manager_server.observe import failure, logger
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.database import Database


class Audit:
    """The audit log for what has no transaction of ours.

    What was done stays done where the log cannot be written: the service's own log tells of it then. An entry is
    written also when its caller goes away meanwhile.
    """

    def __init__(self, database: Database, store: AuditStore, lost: Counter | None = None) -> None:
        self._database = database
        self._store = store
        self._lost = lost
        self._running: set[asyncio.Task[None]] = set()

    def enter(self, caller: Caller, action: str, request_id: str, peer: str) -> None:
        """Makes the caller the actor of this task and of those it starts."""
        match caller:
            case User():
                actor = Actor("user", caller.id or self._store.handle(caller.token), action, request_id, peer)
            case Admin():
                actor = Actor("admin", "", action, request_id, peer)
            case _:
                actor = Actor("public", "", action, request_id, peer)
        acting.set(actor)

    async def done(self, deed: Deed, outcome: str = "OK") -> None:
        """Adds an entry. Never raises for what keeps it from being written."""
        await asyncio.shield(self.begin(deed, outcome))

    async def by_itself(self, rpc: str, deed: Deed, outcome: str = "OK", peer: str = "") -> None:
        """Adds an entry on what was done without a call, as the call of MaintenanceService that does the same.

        `peer` is where it was asked for; empty for the clock.
        """
        with acting_as(Actor(action=f"/wuzapi_manager.v1.MaintenanceService/{rpc}", peer=peer)):
            await self.done(deed, outcome)

    def begin(self, deed: Deed, outcome: str) -> "asyncio.Task[None]":
        """Begins to add an entry, for callers that cannot wait."""
        task = asyncio.create_task(self._add(deed, outcome))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def drain(self) -> None:
        """Waits until all entries are written."""
        while self._running:
            await asyncio.wait(self._running)

    async def records(
        self, connection_id: int, record_ids: Sequence[str], fields: Sequence[str] = (), as_user: str = ""
    ) -> None:
        """Rows of a connection's table that were made, changed or deleted, with the fields that were written."""
        if not record_ids:
            return
        ids: list[Json] = [identifier for identifier in record_ids if identifier]
        facts: dict[str, Json] = {"count": len(record_ids), "record_ids": ids}
        if fields:
            facts["fields"] = [*fields]
        if as_user and acting.get().kind == "admin":
            facts["as_user"] = self._store.handle(as_user)
        await self.done(Deed(f"connections/{connection_id}/records", {}, facts))

    async def _add(self, deed: Deed, outcome: str) -> None:
        try:
            await self._database.write(lambda: self._store.record(deed, outcome))
        except ServiceError as error:
            if self._lost is not None:
                self._lost.inc()
            logger().error("audit entry lost", target=deed.target, outcome=outcome, **failure(error))
