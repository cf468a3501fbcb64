"""Looking into a database that other programs use, used or were killed amid."""

import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from wuzapi_manager_server.storage.looking import copied, looked_into

WRITING = """
import os, sys, apsw
database = apsw.Connection(sys.argv[1])
database.execute(f"PRAGMA journal_mode = {sys.argv[2]}").fetchall()
database.execute("CREATE TABLE t (x); INSERT INTO t VALUES ('committed'); PRAGMA cache_size = 1").fetchall()
if sys.argv[3] == "killed":
    database.execute("BEGIN; UPDATE t SET x = 'never'; CREATE TABLE much AS SELECT randomblob(100000)").fetchall()
    os.kill(os.getpid(), 9)
"""


def written(folder: Path, mode: str, end: str) -> Path:
    """A database by another process that ended well or was killed amid a write."""
    file = folder / "a database?.db"
    subprocess.run([sys.executable, "-c", WRITING, str(file), mode, end], check=end != "killed", timeout=30)
    return file


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


@pytest.mark.parametrize(
    ("mode", "end", "without", "beside"),
    [
        ("wal", "well", "", []),
        ("delete", "well", "", []),
        ("wal", "killed", "", ["-shm", "-wal"]),
        ("wal", "killed", "-shm", ["-wal"]),
        ("delete", "killed", "", ["-journal"]),
    ],
)
def test_what_was_committed_is_seen(mode: str, end: str, without: str, beside: list[str], tmp_path: Path) -> None:
    """It is seen, nothing changes, and nothing appears that was not there."""
    file = written(tmp_path, mode, end)
    if without:
        file.with_name(file.name + without).unlink()
    before, names = content(tmp_path), names_in(tmp_path)
    assert names == [file.name + ending for ending in ("", *beside)]
    with looked_into(file) as database:
        assert database.execute("SELECT x FROM t").fetchall() == [("committed",)]
        with pytest.raises(apsw.SQLError):
            database.execute("SELECT * FROM much")
    assert names_in(tmp_path) == names
    assert content(tmp_path) == before


def test_a_database_in_use_is_seen(tmp_path: Path) -> None:
    """So is what lies in the log of another program that has it open."""
    file = written(tmp_path, "wal", "well")
    with closing(apsw.Connection(str(file))) as writer:
        writer.execute("INSERT INTO t VALUES ('later')").fetchall()
        before = names_in(tmp_path)
        with looked_into(file) as database:
            assert database.execute("SELECT x FROM t").fetchall() == [("committed",), ("later",)]
        assert names_in(tmp_path) == before


def test_what_is_no_database_is_an_error(tmp_path: Path) -> None:
    """It is SQLite's or the system's own; nothing is made where nothing is."""
    (tmp_path / "text").write_text("no database at all" * 999)
    for file, error in (("text", apsw.NotADBError), ("nothing", FileNotFoundError)):
        with pytest.raises(error), looked_into(tmp_path / file):
            pass
    assert names_in(tmp_path) == ["text"]


def test_a_copy_goes_also_where_its_removal_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal at the worst moment leaves nothing of what it holds."""
    file, remove, calls = written(tmp_path, "wal", "well"), shutil.rmtree, []

    def interrupted(folder: Path, *, ignore_errors: bool = False) -> None:
        calls.append(folder)
        if len(calls) == 1:
            raise KeyboardInterrupt
        remove(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt), copied(file) as copy:
        assert copy.read_bytes() == file.read_bytes()
    assert not copy.parent.exists()
