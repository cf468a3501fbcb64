"""Where SQLite sources may lie: below one folder, and never on the service's own files."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wuzapi_manager_server.errors import ConnectionFailed, InvalidInput, PermissionDenied, ServiceError
from wuzapi_manager_server.sources.sqlite_folder import SqliteFolder


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "sources"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    for path in (root / "a.db", root / "sub" / "b.db", tmp_path / "data" / "wuzapi.db", tmp_path / "out.db"):
        path.write_bytes(b"")
    return root


@pytest.fixture
def folder(root: Path, executor: ThreadPoolExecutor) -> SqliteFolder:
    return SqliteFolder(root, [root.parent / "data"], executor)


def _link(root: Path) -> None:
    (root / "x.db").symlink_to("../out.db")


def _link_folder(root: Path) -> None:
    (root / "x").symlink_to("..")


def _hard_link(root: Path) -> None:
    os.link(root.parent / "data" / "wuzapi.db", root / "x.db")


def _hard_link_of_wal(root: Path) -> None:
    (root.parent / "data" / "wuzapi.db-wal").touch()
    os.link(root.parent / "data" / "wuzapi.db-wal", root / "x.db")


def _linked_journal(root: Path) -> None:
    (root / "x.db").touch()
    (root / "x.db-journal").symlink_to("../out.db")


def _hard_linked_wal(root: Path) -> None:
    (root / "x.db").touch()
    os.link(root.parent / "data" / "wuzapi.db", root / "x.db-wal")


def _loop(root: Path) -> None:
    (root / "x.db").symlink_to("x.db")


def _fifo(root: Path) -> None:
    os.mkfifo(root / "x.db")


def _nothing(root: Path) -> None:
    """Leaves the folder as it is."""


@pytest.mark.parametrize("name", ["a.db", "sub/b.db", "./a.db", "sub//b.db"])
def test_files_below_the_folder(folder: SqliteFolder, root: Path, name: str) -> None:
    """Relative paths are below the folder, absolute ones must lie in it."""
    assert folder.resolve(name) == (root / name).resolve()
    assert folder.resolve(str((root / name).resolve())) == (root / name).resolve()
    assert folder.check(name) is None
    assert folder.check("not/there/yet.db") is None


def test_links_within_the_folder(folder: SqliteFolder, root: Path) -> None:
    """A link that stays inside is followed, and a second name of a file that is not ours is fine."""
    (root / "l.db").symlink_to("sub/b.db")
    os.link(root / "a.db", root / "h.db")
    assert folder.resolve("l.db") == (root / "sub" / "b.db").resolve()
    assert folder.resolve("h.db") == (root / "h.db").resolve()


@pytest.mark.parametrize(
    ("prepare", "name", "error"),
    [
        (_nothing, "", InvalidInput),
        (_nothing, "a\0.db", InvalidInput),
        (_nothing, "\ud800", InvalidInput),
        (_nothing, "../out.db", PermissionDenied),
        (_nothing, "sub/../a.db", PermissionDenied),
        (_nothing, "sub/../../out.db", PermissionDenied),
        (_nothing, "/etc/passwd", PermissionDenied),
        (_nothing, ".", PermissionDenied),
        (_nothing, "../data/wuzapi.db", PermissionDenied),
        (_link, "x.db", PermissionDenied),
        (_link_folder, "x/out.db", PermissionDenied),
        (_link_folder, "x/data/wuzapi.db", PermissionDenied),
        (_hard_link, "x.db", PermissionDenied),
        (_hard_link_of_wal, "x.db", PermissionDenied),
        (_linked_journal, "x.db", PermissionDenied),
        (_hard_linked_wal, "x.db", PermissionDenied),
        (_loop, "x.db", ConnectionFailed),
        (_fifo, "x.db", ConnectionFailed),
        (_nothing, "sub", ConnectionFailed),
        (_nothing, "gone.db", ConnectionFailed),
        (_nothing, "a.db/x", ConnectionFailed),
        (_nothing, "x" * 5000, ConnectionFailed),
        (_nothing, "file:a.db?mode=rw", ConnectionFailed),
        (_nothing, ":memory:", ConnectionFailed),
    ],
)
def test_what_is_refused(
    folder: SqliteFolder, root: Path, prepare: Callable[[Path], None], name: str, error: type[ServiceError]
) -> None:
    """Nothing outside, no link out, no file of the service's own by any name, and no host path in the message."""
    prepare(root)
    with pytest.raises(error) as caught:
        folder.resolve(name)
    assert str(root) not in caught.value.text.en + caught.value.text.pt
    if error is not ConnectionFailed and prepare in {_nothing, _link, _link_folder}:
        assert folder.check(name) is not None


@pytest.mark.parametrize("name", ["wuzapi.db", "wuzapi.db-wal", "wuzapi.db-shm", "wuzapi.db-journal", "backups/x.db"])
def test_own_files_within_the_folder(tmp_path: Path, executor: ThreadPoolExecutor, name: str) -> None:
    """Where the service's own files lie below the folder of sources, they and their companions are refused."""
    (tmp_path / "backups").mkdir()
    (tmp_path / name).touch()
    folder = SqliteFolder(tmp_path, [tmp_path / "wuzapi.db", tmp_path / "backups"], executor)
    with pytest.raises(PermissionDenied):
        folder.resolve(name)


def test_without_a_folder_every_file_is_refused(executor: ThreadPoolExecutor, tmp_path: Path) -> None:
    """Unset means off, and says which setting turns it on."""
    folder = SqliteFolder(None, [], executor)
    with pytest.raises(PermissionDenied) as caught:
        folder.resolve(str(tmp_path / "a.db"))
    assert caught.value.suggestion is not None
    assert "SQLITE_SOURCES_DIR" in caught.value.suggestion.en
    assert folder.check("a.db") is not None
