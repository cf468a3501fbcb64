"""Where a connection of the original application leads to, in this service's words."""

from pathlib import PurePath
from urllib.parse import unquote

from wuzapi_manager_server.domain.adopted_row import Record, text_of
from wuzapi_manager_server.domain.connection import Mysql, Nocodb, Postgresql, Source, Sqlite, TlsMode

LINK_FIELDS = {"SQLITE": "ChatWootToken", "NOCODB": "ChatWootToken", "MYSQL": "user_token", "POSTGRESQL": "user_token"}
"""The link field where none is named, by the types that there are sources for."""

SHOWS_OWN_TABLES = "it shows the application's own tables, with the passwords in them"

_OF_ALL = ("name", "type", "database_name", "table_name", "assigned_users", "user_link_field", "field_mappings")
_OF_SERVERS = (*_OF_ALL, "host", "port", "username", "password")
NEEDED = {
    "SQLITE": _OF_ALL,
    "NOCODB": (*_OF_ALL, "host", "password", "nocodb_token", "nocodb_project_id", "nocodb_table_id"),
    "MYSQL": _OF_SERVERS,
    "POSTGRESQL": _OF_SERVERS,
}
"""The columns without which nothing becomes of a row, by type."""

_OWN_FILE, _OWN_TABLE = "wuzapi.db", "database_connections"
_POSTGRESQL_PORT, _MYSQL_PORT = 5_432, 3_306
_MAX_DIGITS = 10  # more than any port has


def kind_of(row: Record) -> str:
    """The type of a row, as this service calls it."""
    kind = text_of(row, "type").upper()
    return "POSTGRESQL" if kind == "POSTGRES" else kind


def names_own_tables(row: Record, file_name: str) -> bool:
    """Whether a row of a SQLite connection names the application's own database, which is called `file_name` now.

    That is so however its path is spelled, and for the table of the connections in whatever file.
    """
    database, table = text_of(row, "database_name"), text_of(row, "table_name")
    if database[:5].lower() == "file:":
        database = unquote(database[5:])
    name = PurePath(database.partition("?")[0].replace("\\", "/")).name.casefold()
    own_table = table.casefold().rpartition(".")[2].strip("\"'`[] ") == _OWN_TABLE
    return own_table or name in {_OWN_FILE, file_name.casefold()}


def source_of(kind: str, row: Record) -> Source:
    """The source of a row of that type; port 0, which means the type's own, where it has none."""
    database, table = text_of(row, "database_name"), text_of(row, "table_name")
    if kind == "SQLITE":
        return Sqlite(database, table)
    if kind == "NOCODB":
        secret = text_of(row, "nocodb_token") or text_of(row, "password")
        project = text_of(row, "nocodb_project_id") or database
        return Nocodb(text_of(row, "host").rstrip("/"), project, text_of(row, "nocodb_table_id") or table, secret)
    return (Mysql if kind == "MYSQL" else Postgresql)(
        host=text_of(row, "host"),
        port=_port(row) or 0,
        database=database,
        username=text_of(row, "username"),
        table_name=table,
        tls_mode=TlsMode.PREFER,
        secret=text_of(row, "password", strip=False),
    )


def port_problems(kind: str, row: Record) -> tuple[str, ...]:
    """Why a row's port is none."""
    if "port" in NEEDED[kind] and _port(row) is None:
        return (f"its port {text_of(row, 'port')[:40]!r} is no whole number",)
    return ()


def port_notes(kind: str, row: Record) -> tuple[str, ...]:
    """What a row's port is likely not meant to be."""
    if kind == "MYSQL" and _port(row) == _POSTGRESQL_PORT:
        # The original's default for every type.
        return (f"its port is {_POSTGRESQL_PORT}, PostgreSQL's: MySQL's own is {_MYSQL_PORT}",)
    return ()


def _port(row: Record) -> int | None:
    """The port, 0 where the row has none; None for what is no whole number."""
    value, text = row.get("port"), text_of(row, "port")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) or not text:
        return int(text or 0)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS else None
