"""PyMySQL as the pool of a SQL server drives it."""

import asyncio
import ssl
import struct
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import cast

from pymysql import err
from pymysql.constants import CLIENT
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection

from wuzapi_manager_server.domain.connection import SqlServer, TlsMode
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import ServiceError, Text
from wuzapi_manager_server.sources.mysql_connection import MysqlConnection, tls_context
from wuzapi_manager_server.sources.mysql_errors import no_tls, translated
from wuzapi_manager_server.sources.sql_server import reach, unreachable
from wuzapi_manager_server.sources.sql_work import LONGEST_WAIT, Job

_PROTOCOL, _ERROR = 10, 0xFF
_LARGEST_GREETING = 4096
_UTF8MB4 = 45


class MysqlDriver:
    """See sql_driver.Driver. `timeout` is the longest that a statement may take, in seconds."""

    name = "mysql"
    port = 3306
    error: type[Exception] = err.Error
    options: Mapping[str, object] = MappingProxyType({})
    writes_apart = True

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._context = cache(tls_context)  # reading the system's certificates takes long

    def url(self) -> URL:
        """See Driver."""
        return URL.create("mysql+pymysql")

    def connect(
        self, server: SqlServer, address: str, port: int, patience: float, job: Job, *, write: bool
    ) -> DBAPIConnection:
        """See Driver."""
        raw = MysqlConnection(server, port, self._context(server.tls_mode), self._timeout, autocommit=not write)
        raw.open_to(address, port, max(patience, 0.001), job)
        return cast("DBAPIConnection", raw)

    def adopt(self, raw: DBAPIConnection, job: Job) -> None:
        """See Driver."""
        own(raw).adopt(job)

    def fileno(self, raw: DBAPIConnection) -> int:
        """See Driver."""
        return own(raw).fileno()

    def ping(self, raw: DBAPIConnection) -> None:
        """See Driver."""
        own(raw).ping()

    def begin(self, raw: DBAPIConnection) -> None:
        """See Driver."""
        own(raw).begin()

    def translated(self, error: BaseException | None) -> ServiceError:
        """See Driver."""
        return translated(error)

    async def try_tls(self, server: SqlServer, addresses: list[str], port: int, deadline: Deadline) -> Text:
        """Greets the server and, where the connection asks for TLS, goes as far as that.

        ConnectionFailed where the server does not answer as MySQL does, or its TLS is not what is asked for.
        """
        reader, writer = await reach(addresses, port, deadline)
        context = self._context(server.tls_mode)
        try:
            async with asyncio.timeout(deadline.cap(LONGEST_WAIT)):
                offered = await _greeting(reader)
                if context is None:
                    return Text("TLS is not used, as tls_mode says", "Sem TLS, como diz tls_mode")
                if not offered:
                    if server.tls_mode is TlsMode.PREFER:
                        return Text(
                            "The server offers no TLS: the way is not protected",
                            "O servidor não oferece TLS: a conexão não é protegida",
                        )
                    raise no_tls()
                flags = CLIENT.CAPABILITIES | CLIENT.SSL
                writer.write(struct.pack("<IIIB23x", 32 | 1 << 24, flags, 1 << 24, _UTF8MB4))
                await writer.start_tls(context, server_hostname=server.host)
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise no_tls() from error
        except (OSError, EOFError, TimeoutError, struct.error, ValueError) as error:
            deadline.cap(LONGEST_WAIT)
            raise unreachable() from error
        finally:
            writer.close()
        if server.tls_mode in {TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL}:
            return Text("TLS is used; the certificate was verified", "TLS em uso; o certificado foi verificado")
        return Text("TLS is used; the certificate was not verified", "TLS em uso; o certificado não foi verificado")


async def _greeting(reader: asyncio.StreamReader) -> bool:
    """Whether the server offers TLS. ValueError where it is none; the error that it answers instead."""
    header = await reader.readexactly(4)
    size = int.from_bytes(header[:3], "little")
    if not 1 <= size <= _LARGEST_GREETING:
        raise ValueError
    packet = await reader.readexactly(size)
    if packet[0] == _ERROR:
        raise translated(err.OperationalError(int.from_bytes(packet[1:3], "little"), ""))
    if packet[0] != _PROTOCOL:
        raise ValueError
    (flags,) = struct.unpack_from("<H", packet, packet.index(b"\0", 1) + 1 + 4 + 8 + 1)
    return bool(flags & CLIENT.SSL)


def own(raw: DBAPIConnection) -> MysqlConnection:
    """The connection by its own type, which SQLAlchemy does not know."""
    return cast("MysqlConnection", raw)
