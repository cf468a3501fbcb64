"""The database file: opened, set, checked, migrated; the one door through which statements pass.

Every thread that reads has one connection that can only read. The writer's thread has the only one that writes, and
the same methods of stores run on it, within its transaction.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
from peewee import Query
from playhouse.apsw_ext import APSWDatabase

from wuzapi_manager_server.errors import ServiceError, Text
from wuzapi_manager_server.observe import QueryMetrics, logger
from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.backups_restore import replace_content
from wuzapi_manager_server.storage.checksums import connected, install
from wuzapi_manager_server.storage.migrations import APPLICATION_ID, STEPS, lacking, migrate, version_of
from wuzapi_manager_server.storage.pragmas import Pragmas, has_wal_bug
from wuzapi_manager_server.storage.writer import Writer

T = TypeVar("T")
Rows = list[tuple[Any, ...]]  # SQLite types values, not columns
Values = Mapping[str, object] | Sequence[object]

SQLITE_VERSION = apsw.sqlite_lib_version()
LONG_READERS = 2
MIN_FREE_BYTES = 1 << 20
_PROBE_SECONDS = 2.0  # of a write that tells whether one would succeed
_LONGEST_WORK = 60.0  # seconds that work may take before it is taken for stuck
_SHOWN = 200  # characters of a slow statement
_ERRORS = faults.ERRORS


class Database:
    """An open database of this service. Made by `open`; `close` it after use."""

    def __init__(self, path: Path, pragmas: Pragmas, slow: float) -> None:
        self.path = path
        self.metrics: QueryMetrics | None = None
        self._pragmas = pragmas
        self._slow = slow
        # Without CREATE: a file that vanishes is an error, not a new database. `timeout` is set by the pragmas too.
        self._peewee = APSWDatabase(
            str(path), timeout=pragmas.timeout_ms / 1000, flags=apsw.SQLITE_OPEN_READWRITE, autoconnect=False
        )
        self._local = threading.local()  # each thread's own connection, without Peewee's steps to find it
        self._opened: list[apsw.Connection] = []
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(LONG_READERS, thread_name_prefix="database-reader")
        self._writer = Writer(_WritingConnection(self))
        self._identity = _identity(path)
        self._was_the_same = True

    @classmethod
    def open(cls, path: Path, pragmas: Pragmas | None = None, *, slow: float = 1.0) -> "Database":
        """Opens a database of this service, or makes it, and migrates it to the newest schema.

        Statements that take longer than `slow` seconds are logged, without their values.

        A DatabaseError tells why not: it cannot be opened or written, is corrupt (found by `quick_check`), is no
        database of this service, has a newer schema, or SQLite does not take a pragma.
        """
        pragmas = pragmas or Pragmas()
        path = path.absolute()
        refuse_wal_bug(SQLITE_VERSION, wal=pragmas.wal)
        try:
            _make_file(path)
        except OSError as error:
            raise faults.of_system(error) from error
        try:
            _prepare(path, pragmas)
        except _ERRORS as error:
            raise faults.translated(error) from error
        database = cls(path, pragmas, slow)
        database._writer.start()
        return database

    @property
    def schema_version(self) -> int:
        """How many migrations the file has seen."""
        return int(self.rows("PRAGMA user_version")[0][0])

    @property
    def queued(self) -> int:
        """How many writes wait."""
        return self._writer.queued

    def rows(self, text: str, values: Values = ()) -> Rows:
        """Runs a statement and gives all its rows: the way of hot paths, with statements compiled once."""
        began = time.perf_counter()
        try:
            connection: apsw.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = self.connect(read_only=True)
            found: Rows = connection.execute(text, values).fetchall()
        except _ERRORS as error:
            if self.metrics is not None:
                self.metrics.failed(text)
            raise faults.translated(error) from error
        took = time.perf_counter() - began
        if self.metrics is not None:
            self.metrics.observe(text, took, slow=took > self._slow)
        if took > self._slow:
            logger().warning("slow query", sql=text[:_SHOWN], duration_ms=round(took * 1000))
        return found

    def fetch(self, query: Query) -> Rows:
        """The rows of a Peewee query, as tuples."""
        return self.rows(*query.bind(self._peewee).sql())

    def run(self, query: Query) -> int:
        """Runs a Peewee insert, update or delete and gives how many rows it changed. Within `write` alone."""
        return self.changed(*query.bind(self._peewee).sql())

    def changed(self, text: str, values: Values = ()) -> int:
        """Runs an INSERT, UPDATE or DELETE and gives how many rows it changed. Within `write` alone."""
        self.rows(text, values)
        connection: apsw.Connection = self._peewee.connection()
        return connection.changes()

    async def write(self, work: Callable[[], T]) -> T:
        """Runs `work`, which may read and write, in a transaction of the writer, and gives its result after COMMIT.

        What `work` raises undoes it alone. DatabaseError when the transaction fails (busy for longer than the timeout,
        disk full), RateLimited when 10,000 writes are waiting. Work that has begun is not stopped by cancelling.
        """
        # The work runs on another thread, and tells there who acts.
        return await self._writer.do(partial(copy_context().run, work))

    async def alone(self, work: Callable[[], T]) -> T:
        """Runs `work` on the writing connection outside of any transaction: for VACUUM, ANALYZE and checkpoints."""
        return await self._writer.do(work, alone=True)

    async def replace_content(self, source: Path) -> None:
        """Puts the content of another database of the newest schema in place of this one's, in one transaction.

        Writes wait meanwhile; reads see all of the old or all of the new. DatabaseError: the old is there still.
        """

        def work() -> None:
            replace_content(self._peewee.connection(), source)

        await self.alone(work)

    async def read_long(self, work: Callable[[], T]) -> T:
        """Runs a read that takes more than a millisecond, on one of two threads for that."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def writable(self) -> bool:
        """Whether a write would succeed now: the lock can be had, the file takes writes, the disk has 1 MiB.

        Work that has the lock and takes long, for a minute at most, is a sign of that too.
        """
        probe = asyncio.ensure_future(self.write(_nothing))
        try:
            done, _ = await asyncio.wait({probe}, timeout=_PROBE_SECONDS)
            if done:
                probe.result()
            elif not self._writer.at_work(_LONGEST_WORK):
                return False
            disk = os.statvfs(self.path.parent)
        except (ServiceError, OSError):
            return False
        finally:
            probe.cancel()
        return self._is_the_same_file() and disk.f_bavail * disk.f_frsize >= MIN_FREE_BYTES

    def _is_the_same_file(self) -> bool:
        """Whether the file that is open still lies at its path: what is written to one that does not is lost."""
        same = _identity(self.path) == self._identity
        if same != self._was_the_same:
            self._was_the_same = same
            if same:
                logger().info("the file of the database is back")
            else:
                logger().error(
                    "the file of the database is gone, or another lies in its place: what is written now is lost",
                    todo="put it back, or stop the service and restore a backup",
                )
        return same

    async def close(self) -> None:
        """Commits what was accepted and closes the file. Reads must have ended."""
        await self._writer.close()
        await asyncio.to_thread(self._pool.shutdown)
        for connection in self._opened:
            connection.close()

    def connect(self, *, read_only: bool) -> apsw.Connection:
        """Opens and sets the connection of the calling thread, which has none."""
        self._peewee.connect()
        connection: apsw.Connection = self._peewee.connection()
        try:
            install(connection)
            self._pragmas.apply(connection)
            connection.execute(f"PRAGMA query_only = {int(read_only)}")
        except BaseException:
            self._peewee.close()
            raise
        self._local.connection = connection
        with self._lock:
            self._opened.append(connection)
        return connection


