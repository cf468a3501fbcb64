"""The calls of ConnectionService: where tables live and who may use them. For the administrator, but for one."""

# ruff: noqa: A002 - arguments bear the names of the API

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypedDict, TypeVar, Unpack

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from wuzapi_manager.v1.common_pb2 import FieldMapping
from wuzapi_manager.v1.connection_pb2 import (
    AirtableSource,
    AssignUsersRequest,
    BatchCreateConnectionsRequest,
    BatchDeleteConnectionsRequest,
    Connection,
    ConnectionStatus,
    ConnectionType,
    CreateConnectionRequest,
    DeleteConnectionRequest,
    DescribeSourceRequest,
    GetConnectionRequest,
    ListConnectionsRequest,
    ListUserConnectionsRequest,
    MysqlSource,
    NocodbSource,
    PostgresqlSource,
    RowScope,
    SetConnectionStatusRequest,
    SourceTable,
    SqliteSource,
    TestConnectionRequest,
    TestConnectionResponse,
    TlsMode,
    UnassignUsersRequest,
    UndeleteConnectionRequest,
    UpdateConnectionRequest,
    UserLinkValue,
)
from wuzapi_manager_client.calls import Calls, new_request_id, texts
from wuzapi_manager_client.enums import enum_number
from wuzapi_manager_client.values import to_struct

M = TypeVar("M", bound=Message)

_SOURCES = ("sqlite", "nocodb", "mysql", "postgresql", "airtable")


class ConnectionFields(TypedDict, total=False):
    """The fields of a connection as keyword arguments. A source is its message or a dict of its fields.

    Enums may be given by name without their prefix: `row_scope="SHARED"`, `mysql={..., "tls_mode": "REQUIRE"}`.
    """

    name: str
    sqlite: Mapping[str, str] | SqliteSource
    nocodb: Mapping[str, str] | NocodbSource
    mysql: Mapping[str, str | int] | MysqlSource
    postgresql: Mapping[str, str | int] | PostgresqlSource
    airtable: Mapping[str, str] | AirtableSource
    assigned_users: Iterable[str]
    user_link_field: str
    user_link_value: "str | UserLinkValue.ValueType"
    row_scope: "str | RowScope.ValueType"
    field_mappings: "Iterable[Mapping[str, object] | FieldMapping]"
    view_configuration: Mapping[str, object]


def build_connection(**fields: Unpack[ConnectionFields]) -> Connection:
    """A connection from keyword arguments, for the calls that take several."""
    return _build(fields)


