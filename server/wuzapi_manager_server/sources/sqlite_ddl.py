"""The columns in the statement that made a SQLite table, as far as they have to be told apart."""

import re

_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*+'|"(?:[^"]|"")*+"|`(?:[^`]|``)*+`|\[[^\]]*\]|\w+|.""", re.DOTALL
)
_COMMENTS = ("--", "/*")
_CLOSING = {'"': '"', "'": "'", "`": "`", "[": "]"}


def declarations(statement: str) -> dict[str, str]:
    """What stands behind the name of each column, and of each word that a constraint begins with, by the lowered name.

    The statement is one that SQLite has accepted.
    """
    depth = 0
    pieces: list[list[str]] = [[]]
    for part in _TOKEN.findall(statement):
        if part.startswith(_COMMENTS):
            continue
        depth -= part == ")"
        if depth == 1 and part == ",":
            pieces.append([])
        elif depth and (pieces[-1] or part.strip()):
            pieces[-1].append(part)
        depth += part == "("
    found: dict[str, str] = {}
    for piece in pieces:
        if piece:
            found.setdefault(_name(piece[0]).lower(), "".join(piece[1:]))
    return found


def _name(part: str) -> str:
    """An identifier without its quotes."""
    closing = _CLOSING.get(part[0])
    return part if closing is None else part[1:-1].replace(closing * 2, closing)
