"""Which calls the audit log tells of, and what they are about."""

from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import MethodOptions

from wuzapi_manager.v1 import relay_pb2
from wuzapi_manager_server.domain.audit import READS, target
from wuzapi_manager_server.domain.caller import Admin, Caller, User

_THEIR_OWN = frozenset({"ConnectionService", "BrandingService", "RecordService"})
"""Services whose use cases tell of what they did, with the facts: the pipeline tells of what was refused."""

_PLACES = {"RelayService": "relay", "MaintenanceService": "maintenance", "BrandingService": "branding"}
# Nothing was begun, and nobody tried for what is not theirs: the service's own log has these.
_NOT_TOLD = frozenset({"INVALID_ARGUMENT", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED"})
_MOST_OF_ID = 200
_dry_run: ContextVar[bool] = ContextVar("dry_run", default=False)
"""Whether the call under way asks for a check alone."""


class Audited(Enum):
    """What of a method's calls the pipeline tells the audit log."""

    NEVER = "reads"
    REFUSALS = "refusals: the use case tells of successes"
    BY_ADMINS = "every call of an administrator"

    def tells(self, caller: Caller, code: str) -> bool:
        """Whether the call under way is told, which ended so. A dry run is where it was refused, a read never."""
        if target.get() == READS:
            return False
        match self:
            case Audited.REFUSALS:
                return code != "OK" and code not in _NOT_TOLD and isinstance(caller, Admin | User)
            case Audited.BY_ADMINS:
                nothing_done = code == "OK" and _dry_run.get()
                return code not in _NOT_TOLD and isinstance(caller, Admin) and not nothing_done
            case _:
                return False


def audited(method: str) -> Audited:
    """For a method as `/package.Service/Method`: reads, which the protos mark, are never told."""
    service, _, name = method[1:].partition("/")
    found = descriptor_pool.Default().FindMethodByName(f"{service}.{name}")
    if found.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS:
        return Audited.NEVER
    return Audited.REFUSALS if service.rpartition(".")[2] in _THEIR_OWN else Audited.BY_ADMINS


def telling_target(method: str, parse: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """`parse`, which also sets the target of the call to what the request names, and notes a dry run."""
    service = method[1:].partition("/")[0].rpartition(".")[2]
    place = _PLACES.get(service, "connections")

    def parsed(raw: bytes) -> object:
        request = parse(raw)
        _dry_run.set(getattr(request, "validate_only", False))
        named = _target(request, place)
        if named or not target.get():
            target.set(named or place)
        return request

    return parsed


def _target(request: object, place: str) -> str:
    """`connections/12/records/abc`, or as much of it as the request names; "" for none of it.

    Of a Call it is `relay/admin/users/abc/DELETE`, so that who asks for the path finds it with every method.
    """
    if isinstance(request, relay_pb2.CallRequest):
        if request.method == relay_pb2.HTTP_METHOD_GET:
            return READS
        method = relay_pb2.HttpMethod.Name(request.method) if request.method in relay_pb2.HttpMethod.values() else ""
        return f"{place}{request.path[:_MOST_OF_ID]}/{method.removeprefix('HTTP_METHOD_')}"
    connection = getattr(request, "connection_id", 0)
    if connection:
        record = getattr(request, "record_id", "")
        return f"connections/{connection}/records" + (f"/{record[:_MOST_OF_ID]}" if record else "")
    resources = (getattr(request, name, None) for name in ("connection", "user"))
    named = getattr(request, "id", 0) or next((found for found in (getattr(r, "id", 0) for r in resources) if found), 0)
    named = named or getattr(request, "name", "") or getattr(request, "key", "")
    return f"{place}/{str(named)[:_MOST_OF_ID]}" if named else ""
