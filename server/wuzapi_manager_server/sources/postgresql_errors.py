"""What a failure of PostgreSQL means to callers, by its SQLSTATE.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from collections.abc import Callable, Mapping

import psycopg

from wuzapi_manager_server.domain.deadline import timed_out
from wuzapi_manager_server.errors import (
    AlreadyExists,
    Code,
    Conflict,
    ConnectionFailed,
    CredentialsRejected,
    QueryFailed,
    ServiceError,
    Text,
)
from wuzapi_manager_server.sources.sql_server import unreachable
from wuzapi_manager_server.sources.sql_table import Altered
from wuzapi_manager_server.sources.sql_work import busy
from wuzapi_manager_server.sources.sql_write import NOT_KEPT, not_kept

_CONSTRAINTS = {
    "23502": Text("A required column is missing or null", "Um campo obrigatório está ausente ou nulo"),
    "23503": Text(
        "A foreign key refuses the change: the other row is missing, or still refers to this one",
        "Uma chave estrangeira recusa a alteração: a outra linha não existe ou ainda se refere a esta",
    ),
    "23514": Text("A check of the table refuses the row", "Uma verificação da tabela recusa a linha"),
}


def _constraint(state: str) -> QueryFailed:
    default = Text("A constraint of the table refuses the row", "Uma restrição da tabela recusa a linha")
    return QueryFailed(_CONSTRAINTS.get(state, default), metadata={"sqlstate": state})


def _taken() -> AlreadyExists:
    return AlreadyExists(
        Text("A row with this unique value exists already", "Já existe uma linha com este valor único")
    )


def _conflict(state: str) -> Conflict:
    return Conflict(
        Text("Another change was in the way", "Outra alteração ocorreu ao mesmo tempo"),
        suggestion=Text("Try again", "Tente novamente"),
        metadata={"sqlstate": state},
        retry_after=0.1,
    )


def _exhausted(state: str) -> QueryFailed:
    return QueryFailed(
        Text("The server lacks memory or disk space", "Falta memória ou espaço em disco no servidor"),
        code=Code.RESOURCE_EXHAUSTED,
        suggestion=Text("Free some", "Libere recursos"),
        metadata={"sqlstate": state},
    )


def _altered(state: str) -> Altered:
    error = Altered(Text("The table was altered", "A tabela foi alterada"))
    error.stale = state == "0A000"
    return error


def _refused(state: str) -> QueryFailed:
    return QueryFailed(
        Text("The database refused the statement", "O banco de dados recusou a instrução"),
        suggestion=Text(
            "Check that the table, its views and triggers still work",
            "Verifique se a tabela, suas visões e seus gatilhos ainda funcionam",
        ),
        metadata={"sqlstate": state},
    )


def _bad_value(state: str) -> QueryFailed:
    return QueryFailed(
        Text(
            "A value is too large, or not of the type of its column",
            "Um valor é grande demais ou não é do tipo do campo",
        ),
        code=Code.INVALID_ARGUMENT,
        metadata={"sqlstate": state},
    )


def _not_now() -> ConnectionFailed:
    return ConnectionFailed(
        Text("The server takes no more connections now", "O servidor não aceita mais conexões no momento"),
        suggestion=Text("Try again in a moment", "Tente novamente em instantes"),
        retry_after=1.0,
    )


def rejected() -> CredentialsRejected:
    """The error for a user or password that the server refuses."""
    return CredentialsRejected(
        Text("The server refuses the stored credentials", "O servidor recusa as credenciais armazenadas"),
        suggestion=Text(
            "Correct the username and password of the connection, and what the server lets this user do",
            "Corrija o usuário e a senha da conexão e as permissões de acesso no servidor",
        ),
    )


def not_allowed() -> QueryFailed:
    """The error for what the connection's user may not do in the database."""
    return QueryFailed(
        Text(
            "The database does not let the connection's user do this",
            "O banco de dados não permite isto ao usuário da conexão",
        ),
        code=Code.PERMISSION_DENIED,
        suggestion=Text("Grant the user the missing right", "Conceda ao usuário a permissão que falta"),
    )


def no_database() -> QueryFailed:
    """The error for a database that the server does not have."""
    return QueryFailed(
        Text("The server has no such database", "O servidor não tem este banco de dados"),
        suggestion=Text("Check the database name of the connection", "Verifique o nome do banco da conexão"),
    )


_CLASSES: Mapping[str, Callable[[str], ServiceError]] = {
    "08": lambda _: unreachable(),
    "57": lambda _: unreachable(),
    "28": lambda _: rejected(),
    "22": _bad_value,
    "40": _conflict,
    "53": _exhausted,
    "23": _constraint,
}
"""By the first two characters, where the whole is not known below."""

_STATES: Mapping[str, Callable[[str], ServiceError]] = {
    "": lambda _: unreachable(),  # the driver met no answer
    "23505": lambda _: _taken(),
    "23P01": lambda _: _taken(),
    "57014": lambda _: timed_out(),
    NOT_KEPT: lambda _: not_kept(),
    "42601": _bad_value,  # not of our statements, but of how a value is spelled (ltree, tsvector, jsonpath)
    "55P03": lambda _: busy(),
    "25P03": lambda _: busy(),
    "53300": lambda _: _not_now(),
    "57P03": lambda _: _not_now(),
    "42501": lambda _: not_allowed(),
    "25006": lambda _: QueryFailed(Text("The database is read-only", "O banco de dados é somente leitura")),
    "3D000": lambda _: no_database(),
    # Undefined table, column, schema, object; not supported: a prepared statement gives other types than before.
    **dict.fromkeys(("42P01", "42703", "3F000", "42704", "0A000"), _altered),
}


def translated(error: BaseException | None) -> ServiceError:
    """The error to tell."""
    state = (error.sqlstate if isinstance(error, psycopg.Error) else None) or ""
    if not state and isinstance(error, psycopg.DataError):  # the driver found that the server could not hold it
        return _bad_value("22000")
    return (_STATES.get(state) or _CLASSES.get(state[:2]) or _refused)(state)
