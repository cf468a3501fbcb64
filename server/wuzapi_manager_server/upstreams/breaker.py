"""When an upstream is left alone for a while, because it fails whatever it is asked."""

import random
import time
from collections.abc import Callable

from wuzapi_manager_server.upstreams.http_faults import Unavailable

_FAILURES = 8
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
_TRIAL_WAIT = 1.0


class Breaker:
    """Opens after eight failures in a row: calls are refused for half a second, then one is let through as a trial.

    A trial that fails opens it again for twice as long, at most for 15 seconds; any success closes it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = 0.0
        self._until = 0.0
        self._trying = False

    def check(self) -> None:
        """Unavailable while no call would be let through."""
        if not self._pause:
            return
        left = self._until - self._clock()
        if left > 0:
            raise Unavailable(left)
        if self._trying:
            raise Unavailable(_TRIAL_WAIT)

    def enter(self) -> bool:
        """Lets a call through and says whether it is a trial, to be given back to one of the three below."""
        self.check()
        self._trying = self._pause > 0
        return self._trying

    def succeeded(self) -> None:
        """The upstream answered."""
        self._failures = 0
        self._pause = 0.0
        self._trying = False

    def failed(self, *, trial: bool) -> bool:
        """It did not; whether that opened the breaker."""
        if trial:
            self._open(min(self._pause * 2, _LONGEST_PAUSE))
            return True
        if self._pause:
            return False
        self._failures += 1
        if self._failures < _FAILURES:
            return False
        self._open(_FIRST_PAUSE)
        return True

    def left(self, *, trial: bool) -> None:
        """The call ended without telling anything about the upstream."""
        if trial:
            self._trying = False

    def _open(self, pause: float) -> None:
        self._pause = pause
        self._until = self._clock() + pause * random.uniform(0.8, 1.2)  # workers do not try all at once
        self._trying = False
