"""Where SQLite sources may lie."""

import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

from wuzapi_manager_server.errors import (
    ConnectionFailed,
    InvalidInput,
    PermissionDenied,
    ServiceError,
    Text,
    Violation,
)
from wuzapi_manager_server.sources.sql_work import Workers
from wuzapi_manager_server.sources.sqlite_file import SqliteFile

COMPANIONS = ("", "-wal", "-shm", "-journal")
"""What SQLite writes beside a database, by the end of its name."""


class Located(NamedTuple):
    """A database file: its real path, and its identity on the disk."""

    path: Path
    device: int
    inode: int


class SqliteFolder:
    """The one folder below which SQLite sources may lie, and the files of it that are open.

    `root` is SQLITE_SOURCES_DIR; None refuses every file. `forbidden` are files and folders of the service itself:
    they, what lies below them, and other names (links) of their files are never a source. `timeout` bounds each call,
    in seconds; calls that take longer than `slow` seconds are logged.
    """

    def __init__(
        self, root: Path | None, forbidden: Sequence[Path], executor: Executor, timeout: float = 15.0, slow: float = 1.0
    ) -> None:
        self._root = root
        self._forbidden = tuple(forbidden)
        self._executor = executor
        self._slow = slow
        self.timeout = timeout
        self.workers = Workers(executor, slots=4)
        self._files: dict[Located, SqliteFile] = {}

    def check(self, database: str) -> Text | None:
        """Why the file may not be a source; None where it may. Whether it is there is not asked."""
        try:
            self._allowed(database)
        except ServiceError as error:
            return error.text
        return None

    def resolve(self, database: str) -> Path:
        """The real path of a source that is there.

        InvalidInput for what is no path, PermissionDenied where sources may not lie, ConnectionFailed where no file is.
        """
        return self.locate(database).path

    def locate(self, database: str) -> Located:
        """As `resolve`, with the identity of the file."""
        path = self._allowed(database)
        try:
            found = path.lstat()
        except OSError as error:
            raise _missing(database) from error
        if not stat.S_ISREG(found.st_mode):
            raise _missing(database)
        for ending in COMPANIONS:
            self._check_links(path.with_name(path.name + ending))
        return Located(path, found.st_dev, found.st_ino)

    def _allowed(self, database: str) -> Path:
        if self._root is None:
            raise PermissionDenied(
                Text("SQLite sources are not enabled here", "Fontes SQLite não estão habilitadas aqui"),
                suggestion=Text(
                    "Set SQLITE_SOURCES_DIR to the folder where they lie",
                    "Defina SQLITE_SOURCES_DIR com a pasta onde elas ficam",
                ),
            )
        _check_text(database)
        if ".." in Path(database).parts:
            raise _outside(database)
        try:
            root = Path(os.path.realpath(self._root))
            path = Path(os.path.realpath(root / database))
        except OSError as error:
            raise _missing(database) from error
        if path == root or not path.is_relative_to(root):
            raise _outside(database)
        if any(self._is_own(path, Path(os.path.realpath(own))) for own in self._forbidden):
            raise _own(database)
        return path

    @staticmethod
    def _is_own(path: Path, own: Path) -> bool:
        return path.is_relative_to(own) or path in {own.with_name(own.name + ending) for ending in COMPANIONS}

    def _check_links(self, path: Path) -> None:
        """Refuses a database, or a file that SQLite would read with it, that is another name of another file."""
        try:
            found = path.lstat()
        except OSError:
            return
        same = found.st_nlink > 1 and any(
            (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino) for own in self._own_files()
        )
        if same or not stat.S_ISREG(found.st_mode):
            raise PermissionDenied(
                Text(
                    "The database file, or one beside it, is a link to what may not be a source",
                    "O arquivo do banco, ou um ao seu lado, é um link para o que não pode ser uma fonte",
                ),
                suggestion=_ANOTHER_FILE,
            )

    def _own_files(self) -> Iterator[os.stat_result]:
        for own in self._forbidden:
            tops = [own.with_name(own.name + ending) for ending in COMPANIONS]
            below = (Path(folder, name) for folder, _, names in os.walk(own) for name in names)
            for path in (*tops, *below):
                try:
                    yield path.stat()
                except OSError:
                    continue

    def open(self, located: Located) -> SqliteFile:
        """The file, shared by all who open it; each gives it back once with `release`."""
        file = self._files.get(located)
        if file is None:
            file = self._files[located] = SqliteFile(located.path, self._executor, self._slow)
        file.users += 1
        return file

    async def release(self, located: Located) -> None:
        """Gives back a file that was opened; the last one closes it."""
        file = self._files[located]
        file.users -= 1
        if file.users == 0:
            del self._files[located]
            await file.close()


_ANOTHER_FILE = Text("Give another file", "Informe outro arquivo")


def _check_text(database: str) -> None:
    try:
        fit = "\0" not in database and bool(database.encode())
    except UnicodeEncodeError:
        fit = False
    if not database:
        raise InvalidInput([Violation("database", Text("a file is required", "o arquivo é obrigatório"), missing=True)])
    if not fit:
        raise InvalidInput([Violation("database", Text("not a path", "não é um caminho"))])


def _missing(database: str) -> ConnectionFailed:
    return ConnectionFailed(
        Text(f"The database file '{database}' was not found", f"O arquivo '{database}' não foi encontrado"),
        suggestion=Text(
            "Check the name; it is relative to SQLITE_SOURCES_DIR, and the file must exist",
            "Verifique o nome; ele é relativo a SQLITE_SOURCES_DIR e o arquivo deve existir",
        ),
    )


def _outside(database: str) -> PermissionDenied:
    return PermissionDenied(
        Text(
            f"The file '{database}' does not lie in the folder of SQLite sources",
            f"O arquivo '{database}' não está na pasta de fontes SQLite",
        ),
        suggestion=Text("Give a path below SQLITE_SOURCES_DIR", "Informe um caminho dentro de SQLITE_SOURCES_DIR"),
    )


def _own(database: str) -> PermissionDenied:
    return PermissionDenied(
        Text(
            f"The file '{database}' belongs to the service itself and is never a source",
            f"O arquivo '{database}' pertence ao próprio serviço e nunca é uma fonte",
        ),
        suggestion=_ANOTHER_FILE,
    )
