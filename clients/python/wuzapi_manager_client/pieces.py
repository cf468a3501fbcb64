"""What goes up in a stream: a file in pieces, as the messages of a call."""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar, runtime_checkable

_CHUNK_BYTES = 64 * 1024

Message = TypeVar("Message")


@runtime_checkable
class BinaryReader(Protocol):
    """A file opened for reading bytes."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class Requests(Generic[Message]):
    """The messages of a stream: `first`, then one for each piece, made by `wrap`.

    gRPC takes them on a thread of its own, so a failure there is kept in `failure`.
    """

    def __init__(self, first: Message, pieces: Iterator[bytes], wrap: Callable[[bytes], Message]) -> None:
        self.failure: Exception | None = None
        self._first = first
        self._pieces = pieces
        self._wrap = wrap

    def __iter__(self) -> Iterator[Message]:
        yield self._first
        try:
            yield from map(self._wrap, self._pieces)
        except Exception as failure:
            self.failure = failure
            raise


def pieces_of(data: bytes | BinaryReader | Iterable[bytes], what: str) -> Iterator[bytes]:
    """Pieces of at most 64 KiB. TypeError, which says `what` takes bytes, for text."""
    if isinstance(data, str):
        raise TypeError(f"{what} takes bytes, not text: encode it as UTF-8")
    if isinstance(data, bytes | bytearray | memoryview):
        return _split([bytes(data)], what)
    if isinstance(data, BinaryReader):
        return _split(_read(data), what)
    return _split(data, what)


def _read(file: BinaryReader) -> Iterator[bytes]:
    while piece := file.read(_CHUNK_BYTES):
        yield piece


def _split(pieces: Iterable[bytes], what: str) -> Iterator[bytes]:
    for piece in pieces:
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise TypeError(f"{what} takes bytes, not {type(piece).__name__}: open the file in binary mode")
        for start in range(0, len(piece), _CHUNK_BYTES):
            yield bytes(piece[start : start + _CHUNK_BYTES])
