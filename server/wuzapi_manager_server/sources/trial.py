"""Trying a source step by step: what every engine's `test` is made of."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from wuzapi_manager_server.domain.table import Fault, Row, Step, Table
from wuzapi_manager_server.errors import Code, DatabaseError, QueryFailed, ServiceError, Text, TimedOut
from wuzapi_manager_server.observe import failure, logger

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


def table_found(table: Table) -> Text:
    """The table, and why it takes no writes where it takes none."""
    name, reason = table.title or table.name, table.capabilities.read_only_reason
    found = Text(f"Table '{name}' was found", f"A tabela '{name}' foi encontrada")
    if reason is None:
        return found
    return Text(f"{found.en}; it takes no writes: {reason.en}", f"{found.pt}; é somente leitura: {reason.pt}")


def columns_found(table: Table) -> Text:
    """How many there are, and what the primary key is."""
    count, key = len(table.columns), ", ".join(table.primary_key)
    return Text(
        f"{count} columns; primary key: {key or 'none'}",
        f"Colunas: {count}; chave primária: {key or 'nenhuma'}",
    )


def column_found(name: str) -> Text:
    """The link field."""
    return Text(f"Column '{name}' was found", f"A coluna '{name}' foi encontrada")


def rows_read(rows: Sequence[Row]) -> Text:
    """Whether there was anything to read."""
    if rows:
        return Text("A row was read", "Uma linha foi lida")
    return Text("The table is empty", "A tabela está vazia")
