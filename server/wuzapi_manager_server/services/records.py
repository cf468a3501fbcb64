"""What users do with their own rows, and the administrator with all.

Every use case begins with `Records.open`: it admits the caller to the connection and gives an `OpenTable`, which holds
the row scope and is the only way from here to a source. Nothing below it can be reached without a scope.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from wuzapi_manager_server.domain.caller import Caller, User
from wuzapi_manager_server.domain.columns import Written, json_values, objects_of, written
from wuzapi_manager_server.domain.connection import Connection
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.fields import OWNERLESS, Field, Fields, Order
from wuzapi_manager_server.domain.row_scope import RowScope
from wuzapi_manager_server.domain.rows import Rows
from wuzapi_manager_server.domain.table import Cell, Json, Key, Row, Table
from wuzapi_manager_server.errors import (
    InvalidInput,
    NotFound,
    PermissionDenied,
    QueryFailed,
    Text,
    Violation,
    etag_mismatch,
    record_not_found,
)
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.audit import Audit
from wuzapi_manager_server.services.described import Described
from wuzapi_manager_server.services.record_ids import RecordIds
from wuzapi_manager_server.sources.base import Change, Guard, Outcome, Query, RecordSource, Sort, Where
from wuzapi_manager_server.sources.registry import Sources
from wuzapi_manager_server.storage.connections import ConnectionStore

MAX_BATCH = 1_000
MASK = "update_mask"
_FETCHED_AT_ONCE = 200


class Record(NamedTuple):
    """A row as its caller sees it: id, values by field, etag."""

    id: str
    fields: dict[str, Json]
    etag: str


class Shown(NamedTuple):
    """Records of a list: for each an id, an etag and the place behind it, and the columns of the fields `names`."""

    ids: Sequence[str]
    etags: Sequence[str]
    places: Sequence[Key]
    names: Sequence[str]
    columns: Sequence[Sequence[Written]]

    def first(self, count: int) -> "Shown":
        """The first of them."""
        if count >= len(self.ids):
            return self
        columns = [column[:count] for column in self.columns]
        return Shown(self.ids[:count], self.etags[:count], self.places[:count], self.names, columns)


class Edit(NamedTuple):
    """New values by field for the record of `id`; `etag` empty means whatever is current."""

    id: str
    fields: Mapping[str, Json]
    etag: str


class Result(NamedTuple):
    """How one item of a write went: the record as it is now, or why it was refused. Both None: it is deleted."""

    record: Record | None
    error: Exception | None


class Records:
    """Admits callers to the tables of connections.

    As a cache it holds connections as they were read last; `hits` and `misses` count how often one was still current.
    """

    name = "record connections"

    def __init__(
        self, store: ConnectionStore, sources: Sources, box: SecretBox, audit: Audit, kept: int = 1_000
    ) -> None:
        self._store = store
        self._sources = sources
        self._box = box
        self._audit = audit
        self._kept = kept
        self._connections: dict[int, Connection] = {}
        self._described = Described(kept)
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._connections)

    def clear(self) -> None:
        """Reads everything anew."""
        self._connections.clear()
        self._described.clear()

    async def open(self, caller: Caller, connection_id: int, as_user: str, deadline: Deadline) -> "OpenTable":
        """The table of a connection in the scope of the caller.

        PermissionDenied for a user to whom it is not assigned (or where there is none, which a user cannot tell
        apart), NotFound for the administrator.
        """
        if isinstance(caller, User) and not self._store.is_assigned(connection_id, caller.identities):
            raise PermissionDenied(
                Text(
                    f"Connection {connection_id} is not assigned to this user",
                    f"A conexão {connection_id} não está atribuída a este usuário",
                ),
                suggestion=Text("Ask the administrator to assign it", "Peça ao administrador que a atribua"),
            )
        connection = self._connection(connection_id)
        scope = RowScope.of(caller, connection, as_user)
        source = await self._sources.of(connection)
        table, fields = await self._described.fields(source, connection, scope, deadline)
        ids = RecordIds(self._box, connection, table, fields.secret)
        return OpenTable(connection, source, table, scope, fields, ids, self._box, self._audit)

    def _connection(self, identifier: int) -> Connection:
        """The connection as it is now: its version is read every time, the rest when that has changed."""
        version = self._store.version(identifier)
        kept = self._connections.get(identifier)
        if version is not None and (kept is None or kept.version != version):
            kept = self._store.get(identifier)
            self.misses += 1
        else:
            self.hits += 1
        if version is None or kept is None or kept.delete_time:
            self._connections.pop(identifier, None)
            raise NotFound(
                Text(f"There is no connection {identifier}", f"Conexão {identifier} não encontrada"),
                metadata={"id": str(identifier)},
            )
        while len(self._connections) >= self._kept:
            self._connections.pop(next(iter(self._connections)))
        self._connections[identifier] = kept
        return kept


@dataclass(frozen=True)
class OpenTable:
    """A table in the scope of a caller."""

    connection: Connection
    source: RecordSource
    table: Table
    scope: RowScope
    fields: Fields
    ids: RecordIds
    box: SecretBox
    audit: Audit

    async def find(
        self,
        *,
        where: Where | None,
        order: Sequence[Order],
        fields: Sequence[Field],
        after: Key,
        limit: int,
        deadline: Deadline,
    ) -> AsyncGenerator[Shown]:
        """At most `limit` records behind the place `after`, some hundred at once."""
        sorts = tuple(Sort(*each) for each in order)
        by_key = bool(self.table.primary_key)
        passed = 0 if by_key else _offset(after)
        while limit > 0:
            asked = min(limit, _FETCHED_AT_ONCE)
            query = Query(
                self.scope.owner,
                where,
                sorts,
                after=after if by_key else (),
                offset=passed,
                limit=asked,
                table=self.table,
            )
            rows = Rows.of(await self.source.fetch(query, deadline))
            if rows:
                places = rows.cursors if by_key else [(passed + at,) for at in range(1, len(rows) + 1)]
                yield self._shown(rows, places, fields)
            if len(rows) < asked:
                return
            limit -= asked
            if by_key:
                after = rows.cursors[-1]
            else:
                passed += asked

    async def count(self, where: Where | None, deadline: Deadline) -> int:
        """How many records match."""
        return await self.source.count(self.scope.owner, where, deadline)

    async def get(self, identifier: str, fields: Sequence[Field], deadline: Deadline) -> Record:
        """The record of that id. NotFound where there is none in the scope."""
        row = await self.source.get(self.ids.take(identifier), self.scope.owner, deadline, table=self.table)
        if row is None:
            raise record_not_found()
        return self.record(row, fields)

    def prepared(self, many: Sequence[Mapping[str, Json]], path: Callable[[int], str]) -> list[dict[str, Cell]]:
        """The cells of new rows, stamped. InvalidInput with every violation of all of them, below `path` of each."""
        self.insist_on_writing()
        rows: list[dict[str, Cell]] = []
        told = all(self.fields.tells_owner(self.scope, values) for values in many)
        violations = [] if told else [OWNERLESS]
        for at, values in enumerate(many):
            cells, found = self.fields.cells(values, creating=True)
            violations.extend(violation.below(path(at)) for violation in found)
            rows.append(cells)
        if violations:
            raise InvalidInput(violations)
        return [self.fields.stamp(self.scope, cells) for cells in rows]

    async def create(
        self, rows: Sequence[Mapping[str, Cell]], deadline: Deadline, *, stop: bool = False
    ) -> list[Result]:
        """Makes rows that `prepared` gave; with `stop` none behind the first that is refused."""
        outcomes = await self.source.insert(rows, self.scope.owner, deadline, table=self.table, stop=stop)
        await self._tell(outcomes, rows)
        return self._results(outcomes)

    def changes(
        self, edits: Sequence[Edit], path: Callable[[int], str], known: Sequence[Violation] = ()
    ) -> list[Change]:
        """What the source is to change.

        InvalidInput with every violation of all of them, below `path` of each, and those `known` before.
        """
        self.insist_on_writing()
        changes: list[Change] = []
        violations = [*known]
        masked_badly = any(violation.field == MASK for violation in known)
        for at, edit in enumerate(edits):
            cells, found = self.fields.cells(edit.fields, creating=False)
            violations.extend(violation.below(path(at)) for violation in found)
            if not edit.fields and not masked_badly:
                violations.append(
                    Violation(path(at), Text("must set at least one field", "Informe ao menos um campo"), missing=True)
                )
            if not violations:
                changes.append(Change(self.key(edit.id, at), cells, self.guard(edit.etag)))
        if violations:
            raise InvalidInput(violations)
        _refuse_repeats([change.key for change in changes], lambda at: f"records[{at}].id")
        return changes

    async def update(self, changes: Sequence[Change], deadline: Deadline) -> list[Result]:
        """Changes rows. NotFound where one is not in the scope."""
        outcomes = await self.source.update(changes, self.scope.owner, deadline, table=self.table)
        await self._tell(outcomes, [change.values for change in changes])
        return self._results(outcomes)

    def deletions(self, identifiers: Sequence[str], etag: str = "") -> list[tuple[Key, Guard | None]]:
        """What the source is to delete."""
        self.insist_on_writing()
        keys = [self.key(identifier, at) for at, identifier in enumerate(identifiers)]
        _refuse_repeats(keys, lambda _at: "record_ids")
        return [(key, self.guard(etag)) for key in keys]

    async def delete(self, deletions: Sequence[tuple[Key, Guard | None]], deadline: Deadline) -> list[Result]:
        """Deletes rows. NotFound where one is not in the scope."""
        outcomes = await self.source.delete(deletions, self.scope.owner, deadline)
        gone = [key for (key, _), outcome in zip(deletions, outcomes, strict=True) if outcome.error is None]
        await self.audit.records(self.connection.id, [self.ids.give(key) for key in gone], (), self._as_user())
        return self._results(outcomes)

    async def check_there(self, targets: Iterable[tuple[Key, Guard | None]], deadline: Deadline) -> None:
        """For dry runs: NotFound or Conflict where a row could not be changed."""
        for at, (key, guard) in enumerate(targets):
            row = await self.source.get(key, self.scope.owner, deadline, table=self.table)
            if row is None:
                raise record_not_found(at)
            if guard:
                guard(row)

    async def stream(
        self, where: Where | None, fields: Sequence[Field], after: Key, deadline: Callable[[], Deadline]
    ) -> AsyncGenerator[tuple[list[dict[str, Written]], Sequence[Key]]]:
        """The values of all records that match, and the place behind each, in lists of some hundred."""
        async with aclosing(
            self.source.stream(Query(self.scope.owner, where, after=after, table=self.table), deadline)
        ) as lists:
            async for each in lists:
                rows = Rows.of(each)
                self.scope.insist(rows, self.table)
                chosen = [written(rows.columns[place]) for place in self.fields.places(fields)]
                names = [field.name for field in fields]
                yield objects_of(names, chosen, len(rows)), rows.cursors

    def _shown(self, rows: Rows, places: Sequence[Key], fields: Sequence[Field]) -> Shown:
        """Rows with all columns, one at least, as the caller sees them."""
        self.scope.insist(rows, self.table)
        columns = [written(column) for column in rows.columns]
        return Shown(
            self.ids.many(rows.keys),
            self._etags(columns),
            places,
            [field.name for field in fields],
            [columns[place] for place in self.fields.places(fields)],
        )

    def record(self, row: Row, fields: Sequence[Field]) -> Record:
        """A row with all columns as the caller sees it."""
        shown = self._shown(Rows.of([row]), [()], fields)
        values = (json_values(column)[0] for column in shown.columns)
        return Record(shown.ids[0], dict(zip(shown.names, values, strict=True)), shown.etags[0])

    def _etags(self, columns: Sequence[Sequence[Written]]) -> list[str]:
        """Change whenever any cell of the row does; keyed, so that they tell nothing of cells that are not shown."""
        return self.box.fast_digests("record etag", _spelled(list(zip(*columns, strict=True))))

    def guard(self, etag: str) -> Guard | None:
        """Refuses a row whose etag is another; None without an etag."""

        def insist(row: Row) -> None:
            (current,) = self._etags([written([cell]) for cell in row.cells])
            if current != etag:
                raise etag_mismatch(current)

        return insist if etag else None

    def key(self, identifier: str, at: int) -> Key:
        """The key of an id; NotFound, with its place, for one that no row can have."""
        try:
            return self.ids.take(identifier)
        except NotFound:
            raise record_not_found(at) from None

    def insist_on_writing(self) -> None:
        """QueryFailed where the table takes no writes."""
        reason = self.table.capabilities.read_only_reason
        if reason is not None:
            raise QueryFailed(
                Text(
                    f"Table {self.table.name!r} takes no writes: {reason.en}",
                    f"A tabela '{self.table.name}' é somente leitura: {reason.pt}",
                )
            )

    async def _tell(self, outcomes: Sequence[Outcome], values: Sequence[Mapping[str, Cell]]) -> None:
        """Tells the audit log which rows were written, and which fields of them."""
        rows = [outcome.row for outcome in outcomes if outcome.row is not None]
        columns = {column for each in values for column in each}
        fields = [field.name for field in self.fields.all if field.column.name in columns]
        await self.audit.records(self.connection.id, [self.ids.give(row.key) for row in rows], fields, self._as_user())

    def _as_user(self) -> str:
        return self.scope.owner.value if self.scope.owner else ""

    def _results(self, outcomes: Sequence[Outcome]) -> list[Result]:
        return [Result(None if row is None else self.record(row, self.fields.all), error) for row, error in outcomes]


def _spelled(rows: Sequence[Sequence[Written]]) -> list[bytes]:
    try:
        return list(map(orjson.dumps, rows))
    except TypeError:  # a text that is no Unicode: its row is spelled in another way, the others as always
        if len(rows) > 1:
            return [spelled for row in rows for spelled in _spelled([row])]
        return [repr(rows[0]).encode("utf-8", "surrogatepass")]


def _offset(after: Key) -> int:
    """The place in a list without keys: how many records to pass over."""
    return after[0] if after and isinstance(after[0], int) else 0


def _refuse_repeats(keys: Sequence[Key], path: Callable[[int], str]) -> None:
    seen: set[Key] = set()
    for at, key in enumerate(keys):
        if key in seen:
            text = Text("must name each record once", "Cada registro deve aparecer uma única vez")
            raise InvalidInput([Violation(path(at), text)])
        seen.add(key)
