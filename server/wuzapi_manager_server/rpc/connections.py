"""ConnectionService."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from grpc.aio import ServicerContext

from wuzapi_manager.v1 import connection_pb2 as pb
from wuzapi_manager.v1 import connection_pb2_grpc
from wuzapi_manager_server.domain import suggestions
from wuzapi_manager_server.domain.caller import User
from wuzapi_manager_server.domain.connection import Connection, ConnectionStatus, ConnectionType
from wuzapi_manager_server.domain.connection_rules import MAX_NAME, SUMMARY, users_violations
from wuzapi_manager_server.domain.table import Table
from wuzapi_manager_server.errors import InvalidInput, SystemFailure, Text, Violation
from wuzapi_manager_server.rpc.call import Language, current
from wuzapi_manager_server.rpc.convert_common import choice_from, column_to, mapping_to
from wuzapi_manager_server.rpc.convert_connections import (
    checked_connection,
    checked_connections,
    connection_from,
    connection_to,
    merged,
    step_to,
    user_view_to,
)
from wuzapi_manager_server.rpc.message_cache import MessageCache
from wuzapi_manager_server.rpc.requests import Problems, binding, repeatable, required
from wuzapi_manager_server.rpc.wire import field as wire_field
from wuzapi_manager_server.rpc.wire import serialized
from wuzapi_manager_server.services.connections import MAX_BATCH, Connections, checked_unsaved, not_found
from wuzapi_manager_server.services.once import check_request_id
from wuzapi_manager_server.services.page_tokens import PageTokens, page_size
from wuzapi_manager_server.storage.connections import ConnectionFilter, Head

_DEFAULT_PAGE, _LARGEST_PAGE = 100, 1_000
_DEFAULT_TABLES, _MOST_TABLES = 50, 200
_CACHES: Mapping[Language, str] = {"en": "connections", "pt-BR": "connections, Portuguese"}
_ORDERS = ("name", "create_time", "update_time")
Context = ServicerContext[object, object]


class ConnectionServicer(connection_pb2_grpc.ConnectionServiceServicer):
    """Answers ConnectionService. `page_bytes` bounds an answer's size."""

    def __init__(self, connections: Connections, tokens: PageTokens, page_bytes: int) -> None:
        self._connections = connections
        self._tokens = tokens
        self._page_bytes = page_bytes
        self._whole: Mapping[Language, MessageCache] = {
            language: MessageCache(name, connections.store, partial(connection_to, language=language))
            for language, name in _CACHES.items()
        }
        self._views = MessageCache("user connections", connections.store, user_view_to)
        self.caches = (*self._whole.values(), self._views)

    async def CreateConnection(
        self, request: pb.CreateConnectionRequest, context: Context
    ) -> pb.CreateConnectionResponse:
        """See the proto."""
        problems = Problems()
        problems.attempt(lambda: check_request_id(request.request_id), None)
        connections = problems.attempt(lambda: [checked_connection(request.connection)], ())
        problems.settle(SUMMARY)
        answer = await self._connections.create(
            connections,
            repeatable(current().caller, request, request.request_id),
            lambda made: pb.CreateConnectionResponse(connection=connection_to(made[0])).SerializeToString(),
            validate_only=request.validate_only,
        )
        return serialized(pb.CreateConnectionResponse, answer)

    async def BatchCreateConnections(
        self, request: pb.BatchCreateConnectionsRequest, context: Context
    ) -> pb.BatchCreateConnectionsResponse:
        """See the proto."""
        _check_count("connections", len(request.connections))
        problems = Problems()
        problems.attempt(lambda: check_request_id(request.request_id), None)
        connections = problems.attempt(
            lambda: checked_connections(request.connections, lambda at: f"connections[{at}]"), ()
        )
        problems.settle(SUMMARY)
        answer = await self._connections.create(
            connections,
            repeatable(current().caller, request, request.request_id),
            lambda made: self._fitting(
                "connections", pb.BatchCreateConnectionsResponse(connections=[connection_to(each) for each in made])
            ),
            validate_only=request.validate_only,
        )
        return serialized(pb.BatchCreateConnectionsResponse, answer)

    async def GetConnection(self, request: pb.GetConnectionRequest, context: Context) -> pb.GetConnectionResponse:
        """See the proto. The message is kept serialized; its version is read anew each time."""
        required(id=request.id)
        version = self._connections.store.version(request.id)
        found = self._whole[current().language].many([Head(request.id, version, "")]) if version is not None else {}
        if not found:
            raise not_found(request.id)
        return serialized(pb.GetConnectionResponse, wire_field(1, found[request.id]))

    async def ListConnections(self, request: pb.ListConnectionsRequest, context: Context) -> pb.ListConnectionsResponse:
        """See the proto."""
        problems = Problems()
        bound = binding(current().caller, request, "page_size", "page_token")
        size = problems.attempt(lambda: page_size(request.page_size, _DEFAULT_PAGE, _LARGEST_PAGE), 1)
        place = problems.attempt(lambda: self._tokens.take(request.page_token, bound), ())
        order = problems.attempt(lambda: _order(request.order_by), ("create_time", True))
        kind = choice_from(request.type, pb.ConnectionType.DESCRIPTOR, ConnectionType, "type", problems.violations)
        status = choice_from(
            request.status, pb.ConnectionStatus.DESCRIPTOR, ConnectionStatus, "status", problems.violations
        )
        if len(request.name_contains) > MAX_NAME or "\0" in request.name_contains:
            text = Text(
                f"must be at most {MAX_NAME} characters without U+0000",
                f"name_contains deve ter no máximo {MAX_NAME} caracteres, sem U+0000",
            )
            problems.violations.append(Violation("name_contains", text))
        problems.settle()
        wanted = ConnectionFilter(
            type=kind,
            status=status,
            assigned_user=request.assigned_user,
            name_contains=request.name_contains,
            show_deleted=request.show_deleted,
        )
        after = (str(place[0]), place[1]) if len(place) == 2 and isinstance(place[1], int) else None  # noqa: PLR2004 - what _page gives
        heads = await self._connections.page(wanted, order, after, size + 1)
        return serialized(pb.ListConnectionsResponse, self._page(heads, size, self._whole[current().language], bound))

    async def ListUserConnections(
        self, request: pb.ListUserConnectionsRequest, context: Context
    ) -> pb.ListUserConnectionsResponse:
        """See the proto."""
        caller = current().caller
        if not isinstance(caller, User):
            raise SystemFailure(Text("A user was expected", "Era esperado um usuário"))
        problems = Problems()
        bound = binding(caller, request, "page_size", "page_token")
        size = problems.attempt(lambda: page_size(request.page_size, _DEFAULT_PAGE, _LARGEST_PAGE), 1)
        place = problems.attempt(lambda: self._tokens.take(request.page_token, bound), ())
        problems.settle()
        after = place[1] if len(place) == 2 and isinstance(place[1], int) else 0  # noqa: PLR2004 - what _page gives
        heads = self._connections.store.user_page(caller.identities, after, size + 1)
        return serialized(pb.ListUserConnectionsResponse, self._page(heads, size, self._views, bound))

    async def UpdateConnection(
        self, request: pb.UpdateConnectionRequest, context: Context
    ) -> pb.UpdateConnectionResponse:
        """See the proto."""
        required(**{"connection.id": request.connection.id})
        changed = await self._connections.change(
            request.connection.id,
            request.connection.etag,
            lambda connection: merged(connection, request.connection, request.update_mask),
            validate_only=request.validate_only,
        )
        return pb.UpdateConnectionResponse(connection=_whole_to(changed))

    async def SetConnectionStatus(
        self, request: pb.SetConnectionStatusRequest, context: Context
    ) -> pb.SetConnectionStatusResponse:
        """See the proto."""
        problems = Problems()
        problems.require("id", request.id)
        problems.require("status", request.status)
        status = choice_from(
            request.status, pb.ConnectionStatus.DESCRIPTOR, ConnectionStatus, "status", problems.violations
        )
        problems.settle()
        changed = await self._connections.set_status(
            request.id, status or ConnectionStatus.INACTIVE, request.etag, validate_only=request.validate_only
        )
        return pb.SetConnectionStatusResponse(connection=_whole_to(changed))

    async def AssignUsers(self, request: pb.AssignUsersRequest, context: Context) -> pb.AssignUsersResponse:
        """See the proto."""
        _check_users(request)
        changed = await self._connections.assign(
            request.id, tuple(dict.fromkeys(request.users)), request.etag, validate_only=request.validate_only
        )
        return pb.AssignUsersResponse(connection=_whole_to(changed))

    async def UnassignUsers(self, request: pb.UnassignUsersRequest, context: Context) -> pb.UnassignUsersResponse:
        """See the proto."""
        _check_users(request)
        changed = await self._connections.unassign(
            request.id, tuple(dict.fromkeys(request.users)), request.etag, validate_only=request.validate_only
        )
        return pb.UnassignUsersResponse(connection=_whole_to(changed))

    async def DeleteConnection(
        self, request: pb.DeleteConnectionRequest, context: Context
    ) -> pb.DeleteConnectionResponse:
        """See the proto."""
        required(id=request.id)
        language = current().language
        answer = await self._connections.delete(
            [request.id],
            request.etag,
            lambda gone: pb.DeleteConnectionResponse(connection=connection_to(gone[0], language)).SerializeToString(),
            validate_only=request.validate_only,
        )
        return serialized(pb.DeleteConnectionResponse, answer)

    async def BatchDeleteConnections(
        self, request: pb.BatchDeleteConnectionsRequest, context: Context
    ) -> pb.BatchDeleteConnectionsResponse:
        """See the proto."""
        _check_count("ids", len(request.ids))
        if len(set(request.ids)) != len(request.ids):
            text = Text("must name each connection once", "Cada conexão deve aparecer uma única vez")
            raise InvalidInput([Violation("ids", text)])
        language = current().language
        answer = await self._connections.delete(
            request.ids,
            "",
            lambda gone: self._fitting(
                "ids", pb.BatchDeleteConnectionsResponse(connections=[connection_to(each, language) for each in gone])
            ),
            validate_only=request.validate_only,
        )
        return serialized(pb.BatchDeleteConnectionsResponse, answer)

    async def UndeleteConnection(
        self, request: pb.UndeleteConnectionRequest, context: Context
    ) -> pb.UndeleteConnectionResponse:
        """See the proto."""
        required(id=request.id)
        back = await self._connections.undelete(request.id, request.etag, validate_only=request.validate_only)
        return pb.UndeleteConnectionResponse(connection=_whole_to(back))

    async def TestConnection(self, request: pb.TestConnectionRequest, context: Context) -> pb.TestConnectionResponse:
        """See the proto."""
        target = self._target(request, Problems(), describe=False)
        steps, saved = await self._connections.test(target, current().deadline)
        response = pb.TestConnectionResponse(ok=all(step.ok for step in steps))
        response.steps.extend(step_to(step, current().language) for step in steps)
        if saved is not None:
            response.connection.CopyFrom(_whole_to(saved))
        return response

    async def DescribeSource(self, request: pb.DescribeSourceRequest, context: Context) -> pb.DescribeSourceResponse:
        """See the proto."""
        call = current()
        problems = Problems()
        bound = binding(call.caller, request, "page_size", "page_token")
        size = problems.attempt(lambda: page_size(request.page_size, _DEFAULT_TABLES, _MOST_TABLES), 1)
        place = problems.attempt(lambda: self._tokens.take(request.page_token, bound), ())
        target = self._target(request, problems, describe=True)
        after = (str(place[0]), str(place[1])) if place else ("", "")
        page = await self._connections.tables(target, after, size, call.deadline)
        response = pb.DescribeSourceResponse(tables=[_table_to(table) for table in page.tables])
        while len(response.tables) > 1 and response.ByteSize() > self._page_bytes:
            del response.tables[-1]
        if response.tables and (page.more or len(response.tables) < len(page.tables)):
            last = response.tables[-1]
            response.next_page_token = self._tokens.give((last.schema, last.name), bound)
        return response

    def _fitting(
        self, field: str, response: pb.BatchCreateConnectionsResponse | pb.BatchDeleteConnectionsResponse
    ) -> bytes:
        """The answer of a batch. InvalidInput, which undoes the batch, for one that its caller could not read."""
        size = response.ByteSize()
        if size > self._page_bytes:
            text = Text(
                f"are too much at once: the answer would have {size:,} bytes, and may have {self._page_bytes:,}",
                f"É demais de uma vez: a resposta teria {size} bytes, e o limite é {self._page_bytes}; envie menos",
            )
            raise InvalidInput([Violation(field, text)])
        return response.SerializeToString()

    def _target(self, request: "_Target", problems: Problems, *, describe: bool) -> Connection:
        """The connection to try. InvalidInput with what is wrong with it and the `problems` found before."""
        unsaved = None
        if bool(request.id) == request.HasField("connection"):
            text = Text("give either id or connection", "Informe id ou connection, não ambos")
            problems.violations.append(Violation("id", text, missing=not request.id))
        if request.HasField("connection"):
            connection, violations = connection_from(request.connection)
            unsaved = problems.attempt(lambda: checked_unsaved(connection, violations, describe=describe), None)
        whole = unsaved is not None or not request.HasField("connection")
        problems.settle(None if whole else SUMMARY)
        return unsaved or self._connections.get(request.id)

    def _page(self, heads: Sequence[Head], size: int, cache: MessageCache, bound: bytes) -> bytes:
        """A response of `connections = 1` and `next_page_token = 2`, cut at the size and at the bytes of a page."""
        parts: list[bytes] = []
        total = 0
        messages = cache.many(heads[:size])
        for at, head in enumerate(heads):
            message = messages.get(head.id, b"")
            total += len(message)
            if at and (at == size or total > self._page_bytes):
                last = heads[at - 1]
                parts.append(wire_field(2, self._tokens.give((last.sort_value, last.id), bound).encode()))
                break
            if message:
                parts.append(wire_field(1, message))
        return b"".join(parts)


