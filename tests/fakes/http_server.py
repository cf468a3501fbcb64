"""What every fake of an HTTP server is made of: threads, a free port, a record of what came in, delays and cuts."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self


class Request(NamedTuple):
    """A request that came in; the names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What goes back. With `cut` the connection breaks off in the middle of the body."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False


class FakeServer:
    """An HTTP/1.1 server on 127.0.0.1, on a free port unless `port` says which. A fake says what `answer` gives.

    `requests` holds what came in so far; `delay` is the seconds before every answer, and may be set at any time.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.delay = 0.0
        self._open = threading.Event()
        self._open.set()
        self._ending = threading.Event()
        self._server = _Server(("127.0.0.1", port), self)
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
        return f"http://127.0.0.1:{self._server.server_address[1]}"

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
        if self.delay:
            self._ending.wait(self.delay)
        return self.answer(request)


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
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
        self.wfile.flush()
        self.close_connection = self.close_connection or answer.cut

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names that http.server calls


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for the threads; they end because their connections are cut
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fake: FakeServer) -> None:
        self.fake = fake
        self.taken = 0
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self.taken += 1
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            self._connections.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was faster
