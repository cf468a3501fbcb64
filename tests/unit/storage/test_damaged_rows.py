"""The rows that are not as they were written."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from wuzapi_manager_server.storage.checksums import install
from wuzapi_manager_server.storage.damaged_rows import Sweep
from wuzapi_manager_server.storage.migrations import migrate

COUNT = 300  # more than come at once, twice
FILLED = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
INSERT INTO {} SELECT {} FROM n
"""
TABLES = {
    "database_connections (id, name, type, created_at, updated_at)": "i, 'ação ' || i || char(10, 1), 'x', 't', 't'",
    "connection_assignments (connection_id, user_hash, user_secret, position)": "i, unhex(printf('%04x', i)), 's', 0",
    "branding_config (id, app_name, created_at, updated_at)": "i, '\"' || i, 't', 't'",
    "system_metadata (key, value, created_at, updated_at)": "i || '', printf('%.*c', i * 100, 'x'), 't', 't'",
    "idempotency_requests (scope, sealed, answered, created_at)": "unhex(printf('%04x', i)), 's', 1, i || ''",
    "audit_events (created_at, actor, actor_id, action, request_id, peer, target, facts_before, facts_after, outcome,"
    " previous)": "'t', 'a', 'a', 'a', 'r', 'p', 't', '{}', '{}', 'OK', unhex(printf('%04x', i))",
    "user_changes (user_id, created_at)": "'u', 't'",
}

KEYS = {
    "system_metadata": "key + 0",
    "idempotency_requests": "created_at + 0",
    "connection_assignments": "connection_id",
}
"""What numbers the rows of a table, where that is not its id."""


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    """A database with 300 rows in each table."""
    with closing(apsw.Connection(str(tmp_path / "a.db"))) as opened:
        migrate(opened)
        for table, values in TABLES.items():
            opened.execute(FILLED.format(table, values))
        yield opened


def damaged_rows(connection: apsw.Connection) -> list[str]:
    """What one thread alone says, the other not having begun: from either end the same."""
    forwards, backwards = list(Sweep().forwards(connection)), list(Sweep().backwards(connection))
    assert sorted(forwards) == sorted(backwards)
    return forwards


def test_nothing_is_said_of_what_is_as_it_was_written(connection: apsw.Connection) -> None:
    """Texts, bytes, numbers and nulls of every table, over several reads."""
    assert damaged_rows(connection) == []


@pytest.mark.parametrize("table", [table.split()[0] for table in TABLES])
def test_every_damaged_row_is_named(connection: apsw.Connection, table: str) -> None:
    """In every table, whether it is the first of it, the last, or among others."""
    connection.create_scalar_function("row_checksum", lambda *_: 1, deterministic=True)
    key = KEYS.get(table, "id")
    column = {"audit_events": "outcome", "connection_assignments": "user_secret"}.get(table, "created_at")
    column = "sealed" if table == "idempotency_requests" else column
    connection.execute(f"UPDATE {table} SET {column} = 'other' WHERE {key} IN (1, 77, 200, 300)")
    install(connection)
    said = damaged_rows(connection)
    name = key.removesuffix(" + 0")
    assert sorted(said) == sorted(
        f"the row with {name} {number} of {table} is not as it was written" for number in (1, 77, 200, 300)
    )


@pytest.mark.parametrize("table", [table.split()[0] for table in TABLES])
def test_a_row_with_a_value_that_is_none_is_named(connection: apsw.Connection, table: str) -> None:
    """Bytes where a text was: the row is named as the others are, and so is what is damaged behind it."""
    connection.create_scalar_function("row_checksum", lambda *_: 1, deterministic=True)
    key = KEYS.get(table, "id")
    column = {"audit_events": "outcome", "connection_assignments": "user_secret"}.get(table, "updated_at")
    column = {"idempotency_requests": "sealed", "user_changes": "user_id"}.get(table, column)
    connection.execute(f"UPDATE {table} SET {column} = x'ff' WHERE {key} IN (1, 129, 130)")
    connection.execute(f"UPDATE {table} SET {column} = 'other' WHERE {key} IN (2, 300)")
    install(connection)
    name = key.removesuffix(" + 0")
    assert sorted(damaged_rows(connection)) == sorted(
        f"the row with {name} {number} of {table} is not as it was written" for number in (1, 2, 129, 130, 300)
    )


@pytest.mark.parametrize("turns", range(20))
def test_two_that_meet_leave_nothing_out(connection: apsw.Connection, turns: int) -> None:
    """Wherever they meet: each row is named, and those of the last parts at most are named twice."""
    connection.create_scalar_function("row_checksum", lambda *_: 1, deterministic=True)
    for table in TABLES:
        column = table.partition("(")[2].partition(")")[0].split(", ")[1]
        connection.execute(f"UPDATE {table.split()[0]} SET {column} = {column}")
    install(connection)
    draw, sweep, said = random.Random(turns), Sweep(), []
    ways = [sweep.forwards(connection), sweep.backwards(connection)]
    slow = draw.random()
    while ways:
        way = draw.choices(ways, [slow, 1 - slow][: len(ways)])[0]
        try:
            said.append(next(way))
        except StopIteration:
            ways.remove(way)
    assert len(set(said)) == COUNT * len(TABLES) <= len(said) <= COUNT * len(TABLES) + 2 * 128


def test_a_row_that_nothing_names_is_damage_too(connection: apsw.Connection) -> None:
    """Bytes where its key was."""
    connection.execute("UPDATE system_metadata SET key = x'ff' WHERE key = '7'")
    with pytest.raises(apsw.CorruptError):
        damaged_rows(connection)