class ConnectionCalls(Calls):
    """Makes, finds, changes, tests and deletes connections."""

    def create_connection(
        self,
        connection: Connection | None = None,
        *,
        request_id: str | None = None,
        validate_only: bool = False,
        timeout: float | None = None,
        **fields: Unpack[ConnectionFields],
    ) -> Connection:
        """Makes a connection, from a message or from keyword arguments. Nothing is contacted: test_connection does.

        It is safe to repeat with the same `request_id`; without one the client makes its own. With `validate_only`
        everything is checked and nothing made.
        """
        request = CreateConnectionRequest(
            connection=_one_of(connection, fields),
            request_id=request_id or new_request_id(),
            validate_only=validate_only,
        )
        return self._call(self._connections.CreateConnection, request, timeout).connection

    def get_connection(self, connection_id: int, *, timeout: float | None = None) -> Connection:
        """One connection, also a deleted one. NotFound when there is none."""
        return self._call(self._connections.GetConnection, GetConnectionRequest(id=connection_id), timeout).connection

    def list_connections(
        self,
        *,
        type: "str | ConnectionType.ValueType | None" = None,
        status: "str | ConnectionStatus.ValueType | None" = None,
        assigned_user: str = "",
        name_contains: str = "",
        order_by: str = "",
        show_deleted: bool = False,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Iterator[Connection]:
        """All connections that match, newest first unless `order_by` (over name, create_time, update_time) says else.

        Pages are asked for as they are needed, `page_size` (0 = 100) connections each; `timeout` is a page's.
        """
        request = ListConnectionsRequest(
            type=enum_number(ConnectionType, type),
            status=enum_number(ConnectionStatus, status),
            assigned_user=assigned_user,
            name_contains=name_contains,
            order_by=order_by,
            show_deleted=show_deleted,
            page_size=page_size,
        )
        pages = self._pages(self._connections.ListConnections, request, timeout)
        return (item for page in pages for item in page.connections)

    def list_user_connections(self, *, page_size: int = 0, timeout: float | None = None) -> Iterator[Connection]:
        """The calling user's own connections, oldest first, without what is the administrator's to know."""
        request = ListUserConnectionsRequest(page_size=page_size)
        pages = self._pages(self._connections.ListUserConnections, request, timeout)
        return (item for page in pages for item in page.connections)

    def update_connection(
        self,
        connection: int | Connection,
        *,
        update_mask: Sequence[str] | None = None,
        validate_only: bool = False,
        timeout: float | None = None,
        **fields: Unpack[ConnectionFields],
    ) -> Connection:
        """Changes a connection and gives it as it is then.

        Either the fields to set, as keyword arguments: exactly they change, also where they are empty, and of a source
        given as a dict only the keys in it (`mysql={"password": "..."}`). Or a changed message with `update_mask`:
        without a mask its populated fields are set, `["*"]` replaces all but secrets left empty.

        With a message its etag must be current (Conflict); with an id whatever is there is changed.
        """
        if isinstance(connection, int):
            message, etag = Connection(id=connection), ""
        else:
            message, etag = connection, connection.etag
        if fields:
            identity = message.id
            message = _build(fields)
            message.id, message.etag = identity, etag
            update_mask = [*(update_mask or ()), *_paths(fields)]
        request = UpdateConnectionRequest(
            connection=message,
            update_mask=None if update_mask is None else FieldMask(paths=texts(update_mask)),
            validate_only=validate_only,
        )
        return self._call(self._connections.UpdateConnection, request, timeout).connection

    def delete_connection(
        self, connection_id: int, *, etag: str = "", validate_only: bool = False, timeout: float | None = None
    ) -> Connection:
        """Deletes a connection softly: it can be undeleted for 30 days."""
        request = DeleteConnectionRequest(id=connection_id, etag=etag, validate_only=validate_only)
        return self._call(self._connections.DeleteConnection, request, timeout).connection

    def undelete_connection(
        self, connection_id: int, *, etag: str = "", validate_only: bool = False, timeout: float | None = None
    ) -> Connection:
        """Brings a deleted connection back. AlreadyExists when it is not deleted."""
        request = UndeleteConnectionRequest(id=connection_id, etag=etag, validate_only=validate_only)
        return self._call(self._connections.UndeleteConnection, request, timeout).connection

    def set_connection_status(
        self,
        connection_id: int,
        status: "str | ConnectionStatus.ValueType",
        *,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
    ) -> Connection:
        """Sets the status alone, such as "ACTIVE". It is information for people."""
        request = SetConnectionStatusRequest(
            id=connection_id, status=enum_number(ConnectionStatus, status), etag=etag, validate_only=validate_only
        )
        return self._call(self._connections.SetConnectionStatus, request, timeout).connection

    def test_connection(
        self,
        connection: int | Connection | None = None,
        *,
        timeout: float | None = None,
        **fields: Unpack[ConnectionFields],
    ) -> TestConnectionResponse:
        """Tries a saved connection (its id), or one that is not saved (a message or keyword arguments).

        What fails is told in the `steps` of the answer, not raised; `ok` says whether all passed.
        """
        request = TestConnectionRequest()
        if isinstance(connection, int):
            request.id = connection
        else:
            request.connection.CopyFrom(_one_of(connection, fields))
        return self._call(self._connections.TestConnection, request, timeout)

    def describe_source(
        self,
        connection: int | Connection | None = None,
        *,
        page_size: int = 0,
        timeout: float | None = None,
        **fields: Unpack[ConnectionFields],
    ) -> Iterator[SourceTable]:
        """The tables and views that a connection can see, with their columns and a mapping to start from.

        Of a connection that is not saved the table may be left out.
        """
        request = DescribeSourceRequest(page_size=page_size)
        if isinstance(connection, int):
            request.id = connection
        else:
            request.connection.CopyFrom(_one_of(connection, fields))
        pages = self._pages(self._connections.DescribeSource, request, timeout)
        return (item for page in pages for item in page.tables)

    def assign_users(
        self,
        connection_id: int,
        users: Iterable[str],
        *,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
    ) -> Connection:
        """Lets users (WUZAPI ids or tokens) use a connection, beside those who may already."""
        request = AssignUsersRequest(id=connection_id, users=texts(users), etag=etag, validate_only=validate_only)
        return self._call(self._connections.AssignUsers, request, timeout).connection

    def unassign_users(
        self,
        connection_id: int,
        users: Iterable[str],
        *,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
    ) -> Connection:
        """Takes a connection away from users; the others keep it."""
        request = UnassignUsersRequest(id=connection_id, users=texts(users), etag=etag, validate_only=validate_only)
        return self._call(self._connections.UnassignUsers, request, timeout).connection

    def batch_create_connections(
        self,
        connections: Iterable[Connection],
        *,
        request_id: str | None = None,
        validate_only: bool = False,
        timeout: float | None = None,
    ) -> list[Connection]:
        """Makes up to 1,000 connections, all or none."""
        request = BatchCreateConnectionsRequest(
            connections=connections, request_id=request_id or new_request_id(), validate_only=validate_only
        )
        return list(self._call(self._connections.BatchCreateConnections, request, timeout).connections)

    def batch_delete_connections(
        self, connection_ids: Iterable[int], *, validate_only: bool = False, timeout: float | None = None
    ) -> list[Connection]:
        """Deletes up to 1,000 connections softly, all or none."""
        request = BatchDeleteConnectionsRequest(ids=connection_ids, validate_only=validate_only)
        return list(self._call(self._connections.BatchDeleteConnections, request, timeout).connections)


def _one_of(connection: Connection | None, fields: ConnectionFields) -> Connection:
    if connection is None:
        return _build(fields)
    if fields:
        raise TypeError("Give a connection or its fields, not both")
    return connection


def _build(fields: ConnectionFields) -> Connection:
    connection = Connection(
        name=fields.get("name", ""),
        assigned_users=texts(fields.get("assigned_users", ())),
        user_link_field=fields.get("user_link_field", ""),
        user_link_value=enum_number(UserLinkValue, fields.get("user_link_value")),
        row_scope=enum_number(RowScope, fields.get("row_scope")),
        field_mappings=[_message(FieldMapping, item) for item in fields.get("field_mappings", ())],
    )
    if "view_configuration" in fields:
        connection.view_configuration.CopyFrom(to_struct(fields["view_configuration"]))
    given: Mapping[str, object] = fields
    sources = [name for name in _SOURCES if name in given]
    if len(sources) > 1:
        raise TypeError(f"A connection has one source, not {' and '.join(sources)}")
    for name in sources:
        target: Message = getattr(connection, name)
        target.CopyFrom(_message(type(target), given[name]))
    return connection


def _message(kind: type[M], value: object) -> M:
    """A message of that kind, or the dict of its fields. ValueError for a key that it does not have."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"Give a dict or a {kind.__name__}, not a {type(value).__name__}")
    fields = dict(value)
    if "tls_mode" in fields:
        fields["tls_mode"] = enum_number(TlsMode, fields["tls_mode"])
    return kind(**fields)


def _paths(fields: ConnectionFields) -> list[str]:
    """What these fields are in an update mask: of a dict for a source, its keys alone."""
    paths = []
    for name, value in fields.items():
        if name in _SOURCES and isinstance(value, Mapping):
            paths += [f"{name}.{key}" for key in value]
        else:
            paths.append(name)
    return paths
