"""Whether the service can work: the database is writable, and nothing has taken the service out of work for a while."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

_HEARD = 5.0


class Readiness:
    """Asked by health every few seconds, and at once when `changed` is set."""

    def __init__(self, writable: Callable[[], Awaitable[bool]]) -> None:
        self._writable = writable
        self._closed = False
        self._asked = False
        self._heard = asyncio.Event()
        self.changed = asyncio.Event()

    async def __call__(self) -> bool:
        """Whether the service can work now."""
        self._asked = True
        if self._closed:
            self._heard.set()
            return False
        return await self._writable()

    @asynccontextmanager
    async def out_of_work(self) -> AsyncIterator[None]:
        """Not ready while the context is open. Where health is served, it has heard so when this begins."""
        self._heard.clear()
        self._closed = True
        self.changed.set()
        try:
            if self._asked:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_HEARD):
                        await self._heard.wait()
                await asyncio.sleep(0)  # whoever asked tells health now
            yield
        finally:
            self._closed = False
            self.changed.set()
