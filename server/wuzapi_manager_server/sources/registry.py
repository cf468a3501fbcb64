"""The open sources: one a connection, made on first use, closed when the connection changes or others need the room."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import urlsplit

from wuzapi_manager_server.domain.connection import Airtable, Connection, ConnectionType, Nocodb, Source, SqlServer
from wuzapi_manager_server.errors import PermissionDenied, Text
from wuzapi_manager_server.sources.base import RecordSource
from wuzapi_manager_server.upstreams.addresses import AddressGuard


class Engine(Protocol):
    """What makes the sources of one type of connection. It is given no configuration of another type."""

    def check(self, configuration: Source) -> Text | None:
        """Why a source may not lie there; None where it may. Asks no network."""
        ...

    def open(self, configuration: Source) -> RecordSource:
        """A source, that reaches out when it is first used; whoever opens it closes it."""
        ...


class _Open:
    """A source, the version and configuration of the connection it was made for, and the tasks that use it."""

    def __init__(self, source: RecordSource, version: int, configuration: Source) -> None:
        self.source = source
        self.version = version
        self.configuration = configuration
        self.users: set[asyncio.Task[object]] = set()

    def lent(self) -> RecordSource:
        """The source; the task that asks counts as its user until it ends."""
        task = asyncio.current_task()
        if task is not None and task not in self.users:
            self.users.add(task)
            task.add_done_callback(self.users.discard)
        return self.source


class Sources:
    """Finds the source of a connection. `load` gives a connection with its secret; `size` bounds how many stay open.

    Beyond that those go that no call uses, the one that was asked for longest ago first.

    `guard` says which hosts may be configured; the engines ask it again whenever they connect.
    """

    def __init__(
        self,
        engines: Mapping[ConnectionType, Engine],
        load: Callable[[int], Connection | None],
        guard: AddressGuard,
        size: int = 200,
    ) -> None:
        self._engines = engines
        self._load = load
        self._guard = guard
        self._size = size
        self._open: OrderedDict[int, _Open] = OrderedDict()

    def check(self, configuration: Source) -> None:
        """PermissionDenied where a source may not lie there. The text may tell the host: it is for administrators."""
        self._check_host(configuration)
        engine = self._engines.get(configuration.type)
        refusal = engine.check(configuration) if engine else None
        if refusal is not None:
            raise PermissionDenied(refusal)

    def unsaved(self, configuration: Source) -> RecordSource:
        """A source for one use of an administrator, who closes it. PermissionDenied for a host that may not be."""
        self._check_host(configuration)
        return self._opened(configuration)

    async def of(self, connection: Connection) -> RecordSource:
        """The source of a saved connection, as it is configured now."""
        found = self._open.get(connection.id)
        if found is not None and found.version == connection.version:
            self._open.move_to_end(connection.id)
            return found.lent()
        loaded = self._load(connection.id) or connection
        if found is not None and found.configuration == loaded.source:
            found.version = connection.version
            return found.lent()
        opened = self._open[connection.id] = _Open(self._opened(loaded.source), connection.version, loaded.source)
        source = opened.lent()
        if found is not None:
            await found.source.close()
        idle = [identifier for identifier, each in self._open.items() if not each.users]
        for identifier in idle[: max(0, len(self._open) - self._size)]:
            await self.forget(identifier)
        return source

    async def forget(self, identifier: int) -> None:
        """Closes the source of a connection that changed or is gone."""
        found = self._open.pop(identifier, None)
        if found is not None:
            await found.source.close()

    async def close(self) -> None:
        """Closes all."""
        while self._open:
            _, opened = self._open.popitem()
            await opened.source.close()

    def _check_host(self, configuration: Source) -> None:
        host = _host(configuration)
        refusal = self._guard.check_host(host) if host else None
        if refusal is not None:
            raise PermissionDenied(refusal)

    def _opened(self, configuration: Source) -> RecordSource:
        return self._engines[configuration.type].open(configuration)


def _host(configuration: Source) -> str:
    """The host that a source is reached by; empty where it is reached by none, or by the engine's own."""
    match configuration:
        case SqlServer(host=host):
            return host
        case Nocodb(host=url) | Airtable(base_url=url):
            return urlsplit(url).hostname or ""
        case _:
            return ""
