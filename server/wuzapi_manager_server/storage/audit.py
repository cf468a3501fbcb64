"""Keeps the audit log: a chain in which each entry carries the SHA-256 of the one before."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import cast

import orjson
from peewee import SQL, Expression

from wuzapi_manager_server.domain.audit import Actor, ActorKind, AuditEvent, Deed, Facts, acting
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import Code, DatabaseError
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.checksums import intact
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.metadata import MetadataStore
from wuzapi_manager_server.storage.models import AuditEntry, Clock, compiled, moment_of, moment_text, named

KEPT = timedelta(days=90)
PURGE_BATCH = 500
ANCHOR = "system.audit_anchor"
"""The metadata key of what the oldest entry is chained to: the id and hash of the last one removed."""

_MAX_TARGET = 400
_CHECKED_AT_ONCE = 2_000
_MOST_PROBLEMS = 100
_ROOT = bytes(32)

_E = AuditEntry
_FIELDS = _E._meta.sorted_fields  # noqa: SLF001 - Peewee's documented place of a model's fields
_ADD = compiled(_E.insert({field: named(field.name) for field in _FIELDS if field.name != "id"}))
_LAST = compiled(_E.select().order_by(_E.id.desc()).limit(SQL("1")))
_NEXT = compiled(_E.select().where(_E.id > named("after")).order_by(_E.id).limit(named("limit")))
_STRAY = compiled(_E.select(_E.id).where(_E.id <= named("anchor")).order_by(_E.id).limit(named("limit")))
_PURGE = compiled(_E.delete().where(_E.id <= named("last")))
_SEQUENCE = "SELECT seq FROM sqlite_sequence WHERE name = 'audit_events'"

Row = Sequence[object]


@dataclass(frozen=True)
class AuditFilter:
    """Which entries to list; None and empty mean any. `target` takes what lies below it too."""

    actor: ActorKind | None = None
    actor_id: str = ""
    action: str = ""
    target: str = ""
    outcome: str = ""
    request_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


class AuditStore:
    """Keeps entries for 90 days. `record` and `purge` run within `Database.write`, reads anywhere."""

    def __init__(self, database: Database, box: SecretBox, clock: Clock) -> None:
        self._database = database
        self._box = box
        self._clock = clock
        self._metadata = MetadataStore(database, clock)

    def handle(self, user: str) -> str:
        """What stands for a user who may be named by a token: a keyed digest, the same for the same user."""
        return self._box.fast_digest("audit user", user.encode("utf-8", "surrogatepass"))

    def record(self, deed: Deed, outcome: str = "OK") -> None:
        """Adds an entry on what the current actor did."""
        actor = acting.get()
        last = self._database.rows(_LAST)
        self._database.rows(
            _ADD,
            {
                "created_at": moment_text(self._clock()),
                "actor": actor.kind,
                "actor_id": actor.id,
                "action": actor.action,
                "request_id": actor.request_id,
                "peer": actor.peer,
                "target": deed.target[:_MAX_TARGET],
                "facts_before": orjson.dumps(deed.before, default=list).decode(),
                "facts_after": orjson.dumps(deed.after, default=list).decode(),
                "outcome": outcome,
                "previous": _hash(last[0]) if last else self._anchor()[1],
            },
        )

    def page(self, wanted: AuditFilter, before_id: int | None, limit: int) -> list[AuditEvent]:
        """Entries, newest first, older than the entry `before_id`. A filter that few pass reads many: a long read."""
        query = _E.select().order_by(_E.id.desc()).limit(limit)
        for condition in _conditions(wanted, before_id):
            query = query.where(condition)
        query = query.where(intact(_E))
        return [_event(row) for row in self._database.fetch(query)]

    def purge(self, before: datetime) -> int:
        """Removes the oldest entries as far as they were made before that moment, at most 500 at a time.

        Says how many that were. What follows a younger entry stays, as after a clock that was set back.
        """
        oldest = self._database.rows(_NEXT, {"after": 0, "limit": PURGE_BATCH})
        found = list(takewhile(lambda row: str(row[1]) < moment_text(before), oldest))
        if not found:
            return 0
        last = found[-1]
        self._metadata.set(ANCHOR, f"{last[0]} {_hash(last).hex()}")
        return self._database.changed(_PURGE, {"last": last[0]})

    def check(self, watch: Callable[[], None] = lambda: None) -> tuple[str, ...]:
        """Where the chain is broken, at most 100 sentences; none when it is whole. A long read.

        `watch` is called often and may raise to end the work.
        """
        try:
            anchor, expected = self._anchor()
            stray = self._database.rows(_STRAY, {"anchor": anchor, "limit": _MOST_PROBLEMS})
            problems = [f"audit entry {identifier} stands before the first" for (identifier,) in stray]
            return (*problems, *self._follow(anchor, expected, watch))[:_MOST_PROBLEMS]
        except DatabaseError as error:
            if error.code is not Code.DATA_LOSS:
                raise
            return ("the audit log cannot be read to its end",)

    def _follow(self, after: int, expected: bytes, watch: Callable[[], None]) -> tuple[str, ...]:
        problems: list[str] = []
        while rows := self._database.rows(_NEXT, {"after": after, "limit": _CHECKED_AT_ONCE}):
            watch()
            for row in rows:
                if int(row[0]) != after + 1:
                    problems.append(f"audit entries {after + 1} to {int(row[0]) - 1} are missing")
                elif row[-1] != expected:
                    problems.append(f"audit entry {after or 'before the first'} was changed")
                if not all(isinstance(value, str) for value in row[1:-1]):  # a hash does not tell texts from bytes
                    problems.append(f"audit entry {row[0]} was changed")
                elif not _is_readable(row):
                    problems.append(f"audit entry {row[0]} cannot be read")
                after, expected = int(row[0]), _hash(row)
            if len(problems) >= _MOST_PROBLEMS:
                return tuple(problems[:_MOST_PROBLEMS])
        given = self._database.rows(_SEQUENCE)
        if given and int(given[0][0]) > after:
            problems.append(f"audit entries {after + 1} to {given[0][0]} are missing")
        return tuple(problems)

    def _anchor(self) -> tuple[int, bytes]:
        """The id and hash that the oldest entry follows."""
        found = self._metadata.get(ANCHOR)
        if found is None:
            return 0, _ROOT
        identifier, _, digest = found.value.partition(" ")
        try:
            return int(identifier), bytes.fromhex(digest)
        except ValueError as error:
            raise faults.corrupt() from error


def _hash(row: Row) -> bytes:
    """The SHA-256 of an entry, its own link to the one before included: each part with its length before it."""
    parts = [value if isinstance(value, bytes) else str(value).encode() for value in row]
    return hashlib.sha256(b"".join([b"%d:%b" % (len(part), part) for part in parts])).digest()


def _conditions(wanted: AuditFilter, before_id: int | None) -> list[Expression]:
    conditions = [
        column == value
        for column, value in (
            (_E.actor, wanted.actor),
            (_E.actor_id, wanted.actor_id),
            (_E.action, wanted.action),
            (_E.outcome, wanted.outcome),
            (_E.request_id, wanted.request_id),
        )
        if value
    ]
    if wanted.target:
        # What lies below `a` sorts between `a/` and `a0`, for 0 follows the slash.
        below = (_E.target >= f"{wanted.target}/") & (_E.target < f"{wanted.target}0")
        conditions.append((_E.target == wanted.target) | below)
    if wanted.since is not None:
        conditions.append(_E.created_at >= moment_text(wanted.since))
    if wanted.until is not None:
        conditions.append(_E.created_at < moment_text(wanted.until))
    if before_id is not None:
        conditions.append(_E.id < before_id)
    return conditions


def _event(row: Row) -> AuditEvent:
    identifier, time, kind, actor_id, action, request_id, peer, target, before, after, outcome, _ = map(str, row)
    try:
        return AuditEvent(
            id=int(identifier),
            time=moment_of(time).astimezone(UTC),
            actor=Actor(cast("ActorKind", kind), actor_id, action, request_id, peer),
            deed=Deed(target, _facts(before), _facts(after)),
            outcome=outcome,
        )
    except (ValueError, OverflowError) as error:
        raise faults.corrupt() from error


def _facts(text: str) -> Facts:
    found: Json = orjson.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not facts")  # noqa: TRY004 - the type of what is stored is its value
    return found


def _is_readable(row: Row) -> bool:
    try:
        _event(row)
    except DatabaseError:
        return False
    return True
