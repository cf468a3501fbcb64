"""What a computed column is computed from, as far as a source tells it."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

N = TypeVar("N", bound=Hashable)


def all_sources(of: N, direct: Mapping[N, frozenset[N] | None]) -> frozenset[N] | None:
    """What a column is computed from, by however many steps; None where one of these is not known.

    `direct` are the columns that each computed column names, None for one of which that is not known.
    """
    found: set[N] = set()
    ahead = [of]
    while ahead:
        named = direct.get(ahead.pop(), frozenset())
        if named is None:
            return None
        ahead += named - found
        found |= named
    return frozenset(found)
