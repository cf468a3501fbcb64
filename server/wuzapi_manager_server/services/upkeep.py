"""The upkeep of the service's own database, step by step, one run at a time."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum

from wuzapi_manager_server.errors import Code, DatabaseError, ServiceError, Text
from wuzapi_manager_server.observe import Cache, failure, logger
from wuzapi_manager_server.storage.backups_folder import BackupFolder
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.integrity import problems_of

VACUUM_ABOVE = 100 * 1024 * 1024


class Step(Enum):
    """The steps, in order. Names are those of the protos without prefix."""

    INTEGRITY = "INTEGRITY"
    VACUUM = "VACUUM"
    ANALYZE = "ANALYZE"
    CHECKPOINT = "CHECKPOINT"
    CACHES = "CACHES"


class State(Enum):
    """How a step stands. Names are those of the protos without prefix."""

    STARTED = "STARTED"
    DONE = "DONE"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Progress:
    """What happened to a step; `seconds` once it has ended, and how many steps have."""

    step: Step
    state: State
    message: Text
    steps_done: int
    seconds: float = 0.0


async def _nowhere() -> None:
    """For a process that is alone."""


class Upkeep:
    """Keeps the database in shape, and the caches. `elsewhere` clears those of other processes."""

    def __init__(
        self,
        database: Database,
        caches: Sequence[Cache],
        folder: BackupFolder,
        elsewhere: Callable[[], Awaitable[None]] = _nowhere,
    ) -> None:
        self.caches = caches
        self._elsewhere = elsewhere
        self._folder = folder
        self._database = database

    async def clear_caches(self) -> Mapping[str, int]:
        """Clears all, and says how many entries each had here."""
        cleared: dict[str, int] = {}
        for cache in self.caches:
            cleared[cache.name] = len(cache)
            cache.clear()
        await self._elsewhere()
        return cleared

    async def run(self, *, force_vacuum: bool) -> AsyncGenerator[Progress]:
        """Runs the steps. Conflict where they run already, or a backup or a restore does, in whatever process.

        A step that fails is told, and its error raised then; nothing after it is begun.
        """
        with self._folder.alone("maintenance"):
            async with aclosing(self._steps(force_vacuum=force_vacuum)) as told:
                async for progress in told:
                    yield progress

    async def _steps(self, *, force_vacuum: bool) -> AsyncGenerator[Progress]:
        steps: Mapping[Step, Callable[[], Awaitable[tuple[State, Text]]]] = {
            Step.INTEGRITY: self._integrity,
            Step.VACUUM: lambda: self._vacuum(force=force_vacuum),
            Step.ANALYZE: self._analyze,
            Step.CHECKPOINT: self._checkpoint,
            Step.CACHES: self._clear,
        }
        for done, (step, work) in enumerate(steps.items()):
            yield Progress(step, State.STARTED, Text("Started", "Iniciado"), done)
            began = time.perf_counter()
            try:
                state, message = await work()
            except ServiceError as error:
                logger().error("maintenance failed", step=step.value, **failure(error))
                yield Progress(step, State.FAILED, error.text, done + 1, time.perf_counter() - began)
                raise
            yield Progress(step, state, message, done + 1, time.perf_counter() - began)

    async def _integrity(self) -> tuple[State, Text]:
        problems = await self._database.read_long(lambda: problems_of(self._database.path, full=False))
        if problems:
            raise DatabaseError(
                Code.DATA_LOSS,
                Text(
                    f"{len(problems)} problems were found: {problems[0]}",
                    f"{len(problems)} problemas encontrados: {problems[0]}",
                ),
                suggestion=Text(
                    "Restore the newest verified backup; CheckIntegrity lists every problem",
                    "Restaure o último backup verificado; CheckIntegrity lista todos os problemas",
                ),
            )
        return State.DONE, Text("No problem was found", "Nenhum problema encontrado")

    async def _vacuum(self, *, force: bool) -> tuple[State, Text]:
        before = self._bytes()
        if not force and before <= VACUUM_ABOVE:
            return State.SKIPPED, Text(
                f"The database has {before} bytes, not above {VACUUM_ABOVE}",
                f"O banco tem {before} bytes, abaixo de {VACUUM_ABOVE}",
            )
        await self._database.alone(lambda: self._database.rows("VACUUM"))
        # In WAL mode the file itself shrinks when the log is moved into it.
        emptied = await self._empty_log()
        freed = max(0, before - self._bytes())
        if not emptied:
            return State.DONE, Text(
                f"{freed} bytes will be given back: a reader is in the way",
                f"{freed} bytes serão liberados: uma leitura em andamento impede a operação",
            )
        return State.DONE, Text(f"{freed} bytes were given back", f"{freed} bytes foram liberados")

    def _bytes(self) -> int:
        """The bytes of the database, in its file or in the log that has yet to be moved there."""
        pages, size = (int(self._database.rows(f"PRAGMA {name}")[0][0]) for name in ("page_count", "page_size"))
        return pages * size

    async def _empty_log(self) -> bool:
        """Moves the log into the file and empties it; False where a reader keeps that from being done."""
        rows = await self._database.alone(lambda: self._database.rows("PRAGMA wal_checkpoint(TRUNCATE)"))
        return not (rows and int(rows[0][0]))

    async def _analyze(self) -> tuple[State, Text]:
        await self._database.alone(lambda: self._database.rows("ANALYZE"))
        return State.DONE, Text("The tables were counted", "As tabelas foram analisadas")

    async def _checkpoint(self) -> tuple[State, Text]:
        if not await self._empty_log():
            return State.SKIPPED, Text("A reader was in the way", "Uma leitura em andamento impediu a operação")
        return State.DONE, Text("The write-ahead log is empty", "O log de gravação (WAL) está vazio")

    async def _clear(self) -> tuple[State, Text]:
        cleared = sum((await self.clear_caches()).values())
        return State.DONE, Text(f"{cleared} entries were forgotten", f"{cleared} entradas removidas")
