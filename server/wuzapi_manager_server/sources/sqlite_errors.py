"""What a failure of SQLite means to callers, by its result code (https://www.sqlite.org/rescode.html)."""

import re

from wuzapi_manager_server.domain.deadline import timed_out
from wuzapi_manager_server.errors import AlreadyExists, Code, ConnectionFailed, QueryFailed, ServiceError, Text
from wuzapi_manager_server.sources.sql_work import busy

_CODES = re.compile(r"\(code=(\d+), ext=(\d+)\)\Z")
"""Where the driver puts the codes; what stands before is for nobody."""

_BUSY, _LOCKED, _INTERRUPT = 5, 6, 9
_READONLY, _CORRUPT, _FULL, _TOOBIG, _CONSTRAINT, _MISMATCH, _NOTADB = 8, 11, 13, 18, 19, 20, 26
_UNREACHABLE = {3, 7, 10, 14, 15, 22, 23}
"""PERM, NOMEM, IOERR, CANTOPEN, PROTOCOL, NOLFS, AUTH."""

_UNIQUE = {1555, 2067, 2579}
"""PRIMARYKEY, UNIQUE, ROWID."""

_CONSTRAINTS = {
    275: Text("A check of the table refuses the row", "Uma verificação da tabela recusa a linha"),
    787: Text(
        "A foreign key refuses the change: the other row is missing, or still refers to this one",
        "Uma chave estrangeira recusa a alteração: a outra linha não existe ou ainda se refere a esta",
    ),
    1299: Text("A required column is missing or null", "Um campo obrigatório está ausente ou nulo"),
    1811: Text("A trigger of the table refuses the change", "Um gatilho da tabela recusa a alteração"),
}

_DATATYPE = 3091


def codes(error: BaseException | None) -> tuple[int, int]:
    """The result code of a driver's error and its extension; (14, 14), cannot open, where it has none."""
    found = _CODES.search(str(error))
    return (int(found[1]), int(found[2])) if found else (14, 14)


def translated(error: BaseException | None) -> ServiceError:  # noqa: PLR0911 - one return a kind of failure
    """The error to tell."""
    code, extended = codes(error)
    match code:
        case _ if code in {_BUSY, _LOCKED}:
            return busy()
        case _ if code == _INTERRUPT:
            return timed_out()
        case _ if code in _UNREACHABLE:
            return ConnectionFailed(
                Text("The database file cannot be opened or read", "O arquivo do banco não pode ser aberto ou lido"),
                suggestion=Text(
                    "Check that the service may read the file and write in its folder",
                    "Verifique se o serviço pode ler o arquivo e gravar na sua pasta",
                ),
                metadata={"sqlite_code": str(extended)},
            )
        case _ if code in {_CORRUPT, _NOTADB}:
            return QueryFailed(
                Text(
                    "The file is damaged, encrypted or no SQLite database",
                    "O arquivo está danificado, criptografado ou não é um banco SQLite",
                ),
                suggestion=Text("Check the file, or restore a copy", "Verifique o arquivo ou restaure uma cópia"),
                metadata={"sqlite_code": str(extended)},
            )
        case _ if code == _READONLY:
            return QueryFailed(
                Text("The database file is read-only", "O arquivo do banco é somente leitura"),
                suggestion=Text(
                    "Let the service write the file and its folder", "Permita ao serviço gravar o arquivo e sua pasta"
                ),
            )
        case _ if code == _FULL:
            return QueryFailed(
                Text("The disk of the database is full", "O disco do banco de dados está cheio"),
                code=Code.RESOURCE_EXHAUSTED,
                suggestion=Text("Free some space", "Libere espaço"),
            )
        case _ if code in {_TOOBIG, _MISMATCH} or extended == _DATATYPE:
            return QueryFailed(
                Text(
                    "A value is too large or of the wrong type for its column",
                    "Um valor é grande demais ou do tipo errado para o campo",
                ),
                code=Code.INVALID_ARGUMENT,
            )
        case _ if code == _CONSTRAINT and extended in _UNIQUE:
            return AlreadyExists(
                Text("A row with this unique value exists already", "Já existe uma linha com este valor único")
            )
        case _ if code == _CONSTRAINT:
            return QueryFailed(
                _CONSTRAINTS.get(
                    extended,
                    Text("A constraint of the table refuses the row", "Uma restrição da tabela recusa a linha"),
                )
            )
        case _:
            return QueryFailed(
                Text("The database refused the statement", "O banco de dados recusou a instrução"),
                suggestion=Text(
                    "Check that the table, its views and triggers still work",
                    "Verifique se a tabela, suas visões e seus gatilhos ainda funcionam",
                ),
                metadata={"sqlite_code": str(extended)},
            )
