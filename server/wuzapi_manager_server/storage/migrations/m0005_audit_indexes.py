"""The audit log is written with every change and seldom searched: of its three indexes one is kept.

Entries stand in the order of their times, so a search goes through them from the newest on; what was done to a target,
which is what is mostly asked for, is still found at once.
"""

import apsw


def up(connection: apsw.Connection) -> None:
    """Removes two indexes."""
    connection.execute("DROP INDEX idx_audit_events_created_at; DROP INDEX idx_audit_events_actor")
