"""The question for the next records of a list, fit for a URL.

The service compares every row itself, so conditions may always be left out: of those that do not fit, the last first.
The place in the list stays, for it says where to go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wuzapi_manager_server.sources.nocodb_where import MAX_WHERE, joined, length

_BETWEEN = len("~and%28%29")
_MAX_FIELDS = 3_000


@dataclass
class Ask:
    """Asks for `size` records for which the conditions hold, from `behind` a place on, but the first `passed`.

    `down` is the direction, `only` the columns (none: all), `room` the bytes of a URL that the conditions may take.
    """

    conditions: Sequence[str]
    size: int
    down: bool = False
    only: Sequence[str] = ()
    behind: str = ""
    passed: int = 0
    room: int = MAX_WHERE

    def __post_init__(self) -> None:
        self._sized = [(condition, length(condition) + _BETWEEN) for condition in self.conditions if condition]

    @property
    def kept(self) -> list[str]:
        """The conditions that fit beside the place."""
        left = self.room - length(self.behind) - _BETWEEN
        kept = []
        for condition, size in self._sized:
            if size <= left:
                kept.append(condition)
                left -= size
        return kept

    @property
    def where(self) -> str:
        """What to ask for; empty for all."""
        return joined("and", [*self.kept, self.behind])

    def fewer(self) -> bool:
        """Makes the conditions half as long; False where there is none to leave out, or the list would be another."""
        if not self.kept or self.passed:
            return False
        self.room = length(self.where) // 2
        return True

    def none(self) -> bool:
        """Leaves out all conditions; False as `fewer` says."""
        if not self.kept or self.passed:
            return False
        self._sized = []
        return True

    def fields(self, ids: Sequence[str]) -> list[tuple[str, str]]:
        """The parameters that ask for some columns alone, by their ids; none where they are too long."""
        return (
            [("fields", each) for each in ids]
            if sum(len("&fields=") + len(each) for each in ids) <= _MAX_FIELDS
            else []
        )
