"""Secrets at rest: nothing readable in the files, nothing movable, and every key brought up to date."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.integration.storage.conftest import Clock
from tests.integration.storage.examples import SOURCES, connection
from wuzapi_manager_server.domain.connection import Sqlite
from wuzapi_manager_server.errors import Code, Conflict, DatabaseError
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage import rotation
from wuzapi_manager_server.storage.connections import ConnectionFilter, ConnectionStore
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.idempotency import IdempotencyStore
from wuzapi_manager_server.storage.rotation import Rotated, rotate
from wuzapi_manager_server.storage.secret_keys import KEYS_FILE, add_key, open_box
from wuzapi_manager_server.storage.secrets_at_rest import keys_in_use


def kept_bytes(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


async def test_no_secret_is_readable_in_the_files(
    database: Database, box: SecretBox, clock: Clock, store: ConnectionStore, path: Path
) -> None:
    """Passwords, tokens, users, request ids, bodies and answers are in neither database nor WAL, nor after a delete."""
    planted = [f"planted-{number}-secret" for number in range(9)]
    sources = [
        replace(source, secret=planted[at]) for at, source in enumerate(SOURCES) if not isinstance(source, Sqlite)
    ]
    requests = IdempotencyStore(database, box, clock)
    for source in sources:
        await database.write(partial(store.create, connection(source, assigned_users=tuple(planted[5:7]))))
    await database.write(lambda: requests.begin(planted[7].encode(), planted[8].encode()))
    await database.write(lambda: requests.finish(planted[7].encode(), planted[0].encode()))
    await database.write(lambda: store.replace(connection(SOURCES[0], id=1, assigned_users=())))
    for moment in ("open", "closed"):
        found = kept_bytes(path)
        assert "Conexão".encode() in found, moment
        for secret in planted:
            assert secret.encode() not in found, moment
        if moment == "open":
            await database.close()


async def test_a_moved_secret_does_not_decrypt(database: Database, store: ConnectionStore) -> None:
    """A password copied to another connection's row is DATA_LOSS there, and says nothing."""
    await database.write(lambda: [store.create(connection(SOURCES[3])) for _ in range(2)])
    await database.write(
        lambda: database.changed(
            "UPDATE database_connections SET password = (SELECT password FROM database_connections WHERE id = 1)"
        )
    )
    assert store.get(1, secrets=True) is not None
    with pytest.raises(DatabaseError) as raised:
        store.get(2, secrets=True)
    assert raised.value.code is Code.DATA_LOSS
    assert raised.value.text.pt == "Um segredo armazenado não pode ser descriptografado"
    assert store.get(2) is not None


@pytest.mark.parametrize(
    "move",
    [
        (
            "UPDATE connection_assignments SET user_secret = (SELECT user_secret FROM connection_assignments"
            " WHERE connection_id = 1) WHERE connection_id = 2"
        ),
        "UPDATE connection_assignments SET user_hash = x'1234' WHERE connection_id = 2",
        "UPDATE connection_assignments SET connection_id = 2 WHERE connection_id = 1",
    ],
)
async def test_a_moved_assignment_does_not_decrypt(database: Database, store: ConnectionStore, move: str) -> None:
    """Neither the text nor the hash nor the connection of an assignment can be exchanged."""
    await database.write(
        lambda: [store.create(connection(assigned_users=(user,))) for user in ("first-user", "second-user")]
    )
    await database.write(lambda: database.changed(move))
    with pytest.raises(DatabaseError):
        store.get(2)


