"""The first schema: connections and who may use them, branding, metadata, and requests that may come again."""

import apsw

_SCHEMA = """
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
  deleted_at TEXT
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
  updated_at TEXT NOT NULL
);

CREATE TABLE system_metadata (
  key VARCHAR(255) NOT NULL PRIMARY KEY,
  value TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE idempotency_requests (
  scope BLOB NOT NULL PRIMARY KEY,
  sealed TEXT NOT NULL,
  answered INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX idx_idempotency_requests_created_at ON idempotency_requests(created_at);
"""


def up(connection: apsw.Connection) -> None:
    """Makes the tables."""
    connection.execute(_SCHEMA)
