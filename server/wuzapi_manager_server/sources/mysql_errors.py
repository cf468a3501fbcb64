"""What a failure of MySQL or MariaDB means to callers, by its number.

Sources: https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html and
https://mariadb.com/kb/en/mariadb-error-codes/. Numbers from 2000 to 2999 are the client's own.
"""

import ssl

from wuzapi_manager_server.domain.deadline import timed_out
from wuzapi_manager_server.errors import (
    AlreadyExists,
    Code,
    Conflict,
    ConnectionFailed,
    CredentialsRejected,
    PermissionDenied,
    QueryFailed,
    ServiceError,
    Text,
)
from wuzapi_manager_server.sources.sql_server import unreachable
from wuzapi_manager_server.sources.sql_table import Altered

LOST, GONE, NO_TLS, TOO_LARGE = 2013, 2006, 2026, 1153

_LATE = {1969, 3024}
"""A statement took longer than max_statement_time (MariaDB) or max_execution_time (MySQL)."""

_CONFLICTS = {1020, 1205, 1213, 1614, 3572, 4058}
"""A row changed since it was read, a lock that did not come free, a deadlock."""

_CREDENTIALS = {1045, 1130, 1251, 1396, 1698, 1820, 1862, 1873, 3118, 3955, 4151}
"""Wrong name or password, a host that may not log in, an expired or locked account."""

_PERMISSIONS = {1095, 1142, 1143, 1144, 1227, 1370, 1419}

_FULL = {1040, 1129, 1203, 1226}
"""Too many connections, or a host that is blocked after too many errors."""

_DUPLICATES = {1022, 1062, 1169, 1557, 1586, 1859}

_ALTERED = {1051, 1054, 1146, 1347, 1932, 4092}
"""A table or column that is not there."""

_VALUES = {1118, 1264, 1265, 1292, 1300, 1366, 1367, 1406, 1411, 1416, 1441, 1525, 1690, 3140, 3141, 3156, 3617, 4038}
"""Out of range, cut, of the wrong type, not of the column's character set, no JSON."""

_CONSTRAINTS = {
    **dict.fromkeys(
        (1048, 1364, 1121, 1263),
        Text("A required column is missing or null", "Um campo obrigatório está ausente ou nulo"),
    ),
    **dict.fromkeys(
        (1216, 1217, 1451, 1452),
        Text(
            "A foreign key refuses the change: the other row is missing, or still refers to this one",
            "Uma chave estrangeira recusa a alteração: a outra linha não existe ou ainda se refere a esta",
        ),
    ),
    **dict.fromkeys(
        (3819, 4025), Text("A check of the table refuses the row", "Uma verificação da tabela recusa a linha")
    ),
    **dict.fromkeys(
        (1442, 1644, 1645),
        Text("A trigger of the table refuses the change", "Um gatilho da tabela recusa a alteração"),
    ),
    **dict.fromkeys((1223, 1290, 1792, 1836), Text("The server takes no writes", "O servidor não aceita gravações")),
    1356: Text(
        "The view refers to what is not there, or what its definer may not read",
        "A visão se refere a algo que não existe ou que seu criador não pode ler",
    ),
}

_DISK = {1021, 1030, 1041, 1114, 1135}


def number_of(error: BaseException | None) -> int:
    """The number of a driver's error; that of a lost connection where it has none, as after a hang-up."""
    number = error.args[0] if error is not None and error.args else LOST
    return number if isinstance(number, int) and number else LOST


def translated(error: BaseException | None) -> ServiceError:
    """The error to tell of a driver's error."""
    if isinstance(getattr(error, "original_exception", None), ssl.SSLError):
        return no_tls()
    return meaning(number_of(error))