class _Target(Protocol):
    """A request that names a saved connection or holds an unsaved one."""

    @property
    def id(self) -> int: ...
    @property
    def connection(self) -> pb.Connection: ...
    @property
    def HasField(self) -> Callable[..., bool]: ...


def _whole_to(connection: Connection) -> pb.Connection:
    return connection_to(connection, current().language)


def _table_to(table: Table) -> pb.SourceTable:
    return pb.SourceTable(
        schema=table.schema,
        name=table.name,
        view=table.view,
        columns=[
            column_to(column, column.name, writable=not (column.read_only or table.capabilities.read_only_reason))
            for column in table.columns
        ],
        suggested_field_mappings=[mapping_to(mapping) for mapping in suggestions.field_mappings(table)],
        suggested_user_link_field=suggestions.user_link_field(table),
        title=table.title,
    )


def _order(order_by: str) -> tuple[str, bool]:
    """The column to sort by and whether downwards. InvalidInput for anything but one of the three."""
    words = order_by.split() or ["create_time", "desc"]
    directions: Mapping[str, bool] = {"asc": False, "desc": True}
    if words[0] not in _ORDERS or len(words) > 2 or (words[1:] and words[1].lower() not in directions):  # noqa: PLR2004 - a name and a direction
        text = Text(
            'must be one of name, create_time, update_time, with an optional " desc"',
            'order_by deve ser name, create_time ou update_time, com " desc" opcional',
        )
        raise InvalidInput([Violation("order_by", text)])
    return words[0], len(words) > 1 and directions[words[1].lower()]


def _check_users(request: pb.AssignUsersRequest | pb.UnassignUsersRequest) -> None:
    problems = Problems()
    problems.require("id", request.id)
    problems.require("users", request.users)
    problems.violations.extend(users_violations(tuple(request.users), "users", MAX_BATCH))
    problems.settle(SUMMARY)


def _check_count(field: str, count: int) -> None:
    required(**{field: count})
    if count > MAX_BATCH:
        text = Text(f"must be at most {MAX_BATCH}", f"São permitidos no máximo {MAX_BATCH} por vez")
        raise InvalidInput([Violation(field, text)])
