"""The store of connections: what is put in comes out, and changes tell what they must."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.integration.storage.conftest import Clock
from tests.integration.storage.examples import SOURCES, connection
from wuzapi_manager_server.domain.connection import (
    Connection,
    ConnectionStatus,
    ConnectionType,
    Mysql,
    Postgresql,
    Source,
    Sqlite,
)
from wuzapi_manager_server.errors import AlreadyExists, NotFound
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.connections import ConnectionFilter, ConnectionStore, Head
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.pragmas import Pragmas

PG = SOURCES[3]
assert isinstance(PG, Postgresql)


async def created(database: Database, store: ConnectionStore, *connections: Connection) -> list[Connection]:
    return await database.write(lambda: [store.create(each) for each in connections])


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.type.value)
async def test_every_type_of_source_comes_back_as_it_was(
    database: Database, store: ConnectionStore, source: Source
) -> None:
    """Every field is kept; the secret is given only to those who ask, others learn that there is one."""
    given = connection(source)
    made = (await created(database, store, given))[0]
    shown = source if isinstance(source, Sqlite) else replace(source, secret="", has_secret=True)
    assert made == replace(
        given, source=shown, id=1, version=1, create_time=made.create_time, update_time=made.create_time
    )
    assert made.create_time is not None
    assert store.get(1) == made
    assert store.get_many([9, 1]) == [made]
    with_secret = store.get(1, secrets=True)
    assert with_secret is not None
    assert with_secret.source.secret == source.secret


async def test_ids_are_never_used_again(database: Database, store: ConnectionStore, clock: Clock) -> None:
    """A connection made after the newest was purged gets a new id, so nothing kept under the old one fits it."""
    first = (await created(database, store, connection()))[0]
    await database.write(lambda: store.delete(first.id))
    assert await database.write(lambda: store.purge(clock() + timedelta(days=1))) == [1]
    assert (await created(database, store, connection()))[0].id == first.id + 1


async def test_get_many_answers_in_the_order_asked_for(database: Database, store: ConnectionStore) -> None:
    """The connections stand as their ids were given, those that are not there are left out."""
    await created(database, store, *(connection(name=name) for name in "abc"))
    assert [each.id for each in store.get_many([3, 1, 7, 2])] == [3, 1, 2]
    assert store.get_many([]) == []


async def test_replace_changes_everything_and_counts(database: Database, store: ConnectionStore, clock: Clock) -> None:
    """All fields are replaced, the version grows, the creation time stays and the update time moves."""
    made = (await created(database, store, connection()))[0]
    clock.forward(hours=1)
    wanted = Connection("other", Mysql("h", 1, "d", "u", "t"), assigned_users=("ana", "new"), id=made.id)
    changed = await database.write(lambda: store.replace(wanted))
    assert changed == replace(wanted, version=2, create_time=made.create_time, update_time=changed.update_time)
    assert made.update_time is not None
    assert changed.update_time is not None
    assert changed.update_time - made.update_time > timedelta(hours=1)
    assert store.version(made.id) == 2


@pytest.mark.parametrize(
    ("source", "secret"),
    [
        (replace(PG, secret="", has_secret=True), "pg-password"),
        (replace(PG, secret="", has_secret=True, host="elsewhere"), "pg-password"),
        (replace(PG, secret="new", has_secret=True), "new"),
        (replace(PG, secret="new", has_secret=False), "new"),
        (replace(PG, secret="", has_secret=False), ""),
        (Mysql("h", 1, "d", "u", "t", has_secret=True), ""),
        (SOURCES[0], ""),
    ],
)
async def test_replace_keeps_sets_or_removes_the_secret(
    database: Database, store: ConnectionStore, source: Source, secret: str
) -> None:
    """It stays where it is not given but said to be there, unless the source becomes one of another type."""
    await created(database, store, connection(PG))
    changed = await database.write(lambda: store.replace(connection(source, id=1)))
    assert changed.source.has_secret is bool(secret)
    found = store.get(1, secrets=True)
    assert found is not None
    assert found.source.secret == secret


async def test_replace_keeps_the_order_of_users(database: Database, store: ConnectionStore) -> None:
    """Users come back in the order given, once each, whether they were there before or not."""
    await created(database, store, connection(assigned_users=("a", "b", "c", "d", "a")))
    for users in (("a", "b", "c", "d"), ("d", "x", "b"), ("b", "d", "x"), (), ("y",)):
        changed = await database.write(partial(store.replace, connection(id=1, assigned_users=users)))
        assert changed.assigned_users == users


async def test_assign_and_unassign_change_only_what_they_name(database: Database, store: ConnectionStore) -> None:
    """New users are appended, known ones stay; where nothing changes, neither version nor time does."""
    made = (await created(database, store, connection(assigned_users=("a", "b"))))[0]
    same = await database.write(lambda: store.assign(1, ["b", "a"]))
    assert same == made
    more = await database.write(lambda: store.assign(1, ["c", "a", "c"]))
    assert (more.assigned_users, more.version) == (("a", "b", "c"), 2)
    assert more.update_time != made.update_time
    less = await database.write(lambda: store.unassign(1, ["a", "nobody"]))
    assert (less.assigned_users, less.version) == (("b", "c"), 3)
    assert await database.write(lambda: store.unassign(1, ["a"])) == less
    empty = await database.write(lambda: store.unassign(1, ["b", "c"]))
    assert (await database.write(lambda: store.assign(1, ["z"]))).assigned_users == ("z",)
    assert (empty.assigned_users, empty.version) == ((), 4)


async def test_status_alone(database: Database, store: ConnectionStore) -> None:
    """Only status, version and update time change."""
    made = (await created(database, store, connection()))[0]
    changed = await database.write(lambda: store.set_status(1, ConnectionStatus.ERROR))
    assert changed == replace(made, status=ConnectionStatus.ERROR, version=2, update_time=changed.update_time)


async def test_delete_hides_and_undelete_brings_back(database: Database, store: ConnectionStore) -> None:
    """A deleted connection is still to be read by who asks for it, and comes back with its users and secret."""
    await created(database, store, connection(PG))
    gone = await database.write(lambda: store.delete(1))
    assert gone.delete_time is not None
    assert store.get(1) == gone
    assert store.get(1, deleted=False) is None
    assert store.version(1) == 2
    back = await database.write(lambda: store.undelete(1))
    assert (back.delete_time, back.version, back.assigned_users) == (None, 3, gone.assigned_users)
    found = store.get(1, secrets=True, deleted=False)
    assert found is not None
    assert found.source.secret == "pg-password"
    with pytest.raises(AlreadyExists):
        await database.write(lambda: store.undelete(1))


Change = Callable[[ConnectionStore], Connection]

CHANGES: dict[str, Change] = {
    "replace": lambda store: store.replace(connection(id=1)),
    "set_status": lambda store: store.set_status(1, ConnectionStatus.ERROR),
    "assign": lambda store: store.assign(1, ["x"]),
    "unassign": lambda store: store.unassign(1, ["x"]),
    "delete": lambda store: store.delete(1),
    "undelete": lambda store: store.undelete(1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_change_of_what_is_not_there_is_not_found(
    database: Database, store: ConnectionStore, change: Change
) -> None:
    """The error names the id and is in the words of the original application."""
    with pytest.raises(NotFound) as raised:
        await database.write(lambda: change(store))
    assert raised.value.metadata == {"id": "1"}
    assert raised.value.text.pt == "Conexão 1 não encontrada"


@pytest.mark.parametrize("change", [change for name, change in CHANGES.items() if name != "undelete"])
async def test_a_deleted_connection_is_not_changed(database: Database, store: ConnectionStore, change: Change) -> None:
    """To changes it is as if it were not there."""
    await created(database, store, connection())
    gone = await database.write(lambda: store.delete(1))
    with pytest.raises(NotFound):
        await database.write(lambda: change(store))
    assert store.get(1) == gone


@pytest.mark.parametrize("foreign_keys", [True, False])
async def test_purge_removes_what_was_deleted_long_ago(
    path: Path, box: SecretBox, clock: Clock, *, foreign_keys: bool
) -> None:
    """With its users, whether or not SQLite enforces foreign keys; newer deletions and what is there stay."""
    database = Database.open(path, Pragmas(foreign_keys=foreign_keys))
    store = ConnectionStore(database, box, clock)
    await created(database, store, *(connection() for _ in range(3)))
    await database.write(lambda: store.delete(1))
    clock.forward(days=29)
    await database.write(lambda: store.delete(2))
    clock.forward(days=2)
    assert await database.write(lambda: store.purge(clock() - timedelta(days=30))) == [1]
    assert await database.write(lambda: store.purge(clock() - timedelta(days=30))) == []
    assert [store.version(number) for number in (1, 2, 3)] == [None, 2, 1]
    assert database.rows("SELECT DISTINCT connection_id FROM connection_assignments ORDER BY 1") == [(2,), (3,)]
    await database.close()


async def many(database: Database, store: ConnectionStore) -> list[Connection]:
    """Connections of two types, statuses and users, some of the same name."""
    return await created(
        database,
        store,
        *(
            connection(
                SOURCES[number % 2],
                name=f"Name {number % 3}",
                status=ConnectionStatus.ERROR if number % 4 == 0 else ConnectionStatus.ACTIVE,
                assigned_users=("both", "odd" if number % 2 else "even"),
            )
            for number in range(12)
        ),
    )


@pytest.mark.parametrize("column", ["name", "create_time", "update_time"])
@pytest.mark.parametrize("downwards", [True, False])
async def test_pages_put_together_are_the_whole_in_order(
    database: Database, store: ConnectionStore, column: str, *, downwards: bool
) -> None:
    """Pages of every size give every connection once, in the order of the column and then of the id."""
    await many(database, store)
    await database.write(lambda: store.set_status(5, ConnectionStatus.ERROR))
    by_id = {each.id: each for each in store.get_many(range(1, 13))}
    wanted = sorted(by_id, key=lambda number: (getattr(by_id[number], column), number), reverse=downwards)
    for size in (1, 5, 100):
        found: list[Head] = []
        while page := store.page(
            ConnectionFilter(), (column, downwards), (found[-1].sort_value, found[-1].id) if found else None, size
        ):
            assert len(page) <= size
            found.extend(page)
        assert [head.id for head in found] == wanted
        assert [head.version for head in found] == [by_id[number].version for number in wanted]


@pytest.mark.parametrize(
    ("wanted", "keeps"),
    [
        (ConnectionFilter(type=ConnectionType.NOCODB), lambda c: c.source.type is ConnectionType.NOCODB),
        (ConnectionFilter(status=ConnectionStatus.ERROR), lambda c: c.status is ConnectionStatus.ERROR),
        (ConnectionFilter(assigned_user="odd"), lambda c: "odd" in c.assigned_users),
        (ConnectionFilter(assigned_user="ODD"), lambda _: False),
        (ConnectionFilter(name_contains="nAmE 1"), lambda c: c.name == "Name 1"),
        (ConnectionFilter(name_contains="%"), lambda _: False),
        (ConnectionFilter(name_contains="Name_1"), lambda _: False),
        (
            ConnectionFilter(ConnectionType.SQLITE, ConnectionStatus.ERROR, "even", "0"),
            lambda c: c.source.type is ConnectionType.SQLITE and c.status is ConnectionStatus.ERROR and "0" in c.name,
        ),
    ],
)
async def test_filters_keep_what_they_say(
    database: Database, store: ConnectionStore, wanted: ConnectionFilter, keeps: Callable[[Connection], bool]
) -> None:
    """Each filter alone and all together, on a first and on a later page."""
    everything = await many(database, store)
    expected = [each.id for each in everything if keeps(each)]
    heads = store.page(wanted, ("create_time", False), None, 100)
    assert [head.id for head in heads] == expected
    for head in heads[:1]:
        later = store.page(wanted, ("create_time", False), (head.sort_value, head.id), 100)
        assert [each.id for each in later] == expected[1:]


async def test_a_name_is_looked_for_literally(database: Database, store: ConnectionStore) -> None:
    """Per cent, underscore and backslash in a name are themselves."""
    await created(database, store, *(connection(name=name) for name in ("100%", "a_b", r"c\d", "plain")))
    for part, number in (("0%", 1), ("A_", 2), ("\\", 3)):
        assert [head.id for head in store.page(ConnectionFilter(name_contains=part), ("name", False), None, 9)] == [
            number
        ]


async def test_deleted_ones_are_listed_only_when_asked_for(database: Database, store: ConnectionStore) -> None:
    """`show_deleted` adds them."""
    await created(database, store, connection(), connection())
    await database.write(lambda: store.delete(1))
    for shown, expected in ((False, [2]), (True, [1, 2])):
        heads = store.page(ConnectionFilter(show_deleted=shown), ("create_time", False), None, 9)
        assert [head.id for head in heads] == expected