async def test_rotation_brings_everything_under_the_first_key(
    database: Database, box: SecretBox, clock: Clock, store: ConnectionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Afterwards the new key alone reads all secrets, finds all users and repeats all answers; versions stay."""
    monkeypatch.setattr(rotation, "BATCH", 3)
    requests = IdempotencyStore(database, box, clock)
    await database.write(lambda: [store.create(connection(source)) for source in SOURCES])
    await database.write(lambda: store.delete(2))
    for number in range(4):
        await database.write(partial(requests.begin, bytes([number]), b"body"))
    await database.write(lambda: requests.finish(b"\0", b"answer"))
    old = box.key_ids[0]
    before = store.get_many(range(1, 6))
    new = SecretBox.new_key()
    both = SecretBox([new, box_key(box)])
    told: list[int] = []
    assert await rotate(database, both, lambda done: told.append(done.total)) == Rotated(4, 15, 4)
    assert told == sorted(told)
    assert told[-1] == 23
    assert await rotate(database, both) == Rotated()
    assert old not in keys_in_use(database)
    alone = SecretBox([new])
    fresh = ConnectionStore(database, alone, clock)
    assert fresh.get_many(range(1, 6)) == before
    for source, number in zip(SOURCES, range(1, 6), strict=True):
        found = fresh.get(number, secrets=True)
        assert found is not None
        assert found.source.secret == source.secret
    assert [head.id for head in fresh.user_page(("zoe",), 0, 9)] == [1, 3, 4, 5]
    repeated = IdempotencyStore(database, alone, clock)
    assert await database.write(lambda: repeated.begin(b"\0", b"body")) == b"answer"
    with pytest.raises(Conflict):
        await database.write(lambda: repeated.begin(b"\1", b"body"))


def box_key(box: SecretBox) -> str:
    return box._keys[0].decode()


async def test_everything_works_before_and_during_a_rotation(
    database: Database, box: SecretBox, clock: Clock, store: ConnectionStore
) -> None:
    """With a new first key, users of the old one are found, not assigned twice, and removed; answers are repeated."""
    await database.write(lambda: store.create(connection(assigned_users=("ana", "bob"))))
    requests = IdempotencyStore(database, box, clock)
    await database.write(lambda: requests.begin(b"scope", b"body"))
    await database.write(lambda: requests.finish(b"scope", b"answer"))
    both = SecretBox([SecretBox.new_key(), box_key(box)])
    store = ConnectionStore(database, both, clock)
    assert store.is_assigned(1, ["ana"])
    assert [head.id for head in store.user_page(("bob", "ana"), 0, 9)] == [1]
    assert [head.id for head in store.page(ConnectionFilter(assigned_user="bob"), ("name", True), None, 9)] == [1]
    assert (await database.write(lambda: store.assign(1, ["ana"]))).version == 1
    changed = await database.write(lambda: store.replace(connection(id=1, assigned_users=("bob", "ana", "new"))))
    assert changed.assigned_users == ("bob", "ana", "new")
    assert (await database.write(lambda: store.unassign(1, ["bob"]))).assigned_users == ("ana", "new")
    requests = IdempotencyStore(database, both, clock)
    assert await database.write(lambda: requests.begin(b"scope", b"body")) == b"answer"
    await database.write(lambda: requests.abandon(b"scope"))
    assert await database.write(lambda: requests.begin(b"scope", b"other")) is None


async def test_a_rotation_that_was_cut_off_goes_on(
    database: Database, box: SecretBox, clock: Clock, store: ConnectionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done before an interruption counts, and the next run does the rest."""
    monkeypatch.setattr(rotation, "BATCH", 2)
    await database.write(lambda: [store.create(connection(SOURCES[3])) for _ in range(5)])
    both = SecretBox([SecretBox.new_key(), box_key(box)])

    class Stop(Exception):
        pass

    def stop(done: Rotated) -> None:
        if done.total == 4:
            raise Stop

    with pytest.raises(Stop):
        await rotate(database, both, stop)
    assert await rotate(database, both) == Rotated(1, 15, 0)


async def test_rotation_stops_at_what_does_not_decrypt(
    database: Database, store: ConnectionStore, box: SecretBox
) -> None:
    """Without the old key nothing is rotated and nothing is lost."""
    await database.write(lambda: store.create(connection(SOURCES[3])))
    before = database.rows("SELECT password FROM database_connections")
    with pytest.raises(DatabaseError) as raised:
        await rotate(database, SecretBox([SecretBox.new_key()]))
    assert raised.value.code is Code.DATA_LOSS
    assert database.rows("SELECT password FROM database_connections") == before


async def test_the_start_names_a_missing_key(
    database: Database, box: SecretBox, store: ConnectionStore, path: Path
) -> None:
    """Rows of a key that is not in SECRET_KEYS stop the start with that key's id and what to do."""
    await database.write(lambda: store.create(connection(assigned_users=("ana",))))
    with pytest.raises(DatabaseError) as raised:
        open_box(database, [SecretBox.new_key()], path.parent)
    assert box.key_ids[0] in raised.value.text.en
    assert raised.value.suggestion is not None
    assert "SECRET_KEYS" in raised.value.suggestion.en
    assert open_box(database, [SecretBox.new_key(), box_key(box)], path.parent).key_ids[1] == box.key_ids[0]


async def test_no_new_key_is_made_for_secrets_that_have_one(
    database: Database, store: ConnectionStore, path: Path
) -> None:
    """When the key's file is gone and rows are encrypted, the start stops and no file appears."""
    await database.write(lambda: store.create(connection(assigned_users=("ana",))))
    with pytest.raises(DatabaseError, match="key is gone"):
        open_box(database, [], path.parent)
    assert not (path.parent / KEYS_FILE).exists()


async def test_a_first_start_makes_a_key_and_later_ones_keep_it(database: Database, clock: Clock, path: Path) -> None:
    """The made key encrypts, is found again, and one that is added before it takes over."""
    first = open_box(database, [], path.parent)
    store = ConnectionStore(database, first, clock)
    await database.write(lambda: store.create(connection(SOURCES[3])))
    assert open_box(database, [], path.parent).key_ids == first.key_ids
    add_key(path.parent)
    second = open_box(database, [], path.parent)
    assert second.key_ids[1:] == first.key_ids
    assert (await rotate(database, second)).total == 4
    assert keys_in_use(database) == {second.key_ids[0]}


@pytest.mark.parametrize("content", ["", "not a key\n", "é\n"])
async def test_a_broken_keys_file_is_told(database: Database, path: Path, content: str) -> None:
    """A file without a usable key stops the start, and the sentence names the file, not its content."""
    (path.parent / KEYS_FILE).write_text(content)
    with pytest.raises(DatabaseError, match="not a Fernet key") as raised:
        open_box(database, [], path.parent)
    assert raised.value.suggestion is not None
    assert KEYS_FILE in raised.value.suggestion.en


async def test_old_requests_do_not_outlive_their_day(database: Database, box: SecretBox, clock: Clock) -> None:
    """The purge removes remembered requests in bounded batches, so their key is not needed for ever."""
    requests = IdempotencyStore(database, box, clock)
    await database.write(lambda: [requests.begin(f"{number}".encode(), b"") for number in range(501)])
    assert keys_in_use(database) == {box.key_ids[0]}
    later = clock() + timedelta(hours=1)
    assert await database.write(lambda: requests.purge(later)) == 500
    assert await database.write(lambda: requests.purge(later)) == 1
    assert await database.write(lambda: requests.purge(later)) == 0
    assert keys_in_use(database) == set()
