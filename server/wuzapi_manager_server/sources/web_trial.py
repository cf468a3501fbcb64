"""Trying the way to a source behind a URL: one call is made, and each step tells how far it came."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import ConnectionFailed, ServiceError, Text
from wuzapi_manager_server.sources.trial import PORT_ANSWERS, Trying, addresses_found, no_tls
from wuzapi_manager_server.upstreams.addresses import AddressGuard

_PORTS = {"http": 80, "https": 443}
_BEHIND = frozenset({"tls", "answer"})


def way_there(
    ask: Callable[[], Awaitable[Text]], guard: AddressGuard, url: str, deadline: Deadline
) -> dict[str, Trying]:
    """The steps as far as the one that authenticates. `ask` makes the call and says that the credentials hold."""
    parts = urlsplit(url)
    accepted, failed = Text("", ""), list[ServiceError]()

    async def resolve() -> Text:
        port = parts.port or _PORTS.get(parts.scheme, 80)
        return addresses_found(await guard.resolve(parts.hostname or "", port, deadline))

    async def connect() -> Text:
        """What the call meets behind the connection is for the step after."""
        nonlocal accepted
        try:
            accepted = await ask()
        except ServiceError as error:
            if isinstance(error, ConnectionFailed) and error.metadata.get("stage") not in _BEHIND:
                raise
            failed.append(error)
        return PORT_ANSWERS

    async def tls() -> Text:
        if failed and failed[0].metadata.get("stage") == "tls":
            raise no_tls() from failed[0]
        if parts.scheme == "https":
            return Text("The certificate is trusted", "O certificado é confiável")
        return Text("No TLS: the URL is plain http", "Sem TLS: a URL é http simples")

    async def authenticate() -> Text:
        if failed:
            raise failed[0]
        return accepted

    return {"resolve": resolve, "connect": connect, "tls": tls, "authenticate": authenticate}
