"""Trying a table of Airtable step by step."""

from collections.abc import Mapping
from functools import partial
from typing import Protocol
from urllib.parse import urlsplit

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Row, Table
from wuzapi_manager_server.errors import ConnectionFailed, QueryFailed, ServiceError, Text
from wuzapi_manager_server.sources.base import Query
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
_STAGES = ("resolve", "connect", "tls", "answer")


class Tried(Protocol):
    """What is tried."""

    async def base_answers(self, deadline: Deadline) -> int:
        """How many tables the base shows."""
        ...

    async def describe(self, deadline: Deadline) -> Table:
        """The table."""
        ...

    async def fetch(self, query: Query, deadline: Deadline) -> list[Row]:
        """Rows of it."""
        ...


class Steps(Protocol):
    """`steps_of` for one place."""

    def __call__(self, source: Tried, *, user_link_field: str, deadline: Deadline) -> Mapping[str, Trying]:
        """See steps_of."""
        ...


def steps_of(
    source: Tried, *, guard: AddressGuard, url: str, user_link_field: str, deadline: Deadline
) -> Mapping[str, Trying]:
    """The steps for `tried`."""
    link = partial(_link, source, user_link_field, deadline)
    return {
        **_way_there(source, guard, url, deadline),
        "table": partial(_table, source, deadline),
        "columns": partial(_columns, source, deadline),
        **({"user_link_field": link} if user_link_field else {}),
        "read": partial(_read, source, deadline),
    }


def _way_there(source: Tried, guard: AddressGuard, url: str, deadline: Deadline) -> Mapping[str, Trying]:
    """One call is made, and each step tells how far it came."""
    parts = urlsplit(url)
    answered: list[int | ServiceError] = []

    async def resolve() -> Text:
        port = parts.port or _PORTS[parts.scheme]
        return addresses_found(await guard.resolve(parts.hostname or "", port, deadline))

    async def connect() -> Text:
        try:
            answered.append(await source.base_answers(deadline))
        except ServiceError as error:
            answered.append(error)
        _insist(answered[0], "connect")
        return PORT_ANSWERS

    async def tls() -> Text:
        if isinstance(answered[0], ServiceError) and answered[0].metadata.get("stage") == "tls":
            raise no_tls() from answered[0]
        if parts.scheme == "https":
            return Text("The certificate is trusted", "O certificado é confiável")
        return Text("No TLS: the URL is plain http", "Sem TLS: a URL é http simples")

    async def authenticate() -> Text:
        if isinstance(answered[0], ServiceError):
            raise answered[0]
        return Text(
            f"Airtable accepts the token and shows {answered[0]} tables of the base",
            f"O Airtable aceita o token e mostra {answered[0]} tabelas da base",
        )

    return {"resolve": resolve, "connect": connect, "tls": tls, "authenticate": authenticate}


async def _table(source: Tried, deadline: Deadline) -> Text:
    return table_found(await source.describe(deadline))


async def _columns(source: Tried, deadline: Deadline) -> Text:
    return columns_found(await source.describe(deadline))


async def _link(source: Tried, name: str, deadline: Deadline) -> Text:
    if (await source.describe(deadline)).column(name) is None:
        raise QueryFailed(
            Text(f"The link field {name!r} is not a field of the table", f"Campo '{name}' não encontrado na tabela"),
            suggestion=Text(
                "Set user_link_field to the field that says whose a record is",
                "Configure user_link_field com o campo que identifica o dono do registro",
            ),
        )
    return column_found(name)


async def _read(source: Tried, deadline: Deadline) -> Text:
    return rows_read(await source.fetch(Query(None, limit=1), deadline))


def _insist(answered: int | ServiceError, step: str) -> None:
    """Raises where the call ended at that step or before; a failure that tells no stage ended at the first."""
    if isinstance(answered, ConnectionFailed):
        stage = answered.metadata.get("stage", "connect")
        if _STAGES.index(stage) <= _STAGES.index(step):
            raise answered
