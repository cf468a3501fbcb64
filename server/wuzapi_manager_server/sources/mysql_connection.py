"""A connection of PyMySQL that works for one job after another, with bounds, and can be woken from another thread."""

import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from pymysql import converters, err
from pymysql.connections import Connection
from pymysql.constants import CLIENT, FIELD_TYPE

from wuzapi_manager_server.domain.connection import SqlServer, TlsMode
from wuzapi_manager_server.sources.mysql_errors import LOST, NO_TLS, TOO_LARGE
from wuzapi_manager_server.sources.mysql_result import MysqlResult
from wuzapi_manager_server.sources.sql_work import LONGEST_WAIT, Job

_MODES = (
    "STRICT_ALL_TABLES",  # a value that does not fit is refused, whatever the table's engine
    "NO_AUTO_VALUE_ON_ZERO",  # 0 is a key like any other
    "ERROR_FOR_DIVISION_BY_ZERO",
    "NO_ENGINE_SUBSTITUTION",
    "ALLOW_INVALID_DATES",  # dates that others stored (zero dates too) can be compared with; ours are checked
)
"""Without NO_BACKSLASH_ESCAPES, which the driver would follow, and ANSI_QUOTES: one spelling of values everywhere."""

SORT_BYTES = 4096
"""Bytes of a text's weights that decide its place: all of what a key can hold, and of SORTED_BY characters."""

_NONSENSE = (ValueError, TypeError, LookupError, AttributeError, AssertionError, struct.error)
"""What the driver makes of bytes that are no MySQL."""

_INSECURE = ("mysql_clear_password", "dialog")

_CONVERTERS: dict[int | type[Any], Callable[[Any], str] | Callable[[str], Any]] = {
    **cast("dict[int | type[Any], Callable[[Any], str]]", converters.encoders),
    **dict.fromkeys(
        (
            *(FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG),
            *(FIELD_TYPE.INT24, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR),
        ),
        int,
    ),
    **{kind: converters.decoders[kind] for kind in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL)},
    **dict.fromkeys((FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE), float),
}
"""Numbers as numbers; all else as its text or bytes, as the server gives it."""


class _Refused:
    """Answers a server that asks for the password itself: on a way that is not protected it is not given."""

    def __init__(self, connection: Connection) -> None:
        assert isinstance(connection, MysqlConnection)  # noqa: S101 - nothing else is given this plugin
        self._connection = connection

    def authenticate(self, _: object) -> Any:
        """The server's answer to the password."""
        connection = self._connection
        if not connection.secure:
            raise err.OperationalError(NO_TLS, "the server asks for the password in clear text")
        connection.write_packet(connection.password + b"\0")
        packet = connection._read_packet()  # type: ignore[no-untyped-call]  # noqa: SLF001 - how the driver's own plugins read
        packet.check_error()
        return packet


