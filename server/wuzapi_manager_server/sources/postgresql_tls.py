"""Whether a PostgreSQL server speaks TLS, and with a certificate that holds, asked before anything else is said."""

import asyncio
import ssl

from wuzapi_manager_server.domain.connection import SqlServer, TlsMode
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import ConnectionFailed, QueryFailed, Text
from wuzapi_manager_server.sources.postgresql_driver import authorities
from wuzapi_manager_server.sources.sql_server import reach
from wuzapi_manager_server.sources.sql_work import LONGEST_WAIT

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""https://www.postgresql.org/docs/current/protocol-message-formats.html"""


async def protection(server: SqlServer, addresses: list[str], port: int, deadline: Deadline) -> Text:
    """How the way is protected. QueryFailed where that is less than the connection asks for."""
    if server.tls_mode is TlsMode.DISABLE:
        return Text("The way is not encrypted, as tls_mode says", "A conexão não é criptografada, como diz tls_mode")
    reader, writer = await reach(addresses, port, deadline)
    try:
        async with asyncio.timeout(deadline.cap(LONGEST_WAIT)):
            writer.write(_SSL_REQUEST)
            answer = await reader.readexactly(1)
            if answer == b"S":
                await writer.start_tls(_context(server.tls_mode), server_hostname=server.host)
                if server.tls_mode in {TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL}:
                    return Text(
                        "The way is encrypted; the certificate holds",
                        "A conexão é criptografada; o certificado foi verificado",
                    )
                return Text(
                    "The way is encrypted; the certificate was not checked",
                    "A conexão é criptografada; o certificado não foi verificado",
                )
    except ssl.SSLCertVerificationError as error:
        raise _not_trusted() from error
    except (OSError, EOFError, TimeoutError) as error:
        deadline.cap(LONGEST_WAIT)
        raise _no_answer() from error
    finally:
        writer.close()
    if answer != b"N":
        raise _no_answer()
    if server.tls_mode is not TlsMode.PREFER:
        raise _not_offered()
    return Text(
        "The way is not encrypted: the server offers no TLS",
        "A conexão não é criptografada: o servidor não oferece TLS",
    )


def _context(mode: TlsMode) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authorities())
    context.check_hostname = mode is TlsMode.VERIFY_FULL
    if mode not in {TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL}:
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_answer() -> ConnectionFailed:
    return ConnectionFailed(
        Text("The server does not answer as PostgreSQL does", "O servidor não responde como um PostgreSQL"),
        suggestion=Text("Check the host and the port", "Verifique o host e a porta"),
    )


def _not_offered() -> QueryFailed:
    return QueryFailed(
        Text("The server offers no TLS, which tls_mode asks for", "O servidor não oferece TLS, exigido por tls_mode"),
        suggestion=Text("Let the server speak TLS, or change tls_mode", "Habilite TLS no servidor ou mude tls_mode"),
    )


def _not_trusted() -> QueryFailed:
    return QueryFailed(
        Text("The server's certificate is not trusted", "O certificado do servidor não é confiável"),
        suggestion=Text(
            "Check its name, its dates and its authority, or change tls_mode",
            "Verifique o nome, a validade e a autoridade do certificado ou mude tls_mode",
        ),
    )
