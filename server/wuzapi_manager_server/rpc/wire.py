"""Messages put together from parts that are serialized already (protobuf encoding, length-delimited fields)."""

from typing import TypeVar, cast

from google.protobuf.message import Message

Sent = TypeVar("Sent", bound=Message)


def serialized(kind: type[Sent], data: bytes) -> Sent:  # noqa: ARG001 - the type is what it is for
    """A serialized message where one of `kind` is asked for: the pipeline sends bytes as they are."""
    return cast("Sent", data)


def field(number: int, data: bytes) -> bytes:
    """A bytes, text or message field (numbers to 15)."""
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
