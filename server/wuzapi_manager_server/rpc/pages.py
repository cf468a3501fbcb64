"""Cutting a page of messages."""

from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


def cut(messages: Iterable[M], size: int, most_bytes: int) -> tuple[list[M], bool]:
    """The first messages, at most `size` and `most_bytes` of them but one at least, and whether more follow."""
    page: list[M] = []
    total = 0
    for message in messages:
        total += message.ByteSize()
        if page and (len(page) == size or total > most_bytes):
            return page, True
        page.append(message)
    return page, False
