"""Connections as rows and back."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, assert_never

import orjson

from wuzapi_manager_server.domain.connection import (
    Airtable,
    Connection,
    ConnectionStatus,
    ConnectionTest,
    ConnectionType,
    Mysql,
    Nocodb,
    Postgresql,
    Sharing,
    Source,
    Sqlite,
    TlsMode,
    UserLinkValue,
)
from wuzapi_manager_server.domain.mapping import FieldMapping, Validation
from wuzapi_manager_server.domain.table import Fault, Step
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.models import moment_of, moment_text

SECRET_COLUMN: Mapping[ConnectionType, str] = {
    ConnectionType.NOCODB: "nocodb_token",
    ConnectionType.MYSQL: "password",
    ConnectionType.POSTGRESQL: "password",
    ConnectionType.AIRTABLE: "airtable_api_key",
}
"""The column of the one secret that a source of that type has."""

_SECRET_COLUMN_BY_NAME: Mapping[str, str] = {kind.value: column for kind, column in SECRET_COLUMN.items()}
_SQL_SERVERS: Mapping[str, type[Mysql] | type[Postgresql]] = {"MYSQL": Mysql, "POSTGRESQL": Postgresql}


class StoredConnection(NamedTuple):
    """A row of database_connections, in the order of the model's fields."""

    id: int
    name: str
    type: str
    host: str
    port: int
    database_name: str
    username: str
    password: str | None
    table_name: str
    schema_name: str
    tls_mode: str
    nocodb_token: str | None
    nocodb_project_id: str
    nocodb_table_id: str
    airtable_base_url: str
    airtable_base_id: str
    airtable_api_key: str | None
    airtable_table_id: str
    status: str
    user_link_field: str
    user_link_value: str
    row_scope: str
    field_mappings: str
    view_configuration: str
    version: int
    created_at: str
    updated_at: str
    deleted_at: str | None
    last_test: str | None

    @property
    def secret(self) -> str | None:
        """The encrypted secret of the source."""
        column = _SECRET_COLUMN_BY_NAME.get(self.type)
        found: str | None = getattr(self, column) if column else None
        return found


def values_of(connection: Connection) -> dict[str, object]:
    """The columns that a caller decides on, without secrets; columns of other types of source are null."""
    source = connection.source
    values: dict[str, object] = dict.fromkeys(_SOURCE_COLUMNS)
    match source:
        case Sqlite():
            values.update(database_name=source.database, table_name=source.table_name)
        case Nocodb():
            values.update(host=source.host, nocodb_project_id=source.project_id, nocodb_table_id=source.table_id)
        case Mysql() | Postgresql():
            values.update(
                host=source.host,
                port=source.port,
                database_name=source.database,
                username=source.username,
                table_name=source.table_name,
                schema_name=source.schema,
                tls_mode=source.tls_mode.value,
            )
        case Airtable():
            values.update(
                airtable_base_url=source.base_url,
                airtable_base_id=source.base_id,
                airtable_table_id=source.table_id,
            )
        case _:
            assert_never(source)
    values.update(
        name=connection.name,
        type=source.type.value,
        status=status_text(connection.status),
        user_link_field=connection.user_link_field,
        user_link_value=connection.user_link_value.value,
        row_scope=connection.row_scope.value,
        field_mappings=orjson.dumps(connection.field_mappings).decode(),
        view_configuration=orjson.dumps(dict(connection.view_configuration)).decode(),
        last_test=test_text(connection.last_test),
    )
    return values


def connection_of(row: StoredConnection, users: Sequence[str], secret: str) -> Connection:
    """The connection of a row; `secret` is empty unless it was asked for. DatabaseError where it is not as stored."""
    try:
        return _connection_of(row, users, secret)
    except faults.NOT_AS_STORED as error:
        raise faults.corrupt() from error


def _connection_of(row: StoredConnection, users: Sequence[str], secret: str) -> Connection:
    return Connection(
        name=row.name,
        source=_source_of(row, secret),
        status=ConnectionStatus(row.status.upper()),
        assigned_users=tuple(users),
        user_link_field=row.user_link_field,
        user_link_value=UserLinkValue(row.user_link_value),
        row_scope=Sharing(row.row_scope),
        field_mappings=tuple(_mapping_of(item) for item in orjson.loads(row.field_mappings)),
        view_configuration=orjson.loads(row.view_configuration),
        id=row.id,
        version=row.version,
        create_time=moment_of(row.created_at),
        update_time=moment_of(row.updated_at),
        delete_time=moment_of(row.deleted_at) if row.deleted_at else None,
        last_test=_test_of(row.last_test) if row.last_test else None,
    )


def status_text(status: ConnectionStatus) -> str:
    """A status as it is stored: in lower case, as the original application has it."""
    return status.value.lower()


def test_text(test: ConnectionTest | None) -> str | None:
    """A test as it is stored."""
    if test is None:
        return None
    steps = [
        (step.name, step.ok, step.duration, tuple(step.message), tuple(step.suggestion), step.fault)
        for step in test.steps
    ]
    return orjson.dumps((moment_text(test.time), steps)).decode()


def _test_of(text: str) -> ConnectionTest:
    time, steps = orjson.loads(text)
    return ConnectionTest(
        moment_of(time),
        tuple(
            Step(name, ok, duration, Text(*message), Text(*suggestion), Fault(fault) if fault else None)
            for name, ok, duration, message, suggestion, fault in steps
        ),
    )


def _source_of(row: StoredConnection, secret: str) -> Source:
    has_secret = row.secret is not None
    if row.type == "SQLITE":
        return Sqlite(row.database_name, row.table_name)
    if row.type == "NOCODB":
        return Nocodb(row.host, row.nocodb_project_id, row.nocodb_table_id, secret, has_secret)
    if row.type == "AIRTABLE":
        return Airtable(row.airtable_base_url, row.airtable_base_id, row.airtable_table_id, secret, has_secret)
    return _SQL_SERVERS[row.type](
        host=row.host,
        port=row.port,
        database=row.database_name,
        username=row.username,
        table_name=row.table_name,
        schema=row.schema_name,
        tls_mode=TlsMode(row.tls_mode),
        secret=secret,
        has_secret=has_secret,
    )


def _mapping_of(item: dict[str, Any]) -> FieldMapping:
    validation = item.pop("validation")
    validation["options"] = tuple(validation["options"])
    return FieldMapping(**item, validation=Validation(**validation))


_SOURCE_COLUMNS = (
    "host",
    "port",
    "database_name",
    "username",
    "table_name",
    "schema_name",
    "tls_mode",
    "nocodb_project_id",
    "nocodb_table_id",
    "airtable_base_url",
    "airtable_base_id",
    "airtable_table_id",
)
