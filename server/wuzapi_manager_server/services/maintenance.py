"""Looks after the service's own database for operators: statistics, checks, and the values of the metadata."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from threading import Event

from wuzapi_manager_server.domain.audit import AuditEvent
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.maintenance import Checked, Stats, refuse_own_key
from wuzapi_manager_server.errors import NotFound, Text
from wuzapi_manager_server.storage.audit import AuditFilter, AuditStore
from wuzapi_manager_server.storage.contents import Contents
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.integrity import MOST_PROBLEMS, problems_of
from wuzapi_manager_server.storage.metadata import Metadata, MetadataStore
from wuzapi_manager_server.storage.stats import stats_of


class Maintenance:
    """The use cases of operators that only look, and those of the metadata."""

    def __init__(self, database: Database, metadata: MetadataStore, audits: AuditStore, contents: Contents) -> None:
        self._database = database
        self._contents = contents
        self._metadata = metadata
        self._audits = audits
        self._checking = asyncio.Semaphore()

    @property
    def schema_version(self) -> int:
        """How many migrations the database has seen."""
        return self._database.schema_version

    async def stats(self) -> Stats:
        """What the database holds and how it lies on the disk."""
        return await self._database.read_long(partial(stats_of, self._database))

    async def check(self, *, full: bool, deadline: Deadline) -> Checked:
        """What a check of the database finds. TimeoutError when the deadline passes meanwhile.

        One at a time: others wait, so that a thread is left for other long reads. It ends when its caller goes away.
        """
        async with asyncio.timeout(deadline.remaining()):
            await self._checking.acquire()
        gone = Event()

        def watch() -> None:
            if gone.is_set() or not deadline.remaining():
                raise TimeoutError

        work = asyncio.ensure_future(self._database.read_long(partial(self._check, full=full, watch=watch)))
        work.add_done_callback(self._ended)
        try:
            return await asyncio.shield(work)
        finally:
            gone.set()

    def _ended(self, work: asyncio.Future[Checked]) -> None:
        self._checking.release()
        if not work.cancelled():
            work.exception()  # seen: who waits for it is told

    async def audit_page(self, wanted: AuditFilter, before_id: int | None, limit: int) -> list[AuditEvent]:
        """Entries of the audit log, newest first, older than the entry `before_id`."""
        return await self._database.read_long(partial(self._audits.page, wanted, before_id, limit))

    def get(self, key: str) -> Metadata:
        """The value of a key. NotFound where there is none."""
        found = self._metadata.get(key)
        if found is None:
            raise _no_such_key()
        return found

    def page(self, prefix: str, after: str, limit: int) -> list[Metadata]:
        """Values whose keys begin with `prefix`, in the order of their keys, behind `after`."""
        return self._metadata.page(after, limit, prefix)

    async def set(self, key: str, value: str) -> Metadata:
        """Stores a value. PermissionDenied for a key of the system itself."""
        refuse_own_key(key)
        return await self._database.write(partial(self._metadata.set, key, value))

    async def delete(self, key: str) -> None:
        """Removes a key. PermissionDenied for one of the system itself, NotFound where there is none."""
        refuse_own_key(key)
        if not await self._database.write(partial(self._metadata.delete, key)):
            raise _no_such_key()

    def _check(self, *, full: bool, watch: Callable[[], None]) -> Checked:
        began = time.monotonic()
        problems = problems_of(self._database.path, full=full, watch=watch)
        if full and not problems:
            problems = self._contents.check(watch)
        return Checked(problems[:MOST_PROBLEMS], time.monotonic() - began)


def _no_such_key() -> NotFound:
    return NotFound(Text("There is no such key", "Chave não encontrada"))
