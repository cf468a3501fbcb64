"""Trying a source step by step: what every engine's `test` is made of."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Fault, Row, Step, Table
from wuzapi_manager_server.errors import Code, DatabaseError, QueryFailed, ServiceError, Text, TimedOut
from wuzapi_manager_server.observe import failure, logger
from wuzapi_manager_server.sources.base import Query

Trying = Callable[[], Awaitable[Text]]
"""Takes a step and says what was found. ServiceError where it fails."""

_FAULTS = {
    **dict.fromkeys((Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.ABORTED), Fault.TRANSIENT),
    Code.INTERNAL: Fault.SYSTEM,
}
_SILENT = Text("The source did not answer in time", "A fonte não respondeu a tempo")
_AFTER_SILENCE = Text(
    "Check the host and the port; if they are right, the source is slow or something on the way holds it up",
    "Verifique o host e a porta; se estiverem certos, a fonte está lenta ou algo no caminho a retém",
)
_AFTER_REFUSAL = Text(
    "Check the table or view, and what the connection's user may do there",
    "Verifique a tabela ou visão e o que o usuário da conexão pode fazer nela",
)
_BROKEN = Text("The service itself failed at this step", "O próprio serviço falhou nesta etapa")
_AFTER_BREAKING = Text(
    "Try again; if it stays so, tell the operator, whose log says why",
    "Tente novamente; se persistir, avise o suporte: o motivo está no log do serviço",
)
_AFTER_NO_LINK = Text(
    "Set user_link_field to the column that says whose a row is",
    "Configure user_link_field com a coluna que identifica o dono da linha",
)
PORT_ANSWERS = Text("The port answers", "A porta responde")


async def tried(steps: Mapping[str, Trying]) -> list[Step]:
    """Takes the steps in order. The first that fails is the last."""
    done: list[Step] = []
    for name, step in steps.items():
        begun = time.monotonic()
        try:
            message = await step()
        except ServiceError as error:
            message, suggestion = error.text, error.suggestion or _AFTER_REFUSAL
            if isinstance(error, TimedOut):
                message, suggestion = _SILENT, _AFTER_SILENCE
            done.append(Step(name, False, time.monotonic() - begun, message, suggestion, fault_of(error)))
            break
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the service's fault and told as that
            logger().error("a step of a test failed", step=name, **failure(error))
            done.append(Step(name, False, time.monotonic() - begun, _BROKEN, _AFTER_BREAKING, Fault.SYSTEM))
            break
        done.append(Step(name, True, time.monotonic() - begun, message))
    return done


class Tried(Protocol):
    """What `table_steps` needs of a source."""

    async def describe(self, deadline: Deadline) -> Table:
        """See RecordSource."""
        ...

    async def fetch(self, query: Query, deadline: Deadline) -> Sequence[Row]:
        """See RecordSource."""
        ...


def table_steps(source: Tried, user_link_field: str, deadline: Deadline) -> dict[str, Trying]:
    """The steps behind the one that authenticates. An empty `user_link_field` leaves its step out."""

    async def table() -> Text:
        return _table_found(await source.describe(deadline))

    async def columns() -> Text:
        return _columns_found(await source.describe(deadline))

    async def link() -> Text:
        if (await source.describe(deadline)).column(user_link_field) is None:
            raise QueryFailed(
                Text(
                    f"The link field '{user_link_field}' is not a column of the table",
                    f"Campo '{user_link_field}' não encontrado na tabela",
                ),
                suggestion=_AFTER_NO_LINK,
                metadata={"column": user_link_field},
            )
        return Text(f"Column '{user_link_field}' was found", f"A coluna '{user_link_field}' foi encontrada")

    async def read() -> Text:
        rows = await source.fetch(Query(owner=None, limit=1), deadline)
        if rows:
            return Text("A row was read", "Uma linha foi lida")
        return Text("The table is empty", "A tabela está vazia")

    links = {"user_link_field": link} if user_link_field else {}
    return {"table": table, "columns": columns, **links, "read": read}


def fault_of(error: ServiceError) -> Fault:
    """Whose turn it is after that error, by its code: the same on every engine."""
    if isinstance(error, DatabaseError):
        return Fault.SYSTEM
    return _FAULTS.get(error.code, Fault.CONFIG)


def no_tls() -> QueryFailed:
    """The error for an https URL where there is no TLS, or none that holds: somebody has to change that."""
    return QueryFailed(
        Text(
            "TLS failed: the server offers none, or its certificate is not trusted",
            "O TLS falhou: o servidor não o oferece ou o certificado não é confiável",
        ),
        suggestion=Text(
            "Check the URL, and the certificate's name, its dates and its authority",
            "Verifique a URL e o nome, a validade e a autoridade do certificado",
        ),
    )


def addresses_found(addresses: Sequence[str]) -> Text:
    """Those that a host's name stands for and that sources may point to."""
    count = len(addresses)
    if count == 1:
        return Text("The host has an allowed address", "O host tem um endereço permitido")
    return Text(f"The host has {count} allowed addresses", f"O host tem {count} endereços permitidos")


def _table_found(table: Table) -> Text:
    """The table, and why it takes no writes where it takes none."""
    name, reason = table.title or table.name, table.capabilities.read_only_reason
    found = Text(f"Table '{name}' was found", f"A tabela '{name}' foi encontrada")
    if reason is None:
        return found
    return Text(f"{found.en}; it takes no writes: {reason.en}", f"{found.pt}; é somente leitura: {reason.pt}")


def _columns_found(table: Table) -> Text:
    """How many there are, and what the primary key is."""
    count, key = len(table.columns), ", ".join(table.primary_key)
    return Text(
        f"{count} columns; primary key: {key or 'none'}",
        f"Colunas: {count}; chave primária: {key or 'nenhuma'}",
    )