class _WritingConnection:
    """The writer's connection: of its thread, and able to write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: apsw.Connection

    def open(self) -> None:
        try:
            self._connection = self._database.connect(read_only=False)
        except _ERRORS as error:
            raise faults.translated(error) from error

    def execute(self, text: str) -> None:
        self._database.rows(text)

    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def close(self) -> None:
        self._connection.close()


def schema_of(path: Path) -> int:
    """The version of the schema of a database that is there, 0 of an empty file; neither is changed.

    DatabaseError as by `open` where it cannot be read, or is none of this service.
    """
    try:
        with closing(connected(path)) as connection:
            recognize(connection)
            return version_of(connection)
    except _ERRORS as error:
        raise faults.translated(error) from error


def refuse_wal_bug(version: str, *, wal: bool) -> None:
    """DatabaseError for a SQLite that can corrupt a WAL database: readers and writer have a connection each."""
    if wal and has_wal_bug(version):
        raise faults.refused(
            f"SQLite {version} can corrupt a database in WAL mode",
            f"O SQLite {version} pode corromper um banco de dados em modo WAL",
            suggestion=Text(
                "Install a newer apsw (SQLite 3.51.3 or later), or set SQLITE_WAL_MODE=false",
                "Instale um apsw mais novo (SQLite 3.51.3 ou posterior) ou defina SQLITE_WAL_MODE=false",
            ),
        )


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from every other that is there at the same time; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_file(path: Path) -> None:
    """Makes the folder and an empty file that only this user may enter and read; SQLite's other files follow it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare(path: Path, pragmas: Pragmas) -> None:
    """Looks at the file before anything is written to it, then checks and migrates it."""
    connection = connected(path)
    try:
        connection.set_busy_timeout(pragmas.timeout_ms)
        recognize(connection)
        if connection.readonly("main"):
            raise faults.read_only()
        with suppress(PermissionError):  # another user's file that we may write to is theirs to protect
            path.chmod(0o600)
        pragmas.apply(connection)
        if connection.execute("PRAGMA quick_check(1)").get != "ok" or lacking(connection):
            raise faults.corrupt()
        try:
            migrate(connection)
        except apsw.SQLError as error:  # it is not what its version says
            raise faults.corrupt() from error
    finally:
        connection.close()


