"""Who did what to what: the entries of the audit log."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from hashlib import sha256
from json import dumps
from typing import Literal

from wuzapi_manager_server.domain.branding import Branding
from wuzapi_manager_server.domain.connection import Connection
from wuzapi_manager_server.domain.table import Json

ActorKind = Literal["admin", "user", "public", "system"]
Facts = Mapping[str, Json]
_MOST_SHOWN = 16 * 1024
_NOT_SHOWN = {"secret", "has_secret"}
_NO_FACTS = {"update_time"}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, by which call, from where. `id` is a user's WUZAPI id, or a digest of the token where it has none."""

    kind: ActorKind = "system"
    id: str = ""
    action: str = ""
    request_id: str = ""
    peer: str = ""


SYSTEM = Actor()
COMMAND_LINE = "command line"
"""The peer of what was done from there, as done by the system; the action is the call that does the same."""

acting: ContextVar[Actor] = ContextVar("acting", default=SYSTEM)
"""The actor of the call under way; the system itself outside of calls."""


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Makes that the actor within."""
    before = acting.set(actor)
    try:
        yield
    finally:
        acting.reset(before)


target: ContextVar[str] = ContextVar("target", default="")
"""What the call under way is about, as far as its request names it; READS where it turned out to change nothing."""
READS = "reads"

came_of: ContextVar[Facts | None] = ContextVar("came_of", default=None)
"""What came of the call under way, where its target does not tell."""


@dataclass(frozen=True)
class Deed:
    """What was done to what: facts before and after, without secrets and without values of records."""

    target: str
    before: Facts = field(default_factory=dict)
    after: Facts = field(default_factory=dict)


@dataclass(frozen=True)
class AuditEvent:
    """An entry of the audit log. `outcome` is the name of a status code."""

    id: int
    time: datetime
    actor: Actor
    deed: Deed
    outcome: str


def created(target: str, facts: Facts) -> Deed:
    """Something new."""
    return Deed(target, {}, facts)


def changed(target: str, before: Facts, after: Facts) -> Deed:
    """The facts that differ."""
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return Deed(
        target,
        {key: before[key] for key in keys if key in before},
        {key: after[key] for key in keys if key in after},
    )


def connection_facts(connection: Connection, handle: Callable[[str], str]) -> Facts:
    """What the audit log tells of a connection; users, who may be named by their tokens, by `handle` alone."""
    source = connection.source
    facts: dict[str, Json] = {
        "name": connection.name,
        "type": source.type.value,
        "status": connection.status.value,
        "user_link_field": connection.user_link_field,
        "user_link_value": connection.user_link_value.value,
        "row_scope": connection.row_scope.value,
        "assigned_users": _short([handle(user) for user in connection.assigned_users]),
        "field_mappings": _short([asdict(mapping) for mapping in connection.field_mappings]),
        "view_configuration": _short(dict(connection.view_configuration)),
        "deleted": connection.delete_time is not None,
    }
    for part in fields(source):
        if part.name not in _NOT_SHOWN:
            value = getattr(source, part.name)
            facts[part.name] = value if isinstance(value, str | int) else value.value
    if source.secret:
        facts["secret"] = "given"  # noqa: S105 - that one was given, not which
    return facts


def connection_change(before: Connection, after: Connection, handle: Callable[[str], str]) -> tuple[Facts, Facts]:
    """What `connection_facts` tells of both, without lists that are alike: they may be long."""
    users = before.assigned_users == after.assigned_users
    mappings = before.field_mappings == after.field_mappings

    def facts(connection: Connection) -> Facts:
        connection = replace(connection, assigned_users=()) if users else connection
        return connection_facts(replace(connection, field_mappings=()) if mappings else connection, handle)

    return facts(before), facts(after)


def branding_facts(branding: Branding) -> Facts:
    """What the audit log tells of a branding."""
    return {part.name: _short(getattr(branding, part.name)) for part in fields(branding) if part.name not in _NO_FACTS}


def _short(value: Json) -> Json:
    """The value, or how large it is and its SHA-256 where it is too large for the log."""
    text = dumps(value, ensure_ascii=False, separators=(",", ":"), default=list)
    if len(text) <= _MOST_SHOWN:
        return value
    return {"sha256": sha256(text.encode()).hexdigest(), "characters": len(text)}
