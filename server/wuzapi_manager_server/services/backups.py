"""Backups, for operators: one piece of work at a time, completed also when its caller goes away."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from prometheus_client import Counter

from wuzapi_manager_server.domain.backup import Backup, Origin, Retention, newest_verified
from wuzapi_manager_server.duty import finished
from wuzapi_manager_server.errors import Code, Conflict, DatabaseError, FileSystemError, ServiceError, Text
from wuzapi_manager_server.observe import failure, logger
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.courtesy import Courtesy
from wuzapi_manager_server.services.readiness import Readiness
from wuzapi_manager_server.storage.backups import BackupMaker, damaged
from wuzapi_manager_server.storage.backups_folder import BackupFolder
from wuzapi_manager_server.storage.backups_restore import is_sound
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.pragmas import Pragmas
from wuzapi_manager_server.storage.secrets_at_rest import check_keys, keys_in_use

T = TypeVar("T")

_NICE = 10


@dataclass(frozen=True)
class Restored:
    """What came back, and the backup of what it replaced."""

    backup: Backup
    replaced: Backup
    schema_version: int


class Backups:
    """Makes, verifies, deletes and restores backups. `close` it after use.

    Work that is begun is completed, but for a stop of the service, which ends it without a trace.
    """

    def __init__(
        self,
        database: Database,
        folder: BackupFolder,
        maker: BackupMaker,
        box: SecretBox,
        retention: Retention,
        readiness: Readiness,
    ) -> None:
        self.folder = folder
        self._database = database
        self._maker = maker
        self._box = box
        self._retention = retention
        self._readiness = readiness
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="backup", initializer=_step_back)
        self._stopping = threading.Event()
        self._courtesy = Courtesy(self._stopping.wait)
        self.changed = asyncio.Event()
        """Set after each work."""
        self.failures: Counter | None = None
        """Counts backups that were not made."""
        self._running: set[asyncio.Task[object]] = set()

    async def create(self, origin: Origin = Origin.ASKED) -> Backup:
        """A new backup, verified."""
        try:
            return await self.alone("a backup", partial(self._create, origin))
        except ServiceError as error:
            if self.failures is not None and not isinstance(error, Conflict) and not self._stopping.is_set():
                self.failures.inc()
            raise

    async def verify(self, name: str) -> Backup:
        """The backup, after it was restored to a scratch file and found whole."""
        backup = self.folder.get(name)
        return await self.alone(f"the verification of {name}", lambda: self._in_thread(self._maker.verify, backup))

    async def delete(self, name: str) -> None:
        """Removes a backup. FileSystemError for the last one that is verified."""

        async def work() -> None:
            backup = self.folder.get(name)
            everything = await asyncio.to_thread(self.folder.all)
            verified = [each for each in everything if each.verify_time is not None]
            if [each.name for each in verified] == [name]:
                raise _last_one()
            await asyncio.to_thread(self.folder.remove, backup)

        await self.alone(f"the deletion of {name}", work)

    async def prune(self) -> list[str]:
        """Removes scheduled backups that have had their time, and gives their names."""

        async def work() -> list[str]:
            expired = self._retention.expired(await asyncio.to_thread(self.folder.all))
            for backup in expired:
                await asyncio.to_thread(self.folder.remove, backup)
                logger().info("backup expired", backup=backup.name)
            return [backup.name for backup in expired]

        return await self.alone("the deletion of old backups", work)

    async def take_in(self, file: Path) -> Backup:
        """Lists a file that was brought here whole, after it was verified; the file is gone from where it was."""
        return await self.alone("the verification of an upload", lambda: self._in_thread(self._maker.take_in, file))

    async def restore(self, name: str) -> Restored:
        """Puts a backup, verified, in place of the database, of which a backup is kept."""
        backup = self.folder.get(name)
        return await self.alone(f"the restore of {name}", partial(self._restore, backup))

    async def try_out(self, name: str) -> tuple[Backup, int]:
        """A backup that can be restored, and the version of the schema that the database would have then."""
        backup = self.folder.get(name)

        async def work() -> int:
            async with self._on_disk(backup, self._watch) as plain:
                return await self._fit(plain)

        return backup, await self.alone(f"the verification of {name}", work)

    async def fill(self, name: str) -> int:
        """Puts a backup in place of a database that holds nothing yet, and gives the version of its schema."""
        backup = self.folder.get(name)

        async def work() -> int:
            async with self._on_disk(backup, self._watch) as plain:
                schema = await self._fit(plain)
                await self._database.replace_content(plain)
                return schema

        return await self.alone(f"the restore of {name}", work)

    async def latest_verified(self, *, but: Collection[Origin]) -> Backup | None:
        """The newest backup that is verified, and was made for another reason than those."""
        everything = await asyncio.to_thread(self.folder.all)
        found = newest_verified(backup for backup in everything if backup.origin not in but)
        return found[0] if found else None

    async def alone(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, while nothing else of this kind goes on. Conflict, with what goes on, where it does."""

        async def held() -> T:
            with self.folder.alone(what):
                self.folder.sweep()
                return await work()

        if self._stopping.is_set():
            raise _stopped()
        task = asyncio.create_task(held())
        self._running.add(task)
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(partial(self._untold, what))
            raise

    def _untold(self, what: str, task: asyncio.Task[object]) -> None:
        """Nobody waits for it any more, so the log alone tells of its failure, unless it was stopped."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._stopping.is_set():
            logger().error("work on backups failed", work=what, **failure(error))

    def _done(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        self.changed.set()

    async def close(self) -> None:
        """Ends what goes on; a restore is completed."""
        self._stopping.set()
        while self._running:
            await asyncio.wait(self._running)
        await asyncio.to_thread(self._pool.shutdown)

    async def _create(self, origin: Origin) -> Backup:
        made = await self._in_thread(self._maker.make, origin)
        verified = await self._proven(made)
        logger().info("backup made", backup=verified.name, size=verified.size, key_id=verified.key_id)
        return verified

    async def _proven(self, made: Backup) -> Backup:
        """A backup that was made just now, verified. Where it cannot be, for lack of room or a stop, it is gone."""
        try:
            return await self._in_thread(self._maker.verify, made)
        except ServiceError as error:
            if error.code is not Code.DATA_LOSS:
                with suppress(FileSystemError):
                    await asyncio.to_thread(self.folder.remove, made)
            raise

    async def _restore(self, backup: Backup) -> Restored:
        async with self._on_disk(backup, self._watch) as plain:
            schema = await self._fit(plain)
            replaced = await self._keep_present()
            async with self._readiness.out_of_work():
                await self._database.replace_content(plain)
                if not await asyncio.to_thread(is_sound, self._database.path):
                    async with self._on_disk(replaced, lambda: None) as old:
                        await self._database.replace_content(old)
                    raise damaged(backup.name, "what came of it did not pass its check; the old database is back")
        logger().warning("restored", backup=backup.name, replaced=replaced.name, schema=schema)
        return Restored(backup, replaced, schema)

    @asynccontextmanager
    async def _on_disk(self, backup: Backup, watch: Callable[[], None]) -> AsyncIterator[Path]:
        context = self._maker.restored(backup, watch)
        plain, _ = await self._on_pool(context.__enter__)
        try:
            yield plain
        finally:
            await finished(asyncio.to_thread(context.__exit__, None, None, None))

    async def _keep_present(self) -> Backup:
        """A backup of what a restore replaces. That is not verified where damage is why there is a restore."""
        made = await self._in_thread(self._maker.make, Origin.BEFORE_RESTORE)
        try:
            return await self._proven(made)
        except FileSystemError as error:
            if error.code is not Code.DATA_LOSS:
                raise
            logger().error("what is replaced is damaged", backup=made.name, **failure(error))
            return made

    async def _fit(self, plain: Path) -> int:
        """Brings a database to the newest schema, and gives that. ServiceError where its secrets' keys are missing."""
        opened = await asyncio.to_thread(Database.open, plain, Pragmas(wal=False, mmap_bytes=0))
        try:
            check_keys(await opened.read_long(partial(keys_in_use, opened)), self._box)
            return opened.schema_version
        finally:
            await opened.close()

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await self._on_pool(partial(work, *arguments, self._watch))

    async def _on_pool(self, work: Callable[[], T]) -> T:
        def begun() -> T:
            self._courtesy.begin()
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._pool, begun)

    def _watch(self) -> None:
        self._courtesy.pause()
        if self._stopping.is_set():
            raise _stopped()


def _step_back() -> None:
    """Lets calls have the processor first: on Linux a thread, and those it makes, may be nicer than its process."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _stopped() -> DatabaseError:
    return DatabaseError(
        Code.UNAVAILABLE,
        Text("The service is stopping", "O serviço está sendo encerrado"),
        suggestion=Text("Try again in a few seconds", "Tente novamente em alguns segundos"),
        retry_after=1.0,
    )


def _last_one() -> FileSystemError:
    return FileSystemError(
        Code.FAILED_PRECONDITION,
        Text("This is the only verified backup", "Este é o único backup verificado"),
        suggestion=Text("Make another one first", "Crie outro antes"),
    )