def meaning(number: int) -> ServiceError:  # noqa: C901, PLR0911, PLR0912 - one return a kind of failure
    """The error to tell of a number."""
    told = {"mysql_code": str(number)}
    match number:
        case _ if number == NO_TLS:
            return no_tls()
        case _ if 2000 <= number < 3000 or number in {1053, 1152, *range(1158, 1162), 1927}:  # noqa: PLR2004 - the client's own
            return unreachable()
        case _ if number in _LATE:
            return timed_out()
        case 1317:
            return ConnectionFailed(
                Text("The server stopped the statement", "O servidor interrompeu a instrução"),
                suggestion=Text("Try again", "Tente novamente"),
                retry_after=1.0,
            )
        case _ if number in _CONFLICTS:
            return Conflict(
                Text(
                    "Another change of the same rows was in the way, and nothing was changed",
                    "Outra alteração das mesmas linhas impediu esta; nada foi alterado",
                ),
                suggestion=Text("Try again in a moment", "Tente novamente em instantes"),
                retry_after=1.0,
            )
        case _ if number in _CREDENTIALS:
            return CredentialsRejected(
                Text(
                    "The server refuses the connection's user name or password",
                    "O servidor recusa o usuário ou a senha da conexão",
                ),
                suggestion=Text(
                    "Check the user name, the password and from where the user may log in",
                    "Verifique o usuário, a senha e de onde o usuário pode se conectar",
                ),
                metadata=told,
            )
        case 1044:
            return PermissionDenied(
                Text(
                    "The server has no such database, or the connection's database user may not use it",
                    "O servidor não tem esse banco de dados, ou o usuário de banco da conexão não pode usá-lo",
                ),
                suggestion=Text(
                    "Check the connection's database, and grant the user what it needs there",
                    "Verifique o banco de dados da conexão e conceda ao usuário as permissões necessárias nele",
                ),
                metadata=told,
            )
        case _ if number in _PERMISSIONS:
            return PermissionDenied(
                Text(
                    "The connection's database user may not do this",
                    "O usuário de banco da conexão não tem permissão para isso",
                ),
                suggestion=Text("Grant the user what it needs", "Conceda ao usuário as permissões necessárias"),
                metadata=told,
            )
        case 1049 | 1046:
            return QueryFailed(
                Text("The database was not found on the server", "O banco de dados não foi encontrado no servidor"),
                suggestion=Text("Check the connection's database", "Verifique o banco de dados da conexão"),
                metadata=told,
            )
        case _ if number in _FULL:
            return ConnectionFailed(
                Text("The server takes no more connections", "O servidor não aceita mais conexões"),
                suggestion=Text("Try again in a moment", "Tente novamente em instantes"),
                retry_after=5.0,
            )
        case _ if number in _DUPLICATES:
            return AlreadyExists(
                Text("A row with this unique value exists already", "Já existe uma linha com este valor único")
            )
        case _ if number in _ALTERED:
            return Altered(Text("The table is not as it was described", "A tabela não é como foi descrita"))
        case _ if number in _VALUES:
            return QueryFailed(
                Text(
                    "A value is too large or of the wrong type for its column",
                    "Um valor é grande demais ou do tipo errado para o campo",
                ),
                code=Code.INVALID_ARGUMENT,
                metadata=told,
            )
        case _ if number == TOO_LARGE:
            return QueryFailed(
                Text(
                    "A value is larger than what the server takes at once (max_allowed_packet)",
                    "Um valor é maior do que o servidor aceita de uma vez (max_allowed_packet)",
                ),
                code=Code.INVALID_ARGUMENT,
                metadata=told,
            )
        case _ if number in _DISK:
            return QueryFailed(
                Text("The server has no room left", "O servidor está sem espaço ou memória"),
                code=Code.RESOURCE_EXHAUSTED,
                suggestion=Text("Free some space", "Libere espaço"),
                metadata=told,
            )
        case _ if number in _CONSTRAINTS:
            return QueryFailed(_CONSTRAINTS[number], metadata=told)
        case _:
            return QueryFailed(
                Text("The database refused the statement", "O banco de dados recusou a instrução"),
                suggestion=Text(
                    "Check that the table, its views and triggers still work",
                    "Verifique se a tabela, suas visões e seus gatilhos ainda funcionam",
                ),
                metadata=told,
            )


def no_tls() -> QueryFailed:
    """The error for a server whose TLS is not what the connection asks for."""
    return QueryFailed(
        Text(
            "The server offers no TLS, or its certificate is not valid for this host",
            "O servidor não oferece TLS, ou seu certificado não é válido para este host",
        ),
        suggestion=Text(
            "Check the server's certificate and the TLS mode of the connection",
            "Verifique o certificado do servidor e o modo TLS da conexão",
        ),
    )
