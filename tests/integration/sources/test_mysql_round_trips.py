"""How often MySQL or MariaDB is asked for one call."""

import pytest

from tests.integration.sources.mysql import database, place, run
from tests.integration.sources.mysql_faults import proxied, table
from tests.integration.sources.round_trips import CALLS, turns_of
from wuzapi_manager_server.domain.connection import Mysql

__all__ = ["database", "place", "run", "table"]

TURNS = {
    "list": 1,
    "count": 1,
    "get": 1,
    "create": 2,
    "create 1,000": 3,
    "update": 4,
    "update 9": 4,
    "delete": 3,
    "delete 9": 3,
}
"""A write: the statement, for an UPDATE the row as it is then, COMMIT; what is changed or deleted is locked before."""


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_costs_so_many_turns(table: Mysql, call: str) -> None:
    """No more than now."""
    turns = await turns_of(CALLS[call], proxied(table))
    assert turns.count == TURNS[call]
    assert turns.inserts == {"create": 1, "create 1,000": 2}.get(call, 0)  # of a thousand values each
