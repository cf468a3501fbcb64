"""What every fake of an HTTP server is made of: threads, a free port, a record of what came in, delays and cuts."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple, Self


class Request(NamedTuple):
    """A request that came in; the names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What goes back. With `cut` the connection breaks off in the middle of the body.

    `raw`, where it is not None, goes back in place of all the rest, and the connection ends; `drip` is the seconds
    between the bytes of the body.
    """

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    raw: bytes | None = None
    drip: float = 0.0


class FakeServer:
    """An HTTP/1.1 server on 127.0.0.1, on a free port unless `port` says which. A fake says what `answer` gives.

    `requests` holds what came in so far; `delay` is the seconds before every answer, and may be set at any time. With
    `certificate`, the files of a chain and its key, it speaks TLS, and `names` holds the names that callers asked for.
    """

    def __init__(self, port: int = 0, certificate: tuple[Path, Path] | None = None) -> None:
        self.requests: list[Request] = []
        self.names: list[str | None] = []
        self.delay = 0.0
        self._open = threading.Event()
        self._open.set()
        self._ending = threading.Event()
        self._scheme = "https" if certificate else "http"
        self._server = _Server(("127.0.0.1", port), self, self._tls(certificate) if certificate else None)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name=type(self).__name__)

    def answer(self, request: Request) -> Answer:
        """What goes back for a request."""
        return Answer(404, f"no {request.path} here".encode(), "text/plain; charset=utf-8")

    @property
    def connections_taken(self) -> int:
        """How many connections were made to it."""
        return self._server.taken

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def connections_fall_to(self, most: int, seconds: float = 10.0) -> bool:
        """Waits until no more connections than that are open, and says whether that came true."""
        end = time.monotonic() + seconds
        while self._server.open > most and time.monotonic() < end:
            self._ending.wait(0.01)
        return self._server.open <= most

    def cut_connections(self) -> None:
        """Ends every connection, as a server does with those that nobody uses."""
        self._server.cut_connections()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server and cuts every connection. May be called again."""
        self._ending.set()
        self._open.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.cut_connections()
        self._server.server_close()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lets requests come in but none be answered, until the block ends."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def take(self, request: Request) -> Answer:
        """Notes the request, waits as long as it is told to, and answers."""
        self.requests.append(request)
        self._open.wait()
        self.wait(self.delay)
        return self.answer(request)

    def wait(self, seconds: float) -> bool:
        """Waits that long, or until the server ends, and says whether it did."""
        return seconds > 0 and self._ending.wait(seconds)

    def _tls(self, certificate: tuple[Path, Path]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.sni_callback = lambda _, name, __: self.names.append(name)
        return context


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: "_Server"

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the other side left, or the fake is closed

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Says nothing: `requests` holds what came in."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.fake.take(Request(self.command, self.path, headers, body))
        if answer.raw is not None:
            self.wfile.write(answer.raw)
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        body = answer.body[: len(answer.body) // 2] if answer.cut else answer.body
        for at in range(len(body) if answer.drip else 0):
            self.wfile.write(body[at : at + 1])
            self.wfile.flush()
            if self.server.fake.wait(answer.drip):
                break
        if not answer.drip:
            self.wfile.write(body)
        self.wfile.flush()
        self.close_connection = self.close_connection or answer.cut

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names that http.server calls


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for the threads; they end because their connections are cut
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fake: FakeServer, tls: ssl.SSLContext | None) -> None:
        self.fake = fake
        self._tls = tls
        self.taken = 0
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self.taken += 1
        if self._tls:  # the handshake is the handler's: who is slow with it holds up no other
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            self._connections.discard(request)
        super().shutdown_request(request)

    @property
    def open(self) -> int:
        return len(self._connections)

    def cut_connections(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was faster
