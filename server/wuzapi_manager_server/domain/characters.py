"""Which characters a text for people may have."""

import unicodedata

_DIRECTIONS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make a text look like another one."""

_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})


def is_plain(text: str) -> bool:
    """Whether it has neither control characters nor line ends nor marks of direction, and can be encoded.

    Joiners, spaces of every width and characters newer than this Python's tables are letters to somebody.
    """
    return text.isprintable() or not any(char in _DIRECTIONS or unicodedata.category(char) in _REFUSED for char in text)
