"""Each row carries a checksum of itself, so that a value that was damaged on the disk is told.

SQLite adds no stored column to a table that is there: each table is made anew, its rows are copied, and its numbers go
on from where they were.
"""

import apsw

_TABLES = """
CREATE TABLE database_connections (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name VARCHAR(255) NOT NULL,
  type VARCHAR(50) NOT NULL,
  host VARCHAR(255),
  port INTEGER,
  database_name VARCHAR(255),
  username VARCHAR(255),
  password TEXT,
  table_name VARCHAR(255),
  schema_name VARCHAR(255),
  tls_mode VARCHAR(50),
  nocodb_token TEXT,
  nocodb_project_id VARCHAR(255),
  nocodb_table_id VARCHAR(255),
  airtable_base_url TEXT,
  airtable_base_id VARCHAR(255),
  airtable_api_key TEXT,
  airtable_table_id VARCHAR(255),
  status VARCHAR(50) NOT NULL DEFAULT 'inactive',
  user_link_field VARCHAR(255) NOT NULL DEFAULT '',
  user_link_value VARCHAR(50) NOT NULL DEFAULT 'TOKEN',
  row_scope VARCHAR(50) NOT NULL DEFAULT 'USER',
  field_mappings TEXT NOT NULL DEFAULT '[]',
  view_configuration TEXT NOT NULL DEFAULT '{}',
  version INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  deleted_at TEXT,
  last_test TEXT,
  checksum INTEGER NOT NULL AS (row_checksum(
    id, name, type, host, port, database_name, username, password, table_name, schema_name, tls_mode, nocodb_token,
    nocodb_project_id, nocodb_table_id, airtable_base_url, airtable_base_id, airtable_api_key, airtable_table_id,
    status, user_link_field, user_link_value, row_scope, field_mappings, view_configuration, version, created_at,
    updated_at, deleted_at, last_test
  )) STORED
);
CREATE INDEX idx_connections_type_status ON database_connections(type, status);
CREATE INDEX idx_connections_status ON database_connections(status);
CREATE INDEX idx_connections_created_desc ON database_connections(created_at DESC, id DESC);
CREATE INDEX idx_connections_updated_desc ON database_connections(updated_at DESC, id DESC);
CREATE INDEX idx_connections_name_asc ON database_connections(name ASC, id ASC);
CREATE INDEX idx_connections_deleted ON database_connections(deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE connection_assignments (
  connection_id INTEGER NOT NULL REFERENCES database_connections(id) ON DELETE CASCADE,
  user_hash BLOB NOT NULL,
  user_secret TEXT NOT NULL,
  position INTEGER NOT NULL,
  checksum INTEGER NOT NULL AS (row_checksum(connection_id, user_hash, user_secret, position)) STORED,
  PRIMARY KEY (user_hash, connection_id)
) WITHOUT ROWID;
CREATE INDEX idx_connection_assignments_connection ON connection_assignments(connection_id, position);

CREATE TABLE branding_config (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  app_name VARCHAR(50) NOT NULL DEFAULT 'WUZAPI',
  logo_url TEXT NOT NULL DEFAULT '',
  primary_color VARCHAR(7) NOT NULL DEFAULT '',
  secondary_color VARCHAR(7) NOT NULL DEFAULT '',
  logo_dark_url TEXT NOT NULL DEFAULT '',
  favicon_url TEXT NOT NULL DEFAULT '',
  og_image_url TEXT NOT NULL DEFAULT '',
  support_phone VARCHAR(15) NOT NULL DEFAULT '',
  support_url TEXT NOT NULL DEFAULT '',
  terms_url TEXT NOT NULL DEFAULT '',
  privacy_url TEXT NOT NULL DEFAULT '',
  custom_home_html TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  checksum INTEGER NOT NULL AS (row_checksum(
    id, app_name, logo_url, primary_color, secondary_color, logo_dark_url, favicon_url, og_image_url, support_phone,
    support_url, terms_url, privacy_url, custom_home_html, created_at, updated_at
  )) STORED
);

CREATE TABLE system_metadata (
  key VARCHAR(255) NOT NULL PRIMARY KEY,
  value TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  checksum INTEGER NOT NULL AS (row_checksum(key, value, created_at, updated_at)) STORED
) WITHOUT ROWID;

CREATE TABLE idempotency_requests (
  scope BLOB NOT NULL PRIMARY KEY,
  sealed TEXT NOT NULL,
  answered INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  checksum INTEGER NOT NULL AS (row_checksum(scope, sealed, answered, created_at)) STORED
) WITHOUT ROWID;
CREATE INDEX idx_idempotency_requests_created_at ON idempotency_requests(created_at);

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
  previous BLOB NOT NULL,
  checksum INTEGER NOT NULL AS (row_checksum(
    id, created_at, actor, actor_id, action, request_id, peer, target, facts_before, facts_after, outcome, previous
  )) STORED
);
CREATE INDEX idx_audit_events_target ON audit_events(target, id);

CREATE TABLE user_changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id TEXT NOT NULL,
  created_at TEXT NOT NULL,
  checksum INTEGER NOT NULL AS (row_checksum(id, user_id, created_at)) STORED
);
"""
_NAMES = (
    "database_connections",
    "connection_assignments",  # these refer to the connections
    "branding_config",
    "system_metadata",
    "idempotency_requests",
    "audit_events",
    "user_changes",
)
_INDEXES = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"


def up(connection: apsw.Connection) -> None:
    """Makes the tables anew, with the column `checksum` behind the others."""
    columns = {name: _columns(connection, name) for name in _NAMES}
    sequences = connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    for (index,) in connection.execute(_INDEXES).fetchall():
        connection.execute(f"DROP INDEX {index}")
    for name in _NAMES:
        connection.execute(f"ALTER TABLE {name} RENAME TO old_{name}")
    connection.execute(_TABLES)
    for name in _NAMES:
        connection.execute(f"INSERT INTO {name} ({columns[name]}) SELECT {columns[name]} FROM old_{name}")  # noqa: S608 - names of the schema itself
    for name in ("connection_assignments", *_NAMES):  # a table that others refer to would take their rows with it
        connection.execute(f"DROP TABLE IF EXISTS old_{name}")
    connection.execute("DELETE FROM sqlite_sequence")
    connection.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", sequences)


def _columns(connection: apsw.Connection, table: str) -> str:
    return ", ".join(str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})"))
