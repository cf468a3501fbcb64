"""PostgreSQL over psycopg: connections that end with their job, and sessions set up as our columns expect them."""

import ctypes
import math
import re
import select
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg import pq, waiting
from psycopg.abc import PQGen
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection

from wuzapi_manager_server.domain.connection import SqlServer, TlsMode
from wuzapi_manager_server.errors import ServiceError
from wuzapi_manager_server.sources.postgresql_adapters import ADAPTERS
from wuzapi_manager_server.sources.postgresql_errors import translated
from wuzapi_manager_server.sources.sql_work import LONGEST_WAIT, Job

_LOOK = 0.1
"""Seconds between two looks whether a job that waits for the server is still wanted."""

_LAST_WORDS = 2.0
"""Seconds that a server has to end what was cancelled, before its connection is cut."""

_SQLSTATE = re.compile(r": +([0-9A-Z]{5})\s*\Z")

_SSL_MODES = {
    TlsMode.DISABLE: "disable",
    TlsMode.PREFER: "prefer",
    TlsMode.REQUIRE: "require",
    TlsMode.VERIFY_CA: "verify-ca",
    TlsMode.VERIFY_FULL: "verify-full",
}


class NotConnected(psycopg.OperationalError):
    """A connection that was refused, or not made in time; `state` is the SQLSTATE that the server gave."""

    def __init__(self, state: str = "") -> None:
        super().__init__("not connected")
        self.sqlstate = state or None


class _Unwanted(Exception):
    """Nobody waits for the answer any more."""


class Watched(psycopg.Connection[tuple[Any, ...]]):
    """A connection that looks after its `job`: a statement is cancelled on the server when that is to end."""

    job: Job | None = None

    @property
    def adapters(self) -> AdaptersMap:
        """How values come and go: the same for all connections."""
        return ADAPTERS

    def rollback(self) -> None:
        """Ends the transaction, where there is one: the pool asks for it behind each piece of work."""
        if self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            super().rollback()

    def wait(self, gen: PQGen[Any], interval: float = _LOOK, timeout: float | None = None) -> Any:
        """See psycopg.Connection: waits for the server while the job is wanted."""
        if self.job is None:
            return super().wait(gen, interval, timeout)
        try:
            return waiting.wait(_while_wanted(gen, self.job), self.pgconn.socket, interval=_LOOK, timeout=timeout)
        except _Unwanted:
            return self._give_up(gen)

    def _give_up(self, gen: PQGen[Any]) -> Any:
        with suppress(psycopg.Error, OSError):
            self.cancel_safe(timeout=_LAST_WORDS)
        try:
            return waiting.wait(gen, self.pgconn.socket, interval=_LOOK, timeout=_LAST_WORDS)
        except psycopg.errors.QueryCanceled:
            raise
        except psycopg.Error as error:
            self.pgconn.finish()
            raise psycopg.OperationalError("given up") from error


def _while_wanted(gen: PQGen[Any], job: Job) -> PQGen[Any]:
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and (job.stopped() or (job.committing and time.monotonic() > job.deadline.at + LONGEST_WAIT)):
                raise _Unwanted
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value


class PostgresqlDriver:
    """See sql_driver.Driver. `timeout` bounds each statement, in seconds, on the server too."""

    name = "postgresql"
    port = 5432
    error: type[Exception] = psycopg.Error
    options: Mapping[str, object] = {"use_native_hstore": False}
    writes_apart = False

    def __init__(self, timeout: float) -> None:
        self._session = _SESSION.format(
            statement=max(1, math.ceil(timeout * 1000)),
            lock=math.ceil(LONGEST_WAIT * 1000),
            idle=math.ceil(_IDLE_IN_TRANSACTION * 1000),
        )

    def url(self) -> URL:
        """The SQLAlchemy dialect and driver."""
        return URL.create("postgresql+psycopg")

    def connect(
        self,
        server: SqlServer,
        address: str,
        port: int,
        patience: float,
        job: Job,
        *,
        write: bool,  # noqa: ARG002 - all connections are alike
    ) -> DBAPIConnection:
        """See Driver."""
        until = time.monotonic() + patience
        connection = Watched(_connected(_parameters(server, address, port), until, job))
        connection.job = job
        try:
            connection.autocommit = True
            connection.execute(self._session)
        except BaseException:
            connection.close()
            raise
        return cast("DBAPIConnection", connection)

    def adopt(self, raw: DBAPIConnection, job: Job) -> None:
        """See Driver."""
        cast("Watched", raw).job = job

    def fileno(self, raw: DBAPIConnection) -> int:
        """See Driver."""
        connection = cast("Watched", raw)
        return -1 if connection.closed else connection.fileno()

    def ping(self, raw: DBAPIConnection) -> None:
        """See Driver."""
        cast("Watched", raw).execute("")

    def begin(self, raw: DBAPIConnection) -> None:
        """See Driver. The connection stays in autocommit: a transaction is what was begun."""
        cast("Watched", raw).execute("BEGIN")

    def translated(self, error: BaseException | None) -> ServiceError:
        """See Driver."""
        return translated(error)


