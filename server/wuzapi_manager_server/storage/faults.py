"""SQLite's result codes, in the words of callers.

The code decides, never the message. The original exception stays as the cause, for the log.
"""

from dataclasses import dataclass
from errno import ENOSPC

import apsw
from peewee import PeeweeException

from wuzapi_manager_server.errors import Code, DatabaseError, Text

SOON, LATER = 1.0, 5.0


@dataclass(frozen=True)
class _Fault:
    code: Code
    text: Text
    suggestion: Text
    retry_after: float | None = None

    def error(self) -> DatabaseError:
        return DatabaseError(self.code, self.text, suggestion=self.suggestion, retry_after=self.retry_after)


_BUSY = _Fault(
    Code.UNAVAILABLE,
    Text("The database is busy", "Banco de dados está ocupado"),
    Text("Try again in a few seconds", "Tente novamente em alguns segundos"),
    SOON,
)
_CANNOT_OPEN = _Fault(
    Code.UNAVAILABLE,
    Text("The database cannot be opened", "Não foi possível abrir o banco de dados"),
    Text(
        "Check that the directory exists and has the right permissions",
        "Verifique se o diretório existe e tem permissões adequadas",
    ),
    LATER,
)
_NOT_PERMITTED = _Fault(
    Code.UNAVAILABLE,
    Text("Permission to use the database is denied", "Permissão negada para acessar o banco de dados"),
    Text("Check the permissions of the file and its directory", "Verifique as permissões do arquivo e diretório"),
    LATER,
)
_READ_ONLY = _Fault(
    Code.UNAVAILABLE,
    Text("The database can only be read", "O banco de dados está somente para leitura"),
    _NOT_PERMITTED.suggestion,
    LATER,
)
_CORRUPT = _Fault(
    Code.DATA_LOSS,
    Text("The database is corrupt", "Banco de dados corrompido"),
    Text("Run an integrity check or restore a backup", "Execute verificação de integridade ou restaure backup"),
)
_FULL = _Fault(
    Code.RESOURCE_EXHAUSTED,
    Text("There is no room left for the database", "Não há espaço em disco para o banco de dados"),
    Text("Free some disk space, then try again", "Libere espaço em disco e tente novamente"),
    LATER,
)
_DISK = _Fault(
    Code.UNAVAILABLE,
    Text("The disk failed to read or write the database", "Falha de leitura ou gravação no disco do banco de dados"),
    Text("Check the disk and the free space", "Verifique o disco e o espaço livre"),
    LATER,
)
_UNKNOWN = _Fault(
    Code.INTERNAL,
    Text("Unknown error in the database", "Erro desconhecido no banco de dados"),
    Text("See the log for details", "Verifique os logs para mais detalhes"),
)

# APSW has an exception for each of SQLite's primary result codes.
_BY_RESULT: dict[type[BaseException], _Fault] = {
    apsw.BusyError: _BUSY,
    apsw.LockedError: _BUSY,
    apsw.CantOpenError: _CANNOT_OPEN,
    apsw.PermissionsError: _NOT_PERMITTED,
    apsw.AuthError: _NOT_PERMITTED,
    apsw.ReadOnlyError: _READ_ONLY,
    apsw.CorruptError: _CORRUPT,
    apsw.NotADBError: _CORRUPT,
    apsw.FullError: _FULL,
    apsw.IOError: _DISK,
    UnicodeDecodeError: _CORRUPT,  # APSW's word for a text that is none
}
ERRORS = (apsw.Error, PeeweeException, UnicodeDecodeError)
"""What Peewee and APSW raise."""

NOT_AS_STORED = (ValueError, KeyError, TypeError)
"""What comes of making something of a stored value that is not as it was stored."""


def translated(error: BaseException) -> DatabaseError:
    """What to raise from an exception of Peewee or APSW."""
    # Peewee raises exceptions of its own while it handles those of APSW.
    while type(error) not in _BY_RESULT and not isinstance(error, apsw.Error) and error.__context__ is not None:
        error = error.__context__
    return _BY_RESULT.get(type(error), _UNKNOWN).error()


def of_system(error: OSError) -> DatabaseError:
    """What to raise from a failure to make the database's folder or file."""
    if isinstance(error, PermissionError):
        return _NOT_PERMITTED.error()
    return (_FULL if error.errno == ENOSPC else _CANNOT_OPEN).error()


def corrupt() -> DatabaseError:
    """A check found damage, or a value is not as it was stored."""
    return _CORRUPT.error()


def read_only() -> DatabaseError:
    """The file can be opened for reading only."""
    return _READ_ONLY.error()


def refused(en: str, pt: str, *, suggestion: Text) -> DatabaseError:
    """Something that no waiting mends and that stops the start."""
    return DatabaseError(Code.FAILED_PRECONDITION, Text(en, pt), suggestion=suggestion)
