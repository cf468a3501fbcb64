"""How often a SQL server is asked for one call: each time costs the way there and back."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager

from tests.fakes.tcp_proxy import TcpProxy
from tests.integration.sources.helpers import soon
from wuzapi_manager_server.domain.table import Cell
from wuzapi_manager_server.sources.base import Change, Query, RecordSource

Call = Callable[[RecordSource], Awaitable[object]]


def rows(first: int, count: int) -> list[dict[str, Cell]]:
    return [{"id": at, "n": 1} for at in range(first, first + count)]


CALLS: Mapping[str, Call] = {
    "list": lambda source: source.fetch(Query(None, limit=5), soon()),
    "count": lambda source: source.count(None, None, soon()),
    "get": lambda source: source.get((1,), None, soon()),
    "create": lambda source: source.insert(rows(20, 1), None, soon()),
    "create 1,000": lambda source: source.insert(rows(100, 1_000), None, soon()),
    "update": lambda source: source.update([Change((1,), {"n": 2})], None, soon()),
    "update 9": lambda source: source.update([Change((at,), {"n": 2}) for at in range(1, 10)], None, soon()),
    "delete": lambda source: source.delete([((1,), None)], None, soon()),
    "delete 9": lambda source: source.delete([((at,), None) for at in range(1, 10)], None, soon()),
}


class Turns:
    """Counts how often the client speaks after the server has, and the rows' worth of statements that it sends."""

    def __init__(self, proxy: TcpProxy) -> None:
        self.count = 0
        self.inserts = 0
        self._last = "server"
        proxy.watch = self._see

    def _see(self, side: str, data: bytes) -> bool:
        if side == "client":
            self.count += self._last == "server"
            self.inserts += data.count(b"INSERT INTO")
        self._last = side
        return False


READ: Call = CALLS["list"]
WRITE: Call = CALLS["update"]


async def turns_after_rests(
    call: Call,
    open_proxied: AbstractAsyncContextManager[tuple[TcpProxy, RecordSource]],
    rested: Callable[[], Awaitable[None]],
) -> int:
    """The turns of a call to a table that is known, after all connections were closed because nobody worked."""
    async with open_proxied as (proxy, source):
        for known in (READ, WRITE):
            await known(source)
            await rested()
        turns = Turns(proxy)
        await call(source)
        return turns.count


async def turns_of(call: Call, open_proxied: AbstractAsyncContextManager[tuple[TcpProxy, RecordSource]]) -> Turns:
    """The turns of a call on connections that are there, to a table that is known."""
    async with open_proxied as (proxy, source):
        await source.describe(soon())
        await source.fetch(Query(None, limit=1), soon())
        await source.update([Change((9,), {"n": 1})], None, soon())
        turns = Turns(proxy)
        await call(source)
        return turns
