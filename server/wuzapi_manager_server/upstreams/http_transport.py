"""The connections below httpx: checked addresses, no waiting line, and what became of a request that failed.

httpx's own pool looks at every connection for every request, and loses one when a request is cancelled at the wrong
moment (see docs/decisions/0008). Here are single connections of httpcore, which is what that pool is made of.
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple, cast

import httpcore
import httpx

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import ConnectionFailed, TimedOut
from wuzapi_manager_server.upstreams.addresses import AddressGuard
from wuzapi_manager_server.upstreams.http_faults import Late, TooLarge, Unreachable


@cache
def public_tls() -> ssl.SSLContext:
    """What servers must show: a certificate of a public authority, or of SSL_CERT_FILE. It takes 30 ms, once."""
    return httpx.create_ssl_context()


class Progress:
    """How far a request came, in all its attempts. `sent`: some of it may have left.

    `reused`: the last attempt was on a connection that had been open before. `patience` is after how many seconds
    giving up is the host's fault.
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.sent = False
        self.reused = False
        self._sent_before = False

    async def note(self, event: str, info: Mapping[str, object]) -> None:
        """Takes httpcore's trace."""
        if event == "http11.send_request_headers.started":
            self._sent_before, self.sent = self.sent, True
        elif event == "http11.send_request_headers.failed" and isinstance(info["exception"], httpcore.WriteError):
            self.sent = self._sent_before  # it had been closed before: what was written does not fail afterwards


class HttpAnswer(NamedTuple):
    """What a server answered; the names of headers are in lower case, one that came several times is one list."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """As many connections to one origin as there are requests at once; `idle` seconds after its last one each ends."""

    def __init__(self, guard: AddressGuard, tls: ssl.SSLContext | None, idle: float) -> None:
        self._guard = guard
        self._tls = tls
        self._keep = idle
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._closed = False

    async def answer(self, request: httpx.Request, until: Deadline, progress: Progress, most_bytes: int) -> HttpAnswer:
        """Sends a request on a connection of its own, and gives the whole answer, as it came.

        It is not decompressed, so that a small answer cannot become a large one. Raises Unreachable, Late (no address
        in time), PermissionDenied (of the guard), TooLarge.
        """
        url = request.url
        outgoing = httpcore.Request(
            request.method.encode("ascii"),
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=cast("httpx.AsyncByteStream", request.stream),  # an AsyncClient makes no other
            extensions={"trace": progress.note, "timeout": {"connect": until.remaining()}},
        )
        connection = await self._take(outgoing.url.origin)
        progress.reused = connection.used
        try:
            response = await connection.http.handle_async_request(outgoing)
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            await self._drop(connection)
            raise Unreachable("tls", sent=False) from None
        except (httpcore.NetworkError, httpcore.RemoteProtocolError):
            await self._drop(connection)
            raise Unreachable("answer", sent=progress.sent) from None
        except httpcore.LocalProtocolError:
            await self._drop(connection)
            raise ValueError("a header that HTTP does not know") from None
        except BaseException:
            await self._drop(connection)
            raise
        try:
            body = await _whole(response, most_bytes)
        finally:
            try:
                await response.aclose()
            finally:
                await self._give_back(connection)
        return HttpAnswer(response.status, _by_name(response.headers), body)

    async def aclose(self) -> None:
        """Closes all connections; requests under way end with Unreachable."""
        self._closed = True
        self._idle.clear()
        while self._open:
            await self._open.pop().close()

    async def close_idle(self) -> None:
        """Closes the connections that no request is on."""
        while self._idle:
            await self._drop(self._idle.pop())

    async def _give_back(self, connection: "_Connection") -> None:
        """Keeps a connection whose answer was read to its end, and closes any other."""
        if self._closed or not connection.http.is_idle():
            await self._drop(connection)
            return
        connection.used = True
        if self._idle and self._idle[0].http.has_expired():
            await self._drop(self._idle.pop(0))
        self._idle.append(connection)

    async def _take(self, origin: httpcore.Origin) -> "_Connection":
        if self._closed:
            raise Unreachable("connect", sent=False)
        while self._idle:
            connection = self._idle.pop()
            if not connection.http.has_expired():
                return connection
            await self._drop(connection)
        tls = None
        if origin.scheme == b"https":
            tls = self._tls or await asyncio.to_thread(public_tls)
        connection = _Connection(origin, self._guard, tls, self._keep)
        self._open.add(connection)
        return connection

    async def _drop(self, connection: "_Connection") -> None:
        self._open.discard(connection)
        await connection.close()


async def _whole(response: httpcore.Response, most_bytes: int) -> bytes:
    body = bytearray()
    try:
        async for piece in response.aiter_stream():
            body += piece
            if len(body) > most_bytes:
                raise TooLarge
    except (httpcore.NetworkError, httpcore.RemoteProtocolError):
        raise Unreachable("answer", sent=True) from None
    return bytes(body)


def _by_name(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for raw, value in headers:
        name, text = raw.decode("ascii").lower(), value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


class _Connection:
    """One connection; it is opened by its first request."""

    def __init__(self, origin: httpcore.Origin, guard: AddressGuard, tls: ssl.SSLContext | None, keep: float) -> None:
        self.used = False
        self._dial = _Dial(guard)
        self.http = httpcore.AsyncHTTPConnection(
            origin, ssl_context=tls, keepalive_expiry=keep, network_backend=self._dial
        )

    async def close(self) -> None:
        self._dial.closed = True
        await self.http.aclose()
        if self._dial.stream is not None:
            await self._dial.stream.aclose()  # a handshake that was cancelled leaves it open


class _Dial(httpcore.AsyncNetworkBackend):
    """Connects to the addresses that the guard gives for a name, one after the other. TLS still has the name."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._tcp = httpcore.AnyIOBackend()
        self.stream: httpcore.AsyncNetworkStream | None = None
        self.closed = False

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        deadline = Deadline.after(timeout or 0.0)
        try:
            addresses = await self._guard.resolve(host, port, deadline)
        except ConnectionFailed:
            raise Unreachable("resolve", sent=False) from None
        except TimedOut:
            raise Late(sent=False) from None
        for untried in range(len(addresses), 0, -1):
            address = addresses[-untried]
            share = deadline.remaining() / untried  # an address that swallows packets leaves time for the next
            try:
                self.stream = await self._tcp.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
            if self.closed:
                await self.stream.aclose()
                break
            return self.stream
        raise Unreachable("connect", sent=False)
