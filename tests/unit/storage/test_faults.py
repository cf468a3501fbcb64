"""SQLite's result codes in the words of the original application."""

import errno

import apsw
import peewee
import pytest

from wuzapi_manager_server.errors import Code, DatabaseError
from wuzapi_manager_server.storage import faults


@pytest.mark.parametrize(
    ("result", "code", "message", "waits"),
    [
        (apsw.SQLITE_CANTOPEN, Code.UNAVAILABLE, "Não foi possível abrir o banco de dados", True),
        (apsw.SQLITE_PERM, Code.UNAVAILABLE, "Permissão negada para acessar o banco de dados", True),
        (apsw.SQLITE_AUTH, Code.UNAVAILABLE, "Permissão negada para acessar o banco de dados", True),
        (apsw.SQLITE_BUSY, Code.UNAVAILABLE, "Banco de dados está ocupado", True),
        (apsw.SQLITE_LOCKED, Code.UNAVAILABLE, "Banco de dados está ocupado", True),
        (apsw.SQLITE_CORRUPT, Code.DATA_LOSS, "Banco de dados corrompido", False),
        (apsw.SQLITE_NOTADB, Code.DATA_LOSS, "Banco de dados corrompido", False),
        (apsw.SQLITE_FULL, Code.RESOURCE_EXHAUSTED, "Não há espaço em disco para o banco de dados", True),
        (apsw.SQLITE_READONLY, Code.UNAVAILABLE, "O banco de dados está somente para leitura", True),
        (apsw.SQLITE_IOERR, Code.UNAVAILABLE, "Falha de leitura ou gravação no disco do banco de dados", True),
        (apsw.SQLITE_MISMATCH, Code.INTERNAL, "Erro desconhecido no banco de dados", False),
    ],
)
def test_every_result_code_has_its_words(result: int, code: Code, message: str, *, waits: bool) -> None:
    """The code decides, the message of the driver does not appear; waiting is advised where it helps."""
    error = faults.translated(apsw.exception_for(result))
    assert (error.code, error.text.pt, error.retry_after is not None) == (code, message, waits)
    assert error.suggestion is not None


def test_the_code_is_found_behind_peewees_exception() -> None:
    """Peewee's own exception, raised while APSW's is handled, is told by APSW's code."""

    def wrapped() -> None:
        try:
            raise apsw.BusyError("database is locked")  # noqa: TRY301 - stands for APSW
        except apsw.BusyError:
            raise peewee.OperationalError("database is locked")  # noqa: B904 - as Peewee does it

    with pytest.raises(peewee.OperationalError) as raised:
        wrapped()
    assert faults.translated(raised.value).text.pt == "Banco de dados está ocupado"
    assert faults.translated(peewee.InterfaceError("closed")).code is Code.INTERNAL


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (errno.EACCES, Code.UNAVAILABLE, "Permissão negada para acessar o banco de dados"),
        (errno.ENOSPC, Code.RESOURCE_EXHAUSTED, "Não há espaço em disco para o banco de dados"),
        (errno.ENOTDIR, Code.UNAVAILABLE, "Não foi possível abrir o banco de dados"),
    ],
)
def test_failures_of_the_system_have_the_same_words(number: int, code: Code, message: str) -> None:
    """A folder or file that cannot be made is told like a database that cannot be opened."""
    error = faults.of_system(OSError(number, "no"))
    assert isinstance(error, DatabaseError)
    assert (error.code, error.text.pt) == (code, message)
