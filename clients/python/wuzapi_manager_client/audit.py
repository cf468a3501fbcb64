"""The call of MaintenanceService for the audit log. For the administrator."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from google.protobuf.timestamp_pb2 import Timestamp

from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_client.calls import Calls


class AuditCalls(Calls):
    """Reads the audit log."""

    def list_audit_events(  # noqa: PLR0913 - one for each thing that the API takes
        self,
        *,
        actor: Literal["", "admin", "user", "system"] = "",
        actor_id: str = "",
        action: str = "",
        target: str = "",
        outcome: str = "",
        request_id: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Iterator[pb.AuditEvent]:
        """Who did what to what, newest first, 90 days back; what is given narrows it.

        `action` is a call, as "/wuzapi_manager.v1.ConnectionService/UpdateConnection"; `target` what it was done to, as
        "connections/12", and all below it; `since` and `until` (not itself) are times with their zone: ValueError
        without one. Pages are asked for as they are needed, `page_size` (0 = 100) entries each; `timeout` is a page's.
        """
        request = pb.ListAuditEventsRequest(
            actor=actor,
            actor_id=actor_id,
            action=action,
            target=target,
            outcome=outcome,
            request_id=request_id,
            since=_timestamp("since", since),
            until=_timestamp("until", until),
            page_size=page_size,
        )
        return (
            event for page in self._pages(self._maintenance.ListAuditEvents, request, timeout) for event in page.events
        )


def _timestamp(name: str, moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    if moment.utcoffset() is None:
        raise ValueError(f"{name} must say its time zone, as datetime.now(UTC) does")
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