class MysqlConnection(Connection):
    """A connection to a server, in autocommit or not. `begin` has the next statement begin a transaction.

    Statements wait for locks and take no longer than their job may, as far as whole seconds say that; the job itself
    ends them to the moment by hanging up.
    """

    # What the stubs of the driver leave out.
    _sock: socket.socket | None
    _secure: bool
    _result: MysqlResult | None
    _read_timeout: float | None
    _write_timeout: float | None
    server_status: int
    server_version: str

    def __init__(
        self, server: SqlServer, port: int, context: ssl.SSLContext | None, timeout: float, *, autocommit: bool
    ) -> None:
        self._context = context
        self._autocommit = autocommit
        self._longest = timeout
        self._job: Job | None = None
        self._adopting = threading.Lock()
        self._waker: socket.socket | None = None
        self._bound = 0
        self._wanted = 0
        self._beginning = False
        self._begun = False
        self._prepared = False
        self.mariadb = False
        self.step = 1
        self._largest = 1 << 20
        super().__init__(
            host=server.host,
            port=port,
            user=server.username,
            password=server.secret.encode(),  # a text would be sent as Latin-1
            database=server.database,
            charset="utf8mb4",
            conv=_CONVERTERS,
            client_flag=CLIENT.FOUND_ROWS,
            autocommit=None,
            defer_connect=True,
            auth_plugin_map=dict.fromkeys(_INSECURE, _Refused),
            ssl=context if server.tls_mode not in {TlsMode.DISABLE, TlsMode.PREFER} else None,
            ssl_disabled=server.tls_mode is TlsMode.DISABLE,
        )

    def _create_ssl_ctx(self, _: object) -> ssl.SSLContext:
        assert self._context is not None  # noqa: S101 - asked for only where TLS is not disabled
        return self._context

    @property
    def secure(self) -> bool:
        """Whether nobody on the way can read along."""
        return self._secure

    def open_to(self, address: str, port: int, patience: float, job: Job) -> None:
        """Connects within `patience` seconds and prepares the session. Any error of the driver."""
        try:
            sock = socket.create_connection((address, port), patience)
        except OSError as error:
            raise err.OperationalError(2003, "cannot connect") from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._waker = socket.socket(fileno=os.dup(sock.fileno()))
        self._read_timeout = self._write_timeout = patience
        self.adopt(job, patience)
        try:
            self.connect(sock)
            self._prepare()
        except _NONSENSE as error:
            self._force_close()
            raise err.OperationalError(LOST, "this is no MySQL") from error
        except BaseException:
            self._force_close()
            raise

    def _prepare(self) -> None:
        self.mariadb = "mariadb" in self.server_version.lower()
        with self.cursor() as cursor:
            cursor.execute(
                f"SET SESSION sql_mode='{','.join(_MODES)}', time_zone='+00:00', max_sort_length={SORT_BYTES},"
                f" autocommit={self._autocommit:d}, {self._bounds()}"
            )
            self._bound = self._wanted
            cursor.execute("SELECT @@max_allowed_packet, @@auto_increment_increment")
            self._largest, self.step = cursor.fetchone() or (1 << 20, 1)
        self._prepared = True

    def adopt(self, job: Job, patience: float | None = None) -> None:
        """Works for `job` from now on: when that is to end, the connection is shut down."""
        with self._adopting:
            self._job = job
        seconds = job.deadline.remaining()
        self._wanted = bounded(min(seconds, self._longest))
        # The job hangs up at its deadline; a COMMIT, which it may not interrupt, is not waited for without end either.
        self._read_timeout = self._write_timeout = patience or self._wanted + LONGEST_WAIT
        job.interruptible(lambda: self._wake(job))

    def _wake(self, job: Job) -> None:
        with self._adopting:
            waker = self._waker if self._job is job else None
            if waker is not None:
                with suppress(OSError):
                    waker.shutdown(socket.SHUT_RDWR)

    def fileno(self) -> int:
        """The socket; -1 where it is closed."""
        return -1 if self._sock is None else int(self._sock.fileno())

    def begin(self) -> None:
        """Has the next statement begin a transaction; without autocommit any does."""
        self._beginning = self._autocommit

    def query(self, sql: Any, unbuffered: bool = False) -> int:  # noqa: FBT001, FBT002 - the driver's signature
        """Carries out a statement; what comes before it (bounds, BEGIN) is sent now. Any error of the driver."""
        if isinstance(sql, str):
            sql = sql.encode(self.encoding)
        if len(sql) >= self._largest:
            raise err.DataError(TOO_LARGE, "larger than max_allowed_packet")
        if self._prepared and self._bound != self._wanted:
            self._set_bounds()
        if self._beginning:
            self._beginning = False
            self._begun = True
            super().begin()
        elif not self._autocommit:  # what gives rows, or fails, does not tell whether it has begun a transaction
            self._begun = self._prepared
        try:
            return int(super().query(sql, unbuffered=unbuffered))
        except UnicodeDecodeError as error:  # the rest of the answer stands in the way of the next
            self._force_close()
            raise err.DataError(1300, "a text that is none") from error
        except _NONSENSE as error:
            self._force_close()
            raise err.OperationalError(LOST, "the server does not speak as it should") from error

    def _read_query_result(self, unbuffered: bool = False) -> int | None:  # noqa: FBT001, FBT002 - the driver's signature
        self._result = None
        result = MysqlResult(self)
        if unbuffered:
            result.init_unbuffered_query()
        else:
            result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        return result.affected_rows

    def _set_bounds(self) -> None:
        super().query(f"SET SESSION {self._bounds()}")
        self._bound = self._wanted

    def _bounds(self) -> str:
        wait = min(self._wanted, int(LONGEST_WAIT))
        longest = f"max_statement_time={self._wanted}" if self.mariadb else f"max_execution_time={self._wanted * 1000}"
        return f"{longest}, lock_wait_timeout={wait}, innodb_lock_wait_timeout={wait}"

    def commit(self) -> None:
        """Commits the transaction, where there is one."""
        if self._begun:
            super().commit()
            self._begun = False

    def rollback(self) -> None:
        """Ends the transaction, where there is one. An answer that was not read to its end costs the connection."""
        self._beginning = False
        if self._result is not None and self._result.unbuffered_active:
            self._force_close()
        elif self._begun:
            super().rollback()
            self._begun = False

    def cut(self) -> set[int]:
        """The numbers of the warnings and notes of the last statement."""
        result = self._result
        if result is None or not result.warning_count:
            return set()
        return {int(number) for _, number, _ in self.show_warnings()}  # type: ignore[no-untyped-call]  # its stub says too little

    def _force_close(self) -> None:
        with self._adopting:
            waker, self._waker = self._waker, None
        if waker is not None:
            waker.close()
        if self._result is not None:
            self._result.unbuffered_active = False  # there is nothing more to read, also not at its end
        super()._force_close()  # type: ignore[misc]  # missing in the stubs

    __del__ = _force_close


def bounded(seconds: float) -> int:
    """The power of two of whole seconds that is not below, so that a session's bound seldom has to be set anew."""
    return 1 << max(0, int(seconds - 0.001)).bit_length() if seconds > 1 else 1


def tls_context(mode: TlsMode) -> ssl.SSLContext | None:
    """What TLS verifies in that mode, by the certificates that the system trusts; None where it is not used."""
    if mode is TlsMode.DISABLE:
        return None
    context = ssl.create_default_context()
    context.check_hostname = mode is TlsMode.VERIFY_FULL
    if mode in {TlsMode.PREFER, TlsMode.REQUIRE}:
        context.verify_mode = ssl.CERT_NONE
    # Certificates that servers make for themselves do not stand the strict checks of newer Pythons.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context
