"""Keeps connections. Reads cost microseconds and run anywhere; writes run within `Database.write`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import orjson
from peewee import SQL, Tuple

from wuzapi_manager_server.domain.connection import Connection, ConnectionStatus, ConnectionTest, ConnectionType
from wuzapi_manager_server.domain.table import Step
from wuzapi_manager_server.errors import AlreadyExists, NotFound, Text
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.assignments import Assignments, Head
from wuzapi_manager_server.storage.checksums import intact
from wuzapi_manager_server.storage.connection_rows import (
    SECRET_COLUMN,
    StoredConnection,
    connection_of,
    status_text,
    test_text,
    values_of,
)
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.models import (
    Assignment,
    Clock,
    DatabaseConnection,
    compiled,
    moment_text,
    named,
)
from wuzapi_manager_server.storage.secrets_at_rest import SECRET_COLUMNS, connection_place, decrypted

__all__ = ["ConnectionFilter", "ConnectionStore", "Head"]

PURGE_BATCH = 500

_C = DatabaseConnection
_THIS = _C.id == named("id")
_THIS_INTACT = _THIS & intact(_C)
_IDS = SQL("(SELECT value FROM json_each(:ids))")
_ORDER = {"name": _C.name, "create_time": _C.created_at, "update_time": _C.updated_at}
_CHANGE = {_C.version: SQL("version + 1"), _C.updated_at: named("updated_at")}
_GIVEN_HERE = {"id", "version", "created_at", "updated_at", "deleted_at", *(field.name for field in SECRET_COLUMNS)}
_DECIDED = [
    field
    for field in _C._meta.sorted_fields  # noqa: SLF001 - Peewee's documented place of a model's fields
    if field.name not in _GIVEN_HERE
]

_VERSION = compiled(_C.select(_C.version, _C.deleted_at).where(_THIS))
_BY_ID = compiled(_C.select().where(_THIS_INTACT))
_BY_IDS = compiled(_C.select().where(_C.id.in_(_IDS) & intact(_C)))
_INSERT = compiled(
    _C.insert(
        {field: named(field.name) for field in (*_DECIDED, _C.created_at, _C.updated_at)} | {_C.version: SQL("1")}
    ).returning(_C.id)
)
_REPLACE = compiled(_C.update({field: named(field.name) for field in _DECIDED} | _CHANGE).where(_THIS_INTACT))
_SET_SECRETS = compiled(_C.update({field: named(field.name) for field in SECRET_COLUMNS}).where(_THIS_INTACT))
_SET_STATUS = compiled(_C.update({_C.status: named("status"), **_CHANGE}).where(_THIS_INTACT))
_SET_TESTED = compiled(
    _C.update({_C.status: named("status"), _C.last_test: named("last_test"), **_CHANGE}).where(_THIS_INTACT)
)
_SET_DELETED = compiled(_C.update({_C.deleted_at: named("deleted_at"), **_CHANGE}).where(_THIS_INTACT))
_TOUCH = compiled(_C.update(_CHANGE).where(_THIS_INTACT))
_DELETED_BEFORE = compiled(
    _C.select(_C.id).where(_C.deleted_at < named("before")).order_by(_C.deleted_at).limit(named("limit"))
)
_PURGE = compiled(_C.delete().where(_C.id.in_(_IDS)))
_PURGE_USERS = compiled(Assignment.delete().where(Assignment.connection_id.in_(_IDS)))


@dataclass(frozen=True)
class ConnectionFilter:
    """Which connections to list; None and empty mean any. `name_contains` ignores the case of ASCII letters."""

    type: ConnectionType | None = None
    status: ConnectionStatus | None = None
    assigned_user: str = ""
    name_contains: str = ""
    show_deleted: bool = False


class ConnectionStore:
    """Keeps connections, their secrets and their users.

    Changes give the connection as it is then, without its secret. They raise NotFound where it is not there or deleted.
    DatabaseError DATA_LOSS tells of a secret that does not decrypt.
    """

    def __init__(self, database: Database, box: SecretBox, clock: Clock) -> None:
        self._database = database
        self._box = box
        self._clock = clock
        self._users = Assignments(database, box)

    def now(self) -> datetime:
        """The moment that a change would be made at."""
        return self._clock()

    def version(self, connection_id: int) -> int | None:
        """The current version, also of a deleted one; None when there is none."""
        found = self._database.rows(_VERSION, {"id": connection_id})
        return int(found[0][0]) if found else None

    def get(self, connection_id: int, *, secrets: bool = False, deleted: bool = True) -> Connection | None:
        """One connection, with its secret if asked for; None where there is none, or a deleted one is not asked for."""
        found = self._database.rows(_BY_ID, {"id": connection_id})
        connections = self._connections(found, secrets=secrets)
        if not connections or (connections[0].delete_time is not None and not deleted):
            return None
        return connections[0]

    def get_many(self, connection_ids: Sequence[int]) -> list[Connection]:
        """Those of these connections that are there, also deleted ones, in the order asked for."""
        found = self._database.rows(_BY_IDS, {"ids": _json(connection_ids)})
        by_id = {connection.id: connection for connection in self._connections(found, secrets=False)}
        return [by_id[connection_id] for connection_id in connection_ids if connection_id in by_id]

    def page(
        self, wanted: ConnectionFilter, order: tuple[str, bool], after: tuple[str, int] | None, limit: int
    ) -> list[Head]:
        """A page of a list. `order` is name, create_time or update_time and whether downwards, ties go by id likewise.

        `after` is the sort value and id of the last one read. A filter that few connections pass reads many: then it
        is a long read.
        """
        text = page_text(
            order,
            type_=wanted.type is not None,
            status=wanted.status is not None,
            user=bool(wanted.assigned_user),
            name=bool(wanted.name_contains),
            deleted=wanted.show_deleted,
            after=after is not None,
        )
        values: dict[str, object] = {"limit": limit}
        if wanted.type:
            values["type"] = wanted.type.value
        if wanted.status:
            values["status"] = status_text(wanted.status)
        if wanted.assigned_user:
            values["users"] = _json([found.hex() for found in self._users.hashes([wanted.assigned_user])])
        if wanted.name_contains:
            values["name"] = f"%{_like_literal(wanted.name_contains)}%"
        if after:
            values["value"], values["id"] = after
        return [Head(*row) for row in self._database.rows(text, values)]

    def user_page(self, identities: Iterable[str], after_id: int, limit: int) -> list[Head]:
        """The undeleted connections assigned to any of these texts, oldest first, behind `after_id` (0 starts).

        The cost follows from the page, not from how many connections or users there are.
        """
        return self._users.page(identities, after_id, limit)

    def is_assigned(self, connection_id: int, identities: Iterable[str]) -> bool:
        """Whether the connection is assigned to any of these texts."""
        return self._users.includes(connection_id, identities)

    def create(self, connection: Connection) -> Connection:
        """Stores a new connection; its id, version and times are given here."""
        now = moment_text(self._clock())
        values = values_of(connection) | {"created_at": now, "updated_at": now}
        connection_id = int(self._database.rows(_INSERT, values)[0][0])
        self._set_secret(connection_id, connection)
        self._users.set(connection_id, connection.assigned_users)
        return self._stored(connection_id)

    def replace(self, connection: Connection) -> Connection:
        """Stores a connection in place of the one of its id.

        The stored secret stays where `source.secret` is empty and `source.has_secret` is true and the type of the
        source is the same, else the given one takes its place.
        """
        connection_id = connection.id
        self._expect(connection_id)
        before = StoredConnection(*self._database.rows(_BY_ID, {"id": connection_id})[0])
        self._database.changed(_REPLACE, values_of(connection) | self._change(connection_id))
        source = connection.source
        keep = source.has_secret and not source.secret and before.type == source.type.value
        if not keep:
            self._set_secret(connection_id, connection)
        self._users.set(connection_id, connection.assigned_users)
        return self._stored(connection_id)

    def set_status(self, connection_id: int, status: ConnectionStatus) -> Connection:
        """Sets the status alone."""
        self._expect(connection_id)
        self._database.changed(_SET_STATUS, {"status": status_text(status), **self._change(connection_id)})
        return self._stored(connection_id)

    def set_tested(self, connection_id: int, steps: Sequence[Step]) -> Connection:
        """Keeps how a test went that ended now, and sets the status by it."""
        self._expect(connection_id)
        test = ConnectionTest(self._clock(), tuple(steps))
        status = ConnectionStatus.CONNECTED if test.ok else ConnectionStatus.ERROR
        values = {"status": status_text(status), "last_test": test_text(test), **self._change(connection_id)}
        self._database.changed(_SET_TESTED, values)
        return self._stored(connection_id)

    def assign(self, connection_id: int, users: Iterable[str]) -> Connection:
        """Adds users. Where all are assigned already, nothing changes, the version neither."""
        return self._change_users(connection_id, lambda: self._users.add(connection_id, users))

    def unassign(self, connection_id: int, users: Iterable[str]) -> Connection:
        """Removes users. Where none is assigned, nothing changes, the version neither."""
        return self._change_users(connection_id, lambda: self._users.remove(connection_id, users))

    def delete(self, connection_id: int) -> Connection:
        """Marks a connection as deleted; `purge` removes it later."""
        self._expect(connection_id)
        return self._set_deleted(connection_id, moment_text(self._clock()))

    def undelete(self, connection_id: int) -> Connection:
        """Takes the mark away. AlreadyExists where there is none."""
        if self._expect(connection_id, deleted=True) is None:
            raise AlreadyExists(
                Text(f"Connection {connection_id} is not deleted", f"A conexão {connection_id} não está excluída"),
                metadata={"id": str(connection_id)},
            )
        return self._set_deleted(connection_id, None)

    def purge(self, before: datetime) -> list[int]:
        """Removes what was deleted before that moment, at most 500 at a time, and gives their ids."""
        found = self._database.rows(_DELETED_BEFORE, {"before": moment_text(before), "limit": PURGE_BATCH})
        gone = [int(row[0]) for row in found]
        ids = {"ids": _json(gone)}
        self._database.changed(_PURGE_USERS, ids)  # also where foreign keys were switched off
        self._database.changed(_PURGE, ids)
        return gone

    def _connections(self, rows: Iterable[Sequence[object]], *, secrets: bool) -> list[Connection]:
        stored = [StoredConnection._make(row) for row in rows]
        users = self._users.users([row.id for row in stored]) if stored else {}
        return [connection_of(row, users.get(row.id, ()), self._secret(row) if secrets else "") for row in stored]

    def _secret(self, row: StoredConnection) -> str:
        if row.secret is None:
            return ""
        return decrypted(self._box, connection_place(row.id, SECRET_COLUMN[ConnectionType(row.type)]), row.secret)

    def _set_secret(self, connection_id: int, connection: Connection) -> None:
        """Stores the source's secret, if it has one, and removes every other."""
        values: dict[str, object] = {field.name: None for field in SECRET_COLUMNS}
        if connection.source.secret:
            column = SECRET_COLUMN[connection.source.type]
            values[column] = self._box.encrypt(connection_place(connection_id, column), connection.source.secret)
        self._database.changed(_SET_SECRETS, {"id": connection_id, **values})

    def _change_users(self, connection_id: int, change: Callable[[], bool]) -> Connection:
        self._expect(connection_id)
        if change():
            self._database.changed(_TOUCH, self._change(connection_id))
        return self._stored(connection_id)

    def _set_deleted(self, connection_id: int, deleted_at: str | None) -> Connection:
        self._database.changed(_SET_DELETED, {"deleted_at": deleted_at, **self._change(connection_id)})
        return self._stored(connection_id)

    def _change(self, connection_id: int) -> dict[str, object]:
        return {"id": connection_id, "updated_at": moment_text(self._clock())}

    def _expect(self, connection_id: int, *, deleted: bool = False) -> str | None:
        """When it was deleted, if it was. NotFound where it is not there, or is deleted and should not be."""
        found = self._database.rows(_VERSION, {"id": connection_id})
        if not found or (found[0][1] and not deleted):
            raise NotFound(
                Text(f"There is no connection {connection_id}", f"Conexão {connection_id} não encontrada"),
                metadata={"id": str(connection_id)},
            )
        deleted_at = found[0][1]
        return str(deleted_at) if deleted_at else None

    def _stored(self, connection_id: int) -> Connection:
        return self._connections(self._database.rows(_BY_ID, {"id": connection_id}), secrets=False)[0]


