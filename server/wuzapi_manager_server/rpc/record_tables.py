"""What every RPC of RecordService begins with: the table of a connection, in the caller's scope."""

from collections.abc import Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager.v1.common_pb2 import Column
from wuzapi_manager_server.domain.fields import Field, Fields
from wuzapi_manager_server.errors import InvalidInput, Violation
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.rpc.convert_common import field_to
from wuzapi_manager_server.rpc.convert_connections import user_view_to
from wuzapi_manager_server.rpc.convert_records import filter_from
from wuzapi_manager_server.rpc.requests import Problems, missing
from wuzapi_manager_server.services.records import OpenTable, Records
from wuzapi_manager_server.sources.base import Where

_MOST_HEADS = 16
"""Choices of fields of one table whose heads are kept."""


class Scoped(Protocol):
    """A request that says which table, and for the administrator as whom."""

    @property
    def connection_id(self) -> int:
        """Which connection."""
        ...

    @property
    def as_user(self) -> str:
        """As whom."""
        ...


class RecordTables:
    """Opens tables for requests."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._columns: WeakKeyDictionary[Fields, dict[str, Column]] = WeakKeyDictionary()
        self._heads: WeakKeyDictionary[Fields, dict[tuple[str, ...], bytes]] = WeakKeyDictionary()

    async def open(self, request: Scoped, problems: Problems | None = None) -> OpenTable:
        """The table that a request names, in the scope of the current call's caller.

        Without a table nothing else can be judged: then the `problems` found before are told.
        """
        if not request.connection_id:
            raise InvalidInput([missing("connection_id"), *(problems.violations if problems else ())])
        call = current()
        return await self._records.open(call.caller, request.connection_id, request.as_user, call.deadline)

    def columns(self, table: OpenTable, fields: Sequence[Field]) -> list[Column]:
        """The columns of these fields as messages, made once for each shape of table."""
        kept = self._columns.setdefault(table.fields, {})
        for field in fields:
            if field.name not in kept:
                kept[field.name] = field_to(field)
        return [kept[field.name] for field in fields]

    def head(self, table: OpenTable, fields: Sequence[Field]) -> bytes:
        """What stands beside the records of a list, serialized: their columns and the connection."""
        heads = self._heads.setdefault(table.fields, {})
        names = tuple(field.name for field in fields)
        found = heads.get(names)
        if found is None:
            columns = self.columns(table, fields)
            found = pb.ListRecordsResponse(
                columns=columns, connection=user_view_to(table.connection)
            ).SerializeToString()
            if len(heads) >= _MOST_HEADS:
                heads.clear()
            heads[names] = found
        return found


def where_of(
    table: OpenTable, request: pb.ListRecordsRequest | pb.CountRecordsRequest | pb.ExportRecordsRequest
) -> Where | None:
    """The condition that a request's filter and search are. InvalidInput with all that is wrong with both."""
    found: list[Violation] = []
    tree = filter_from(request.filter, found) if request.HasField("filter") else None
    problems = Problems()
    where = problems.attempt(lambda: table.fields.where(tree, request.search), None)
    told = {violation.field for violation in found}
    violations = [*found, *(violation for violation in problems.violations if violation.field not in told)]
    if violations:
        raise InvalidInput(violations)
    return where
