"""What administrators do with connections, and what users see of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from wuzapi_manager_server.domain import audit
from wuzapi_manager_server.domain.connection import Connection, ConnectionStatus, Sharing
from wuzapi_manager_server.domain.connection_rules import MAX_USERS, SUMMARY, users_violations, violations_of
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.link_column import cannot_hold, limits_of
from wuzapi_manager_server.domain.table import SourceTables, Step
from wuzapi_manager_server.errors import (
    NO_TEXT,
    AlreadyExists,
    InvalidInput,
    NotFound,
    PermissionDenied,
    QueryFailed,
    Text,
    Violation,
    etag_mismatch,
    joined,
)
from wuzapi_manager_server.services.once import Once, Request
from wuzapi_manager_server.sources.base import RecordSource
from wuzapi_manager_server.sources.registry import Sources
from wuzapi_manager_server.sources.trial import tried
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.connections import ConnectionFilter, ConnectionStore, Head
from wuzapi_manager_server.storage.database import Database

MAX_BATCH = 1_000
_UNNAMED = "unsaved"
_MAX_TOLD = 20
_NOT_DESCRIBED = frozenset(
    {
        "user_link_field",
        "sqlite.table_name",
        "mysql.table_name",
        "postgresql.table_name",
        "nocodb.table_id",
        "airtable.table_id",
    }
)

Encode = Callable[[Sequence[Connection]], bytes]


class Connections:
    """The use cases of ConnectionService. Callers were admitted before; what is given here was read from messages."""

    def __init__(
        self, database: Database, store: ConnectionStore, once: Once, sources: Sources, audit: AuditStore
    ) -> None:
        self._database = database
        self.store = store
        self._once = once
        self._sources = sources
        self._audit = audit

    async def create(
        self, connections: Sequence[Connection], request: Request, encode: Encode, *, validate_only: bool
    ) -> bytes:
        """Makes all or none. InvalidInput lists what is wrong in any of them, at `connections[i]` for several."""
        for at, connection in enumerate(connections):
            try:
                self._sources.check(connection.source)
            except PermissionDenied as error:
                if len(connections) > 1:
                    error.metadata["index"] = str(at)
                raise
        if validate_only:
            return encode(connections)
        return await self._once.within(request, lambda: encode([self._made(each) for each in connections]))

    def get(self, identifier: int, *, deleted: bool = False) -> Connection:
        """The connection of that id. NotFound where there is none or, without `deleted`, it is deleted."""
        found = self.store.get(identifier)
        if found is None or (found.delete_time and not deleted):
            raise not_found(identifier)
        return found

    async def page(
        self, wanted: ConnectionFilter, order: tuple[str, bool], after: tuple[str, int] | None, limit: int
    ) -> list[Head]:
        """At most `limit` connections behind `after` (a sort value and an id). A search by name reads them all."""

        def found() -> list[Head]:
            return self.store.page(wanted, order, after, limit)

        return await self._database.read_long(found) if wanted.name_contains else found()

    async def change(
        self, identifier: int, etag: str, merge: Callable[[Connection], Connection], *, validate_only: bool
    ) -> Connection:
        """Replaces a connection by what `merge` makes of it and finds valid, in one transaction.

        An empty etag means whatever is.
        """

        def merged() -> Connection:
            current = self._current(identifier, etag)
            changed = merge(current)
            if changed.source != current.source:
                self._sources.check(changed.source)
            return changed

        if validate_only:
            return merged()
        moved = False

        def replaced() -> Connection:
            nonlocal moved
            wanted, before = merged(), self.get(identifier)
            moved = wanted.source != before.source
            secret = {"secret": "replaced"} if wanted.source.secret else {}
            return self._changed(before, self.store.replace(wanted), secret)

        changed = await self._database.write(replaced)
        if moved:  # what calls are reading elsewhere is not cut off
            await self._sources.forget(identifier)
        return changed

    async def set_status(
        self, identifier: int, status: ConnectionStatus, etag: str, *, validate_only: bool
    ) -> Connection:
        """Sets the status alone."""
        if validate_only:
            return replace(self._current(identifier, etag), status=status)

        def set_it() -> Connection:
            before = self._current(identifier, etag)
            return self._changed(before, self.store.set_status(identifier, status))

        return await self._database.write(set_it)

    async def assign(self, identifier: int, users: tuple[str, ...], etag: str, *, validate_only: bool) -> Connection:
        """Adds users. InvalidInput where there would be too many."""

        def assigned() -> Connection:
            current = self._current(identifier, etag)
            everyone = tuple(dict.fromkeys((*current.assigned_users, *users)))
            if violations := list(users_violations(everyone, "users", MAX_USERS)):
                raise InvalidInput(violations)
            if validate_only:
                return replace(current, assigned_users=everyone)
            return self._changed(current, self.store.assign(identifier, users))

        return assigned() if validate_only else await self._database.write(assigned)

    async def unassign(self, identifier: int, users: tuple[str, ...], etag: str, *, validate_only: bool) -> Connection:
        """Removes users."""
        if validate_only:
            current = self._current(identifier, etag)
            return replace(current, assigned_users=tuple(u for u in current.assigned_users if u not in set(users)))

        def unassigned() -> Connection:
            before = self._current(identifier, etag)
            return self._changed(before, self.store.unassign(identifier, users))

        return await self._database.write(unassigned)

    async def delete(self, identifiers: Sequence[int], etag: str, encode: Encode, *, validate_only: bool) -> bytes:
        """Deletes all softly or none. What `encode` raises undoes it."""

        def deleted() -> bytes:
            found = [self._current(identifier, etag) for identifier in identifiers]
            if validate_only:
                now = self.store.now()
                return encode([replace(each, delete_time=now) for each in found])
            return encode([self._changed(each, self.store.delete(each.id)) for each in found])

        if validate_only:
            return deleted()
        gone = await self._database.write(deleted)
        for identifier in identifiers:
            await self._sources.forget(identifier)
        return gone

    async def undelete(self, identifier: int, etag: str, *, validate_only: bool) -> Connection:
        """Brings a deleted one back. AlreadyExists where it is not deleted."""

        def undeleted() -> Connection:
            current = self.store.get(identifier)
            if current is None:
                raise not_found(identifier)
            if current.delete_time is None:
                raise AlreadyExists(
                    Text(f"Connection {identifier} is not deleted", f"A conexão {identifier} não está excluída"),
                    metadata={"id": str(identifier)},
                )
            _expect(current, etag)
            if validate_only:
                return replace(current, delete_time=None)
            return self._changed(current, self.store.undelete(identifier))

        return undeleted() if validate_only else await self._database.write(undeleted)

    async def test(self, connection: Connection, deadline: Deadline) -> tuple[list[Step], Connection | None]:
        """The steps of a test, and the connection with its result where it is a saved one (it has an id)."""
        link = connection.user_link_field if connection.row_scope is Sharing.USER else ""
        source = await self._source(connection)
        try:
            steps = await _judged(await source.test(link, deadline), source, connection, deadline)
        finally:
            if not connection.id:
                await source.close()
        if not connection.id:
            return steps, None

        def kept() -> Connection:
            before = self.get(connection.id)
            if before.tested != connection.tested:  # it was changed meanwhile: this says nothing of it
                return before
            return self._changed(before, self.store.set_tested(connection.id, steps))

        return steps, await self._database.write(kept)

    async def tables(
        self, connection: Connection, after: tuple[str, str], limit: int, deadline: Deadline
    ) -> SourceTables:
        """A page of the tables that a connection can see."""
        source = await self._source(connection)
        try:
            return await source.tables(after, limit, deadline)
        finally:
            if not connection.id:
                await source.close()

    def _made(self, connection: Connection) -> Connection:
        made = self.store.create(connection)
        told = replace(made, source=connection.source)  # it tells whether a secret was given
        self._audit.record(audit.created(_place(made), audit.connection_facts(told, self._audit.handle)))
        return made

    def _changed(self, before: Connection, after: Connection, also: audit.Facts | None = None) -> Connection:
        """Tells the audit log, in the transaction that changes it, where anything did change."""
        if before.version != after.version:
            facts = audit.connection_change(before, after, self._audit.handle)
            self._audit.record(audit.changed(_place(after), facts[0], {**facts[1], **(also or {})}))
        return after

    async def _source(self, connection: Connection) -> RecordSource:
        if connection.id:
            return await self._sources.of(connection)
        return self._sources.unsaved(connection.source)

    def _current(self, identifier: int, etag: str) -> Connection:
        current = self.get(identifier)
        _expect(current, etag)
        return current


def checked_unsaved(connection: Connection, found: Sequence[Violation], *, describe: bool) -> Connection:
    """A connection to try before it is saved: it needs no name and, to be described, no table and no link field.

    InvalidInput with what was `found` to be wrong before, and every other violation.
    """
    named = connection if connection.name else replace(connection, name=_UNNAMED)
    judged = (v for v in violations_of(named) if not (describe and v.missing and v.field in _NOT_DESCRIBED))
    violations = [*judged, *found]
    if violations:
        raise InvalidInput((v.below("connection") for v in violations), summary=SUMMARY)
    return named


def not_found(identifier: int) -> NotFound:
    """There is no connection of that id."""
    return NotFound(
        Text(f"There is no connection {identifier}", f"Conexão {identifier} não encontrada"),
        metadata={"id": str(identifier)},
    )


def _place(connection: Connection) -> str:
    return f"connections/{connection.id}"


def _expect(connection: Connection, etag: str) -> None:
    if etag and etag != connection.etag:
        raise etag_mismatch(connection.etag)


async def _judged(steps: list[Step], source: RecordSource, connection: Connection, deadline: Deadline) -> list[Step]:
    """The steps, ended where what the source has does not fit the connection.

    That is at `columns` where a field is mapped to a column that the table has not, and at `user_link_field` where that
    column cannot hold what stands for a user.
    """

    async def mapped() -> Text:
        table = await source.describe(deadline)
        missing = [each.column for each in connection.field_mappings if table.column(each.column) is None]
        if missing:
            names = ", ".join(f"'{name}'" for name in missing[:_MAX_TOLD])
            raise QueryFailed(
                Text(
                    f"Fields are mapped to columns that the table has not: {names}",
                    f"Há campos mapeados para colunas que a tabela não tem: {names}",
                ),
                suggestion=Text(
                    "Correct column in field_mappings; DescribeSource lists the columns",
                    "Corrija column em field_mappings; DescribeSource lista as colunas",
                ),
            )
        return NO_TEXT

    async def linked() -> Text:
        column = (await source.describe(deadline)).column(connection.user_link_field)
        if column is None:
            return NO_TEXT
        refusal = cannot_hold(column, connection.user_link_value)
        if refusal:
            raise QueryFailed(
                refusal,
                suggestion=Text(
                    "Choose another column as user_link_field, one of text, or another user_link_value",
                    "Escolha outro campo como user_link_field, de texto, ou outro user_link_value",
                ),
            )
        return limits_of(column)

    judges = {"columns": mapped, "user_link_field": linked}
    judged: list[Step] = []
    for step in steps:
        judge = judges.get(step.name) if step.ok else None
        (verdict,) = await tried({step.name: judge}) if judge else (step,)
        if not verdict.ok:
            return [*judged, verdict]
        judged.append(step._replace(message=joined((step.message, verdict.message))) if judge else step)
    return judged
