"""The audit log. Its entries are added and, when they have had their time, removed; never changed."""

import apsw

_SCHEMA = """
CREATE TABLE audit_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at TEXT NOT NULL,
  actor VARCHAR(10) NOT NULL,
  actor_id TEXT NOT NULL,
  action TEXT NOT NULL,
  request_id TEXT NOT NULL,
  peer TEXT NOT NULL,
  target TEXT NOT NULL,
  facts_before TEXT NOT NULL,
  facts_after TEXT NOT NULL,
  outcome VARCHAR(30) NOT NULL,
  previous BLOB NOT NULL
);
CREATE INDEX idx_audit_events_created_at ON audit_events(created_at);
CREATE INDEX idx_audit_events_target ON audit_events(target, id);
CREATE INDEX idx_audit_events_actor ON audit_events(actor, actor_id, id);
"""


def up(connection: apsw.Connection) -> None:
    """Makes the table."""
    connection.execute(_SCHEMA)
