"""A user's connections are found by hash, at a cost that follows from the page alone."""

import itertools

from tests.integration.storage.conftest import Clock
from tests.integration.storage.examples import connection
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.assignments import USER_PAGE
from wuzapi_manager_server.storage.connections import ConnectionFilter, ConnectionStore, Head, page_text
from wuzapi_manager_server.storage.database import Database


def plan(database: Database, text: str, values: dict[str, object]) -> list[str]:
    return [row[3] for row in database.rows(f"EXPLAIN QUERY PLAN {text}", values)]


async def test_found_by_id_and_by_token_once_each(database: Database, store: ConnectionStore) -> None:
    """Assignments by any identity count, a connection assigned by both comes once, pages go on behind an id."""
    await database.write(
        lambda: [
            store.create(connection(assigned_users=users))
            for users in (("token",), ("id",), ("other",), ("token", "id"), ("tok",), ("TOKEN",), ("id",))
        ]
    )
    assert store.user_page(("token", "id"), 0, 10) == [Head(1, 1), Head(2, 1), Head(4, 1), Head(7, 1)]
    assert store.user_page(("token", "id"), 0, 2) == [Head(1, 1), Head(2, 1)]
    assert store.user_page(("token", "id"), 2, 2) == [Head(4, 1), Head(7, 1)]
    assert store.user_page(("nobody",), 0, 10) == []
    assert store.is_assigned(4, ("x", "id"))
    assert not store.is_assigned(3, ("token", "id"))
    assert not store.is_assigned(99, ("token",))


async def test_deleted_ones_are_not_a_users(database: Database, store: ConnectionStore) -> None:
    """A deleted connection leaves the user's list and does not make pages shorter."""
    await database.write(lambda: [store.create(connection(assigned_users=("me",))) for _ in range(4)])
    await database.write(lambda: store.delete(2))
    assert [head.id for head in store.user_page(("me",), 0, 2)] == [1, 3]


async def test_the_admin_literal_means_nobody(database: Database, store: ConnectionStore) -> None:
    """`admin`, which opened a connection to everybody in the original, is a text like any other."""
    await database.write(lambda: store.create(connection(assigned_users=("admin",))))
    assert store.user_page(("me", "my-id"), 0, 9) == []


async def test_the_plan_searches_and_never_scans_or_sorts(database: Database, store: ConnectionStore) -> None:
    """SQLite finds a user's page through the primary key of the assignments, with no scan and no temporary sort."""
    found = plan(database, USER_PAGE, {"user_hash": b"", "after": 0, "limit": 10})
    assert found == [
        "SEARCH t1 USING PRIMARY KEY (user_hash=? AND connection_id>?)",
        "SEARCH t2 USING INTEGER PRIMARY KEY (rowid=?)",
    ]


async def test_the_plan_of_a_list_follows_an_index(database: Database) -> None:
    """A page of the list without filters reads an index from where it starts, in every order, without sorting."""
    for column in ("name", "create_time", "update_time"):
        for downwards in (True, False):
            text = page_text(
                (column, downwards), type_=False, status=False, user=False, name=False, deleted=False, after=True
            )
            found = plan(database, text, {"value": "", "id": 0, "limit": 9})
            assert len(found) == 1
            assert found[0].startswith("SEARCH t1 USING INDEX idx_connections_")


async def test_a_users_page_costs_the_same_among_many(database: Database, box: SecretBox, clock: Clock) -> None:
    """SQLite takes as many steps for a user's page among 5,000 connections of others as among 10."""
    store = ConnectionStore(database, box, clock)

    def steps() -> int:
        """Steps of SQLite's virtual machine for one page, once its statement is prepared."""
        counted = itertools.count()
        store.user_page(("me",), 0, 100)
        reader = database._peewee.connection()
        reader.set_progress_handler(lambda: next(counted) < 0, 1)
        store.user_page(("me",), 0, 100)
        reader.set_progress_handler(None)
        return next(counted)

    await database.write(lambda: [store.create(connection(assigned_users=("me", "you"))) for _ in range(10)])
    few = steps()
    await database.write(
        lambda: database.changed(
            "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 5100)"
            " INSERT INTO database_connections (id, name, type, created_at, updated_at)"
            " SELECT i, 'n', 'SQLITE', '2026', '2026' FROM n"
        )
    )
    await database.write(
        lambda: database.changed(
            "INSERT INTO connection_assignments SELECT id, randomblob(32), 'k:s', 0 FROM database_connections"
            " WHERE id >= 100"
        )
    )
    assert steps() - few < 10  # a deeper tree may take a step more
    assert len(store.page(ConnectionFilter(), ("name", False), None, 10_000)) == 5011
