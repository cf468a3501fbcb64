"""Servers of bytes that tests can bend: one that talks as told, and a way to another that can be cut or choked."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_CHUNK = 64 * 1024

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def tcp_server(talk: Talk) -> AsyncIterator[int]:
    """The port of a server that has this talk with each client, while the context is open."""
    talks: set[asyncio.Task[None]] = set()

    async def have(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(have(reader, writer))
        talks.add(task)
        task.add_done_callback(talks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in set(talks):
            task.cancel()
        await asyncio.gather(*talks)


class TcpProxy:
    """Passes bytes on both ways, as long as `watch` does not say to cut.

    `watch` sees each piece that comes from a side ("client" or "server") before it goes on; a true answer cuts the
    connection instead. `bend` gives what goes on in place of a piece. `deaf`: nothing goes on from the server any more,
    and nobody is told.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._target = (host, port)
        self._context = context
        self.port = 0
        self.deaf = False
        self.watch: Callable[[str, bytes], bool] = lambda *_: False
        self.bend: Callable[[str, bytes], bytes] = lambda _, data: data

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one client."""
        if self._context is not None:
            assert await reader.readexactly(len(_SSL_REQUEST)) == _SSL_REQUEST
            writer.write(b"S")
            await writer.start_tls(self._context)
        there, back = await asyncio.open_connection(*self._target)
        ways = [
            asyncio.ensure_future(self._pass_on("client", reader, back)),
            asyncio.ensure_future(self._pass_on("server", there, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.transport.abort()

    async def _pass_on(self, side: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if self.watch(side, data):
                return
            if not (self.deaf and side == "server"):
                writer.write(self.bend(side, data))
                await writer.drain()


@asynccontextmanager
async def tcp_proxy(host: str, port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[TcpProxy]:
    """A proxy to that server while the context is open; with `context` it speaks TLS as PostgreSQL begins it."""
    proxy = TcpProxy(host, port, context)
    async with tcp_server(proxy.talk) as proxy.port:
        yield proxy
