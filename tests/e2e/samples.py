"""Connections of every kind, SQLite files to connect, and what the service's own database holds."""

import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from tests.contract.calls import Caller
from tests.contract.server import World
from wuzapi_manager.v1 import common_pb2 as common
from wuzapi_manager.v1 import connection_pb2 as pb

SECRET = "s3cret-of-a-source"
KINDS = ("sqlite", "nocodb", "mysql", "postgresql", "airtable")
SECRETS = {"nocodb": "token", "mysql": "password", "postgresql": "password", "airtable": "api_key"}
ANA, BRUNO = "ana-0001", "bruno-0002"
_numbers = count(1)


def source_of(kind: str) -> pb.Connection:
    """A Connection message that has a source of that kind, with its secret, and nothing else."""
    match kind:
        case "sqlite":
            return pb.Connection(sqlite=pb.SqliteSource(database="sales.db", table_name="orders"))
        case "nocodb":
            return pb.Connection(
                nocodb=pb.NocodbSource(host="https://nocodb.test", token=SECRET, project_id="p_1", table_id="m_1")
            )
        case "mysql":
            mysql = pb.MysqlSource(
                host="mysql.test", port=3307, database="crm", username="app", password=SECRET, table_name="orders"
            )
            return pb.Connection(mysql=mysql)
        case "postgresql":
            postgresql = pb.PostgresqlSource(
                host="pg.test", database="crm", username="app", password=SECRET, table_name="orders", schema="sales"
            )
            return pb.Connection(postgresql=postgresql)
        case _:
            return pb.Connection(airtable=pb.AirtableSource(base_id="app1", api_key=SECRET, table_id="Orders"))


def connection_of(kind: str = "sqlite", name: str = "") -> pb.Connection:
    """A valid connection of that kind."""
    connection = source_of(kind)
    connection.name = name or f"{kind} {next(_numbers)}"
    connection.user_link_field = "owner"
    return connection


def rich(kind: str) -> pb.Connection:
    """A connection of which every field is set."""
    connection = connection_of(kind)
    connection.name = f"Produção 🦜 '; DROP TABLE x; -- {kind}"
    connection.status = pb.CONNECTION_STATUS_ACTIVE
    connection.assigned_users.extend([ANA, BRUNO])
    connection.user_link_value = pb.USER_LINK_VALUE_JID
    connection.row_scope = pb.ROW_SCOPE_SHARED
    connection.field_mappings.add(
        field="name",
        column="customer_name",
        label="Nome",
        type="text",
        visible=True,
        editable=False,
        helper_text="ajuda",
        show_in_card=True,
        validation=common.FieldValidation(pattern="[a-z]+", min_length=1, max_length=9, min=-1.5, max=0, options=["a"]),
    )
    connection.field_mappings.add(field="total", visible=True, editable=True, required=True)
    view = Struct()
    view.update({"kanban": {"enabled": True, "statusField": None}, "list": [1, "dois", False]})
    connection.view_configuration.CopyFrom(view)
    return connection


def without_secret(connection: pb.Connection) -> pb.Connection:
    """What is given, as it comes back: has_password and the like in place of the secret."""
    told = pb.Connection()
    told.CopyFrom(connection)
    kind = told.WhichOneof("source") or ""
    if kind in SECRETS:
        source = getattr(told, kind)
        source.ClearField(SECRETS[kind])
        setattr(source, f"has_{SECRETS[kind]}", True)
        if kind in ("mysql", "postgresql") and not source.tls_mode:
            source.tls_mode = pb.TLS_MODE_PREFER
    return told


def create(world: World, connection: pb.Connection | None = None) -> pb.Connection:
    """Makes a connection as the administrator."""
    request = pb.CreateConnectionRequest(connection=connection or connection_of())
    return world.admin.connections.CreateConnection(request).connection


def get(world: World, identifier: int) -> pb.Connection:
    """A connection as the administrator sees it."""
    return world.admin.connections.GetConnection(pb.GetConnectionRequest(id=identifier)).connection


def update(world: World, connection: pb.Connection, *mask: str, validate_only: bool = False) -> pb.Connection:
    """Changes a connection as the administrator."""
    request = pb.UpdateConnectionRequest(
        connection=connection,
        update_mask=FieldMask(paths=mask) if mask else None,
        validate_only=validate_only,
    )
    return world.admin.connections.UpdateConnection(request).connection


def listed(world: World, **wanted: object) -> list[pb.Connection]:
    """All connections of all pages; `page_size` is the size of a page."""
    found: list[pb.Connection] = []
    request = pb.ListConnectionsRequest()
    for name, value in wanted.items():
        setattr(request, name, value)
    while True:
        page = world.admin.connections.ListConnections(request)
        found += page.connections
        assert not request.page_size or len(page.connections) <= request.page_size
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def new_file(folder: Path, *statements: str) -> Path:
    """A SQLite file of the table `orders`, with a row for the token `token-of-ana`, or of other statements."""
    file = folder / f"sample-{next(_numbers)}.db"
    with closing(sqlite3.connect(file)) as database, database:
        for statement in statements or (
            "CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT, name TEXT NOT NULL, total INTEGER)",
            "INSERT INTO orders (owner, name, total) VALUES ('token-of-ana', 'one', 1), ('token-of-bruno', 'two', 2)",
        ):
            database.execute(statement)
    return file


def connected(world: World, file: Path, *users: Caller, table: str = "orders") -> int:
    """Connects a table of a file and assigns it to users; gives the connection's id."""
    connection = connection_of()
    connection.sqlite.database, connection.sqlite.table_name = file.name, table
    connection.assigned_users.extend(user.identity for user in users)
    return create(world, connection).id


def set_fields(message: Message, *left_out: str) -> dict[str, object]:
    """The fields of a message that are set, but for some."""
    return {field.name: value for field, value in message.ListFields() if field.name not in left_out}


def kept(world: World) -> str:
    """Everything that the service's own database holds, but for the audit log, which tells of refusals too."""
    with closing(sqlite3.connect(world.database)) as database:
        return "\n".join(line for line in database.iterdump() if "audit_events" not in line)


def stored_secret(world: World, identifier: int) -> str:
    """What the service's own database holds as the secret of that connection; empty where there is none."""
    columns = "COALESCE(password, nocodb_token, airtable_api_key, '')"
    with closing(sqlite3.connect(world.database)) as database:
        return str(
            database.execute(f"SELECT {columns} FROM database_connections WHERE id = ?", (identifier,)).fetchone()[0]
        )
