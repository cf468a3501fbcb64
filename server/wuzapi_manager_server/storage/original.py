"""Reads the database of the Node.js application that this service replaces. The file itself is left as it is."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from errno import ENOSPC
from hashlib import file_digest, sha256
from pathlib import Path

import apsw
import orjson

from wuzapi_manager_server.domain.adoption import BRANDING
from wuzapi_manager_server.errors import DatabaseError, Text
from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.checksums import bytes_as_json
from wuzapi_manager_server.storage.looking import copied, looked_into
from wuzapi_manager_server.storage.migrations import APPLICATION_ID

_CONNECTIONS = "database_connections"
_COLUMNS = {
    _CONNECTIONS: (
        "id",
        "name",
        "type",
        "host",
        "port",
        "database_name",
        "username",
        "password",
        "table_name",
        "status",
        "assigned_users",
        "nocodb_token",
        "nocodb_project_id",
        "nocodb_table_id",
        "user_link_field",
        "field_mappings",
        "view_configuration",
        "default_view_mode",
    ),
    "branding_config": ("id", *BRANDING),
    "system_metadata": ("key", "value"),
}
"""What is read, by table. The first column orders the rows."""

_REQUIRED = {_CONNECTIONS: {"id", "name", "type"}, "branding_config": {"id"}, "system_metadata": {"key", "value"}}

Record = Mapping[str, object]


@dataclass(frozen=True)
class Original:
    """What the file holds: raw rows by column name, without columns that its version has not.

    `branding` is the newest row. `digests` tell whether two files hold the same: the first is the SHA-256 of all that
    was read, however it lies in the file; the second, which older marks are made of, that of the file where it is all.
    """

    digests: tuple[str, ...]
    connections: tuple[Record, ...]
    branding: Record | None
    metadata: tuple[Record, ...]


def read_original(file: Path) -> Original:
    """Reads a copy, so that the file, and what SQLite keeps beside it, stay untouched.

    DatabaseError where it is no such database, cannot be read or is damaged, as a copy taken while the application
    writes may be.
    """
    try:
        with copied(file) as copy:
            of_file = _file_digest(copy)
            with closing(apsw.Connection(str(copy))) as database:
                return _read(database, of_file)
    except OSError as error:
        if error.errno == ENOSPC:
            raise faults.of_system(error) from error
        raise faults.refused(
            "The file cannot be read",
            "O arquivo não pode ser lido",
            suggestion=Text("Check that it is there and may be read", "Verifique se ele existe e pode ser lido"),
        ) from error
    except apsw.NotADBError:
        raise _foreign("is no SQLite database", "não é um banco SQLite") from None
    except faults.ERRORS as error:
        raise faults.translated(error) from error


def is_original(file: Path) -> bool:
    """Whether the file can be read and has the table of the original's connections, with all passwords in it."""
    try:
        with looked_into(file) as database:
            found = database.execute("SELECT 1 FROM sqlite_schema WHERE lower(name) = ?", (_CONNECTIONS,))
            return bool(found.fetchall())
    except (OSError, *faults.ERRORS):
        return False


def _file_digest(copy: Path) -> tuple[str, ...]:
    """The SHA-256 of the file; none where something beside it counts too."""
    if any(each.stat().st_size for each in copy.parent.iterdir() if each != copy):
        return ()
    with copy.open("rb") as opened:
        return (file_digest(opened, "sha256").hexdigest(),)


def _read(database: apsw.Connection, of_file: tuple[str, ...]) -> Original:
    if database.execute("PRAGMA application_id").get == APPLICATION_ID:
        raise _foreign(
            "is a database of this service, or a backup of one, and none of the original application",
            "é um banco de dados deste serviço, ou um backup dele, e não da aplicação original",
        )
    if database.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
        raise faults.refused(
            "The file is damaged, or was written while it was read",
            "O arquivo está danificado ou foi gravado durante a leitura",
            suggestion=Text("Stop the application and try again", "Pare a aplicação e tente novamente"),
        )
    names = {str(name).lower() for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if _CONNECTIONS not in names:
        raise _foreign(
            "has no table database_connections: it is no database of the original application",
            "não tem a tabela database_connections: não é um banco da aplicação original",
        )
    branding = _rows(database, "branding_config", "DESC LIMIT 1") if "branding_config" in names else ()
    metadata = _rows(database, "system_metadata") if "system_metadata" in names else ()
    connections = _rows(database, _CONNECTIONS)
    return Original(
        digests=(_digest((connections, branding, metadata)), *of_file),
        connections=connections,
        branding=branding[0] if branding else None,
        metadata=metadata,
    )


def _rows(database: apsw.Connection, table: str, which: str = "") -> tuple[Record, ...]:
    encoding = str(database.execute("PRAGMA encoding").get)
    there = {str(name).lower() for _, name, *_ in database.execute(f"PRAGMA table_info({table})")}
    for name in sorted(_REQUIRED[table] - there):
        raise _foreign(f"has no column {name} in its table {table}", f"não tem a coluna {name} na tabela {table}")
    names = [name for name in _COLUMNS[table] if name in there]
    # One text that is none would end the reading of all: texts are read as bytes, and told from BLOBs by their type.
    columns = ", ".join(
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END" for name in names
    )
    cursor = database.execute(f"SELECT {columns} FROM {table} ORDER BY {_COLUMNS[table][0]} {which}")  # noqa: S608 - our own words
    return tuple(
        {
            name: _decoded(value, encoding) if kind == "text" else value
            for name, kind, value in zip(names, row[::2], row[1::2], strict=True)
        }
        for row in cursor
    )


def _decoded(value: object, encoding: str) -> object:
    """The text of these bytes; the bytes where they are none."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode(encoding)
    except UnicodeDecodeError:
        return value


def _digest(tables: Iterable[Iterable[Record]]) -> str:
    digest = sha256()
    for rows in tables:
        for line in sorted(orjson.dumps(row, default=bytes_as_json, option=orjson.OPT_SORT_KEYS) for row in rows):
            digest.update(line + b"\n")
        digest.update(b"\n")
    return digest.hexdigest()


def _foreign(en: str, pt: str) -> DatabaseError:
    return faults.refused(
        f"The file {en}",
        f"O arquivo {pt}",
        suggestion=Text("Name the database file of the original", "Informe o arquivo de banco da aplicação original"),
    )
