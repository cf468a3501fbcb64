"""How often PostgreSQL is asked for one call."""

import psycopg
import pytest

from tests.integration.sources.postgresql import database, place, schema
from tests.integration.sources.postgresql_faults import backends, proxied, table
from tests.integration.sources.round_trips import CALLS, READ, WRITE, Call, turns_after_rests, turns_of
from tests.integration.sources.sql_faults import until
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


@pytest.mark.parametrize(("call", "most"), [(READ, 5), (WRITE, 8)], ids=["read", "write"])
async def test_a_call_after_a_rest(
    database: psycopg.Connection, table: Postgresql, monkeypatch: pytest.MonkeyPatch, call: Call, most: int
) -> None:
    """A new connection is made, to a server that is known: what SQLAlchemy asks of one is not asked again."""
    monkeypatch.setattr("wuzapi_manager_server.sources.sql_pool.IDLE", 0.01)

    async def rested() -> None:
        await until(lambda: not backends(database))

    assert await turns_after_rests(call, proxied(table), rested) <= most
