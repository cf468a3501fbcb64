"""Why a database, or what else settings name, cannot lie where it is to lie: for operators, who are told the path."""

import os
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR

from wuzapi_manager_server.storage.files import companions_of
from wuzapi_manager_server.storage.hold import lock_of


def place_problem(path: Path) -> str:
    """A sentence on what is wrong with the place of a database and what to do; empty where nothing is."""
    if _is_folder(path):
        return f"{path} is a folder: set SQLITE_DB_PATH to a file in it"
    folder = next((each for each in path.absolute().parents if _exists(each)), Path("/"))
    if not _is_folder(folder):
        return f"{path} cannot be made below {folder}, which is a file: set SQLITE_DB_PATH to another place"
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return _not_writable(f"The folder {folder}", folder)
    for file in (path, *companions_of(path), lock_of(path)):
        if _exists(file) and not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
            return _not_writable(f"The database {file}", file)
    return ""


def folder_problem(folder: Path, setting: str, *, written: bool) -> str:
    """The same of a folder that a setting names, which is read, and where it is `written` written too."""
    if not _is_folder(folder):
        why = "is no folder" if _exists(folder) else "is not there"
        return f"{folder} {why}: make it, or set {setting} to another folder"
    wanted = os.R_OK | os.X_OK | (os.W_OK if written else 0)
    if not os.access(folder, wanted, effective_ids=True):
        what = "read and written" if written else "read"
        return (
            f"{folder} cannot be {what} by user {os.geteuid()}, it belongs to user {folder.stat().st_uid}:"
            f" change its owner or permissions, or set {setting} to another folder"
        )
    return ""


def _not_writable(what: str, path: Path) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return (
            f"{what} is on a disk that can only be read: mount it for writing, or set SQLITE_DB_PATH to another place"
        )
    owner = path.stat().st_uid
    return (
        f"{what} cannot be written by user {os.geteuid()}, it belongs to user {owner}:"
        f" change its owner or permissions, or set SQLITE_DB_PATH to another place"
    )


def _exists(path: Path) -> bool:
    with suppress(OSError):
        path.stat()
        return True
    return False


def _is_folder(path: Path) -> bool:
    with suppress(OSError):
        return S_ISDIR(path.stat().st_mode)
    return False
