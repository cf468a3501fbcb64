"""Who may use which connection: found by a keyed hash of the user's text, shown by decrypting it.

A user's connections are looked up by hash, so they cost the same whatever the number of connections and users.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import orjson
from peewee import SQL, fn

from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.checksums import intact
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.models import Assignment, DatabaseConnection, compiled, named
from wuzapi_manager_server.storage.secrets_at_rest import assignment_place, decrypted

REMEMBERED = 20_000

_A, _C = Assignment, DatabaseConnection
_THIS = (_A.user_hash == named("user_hash")) & (_A.connection_id == named("connection_id")) & intact(_A)
_FOR = compiled(
    _A.select(_A.connection_id, _A.user_hash, _A.user_secret)
    .where(_A.connection_id.in_(SQL("(SELECT value FROM json_each(:ids))")) & intact(_A))
    .order_by(_A.connection_id, _A.position)
)
_POSITIONS = compiled(
    _A.select(_A.user_hash, _A.position).where((_A.connection_id == named("connection_id")) & intact(_A))
)
_HAS = compiled(_A.select(SQL("1")).where(_THIS))
_NEXT = compiled(_A.select(fn.MAX(_A.position)).where(_A.connection_id == named("connection_id")))
_ADD = compiled(
    _A.insert({field: named(field.name) for field in (_A.connection_id, _A.user_hash, _A.user_secret, _A.position)})
)
_MOVE = compiled(_A.update({_A.position: named("position")}).where(_THIS))
_REMOVE = compiled(_A.delete().where(_THIS))
USER_PAGE = compiled(
    _A.select(_A.connection_id, _C.version)
    .join(_C, on=(_C.id == _A.connection_id))
    .where((_A.user_hash == named("user_hash")) & (_A.connection_id > named("after")) & intact(_A))
    .where(_C.deleted_at.is_null())
    .order_by(_A.connection_id)
    .limit(named("limit"))
)


class Head(NamedTuple):
    """A connection in a list: what a cache needs to know of it, and its place in the order."""

    id: int
    version: int
    sort_value: str = ""


class Assignments:
    """Reads and writes the users of connections."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box
        # Decrypting takes 22 µs, of which a connection may need 10,000; what a stored text decrypts to never changes.
        self._text = lru_cache(REMEMBERED)(partial(decrypted, box))

    def users(self, connection_ids: Sequence[int]) -> dict[int, list[str]]:
        """The users' texts by connection, in the order they were assigned."""
        found: dict[int, list[str]] = {}
        ids = orjson.dumps(list(connection_ids)).decode()
        for connection_id, user_hash, stored in self._database.rows(_FOR, {"ids": ids}):
            text = self._text(assignment_place(connection_id, user_hash), stored)
            found.setdefault(connection_id, []).append(text)
        return found

    def includes(self, connection_id: int, identities: Iterable[str]) -> bool:
        """Whether the connection is assigned to any of these texts."""
        return any(
            self._database.rows(_HAS, {"user_hash": user_hash, "connection_id": connection_id})
            for user_hash in self.hashes(identities)
        )

    def page(self, identities: Iterable[str], after: int, limit: int) -> list[Head]:
        """The undeleted connections assigned to any of these texts, by id, behind the id `after`."""
        found: dict[int, int] = {}
        for user_hash in self.hashes(identities):
            values = {"user_hash": user_hash, "after": after, "limit": limit}
            found.update(self._database.rows(USER_PAGE, values))
        return [Head(connection_id, found[connection_id]) for connection_id in sorted(found)[:limit]]

    def add(self, connection_id: int, users: Iterable[str]) -> bool:
        """Appends those that are not assigned yet, and says whether there were any."""
        new = [user for user in dict.fromkeys(users) if not self.includes(connection_id, [user])]
        last = self._database.rows(_NEXT, {"connection_id": connection_id})[0][0]
        first = 0 if last is None else last + 1
        for position, user in enumerate(new, start=first):
            self._insert(connection_id, user, position)
        return bool(new)

    def remove(self, connection_id: int, users: Iterable[str]) -> bool:
        """Removes those that are assigned, and says whether there were any."""
        gone = [self._delete(connection_id, user_hash) for user_hash in self.hashes(users)]
        return any(gone)

    def set(self, connection_id: int, users: Iterable[str]) -> None:
        """Makes these the users, in this order. Texts that are there already are not encrypted anew."""
        wanted = {self._hashes(user)[0]: user for user in users}
        found: dict[bytes, int] = dict(self._database.rows(_POSITIONS, {"connection_id": connection_id}))
        for user_hash in found.keys() - wanted.keys():
            self._delete(connection_id, user_hash)
        for position, (user_hash, user) in enumerate(wanted.items()):
            if found.get(user_hash) == position:
                continue
            if user_hash in found:
                values = {"user_hash": user_hash, "connection_id": connection_id, "position": position}
                self._database.changed(_MOVE, values)
            else:
                self._insert(connection_id, user, position)

    def hashes(self, users: Iterable[str]) -> list[bytes]:
        """What these texts may be found by: the hashes by every key, since rows of older keys may be left."""
        return [user_hash for user in users for user_hash in self._hashes(user)]

    def _hashes(self, user: str) -> tuple[bytes, ...]:
        return user_hashes(self._box, user)

    def _insert(self, connection_id: int, user: str, position: int) -> None:
        user_hash = self._hashes(user)[0]
        stored = self._box.encrypt(assignment_place(connection_id, user_hash), user)
        self._database.changed(
            _ADD,
            {"connection_id": connection_id, "user_hash": user_hash, "user_secret": stored, "position": position},
        )

    def _delete(self, connection_id: int, user_hash: bytes) -> bool:
        return self._database.changed(_REMOVE, {"user_hash": user_hash, "connection_id": connection_id}) > 0


def user_hashes(box: SecretBox, user: str) -> tuple[bytes, ...]:
    """The hashes of a user's text by every key, the first key's first."""
    return box.digests("assigned user", user.encode())
