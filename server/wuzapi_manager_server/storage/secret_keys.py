"""Where the keys of the secrets at rest and the administrator's token come from.

What is not set is made at first start, in files beside the database that only this user can read.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wuzapi_manager_server.domain.caller import is_admin_token
from wuzapi_manager_server.errors import DatabaseError, Text
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.secrets_at_rest import check_keys, keys_in_use

KEYS_FILE = "secret.key"
TOKEN_FILE = "admin.token"  # noqa: S105 - the name of a file
_TOKEN_BYTES = 32


def open_box(database: Database, setting: Sequence[str], data_dir: Path, *, make: bool = True) -> SecretBox:
    """The box for the secrets of a database, by the keys set or those of the file, which is made where there is none.

    Without `make` it is not: where nothing is encrypted yet, the box has a key that nobody keeps. DatabaseError where
    something is encrypted with a key that is not among them: then no new key is ever made.
    """
    used = keys_in_use(database)
    if not (make or used or setting or (data_dir / KEYS_FILE).exists()):
        return SecretBox([SecretBox.new_key()])
    box = box_of(load_keys(setting, data_dir, may_make=not used))
    check_keys(used, box)
    return box


def box_of(keys: Sequence[str]) -> SecretBox:
    """The box of these keys. DatabaseError where one is no key."""
    try:
        return SecretBox(keys)
    except ValueError as error:
        raise faults.refused(
            "A key of the secrets at rest is not a Fernet key",
            "Uma das chaves dos segredos armazenados não é uma chave Fernet",
            suggestion=Text(
                "Correct SECRET_KEYS, or the file secret.key beside the database",
                "Corrija SECRET_KEYS ou o arquivo secret.key junto ao banco de dados",
            ),
        ) from error


def load_keys(setting: Sequence[str], data_dir: Path, *, may_make: bool) -> list[str]:
    """The keys set, else those of `<data>/secret.key` (one a line), which is made where `may_make`.

    DatabaseError where there are none and none may be made, or the file cannot be read or written.
    """
    if setting:
        return list(setting)
    file = data_dir / KEYS_FILE
    try:
        if not file.exists():
            if not may_make:
                raise _no_keys()
            _publish(file, SecretBox.new_key() + "\n")
        return file.read_text(encoding="ascii", errors="replace").split()
    except OSError as error:
        raise _unusable(KEYS_FILE) from error


def add_key(data_dir: Path) -> list[str]:
    """Puts a new key before those of `<data>/secret.key` and gives all: from now on it is the one that encrypts."""
    file = data_dir / KEYS_FILE
    try:
        with _locked(data_dir):  # a key that another process adds at the same time must not get lost
            keys = [SecretBox.new_key(), *file.read_text(encoding="ascii", errors="replace").split()]
            _write_beside(file, "\n".join(keys) + "\n").replace(file)
    except OSError as error:
        raise _unusable(KEYS_FILE) from error
    return keys


def load_admin_token(setting: str | None, data_dir: Path, *, may_make: bool = True) -> tuple[str, Path | None]:
    """The token set, or that of `<data>/admin.token`, and the file if it counts; it is made where `may_make`.

    DatabaseError where there is none and none may be made, or the file cannot be read or written or holds no token.
    """
    if setting:
        return setting, None
    file = data_dir / TOKEN_FILE
    try:
        if not file.exists():
            if not may_make:
                raise _no_token()
            _publish(file, secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
        token = file.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise _unusable(TOKEN_FILE) from error
    if not is_admin_token(token):
        raise _unusable(TOKEN_FILE)
    return token, file


def _publish(file: Path, text: str) -> None:
    """Makes a file whole or not at all. Where another process was faster, its file stays."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(file.parent):
        if not file.exists():
            _write_beside(file, text).replace(file)


def _write_beside(file: Path, text: str) -> Path:
    """A new file in the same folder, on the disk, readable by this user alone."""
    made = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    return made


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the folder against other processes that do the same, and at the end has the names in it on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_keys() -> DatabaseError:
    return faults.refused(
        "The database holds encrypted secrets, but their key is gone",
        "O banco de dados contém segredos criptografados, mas a chave não foi encontrada",
        suggestion=Text(
            "Set SECRET_KEYS to the key, or restore the file secret.key beside the database; no new key is made",
            "Defina SECRET_KEYS ou restaure o arquivo secret.key junto ao banco; nenhuma chave nova é criada",
        ),
    )


def _no_token() -> DatabaseError:
    return faults.refused(
        "The administrator's token is not here",
        "O token do administrador não está disponível",
        suggestion=Text("Set WUZAPI_ADMIN_TOKEN", "Defina WUZAPI_ADMIN_TOKEN"),
    )


def _unusable(name: str) -> DatabaseError:
    return faults.refused(
        f"The file {name} beside the database cannot be used",
        f"O arquivo {name} junto ao banco de dados não pode ser usado",
        suggestion=Text("Check its content and permissions", "Verifique seu conteúdo e permissões"),
    )