_IDLE_IN_TRANSACTION = 120.0
"""Seconds until the server ends a transaction that says nothing: more than a stream may idle."""

_SESSION = (
    "SET datestyle = 'ISO'; SET intervalstyle = 'iso_8601'; SET bytea_output = 'hex'; SET extra_float_digits = 1; "
    "SET xmloption = 'content'; SET standard_conforming_strings = on; SET lock_timeout = {lock}; "
    "SET statement_timeout = {statement}; SET idle_in_transaction_session_timeout = {idle}"
)


_NO_FILE = "/nonexistent/none"
"""In place of the files that libpq would look for in a home folder."""


def _parameters(server: SqlServer, address: str, port: int) -> str:
    """Nothing comes from the environment or home folder of the service: what is not set here is set to nothing."""
    return make_conninfo(
        "",
        host=server.host,
        hostaddr=address,
        port=port,
        dbname=server.database,
        user=server.username,
        password=server.secret,
        passfile=_NO_FILE,
        sslmode=_SSL_MODES[server.tls_mode],
        sslrootcert=authorities() if server.tls_mode in {TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL} else "",
        sslcert=_NO_FILE,
        sslkey=_NO_FILE,
        gssencmode="disable",
        options="",
        client_encoding="utf8",
        application_name="wuzapi-manager",
        target_session_attrs="any",
    )


def authorities() -> str:
    """The file of the authorities whose certificates are trusted: SSL_CERT_FILE, or the platform's."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.openssl_cafile


def _connected(parameters: str, until: float, job: Job) -> pq.abc.PGconn:
    """A connection made by `until`, while the job is wanted. NotConnected."""
    pgconn = pq.PGconn.connect_start(parameters.encode())
    _be_brief(pgconn)
    try:
        _finish_connecting(pgconn, until, job)
    except BaseException:
        pgconn.finish()
        raise
    pgconn.nonblocking = 1
    return pgconn


def _finish_connecting(pgconn: pq.abc.PGconn, until: float, job: Job) -> None:
    status = pq.PollingStatus.WRITING
    while status != pq.PollingStatus.OK:
        if status == pq.PollingStatus.FAILED or pgconn.status == pq.ConnStatus.BAD:
            found = _SQLSTATE.search(pgconn.get_error_message())
            raise NotConnected(found[1] if found else "28P01" if pgconn.needs_password else "")
        if job.stopped() or time.monotonic() > until:
            raise NotConnected
        poll = select.poll()
        poll.register(pgconn.socket, select.POLLIN if status == pq.PollingStatus.READING else select.POLLOUT)
        if poll.poll(_LOOK * 1000):
            status = pq.PollingStatus(pgconn.connect_poll())


def _be_brief(pgconn: pq.abc.PGconn) -> None:
    """Has errors say their SQLSTATE alone, also those while connecting, where psycopg gives nothing but their text."""
    library = _library()
    if library is not None:
        library.PQsetErrorVerbosity(ctypes.c_void_p(cast("Any", pgconn).pgconn_ptr), _ERRORS_SQLSTATE)


_ERRORS_SQLSTATE = 3
"""PQERRORS_SQLSTATE of libpq-fe.h."""


@cache
def _library() -> ctypes.CDLL | None:
    """The libpq that psycopg uses; None where it cannot be told, and then connecting fails without SQLSTATE."""
    try:
        maps = Path("/proc/self/maps").read_text(errors="replace").splitlines()
        paths = {line.split(maxsplit=5)[-1] for line in maps if "/libpq" in line}
        library = ctypes.CDLL(min(paths, default="libpq.so.5"))
        library.PQsetErrorVerbosity.argtypes = [ctypes.c_void_p, ctypes.c_int]
    except (OSError, AttributeError):
        return None
    return library
