"""Composite values as PostgreSQL writes them (https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX)."""

import re
from decimal import Decimal, InvalidOperation

from wuzapi_manager_server.domain.table import Cell

_PART = re.compile(r'((?:"(?:[^"\\]|""|\\.)*"|\\.|[^",\\])*)(,|\Z)', re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|""|\\.)*)"|\\(.)', re.DOTALL)
_ESCAPED = re.compile(r'""|\\(.)', re.DOTALL)


def alike(given: Cell, now: Cell) -> bool:
    """Whether a composite, or a list of such, is what was given: numbers in any spelling, all else in the same."""
    if given == now:
        return True
    if isinstance(given, list) and isinstance(now, list):
        return len(given) == len(now) and all(map(alike, given, now))
    if not isinstance(given, str) or not isinstance(now, str):
        return False
    mine, others = _parts(given), _parts(now)
    if mine is None or others is None:
        return _same_number(given, now)
    return len(mine) == len(others) and all(map(alike, mine, others))


def _parts(text: str) -> list[str | None] | None:
    """The parts of a composite; None where the text is none."""
    text = text.strip()
    if not (text.startswith("(") and text.endswith(")")):
        return None
    parts: list[str | None] = []
    at, inner = 0, text[1:-1]
    while found := _PART.match(inner, at):
        parts.append(_QUOTED.sub(_plain, found[1]) if found[1] else None)
        if not found[2]:
            return parts
        at = found.end()
    return None


def _plain(match: re.Match[str]) -> str:
    quoted, escaped = match.groups()
    return str(escaped) if quoted is None else _ESCAPED.sub(lambda each: each[1] or '"', quoted)


def _same_number(given: str, now: str) -> bool:
    try:
        return Decimal(given) == Decimal(now)
    except InvalidOperation:
        return False
