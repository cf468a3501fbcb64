"""Each row carries a checksum of itself, so that a value that was damaged on the disk is told.

SQLite adds no stored column to a table that is there: each table is made anew, its rows are copied, and its numbers go
on from where they were.
"""

import apsw

_TABLES = (
    "database_connections",
    "connection_assignments",  # these refer to the connections
    "branding_config",
    "system_metadata",
    "idempotency_requests",
    "audit_events",
    "user_changes",
)
_INDEXES = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"


def up(connection: apsw.Connection) -> None:
    """Makes the tables anew, with the column `checksum` before the others."""
    columns = {table: _columns(connection, table) for table in _TABLES}
    texts = {table: str(_text(connection, table)) for table in _TABLES}
    indexes = connection.execute(_INDEXES).fetchall()
    sequences = connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    for table in _TABLES:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for table in _TABLES:
        head, _, rest = texts[table].partition("(")
        checksum = f"checksum INTEGER NOT NULL AS (row_checksum({columns[table]})) STORED"
        connection.execute(f"{head}(\n  {checksum},{rest}")
        connection.execute(f"INSERT INTO {table} ({columns[table]}) SELECT {columns[table]} FROM old_{table}")  # noqa: S608 - names of the schema itself
    for table in ("connection_assignments", *_TABLES):  # a table that others refer to would take their rows with it
        connection.execute(f"DROP TABLE IF EXISTS old_{table}")
    for _, text in indexes:
        connection.execute(str(text))
    connection.execute("DELETE FROM sqlite_sequence")
    connection.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", sequences)


def _columns(connection: apsw.Connection, table: str) -> str:
    return ", ".join(str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})"))


def _text(connection: apsw.Connection, table: str) -> object:
    return connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).get
