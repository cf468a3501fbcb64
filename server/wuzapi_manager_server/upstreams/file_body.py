"""Bodies that are too long to be held in memory."""

import asyncio
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping

import orjson

from wuzapi_manager_server.domain.table import Json

_PIECE = 192 * 1024  # a multiple of 3: only the last piece is padded
_TAIL = b'"}'


class FileJson:
    """A JSON object whose last value is a text that ends with the bytes of a file in base64.

    `descriptor` must stay open while it is sent, which may be more than once; `size_bytes` is the file's size. A file
    that is shorter than that ends the request without its end, which no server takes for one.
    """

    def __init__(self, values: Mapping[str, Json], key: str, head: str, descriptor: int, size_bytes: int) -> None:
        begun = orjson.dumps({**values, key: head})
        self._head = begun.removesuffix(_TAIL)
        self._descriptor = descriptor
        self._file_size = size_bytes

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self._head) + (self._file_size + 2) // 3 * 4 + len(_TAIL)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Its pieces, from the beginning."""
        yield self._head
        for at in range(0, self._file_size, _PIECE):
            yield await asyncio.to_thread(self._piece, at)
        yield _TAIL

    def _piece(self, at: int) -> bytes:
        return b64encode(os.pread(self._descriptor, min(_PIECE, self._file_size - at), at))
