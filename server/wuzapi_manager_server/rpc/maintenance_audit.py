"""MaintenanceService: the audit log."""

from collections.abc import Callable
from datetime import UTC, datetime

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_server.domain.audit import ActorKind, AuditEvent, Facts
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import InvalidInput, Text, Violation
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.rpc.convert_common import timestamp_to
from wuzapi_manager_server.rpc.pages import cut
from wuzapi_manager_server.rpc.requests import Problems, binding
from wuzapi_manager_server.services.maintenance import Maintenance
from wuzapi_manager_server.services.page_tokens import PageTokens, page_size
from wuzapi_manager_server.storage.audit import AuditFilter

_DEFAULT_PAGE, _LARGEST_PAGE = 100, 1_000
_LEVELS = 28  # protobuf reads 100 levels of messages; an object within another takes three, and the answer itself a few
_ACTORS: dict[str, ActorKind | None] = {"": None, "admin": "admin", "user": "user", "system": "system"}


async def audit_events(
    request: pb.ListAuditEventsRequest, maintenance: Maintenance, tokens: PageTokens, page_bytes: int
) -> pb.ListAuditEventsResponse:
    """A page of the audit log, newest first."""
    problems = Problems()
    bound = binding(current().caller, request, "page_size", "page_token")
    wanted = problems.attempt(lambda: _filter_from(request), AuditFilter())
    size = problems.attempt(lambda: page_size(request.page_size, _DEFAULT_PAGE, _LARGEST_PAGE), 1)
    place = problems.attempt(lambda: tokens.take(request.page_token, bound), ())
    problems.settle()
    before = place[0] if place and isinstance(place[0], int) else None
    found = map(_event_to, await maintenance.audit_page(wanted, before, size + 1))
    events, more = cut(found, size, page_bytes)
    token = tokens.give((events[-1].id,), bound) if more else ""
    return pb.ListAuditEventsResponse(events=events, next_page_token=token)


def _filter_from(request: pb.ListAuditEventsRequest) -> AuditFilter:
    problems = Problems()
    if request.actor not in _ACTORS:
        text = Text("must be admin, user or system", "actor deve ser admin, user ou system")
        problems.violations.append(Violation("actor", text))
    since = problems.attempt(lambda: _moment("since", request.HasField, request.since), None)
    until = problems.attempt(lambda: _moment("until", request.HasField, request.until), None)
    problems.settle()
    return AuditFilter(
        actor=_ACTORS[request.actor],
        actor_id=request.actor_id,
        action=request.action,
        target=request.target,
        outcome=request.outcome,
        request_id=request.request_id,
        since=since,
        until=until,
    )


def _moment(field: str, is_set: Callable[..., bool], given: Timestamp) -> datetime | None:
    if not is_set(field):
        return None
    try:
        return given.ToDatetime(UTC)
    except (ValueError, OverflowError):
        text = Text("must be from the year 1 to 9999", f"{field} deve estar entre os anos 1 e 9999")
        raise InvalidInput([Violation(field, text)]) from None


def _event_to(event: AuditEvent) -> pb.AuditEvent:
    message = pb.AuditEvent(
        id=event.id,
        time=timestamp_to(event.time),
        actor=event.actor.kind,
        actor_id=event.actor.id,
        action=event.actor.action,
        target=event.deed.target,
        outcome=event.outcome,
        request_id=event.actor.request_id,
        peer=event.actor.peer,
    )
    if event.deed.before:
        message.before.update(_shown(event.deed.before))
    if event.deed.after:
        message.after.update(_shown(event.deed.after))
    return message


def _shown(facts: Facts) -> dict[str, Json]:
    return {name: _shallow(fact) for name, fact in facts.items()}


def _shallow(value: Json, levels: int = _LEVELS) -> Json:
    """The value; what is nested more deeply as its JSON text."""
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return orjson.dumps(value).decode()
    if isinstance(value, dict):
        return {key: _shallow(item, levels - 1) for key, item in value.items()}
    return [_shallow(item, levels - 1) for item in value]
