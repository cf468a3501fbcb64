"""Several processes that do the same work, and the one that looks after them."""

import multiprocessing
import multiprocessing.connection
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

_QUICK = 30.0  # a worker that lives shorter than that has not really begun, even on a busy machine
_QUICK_DEATHS = 3


class Workers:
    """Starts `count` processes that run `target`, and replaces those that die.

    The processes are spawned, not forked, so that nothing of this one lives on in them; `target` must be a picklable
    function, which gives the exit code. Processes that live on `longest_stop` seconds after they were told to end are
    killed. `died` is told the id of each process that has ended. Use `run` from the main thread.
    """

    def __init__(
        self, count: int, target: Callable[[], int], *, longest_stop: float, died: Callable[[int], None] | None = None
    ) -> None:
        self._count = count
        self._target = target
        self._longest_stop = longest_stop
        self._died = died
        self._processes: dict[SpawnProcess, float] = {}
        self._stopping_since: float | None = None
        self._log = structlog.get_logger()

    def run(self) -> int:
        """Runs until SIGTERM or SIGINT, which are passed on. 0 when all ended well; 1 when they do not stay alive."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for _ in range(self._count):
            self._start()
        quick_deaths = 0
        failed = False
        while self._processes:
            multiprocessing.connection.wait([each.sentinel for each in self._processes], timeout=1.0)
            self._kill_the_late()
            for process in [each for each in self._processes if not each.is_alive()]:
                process.join()
                lived = time.monotonic() - self._processes.pop(process)
                if self._died is not None and process.pid is not None:
                    self._died(process.pid)
                if self._stopping_since is not None:
                    failed = failed or process.exitcode not in {0, -signal.SIGTERM}
                    continue
                self._log.error("worker died", pid=process.pid, exit_code=process.exitcode)
                quick_deaths = quick_deaths + 1 if lived < _QUICK else 0
                if quick_deaths < _QUICK_DEATHS:
                    self._start()
                else:
                    self._log.error("workers die at once, giving up")
                    failed = True
                    self._stop()
        return int(failed)

    def _start(self) -> None:
        process = multiprocessing.get_context("spawn").Process(target=_run, args=(self._target,))
        process.start()
        self._processes[process] = time.monotonic()
        if self._stopping_since is not None:  # a signal came while it was being started
            process.terminate()

    def _stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        self._stopping_since = self._stopping_since or time.monotonic()
        for process in tuple(self._processes):
            process.terminate()

    def _kill_the_late(self) -> None:
        if self._stopping_since is None or time.monotonic() < self._stopping_since + self._longest_stop:
            return
        for process in self._processes:
            process.kill()


def _run(target: Callable[[], int]) -> None:
    raise SystemExit(target())