@lru_cache(maxsize=384)
def page_text(
    order: tuple[str, bool], *, type_: bool, status: bool, user: bool, name: bool, deleted: bool, after: bool
) -> str:
    """The statement of a page of that shape; there are 384 shapes."""
    sorted_by, downwards = _ORDER[order[0]], order[1]
    query = _C.select(_C.id, _C.version, sorted_by)
    if type_:
        query = query.where(_C.type == named("type"))
    if status:
        query = query.where(_C.status == named("status"))
    if user:
        hashes = Assignment.user_hash.in_(SQL("(SELECT unhex(value) FROM json_each(:users))"))
        query = query.where(_C.id.in_(Assignment.select(Assignment.connection_id).where(hashes)))
    if name:
        query = query.where(SQL(r"name LIKE :name ESCAPE '\'"))
    if not deleted:
        query = query.where(_C.deleted_at.is_null())
    if after:
        place, last = Tuple(sorted_by, _C.id), SQL("(:value, :id)")
        query = query.where(place < last if downwards else place > last)
    columns = (sorted_by, _C.id)
    query = query.order_by(*(column.desc() if downwards else column.asc() for column in columns))
    return compiled(query.limit(named("limit")))


def _like_literal(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _json(values: Sequence[object]) -> str:
    return orjson.dumps(list(values)).decode()
