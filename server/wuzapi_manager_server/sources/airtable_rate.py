"""How often a base may be asked. Airtable takes 5 requests a second for a base, whoever asks, or none for 30 s.

A process counts for itself: several processes, or other programs with the same base, share the limit without knowing.
"""

import asyncio
import time
from collections import OrderedDict

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import RateLimited, Text

PER_SECOND = 4
COOL_DOWN = 30.0
_KEPT = 1_000


def rate_limited(wait: float | None, *, spent: bool = False) -> RateLimited:
    """Too much was asked; `wait` is in seconds. `spent`: the monthly quota, which no waiting brings back."""
    if spent:
        return RateLimited(
            Text("The Airtable workspace has spent its monthly calls", "A cota mensal do Airtable foi esgotada"),
            suggestion=Text("Wait for the next month, or raise the plan", "Aguarde o próximo mês ou amplie o plano"),
        )
    return RateLimited(
        Text("Airtable takes no more requests for this base now", "O Airtable não aceita mais requisições agora"),
        suggestion=Text("Ask again later", "Tente novamente mais tarde"),
        retry_after=wait,
    )


class BaseRate:
    """The turns of one base: evenly spaced, `per_second` in a second, none during a cool-down.

    Not several at once after a rest: those that are delayed on their way would arrive together with the next ones.
    """

    def __init__(self, per_second: int = PER_SECOND, cool_down: float = COOL_DOWN) -> None:
        self._space = 1 / per_second
        self._next = 0.0
        self._cool_down = cool_down
        self._closed_until = 0.0

    async def turn(self, deadline: Deadline) -> None:
        """Waits for a turn. RateLimited, at once, where none comes before the deadline."""
        while True:
            now = time.monotonic()
            start = max(now, self._closed_until, self._next)
            if start > deadline.at:
                raise rate_limited(start - now)
            if self._closed_until > now:
                await asyncio.sleep(self._closed_until - now)
                continue
            self._next = start + self._space  # taken now, so that turns come in the order in which they were asked for
            await asyncio.sleep(start - now)
            if self._closed_until <= time.monotonic():
                return

    def punished(self, at_least: float = 0.0) -> float:
        """Notes that Airtable answered 429: nobody asks for a while. Gives the seconds."""
        wait = max(self._cool_down, at_least)
        self._closed_until = max(self._closed_until, time.monotonic() + wait)
        return wait


class Rates:
    """The turns of every base that this process asks."""

    def __init__(self, per_second: int = PER_SECOND, cool_down: float = COOL_DOWN) -> None:
        self._per_second = per_second
        self._cool_down = cool_down
        self._bases: OrderedDict[tuple[str, str], BaseRate] = OrderedDict()

    def of(self, base_url: str, base_id: str) -> BaseRate:
        """The turns of a base; the same for all its connections."""
        key = (base_url, base_id)
        rate = self._bases.pop(key, None) or BaseRate(self._per_second, self._cool_down)
        self._bases[key] = rate
        while len(self._bases) > _KEPT:
            self._bases.popitem(last=False)
        return rate
