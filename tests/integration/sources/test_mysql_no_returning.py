"""MySQL gives no rows back of an INSERT: what is written is read by its key. Here it is MariaDB that is not asked."""

import pytest
from sqlalchemy.dialects.mysql.base import MySQLDialect

from tests.integration.sources.helpers import soon
from tests.integration.sources.mysql import OpenTable, Run, database, place, run, source
from tests.integration.sources.mysql_faults import proxied, table
from tests.integration.sources.round_trips import CALLS, turns_of
from tests.integration.sources.test_mysql_owner import (
    test_an_insert_that_is_not_the_owners_is_undone,
    test_triggers_that_take_the_row_away,
)
from tests.integration.sources.test_mysql_rows import test_a_batch_is_whole_or_not_at_all
from tests.integration.sources.test_mysql_types import (
    test_what_was_read_is_written_back_alike,
    test_what_would_be_cut_is_refused,
)
from wuzapi_manager_server.domain.connection import Mysql
from wuzapi_manager_server.domain.table import Cell
from wuzapi_manager_server.errors import QueryFailed
from wuzapi_manager_server.sources.base import Query

__all__ = [
    "database",
    "place",
    "run",
    "source",
    "table",
    "test_a_batch_is_whole_or_not_at_all",
    "test_an_insert_that_is_not_the_owners_is_undone",
    "test_triggers_that_take_the_row_away",
    "test_what_was_read_is_written_back_alike",
    "test_what_would_be_cut_is_refused",
]

TURNS = {"create": 3, "create 1,000": 5}
"""The statement of a thousand values, the rows of 500 keys, COMMIT."""


@pytest.fixture(autouse=True)
def as_mysql(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy is told of a server that has no RETURNING, once it has met it."""
    initialize = MySQLDialect.initialize

    def without_returning(self: MySQLDialect, connection: object) -> None:
        initialize(self, connection)  # type: ignore[arg-type]  # what it is given is passed on
        self.insert_returning = False

    monkeypatch.setattr(MySQLDialect, "initialize", without_returning)


@pytest.mark.parametrize("call", TURNS)
async def test_a_create_costs_so_many_turns(table: Mysql, call: str) -> None:
    """One more than where the statement gives the row."""
    turns = await turns_of(CALLS[call], proxied(table))
    assert turns.count == TURNS[call]


async def test_the_numbers_that_the_server_gave_are_those_of_the_rows(source: OpenTable, run: Run) -> None:
    """In the order of the rows, with given ones and without, alone and among others."""
    run("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT, u VARCHAR(20))")
    t = source()
    mixed: list[dict[str, Cell]] = [
        {"n": 1, "u": "x"},
        {"n": 2, "u": "x"},
        {"id": 5000, "u": "x"},
        {"id": None, "n": 2, "u": "x"},
        {"id": 0, "u": "x"},
    ]
    outcomes = await t.insert(mixed, None, soon())
    rows = [outcome.row for outcome in outcomes if outcome.row is not None]
    assert [row.key[0] for row in rows] == [1, 2, 5000, 5001, 0]
    assert [row.cells[1] for row in rows] == [1, 2, None, 2, None]


async def test_a_row_that_is_not_found_under_its_key_is_undone(source: OpenTable, run: Run) -> None:
    """A trigger gives it another one, which the server does not tell."""
    run("CREATE TABLE t (id INT PRIMARY KEY, u VARCHAR(9))")
    run("CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.id = NEW.id + 100")
    with pytest.raises(QueryFailed):
        await source().insert([{"id": 5, "u": "ana"}], None, soon())
    assert run("SELECT * FROM t") == []


async def test_a_key_that_the_server_would_make_up_must_be_given(source: OpenTable, run: Run) -> None:
    """It could not be told afterwards."""
    run("CREATE TABLE t (id CHAR(36) DEFAULT (UUID()) PRIMARY KEY, n INT)")
    t = source()
    with pytest.raises(QueryFailed, match="key column 'id' must be given"):
        await t.insert([{"n": 1}], None, soon())
    await t.insert([{"id": "a", "n": 1}], None, soon())
    assert [row.key for row in await t.fetch(Query(None, limit=9), soon())] == [("a",)]
