"""What was found out lately, for a while and up to a number."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class UserCache(Generic[V]):
    """Values by the SHA-256 of a token: the full 32 bytes, never the token or a part of it.

    A value is given for `ttl` seconds after it was put. Of more than `size` values those not asked for longest are
    dropped. For one event loop: nothing here waits.
    """

    def __init__(self, ttl: float, size: int) -> None:
        self._ttl = ttl
        self._size = size
        self._entries: OrderedDict[bytes, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, digest: bytes) -> V | None:
        """The value, or None when there is none or it is too old."""
        entry = self._entries.get(digest)
        if entry is None:
            return None
        if entry[0] <= time.monotonic():
            del self._entries[digest]
            return None
        self._entries.move_to_end(digest)
        return entry[1]

    def put(self, digest: bytes, value: V) -> None:
        """Keeps the value from now on, in place of any before it."""
        self._entries[digest] = (time.monotonic() + self._ttl, value)
        self._entries.move_to_end(digest)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def drop(self, which: Callable[[bytes, V], bool]) -> None:
        """Forgets every entry that `which` says of, by its digest and value."""
        for digest in [digest for digest, (_, value) in self._entries.items() if which(digest, value)]:
            del self._entries[digest]

    def clear(self) -> None:
        """Forgets all."""
        self._entries.clear()
