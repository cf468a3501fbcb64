"""Messages put together from parts that are serialized already (protobuf encoding, length-delimited fields)."""

from collections.abc import Sequence
from functools import lru_cache, partial
from operator import add
from typing import TypeVar, cast

from google.protobuf.message import Message

Sent = TypeVar("Sent", bound=Message)


def serialized(kind: type[Sent], data: bytes) -> Sent:  # noqa: ARG001 - the type is what it is for
    """A serialized message where one of `kind` is asked for: the pipeline sends bytes as they are."""
    return cast("Sent", data)


def field(number: int, data: bytes) -> bytes:
    """A bytes, text or message field (numbers to 15)."""
    return _head(number, len(data)) + data


def fields(number: int, many: Sequence[bytes]) -> list[bytes]:
    """The same field of many messages, in a third of the time."""
    return list(map(add, map(partial(_head, number), map(len, many)), many))


@lru_cache(maxsize=4096)
def _head(number: int, size: int) -> bytes:
    parts = bytearray((number << 3 | 2,))
    while size > 0x7F:  # noqa: PLR2004 - seven bits a byte
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    parts.append(size)
    return bytes(parts)
