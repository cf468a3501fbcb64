"""Trying a NocoDB connection, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from wuzapi_manager_server.domain.connection import Nocodb
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Row, Table
from wuzapi_manager_server.errors import ConnectionFailed, QueryFailed, ServiceError, Text
from wuzapi_manager_server.sources.base import Query
from wuzapi_manager_server.sources.nocodb_api import Api, Gone, Refusal
from wuzapi_manager_server.sources.trial import (
    PORT_ANSWERS,
    Trying,
    addresses_found,
    column_found,
    columns_found,
    no_tls,
    rows_read,
    table_found,
)
from wuzapi_manager_server.upstreams.addresses import AddressGuard

_PORTS = {"http": 80, "https": 443}


class Tried(Protocol):
    """What the last steps need of a source."""

    async def describe(self, deadline: Deadline) -> Table:
        """See RecordSource."""
        ...

    async def fetch(self, query: Query, deadline: Deadline) -> list[Row]:
        """See RecordSource."""
        ...


@dataclass
class Trial:
    """The steps of a test of a source. `link` is the user link field; empty leaves its step out."""

    source: Tried
    api: Api
    guard: AddressGuard
    configuration: Nocodb
    link: str
    deadline: Deadline
    refused: ServiceError | None = field(default=None, init=False)

    def steps(self) -> Mapping[str, Trying]:
        """The steps by name, in order."""
        steps: dict[str, Trying] = {"resolve": self._resolve, "connect": self._connect}
        if urlsplit(self.configuration.host).scheme == "https":
            steps["tls"] = self._tls
        steps |= {"authenticate": self._authenticate, "table": self._table, "columns": self._columns}
        if self.link:
            steps["user_link_field"] = self._user_link_field
        return steps | {"read": self._read}

    async def _resolve(self) -> Text:
        parts = urlsplit(self.configuration.host)
        port = parts.port or _PORTS.get(parts.scheme, 80)
        return addresses_found(await self.guard.resolve(parts.hostname or "", port, self.deadline))

    async def _connect(self) -> Text:
        """One call; what it meets behind the connection is for the step after."""
        try:
            await self.api.read(("meta", "bases"), self.deadline)
        except ConnectionFailed as error:
            if error.metadata.get("stage") not in {"tls", "answer"}:
                raise
            self.refused = error
        except (Gone, Refusal):
            return PORT_ANSWERS
        except ServiceError as error:
            self.refused = error
        return PORT_ANSWERS

    async def _tls(self) -> Text:
        if self.refused is not None and self.refused.metadata.get("stage") == "tls":
            raise no_tls() from self.refused
        return Text("The certificate is valid", "O certificado é válido")

    async def _authenticate(self) -> Text:
        if self.refused is not None:
            raise self.refused
        return Text("The token is valid", "O token é válido")

    async def _table(self) -> Text:
        return table_found(await self.source.describe(self.deadline))

    async def _columns(self) -> Text:
        return columns_found(await self.source.describe(self.deadline))

    async def _user_link_field(self) -> Text:
        found = await self.source.describe(self.deadline)
        if found.column(self.link) is None:
            raise QueryFailed(
                Text(
                    f"The link field {self.link!r} is not a column of the table",
                    f"Campo '{self.link}' não encontrado na tabela",
                ),
                suggestion=Text(
                    "Set user_link_field to the column that says whose a row is",
                    "Configure user_link_field com a coluna que identifica o dono da linha",
                ),
            )
        return column_found(self.link)

    async def _read(self) -> Text:
        return rows_read(await self.source.fetch(Query(owner=None, limit=1), self.deadline))
