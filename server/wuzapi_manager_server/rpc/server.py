"""The grpc.aio server: its options, its port, its certificates."""

import errno
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from wuzapi_manager_server.errors import CannotStart
from wuzapi_manager_server.observe import logger
from wuzapi_manager_server.settings import join_address

_CORE_RECEIVES = 32 << 20


@dataclass(frozen=True)
class Tls:
    """The files of a certificate chain and its key; with a client CA, callers must show a certificate of it (mTLS)."""

    cert: Path
    key: Path
    client_ca: Path | None = None


def new_server(
    interceptors: Sequence[grpc.aio.ServerInterceptor], *, message_bytes: int, share_port: bool
) -> grpc.aio.Server:
    """A server without services and port. `share_port` lets other processes serve the same port."""
    return grpc.aio.server(
        interceptors=interceptors,
        options=(
            ("grpc.so_reuseport", int(share_port)),  # on by default, so a second server would share the port silently
            # The pipeline refuses what is too large with an explanation; the core, which cannot explain, stands behind.
            ("grpc.max_receive_message_length", max(4 * message_bytes, _CORE_RECEIVES)),
            ("grpc.max_send_message_length", -1),
            ("grpc.keepalive_time_ms", 60_000),  # finds callers that went away without a word
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ),
    )


def listen(server: grpc.aio.Server, host: str, port: int, tls: Tls | None) -> int:
    """Binds the server to a port, 0 for a free one, and gives the port. CannotStart when that is not possible."""
    address = join_address(host, port)
    credentials = _credentials(tls) if tls else None
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError:
        raise CannotStart(
            f"The server cannot listen on {address}: is the port taken, or the address not ours?"
        ) from None


def reserve(host: str, port: int, *, share: bool) -> socket.socket:
    """A socket bound to the port but not listening: nobody else can take it. CannotStart when somebody has.

    With `share`, servers that share the port may bind to it while it is held.
    """
    address = join_address(host, port)
    try:
        family, _, _, _, place = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:  # a holder who shares would let us in without a word
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            if share:
                probe.listen()
        held = socket.socket(family)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if share else socket.SO_REUSEADDR, 1)
        held.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(f"{address} is taken by another program: stop it, or set GRPC_PORT") from None
        if error.errno == errno.EACCES:
            raise CannotStart(f"{address} needs more rights: set GRPC_PORT above 1023") from None
        raise CannotStart(f"{address} is not an address of this machine: set GRPC_HOST") from None
    return held


class _Certificates:
    """The certificates of the files, read again when a file changes."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._files = [path for path in (tls.cert, tls.key, tls.client_ca) if path]
        self._lock = threading.Lock()  # the core asks from its own threads
        self._stamp = self._look()
        self._configuration = self._read()

    def __call__(self) -> grpc.ServerCertificateConfiguration:
        """What the next handshake uses. Files that do not fit together leave the ones before in use."""
        with self._lock:
            try:
                stamp = self._look()
                if stamp != self._stamp:
                    self._configuration = self._read()
                    self._stamp = stamp
                    logger().info("certificates reloaded")
            except (OSError, CannotStart) as error:
                logger().error("certificates not reloaded", why=type(error).__name__)
            return self._configuration

    def _look(self) -> tuple[tuple[int, int], ...]:
        return tuple((status.st_mtime_ns, status.st_ino) for status in (path.stat() for path in self._files))

    def _read(self) -> grpc.ServerCertificateConfiguration:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._tls.cert, self._tls.key)
        except ssl.SSLError:
            raise CannotStart(
                "TLS_CERT_FILE and TLS_KEY_FILE do not fit together, or are not PEM: set the chain and its own key"
            ) from None
        client_ca = self._tls.client_ca.read_bytes() if self._tls.client_ca else None
        pair = (self._tls.key.read_bytes(), self._tls.cert.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], client_ca)


def check_tls(tls: Tls | None) -> None:
    """CannotStart when there are certificate files and they cannot be used."""
    if tls is not None:
        _credentials(tls)


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    try:
        certificates = _Certificates(tls)
    except OSError as error:
        raise CannotStart(f"{error.filename} cannot be read ({error.strerror}): check the TLS_ settings") from None
    return grpc.dynamic_ssl_server_credentials(certificates(), certificates, tls.client_ca is not None)
