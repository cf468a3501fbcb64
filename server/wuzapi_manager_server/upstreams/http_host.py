"""What all calls to one host share: how many are open, the breaker, and how often failed ones are sent again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from weakref import WeakValueDictionary

from wuzapi_manager_server.upstreams.breaker import Breaker
from wuzapi_manager_server.upstreams.http_faults import TooLarge, Unavailable, Unreachable

_WAITING_EACH = 8  # calls that wait for every one that is open
_BUSY_WAIT = 1.0
_MOST_RETRIES = 10.0
_RETRIES_EACH = 0.1
_GATEWAY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


class Host:
    """One host and port. `in_flight` calls are open at once, eight times as many may wait; more are Unavailable.

    Retries are at most a tenth of the calls, and ten at first: they must not be what keeps a host down.
    """

    def __init__(self, in_flight: int) -> None:
        self.breaker = Breaker()
        self._free = asyncio.Semaphore(in_flight)
        self._waiting = 0
        self._most_waiting = in_flight * _WAITING_EACH
        self._retries = _MOST_RETRIES

    @asynccontextmanager
    async def call(self, patience: float, verdict: "Verdict") -> AsyncIterator[None]:
        """A place among the open calls, for one attempt. Unavailable where there is none or the breaker is open.

        Failures are counted, and so is an attempt that was given up after `patience` seconds or more.
        """
        self.breaker.check()
        if self._free.locked() and self._waiting >= self._most_waiting:
            raise Unavailable(_BUSY_WAIT, busy=True)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            trial = self.breaker.enter()
            begun = time.monotonic()
            try:
                yield
            except Unreachable:
                verdict.opened = self.breaker.failed(trial=trial)
                raise
            except TooLarge:
                self.breaker.succeeded()
                raise
            except BaseException:
                if time.monotonic() - begun >= patience:
                    verdict.opened = self.breaker.failed(trial=trial)
                else:
                    self.breaker.left(trial=trial)
                raise
            if verdict.status in _GATEWAY:
                verdict.opened = self.breaker.failed(trial=trial)
            else:
                self.breaker.succeeded()
        finally:
            self._free.release()

    def earn(self) -> None:
        """A call that is sent for the first time adds to what may be sent again."""
        self._retries = min(self._retries + _RETRIES_EACH, _MOST_RETRIES)

    def may_retry(self) -> bool:
        """Takes one retry from the budget, where it has one."""
        if self._retries < 1:
            return False
        self._retries -= 1
        return True


class Verdict:
    """What an attempt came to: its status, 0 until it is known, and whether it opened the breaker."""

    status: int = 0
    opened: bool = False


_hosts: "WeakValueDictionary[tuple[asyncio.AbstractEventLoop, str, int], Host]" = WeakValueDictionary()


def host_of(origin: str, in_flight: int) -> Host:
    """The host of an origin, one for all upstreams of this event loop that lead there: they fail and fill together."""
    key = (asyncio.get_running_loop(), origin, in_flight)
    host = _hosts.get(key)
    if host is None:
        host = _hosts[key] = Host(in_flight)
    return host
