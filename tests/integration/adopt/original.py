"""Databases of the Node.js application, in the shapes that were found in the field."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

SECRETS = ("nc-planted-token", "pg-planted-password", "planted-user-token")
_CONNECTIONS = """CREATE TABLE database_connections (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, type TEXT NOT NULL, host TEXT NOT NULL DEFAULT '',
  port INTEGER DEFAULT 5432, database_name TEXT, username TEXT, password TEXT, table_name TEXT,
  status TEXT DEFAULT 'disconnected', assigned_users TEXT DEFAULT '[]', nocodb_token TEXT, nocodb_project_id TEXT,
  nocodb_table_id TEXT, user_link_field TEXT, field_mappings TEXT DEFAULT '[]', view_configuration TEXT,
  default_view_mode TEXT, created_at TEXT DEFAULT CURRENT_TIMESTAMP, updated_at TEXT DEFAULT '2025-05-01T10:00:00.000Z'
)"""
_BRANDING = """CREATE TABLE branding_config (
  id INTEGER PRIMARY KEY, app_name TEXT NOT NULL DEFAULT 'WUZAPI', logo_url TEXT, primary_color TEXT,
  secondary_color TEXT, custom_home_html TEXT, support_phone TEXT, created_at TEXT, updated_at TEXT
)"""
_METADATA = "CREATE TABLE system_metadata (key TEXT PRIMARY KEY, value TEXT, created_at TEXT, updated_at TEXT)"

OWN_TABLES: dict[str, object] = {
    "name": "Banco Principal SQLite",
    "type": "SQLITE",
    "database_name": "wuzapi.db",
    "table_name": "database_connections",
    "assigned_users": '["admin"]',
}
NOCODB: dict[str, object] = {
    "name": "Clientes",
    "type": "NOCODB",
    "host": "https://nocodb.example.com/",
    "database_name": "p_base",
    "table_name": "m_table",
    "password": SECRETS[0],
    "assigned_users": json.dumps([7, f" {SECRETS[2]} ", "7"]),
    "user_link_field": "",
    "status": "connected",
    "field_mappings": json.dumps(
        [
            {
                "columnName": "nome",
                "label": "Nome",
                "visible": True,
                "editable": True,
                "showInCard": True,
                "helperText": "Como no documento",
                "type": "text",
                "required": True,
                "validation": {"minLength": 2, "pattern": "^[A-Z].*$"},
                "format": "upper",
            },
            {"columnName": "codigo", "label": "Código", "visible": False, "required": True},
            {"columnName": "sem rótulo"},
            {"columnName": "nome", "label": "Outra vez"},
            {"columnName": "ChatWootToken", "label": "Token"},
            {"columnName": "cep", "label": "CEP", "validation": {"pattern": "(?<=x)y", "min": "a"}},
        ]
    ),
    "view_configuration": json.dumps({"kanban": {"enabled": True, "statusField": "etapa"}}),
    "default_view_mode": "kanban",
}
POSTGRES: dict[str, object] = {
    "name": "Pedidos",
    "type": "POSTGRES",
    "host": "db.example.com",
    "database_name": "loja",
    "username": "app",
    "password": SECRETS[1],
    "table_name": "pedidos",
    "assigned_users": '["admin", "a1b2"]',
    "field_mappings": '{"numero": "order_number"}',
    "status": "inactive",
}
LEADS: dict[str, object] = {"name": "Leads", "type": "SQLITE", "database_name": "leads.db", "table_name": "leads"}
BRANDING: list[dict[str, object]] = [
    {"app_name": "Old"},
    {"app_name": "Loja São João", "primary_color": "#a0b1c2", "logo_url": "javascript:x"},
]
METADATA = {"schema_version": "2", "install_id": "abc", "system.adopted.x": "1"}


def write(
    file: Path,
    connections: Sequence[Mapping[str, object]],
    branding: Sequence[Mapping[str, object]] = (),
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Makes a database of the original with these rows; what a row leaves out has the column's default."""
    with closing(sqlite3.connect(file)) as database, database:
        for statement in (_CONNECTIONS, _BRANDING, _METADATA, "CREATE TABLE sent_messages (id INTEGER, body TEXT)"):
            database.execute(statement)
        for table, rows in (
            ("database_connections", connections),
            ("branding_config", branding),
            ("system_metadata", [{"key": key, "value": value} for key, value in (metadata or {}).items()]),
        ):
            for row in rows:
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*row.values()])
    return file