def recognize(connection: apsw.Connection) -> None:
    """DatabaseError unless the file is empty or this service's, and of no newer schema."""
    connection.execute("BEGIN")  # one look: another process may be migrating
    application = connection.execute("PRAGMA application_id").get
    version = version_of(connection)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    connection.execute("COMMIT")
    if application != APPLICATION_ID and (application or version or tables):
        raise _adoptable() if "database_connections" in tables else _foreign()
    if version > len(STEPS):
        raise faults.refused(
            f"The database has schema version {version}; this program knows versions up to {len(STEPS)}",
            f"O banco de dados tem o esquema versão {version}; este programa conhece até a versão {len(STEPS)}",
            suggestion=Text(
                "Run the newer program, or restore a backup made before the update",
                "Execute o programa mais novo ou restaure um backup anterior à atualização",
            ),
        )


def _foreign() -> ServiceError:
    return faults.refused(
        "The file named by SQLITE_DB_PATH is the database of another program",
        "O arquivo indicado por SQLITE_DB_PATH é o banco de dados de outro programa",
        suggestion=Text(
            "Set SQLITE_DB_PATH to a file that does not exist yet",
            "Defina SQLITE_DB_PATH com um arquivo que ainda não existe",
        ),
    )


def _adoptable() -> ServiceError:
    return faults.refused(
        "The file named by SQLITE_DB_PATH is a database of the original WUZAPI Manager, not of this service",
        "O arquivo indicado por SQLITE_DB_PATH é um banco de dados do WUZAPI Manager original, não deste serviço",
        suggestion=Text(
            "Set SQLITE_DB_PATH to a file that does not exist yet; the old one stays as it is",
            "Defina SQLITE_DB_PATH com um arquivo que ainda não existe; o antigo permanece como está",
        ),
    )


def _nothing() -> None:
    """A write that writes nothing: it takes the lock and gives it back."""
