"""What a failure of PostgreSQL means to callers, by its SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

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
from wuzapi_manager_server.sources.sql_server import altered, unreachable
from wuzapi_manager_server.sources.sql_work import busy

_CONSTRAINTS = {
    "23502": Text("A required column is missing or null", "Um campo obrigatório está ausente ou nulo"),
    "23503": Text(
        "A foreign key refuses the change: the other row is missing, or still refers to this one",
        "Uma chave estrangeira recusa a alteração: a outra linha não existe ou ainda se refere a esta",
    ),
    "23514": Text("A check of the table refuses the row", "Uma verificação da tabela recusa a linha"),
}

_UNIQUE = {"23505", "23P01"}
"""unique_violation, exclusion_violation."""

_ALTERED = {"42P01", "42703", "3F000", "42704", "0A000"}
"""undefined_table, undefined_column, invalid_schema_name, undefined_object, feature_not_supported: the last also where
a prepared statement gives other types than before."""

_CROWDED = {"53300", "57P03", "55P03"}
"""too_many_connections, cannot_connect_now, lock_not_available."""


def translated(error: BaseException | None) -> ServiceError:  # noqa: C901, PLR0911 - one return a kind of failure
    """The error to tell."""
    state = (error.sqlstate if isinstance(error, psycopg.Error) else None) or ""
    match state[:2]:
        case _ if isinstance(error, psycopg.DataError) and not state:
            return _bad_value("22000")  # the driver found that the server could not hold it
        case "" | "08" | "57" if state not in {"57014", *_CROWDED}:
            return unreachable()
        case "28":
            return rejected()
        case "22":
            return _bad_value(state)
        case "40" if state != "40002":
            return Conflict(
                Text("Another change was in the way", "Outra alteração ocorreu ao mesmo tempo"),
                suggestion=Text("Try again", "Tente novamente"),
                metadata={"sqlstate": state},
                retry_after=0.1,
            )
        case "53" if state not in _CROWDED:
            return QueryFailed(
                Text("The server lacks memory or disk space", "Falta memória ou espaço em disco no servidor"),
                code=Code.RESOURCE_EXHAUSTED,
                suggestion=Text("Free some", "Libere recursos"),
                metadata={"sqlstate": state},
            )
        case _:
            pass
    match state:
        case "57014":
            return timed_out()
        case "55P03" | "25P03":
            return busy()
        case "53300" | "57P03":
            return _not_now()
        case "42501":
            return not_allowed()
        case "25006":
            return QueryFailed(Text("The database is read-only", "O banco de dados é somente leitura"))
        case "3D000":
            return no_database()
        case _ if state in _UNIQUE:
            return AlreadyExists(
                Text("A row with this unique value exists already", "Já existe uma linha com este valor único")
            )
        case _ if state in _ALTERED:
            return altered()
        case _ if state.startswith("23"):
            default = Text("A constraint of the table refuses the row", "Uma restrição da tabela recusa a linha")
            return QueryFailed(_CONSTRAINTS.get(state, default), metadata={"sqlstate": state})
        case _:
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
