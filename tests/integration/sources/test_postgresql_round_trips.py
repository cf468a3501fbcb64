"""How often PostgreSQL is asked for one call."""

import pytest

from tests.integration.sources.postgresql import database, place, schema
from tests.integration.sources.postgresql_faults import proxied, table
from tests.integration.sources.round_trips import CALLS, turns_of
from wuzapi_manager_server.domain.connection import Postgresql

__all__ = ["database", "place", "schema", "table"]

TURNS = {
    "list": 1,
    "count": 1,
    "get": 1,
    "create": 1,
    "create 1,000": 4,
    "update": 4,
    "update 9": 4,
    "delete": 4,
    "delete 9": 4,
}
"""One row is made by one INSERT; other writes: BEGIN, the statement, COMMIT, and what they change is locked before."""


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_costs_so_many_turns(table: Postgresql, call: str) -> None:
    """No more than now."""
    turns = await turns_of(CALLS[call], proxied(table))
    assert turns.count == TURNS[call]
    assert turns.inserts == {"create": 1, "create 1,000": 2}.get(call, 0)  # of a thousand values each
