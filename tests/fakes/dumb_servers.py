"""Servers that get no further than their first words: in plain text, over TLS that fails, or never."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Talk = Callable[[socket.socket], None]

_MYSQL_TLS = 8
"""The bit of CLIENT_SSL in the second byte of the capabilities."""


def mysql_packet(number: int, body: bytes) -> bytes:
    """A packet of MySQL's protocol."""
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def mysql_greeting(*, tls: bool = False) -> bytes:
    """What a MariaDB says first."""
    capabilities = bytes([0x0F, 0xF7 | _MYSQL_TLS if tls else 0xF7])
    made = b"\x0a5.5.5-10.11.0-MariaDB\0" + b"\1\0\0\0" + b"saltsalt\0" + capabilities + b"\x2d\2\0\x0f\x80\x15"
    return made + b"\0" * 10 + b"saltsaltsalt\0" + b"mysql_native_password\0"


def says(words: bytes) -> Talk:
    """Says this, and nothing more."""

    def talk(client: socket.socket) -> None:
        client.sendall(words)
        client.recv(1000)

    return talk


def speaks_tls(kind: str, context: ssl.SSLContext) -> Talk:
    """Goes over to TLS as servers of that kind do; those of HTTP begin with it."""

    def talk(client: socket.socket) -> None:
        if kind == "postgresql":
            client.recv(8)
            client.sendall(b"S")
        if kind == "mysql":
            client.sendall(mysql_packet(0, mysql_greeting(tls=True)))
            client.recv(36)
        with context.wrap_socket(client, server_side=True) as secured:
            secured.recv(1000)

    return talk


def speaks_no_tls(kind: str) -> Talk:
    """Answers as a server of that kind that has no TLS."""
    if kind == "mysql":
        return says(mysql_packet(0, mysql_greeting()))
    return says(b"N" if kind == "postgresql" else b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def dumb_server(talk: Talk | None) -> Iterator[int]:
    """The port of a server that talks so with each client; without a talk it takes connections and is silent."""
    threads: list[threading.Thread] = []
    clients: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                clients.append(client)
                if talk is not None:
                    threads.append(threading.Thread(target=have, args=(client, talk)))
                    threads[-1].start()

    def have(client: socket.socket, talk: Talk) -> None:
        with suppress(OSError), client:
            talk(client)

    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        acceptor = threading.Thread(target=serve)
        acceptor.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for client in clients:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
                client.close()
            for thread in threads:
                thread.join()


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
