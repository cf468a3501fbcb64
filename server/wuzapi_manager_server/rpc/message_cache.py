"""Serialized connections, kept while they stay as they are.

Whoever asks has read the version from the database within the same call, so an answer is never older than that, also
when another process made the change.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from google.protobuf.message import Message

from wuzapi_manager_server.domain.connection import Connection
from wuzapi_manager_server.storage.connections import ConnectionStore, Head

MAX_BYTES = 16 * 1024 * 1024


class MessageCache:
    """Messages by connection id; the least lately used go when MAX_BYTES are held."""

    def __init__(self, name: str, store: ConnectionStore, convert: Callable[[Connection], Message]) -> None:
        self.name = name
        self.hits = 0
        self.misses = 0
        self._store = store
        self._convert = convert
        self._kept: OrderedDict[int, tuple[int, bytes]] = OrderedDict()
        self._bytes = 0

    def many(self, heads: Iterable[Head]) -> dict[int, bytes]:
        """The messages by id of these connections, as of these versions or later, without those that are gone."""
        found: dict[int, bytes] = {}
        missing = []
        for head in heads:
            version, message = self._kept.get(head.id, (0, b""))
            if version == head.version:
                self._kept.move_to_end(head.id)
                found[head.id] = message
            else:
                missing.append(head.id)
        self.hits += len(found)
        self.misses += len(missing)
        if missing:
            for connection in self._store.get_many(missing):
                found[connection.id] = self._keep(connection)
        return found

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Drops all."""
        self._kept.clear()
        self._bytes = 0

    def _keep(self, connection: Connection) -> bytes:
        message = self._convert(connection).SerializeToString()
        _, replaced = self._kept.pop(connection.id, (0, b""))
        self._kept[connection.id] = (connection.version, message)
        self._bytes += len(message) - len(replaced)
        while self._bytes > MAX_BYTES and len(self._kept) > 1:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._bytes -= len(dropped)
        return message
