"""Connections that nobody brought back go for good, and the audit log says which."""

from datetime import datetime

from wuzapi_manager_server.domain.audit import Actor, Deed, acting_as
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.connections import ConnectionStore

_ACTOR = Actor(action="/wuzapi_manager.v1.ConnectionService/DeleteConnection")


class Purge:
    """Removes deleted connections within `Database.write`, each with an entry as done by the system."""

    def __init__(self, connections: ConnectionStore, audits: AuditStore) -> None:
        self._connections = connections
        self._audits = audits

    def connections(self, before: datetime) -> int:
        """Removes those that were deleted before that moment, at most 500 at a time, and says how many."""
        gone = self._connections.purge(before)
        with acting_as(_ACTOR):
            for identifier in gone:
                self._audits.record(Deed(f"connections/{identifier}", {"kept": True}, {"kept": False}))
        return len(gone)
