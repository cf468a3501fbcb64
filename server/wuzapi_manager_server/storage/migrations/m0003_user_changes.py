"""Which users of WUZAPI were changed through the relay, for the other processes. Numbers are never used again."""

import apsw

_SCHEMA = """
CREATE TABLE user_changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id TEXT NOT NULL,
  created_at TEXT NOT NULL
);
"""


def up(connection: apsw.Connection) -> None:
    """Makes the table."""
    connection.execute(_SCHEMA)
