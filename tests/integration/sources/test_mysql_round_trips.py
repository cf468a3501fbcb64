"""How often MySQL or MariaDB is asked for one call."""

import pytest

from tests.integration.sources.mysql import Run, database, place, run
from tests.integration.sources.mysql_faults import others, proxied, table
from tests.integration.sources.round_trips import CALLS, READ, WRITE, Call, turns_after_rests, turns_of
from tests.integration.sources.sql_faults import until
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


@pytest.mark.parametrize(("call", "most"), [(READ, 6), (WRITE, 9)], ids=["read", "write"])
async def test_a_call_after_a_rest(
    run: Run, table: Mysql, monkeypatch: pytest.MonkeyPatch, call: Call, most: int
) -> None:
    """A new connection is made, to a server that is known: what SQLAlchemy asks of one is not asked again."""
    monkeypatch.setattr("wuzapi_manager_server.sources.sql_pool.IDLE", 0.01)

    async def rested() -> None:
        await until(lambda: not others(run))

    assert await turns_after_rests(call, proxied(table), rested) <= most
