"""Messages put together from parts that are serialized already (protobuf encoding, length-delimited fields)."""

from typing import TypeVar, cast

from google.protobuf.message import Message

Sent = TypeVar("Sent", bound=Message)


_ONE_BYTE = 1 << 7
"""Lengths below it take one byte, of which seven bits count."""

_BYTES = [bytes((value,)) for value in range(256)]


def serialized(kind: type[Sent], data: bytes) -> Sent:  # noqa: ARG001 - the type is what it is for
    """A serialized message where one of `kind` is asked for: the pipeline sends bytes as they are."""
    return cast("Sent", data)


def field(number: int, data: bytes) -> bytes:
    """A bytes, text or message field (numbers to 15)."""
    return _BYTES[number << 3 | 2] + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    if value < _ONE_BYTE:
        return _BYTES[value]
    parts = bytearray()
    while value >= _ONE_BYTE:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
