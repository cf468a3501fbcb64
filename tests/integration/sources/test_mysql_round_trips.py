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
    "create": 4,
    "create 1,000": 6,
    "update": 5,
    "update 9": 5,
    "delete": 4,
    "delete 9": 4,
}
"""A write: BEGIN, the statement, the row as it is then, COMMIT; what is changed or deleted is locked before."""


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_costs_so_many_turns(table: Mysql, call: str) -> None:
    """No more than now."""
    turns = await turns_of(CALLS[call], proxied(table))
    assert turns.count == TURNS[call]
    assert turns.inserts == {"create": 1, "create 1,000": 2}.get(call, 0)  # of a thousand values each
