"""Has long work in a thread make way for the calls that are answered beside it."""

import threading
import time
from collections.abc import Callable

_PAUSES = 3.0
"""Seconds of rest for each second of work beside a main thread that is busy all the time."""

_LONGEST = 0.5
_FROM = 0.05
"""The share of the main thread's time below which it counts as idle: timers and gauges take some."""


class Courtesy(threading.local):
    """Rests after each piece of work, the longer the busier the main thread was meanwhile, which answers calls.

    Threads may share one: each rests for the work of its own.

    To be nicer in the system's eyes is not enough: where two processors are one core's halves, or memory is what both
    wait for, the work slows calls down at any priority. `rest` waits so many seconds, or less where there is a reason.
    """

    def __init__(self, rest: Callable[[float], object]) -> None:
        self._rest = rest
        self._clock = time.pthread_getcpuclockid(threading.main_thread().ident or 0)
        self._since = self._busy = 0.0
        self.begin()

    def begin(self) -> None:
        """A piece of work begins."""
        self._since = time.monotonic()
        self._busy = time.clock_gettime(self._clock)

    def pause(self) -> None:
        """A piece of work has ended, and another begins."""
        worked = time.monotonic() - self._since
        busy = time.clock_gettime(self._clock) - self._busy
        if worked > 0 and busy / worked > _FROM:
            self._rest(min(busy * _PAUSES, _LONGEST))
        self.begin()
