"""Brings everything that is encrypted or hashed under the first key.

It may be cut off at any time and run again: what is done counts, what is left is found by its key id. Meanwhile
everything works, as long as the older keys are still in the box.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from peewee import Expression, Field

from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.assignments import user_hashes
from wuzapi_manager_server.storage.checksums import intact
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.idempotency import Remembered
from wuzapi_manager_server.storage.models import Assignment, DatabaseConnection, IdempotencyRequest
from wuzapi_manager_server.storage.secrets_at_rest import (
    SECRET_COLUMNS,
    assignment_place,
    connection_place,
    decrypted,
    key_id_of,
)

BATCH = 200


@dataclass(frozen=True)
class Rotated:
    """How many secrets of connections, assigned users and remembered requests were brought under the first key."""

    secrets: int = 0
    users: int = 0
    requests: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.secrets + self.users + self.requests


async def rotate(database: Database, box: SecretBox, progress: Callable[[Rotated], None] = lambda _: None) -> Rotated:
    """Re-encrypts what is not under the first key, 200 rows a transaction; `progress` is told after each.

    Afterwards the older keys are needed no more. DatabaseError where something does not decrypt; what was done stays.
    """
    rotation = _Rotation(database, box)
    done = Rotated()
    for column in SECRET_COLUMNS:
        while count := await database.write(partial(rotation.secrets, column)):
            done = Rotated(done.secrets + count, done.users, done.requests)
            progress(done)
    while count := await database.write(rotation.users):
        done = Rotated(done.secrets, done.users + count, done.requests)
        progress(done)
    while count := await database.write(rotation.requests):
        done = Rotated(done.secrets, done.users, done.requests + count)
        progress(done)
    return done


class _Rotation:
    """A batch of each kind; every method gives how many rows it changed, 0 at the end."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    def secrets(self, column: Field) -> int:
        table = DatabaseConnection
        rows = self._database.fetch(table.select(table.id, column).where(self._stale(column)).limit(BATCH))
        for connection_id, stored in rows:
            place = connection_place(connection_id, column.name)
            fresh = self._box.encrypt(place, decrypted(self._box, place, stored))
            self._database.run(table.update({column: fresh}).where(table.id == connection_id))
        return len(rows)

    def users(self) -> int:
        table = Assignment
        stale = self._stale(table.user_secret)
        rows = self._database.fetch(
            table.select(table.connection_id, table.user_hash, table.user_secret, table.position)
            .where(stale)
            .limit(BATCH)
        )
        for connection_id, user_hash, stored, position in rows:
            user = decrypted(self._box, assignment_place(connection_id, user_hash), stored)
            fresh = user_hashes(self._box, user)[0]
            secret = self._box.encrypt(assignment_place(connection_id, fresh), user)
            row = (table.connection_id == connection_id) & (table.user_hash == user_hash)
            self._database.run(table.delete().where(row))
            self._database.run(
                table.insert(
                    connection_id=connection_id, user_hash=fresh, user_secret=secret, position=position
                ).on_conflict_replace()
            )
        return len(rows)

    def requests(self) -> int:
        table = IdempotencyRequest
        rows = self._database.fetch(
            table.select(table.scope, table.sealed).where(self._stale(table.sealed)).limit(BATCH)
        )
        for scope, sealed in rows:
            kept = Remembered.opened(self._box, scope, sealed)
            fresh = kept.places(self._box)[0]
            values = {table.scope: fresh, table.sealed: kept.sealed(self._box, fresh)}
            self._database.run(table.update(values).where(table.scope == scope))
        return len(rows)

    def _stale(self, column: Field) -> Expression:
        return column.is_null(False) & (key_id_of(column) != self._box.key_ids[0]) & intact(column.model)
