"""What a benchmark gives."""

from typing import NamedTuple


class Figure(NamedTuple):
    """A line of the table: what was measured, what came out, what is promised, and whether it is kept."""

    what: str
    found: str
    promised: str
    kept: bool
