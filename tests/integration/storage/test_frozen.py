"""A database's file that stands still while others write to the database."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from wuzapi_manager_server.errors import Code, DatabaseError
from wuzapi_manager_server.storage.frozen import Frozen, frozen

_ANOTHER = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0.1).execute('PRAGMA journal_mode = DELETE')"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.db"
    with closing(apsw.Connection(str(path))) as made:
        made.execute("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)").fetchall()
        made.executemany("INSERT INTO t VALUES (?, randomblob(3000))", ((at,) for at in range(1, 501)))
    return path


@pytest.fixture
def other(path: Path) -> Iterator[apsw.Connection]:
    """What others do meanwhile."""
    with closing(apsw.Connection(str(path))) as connection:
        yield connection


def whole(file: Frozen) -> bytes:
    pieces = []
    while piece := file.file.read(5_000):
        pieces.append(piece)
    return b"".join(pieces)


def rows(path: Path) -> list[tuple[object, ...]]:
    with closing(apsw.Connection(str(path))) as connection:
        assert connection.execute("PRAGMA integrity_check").get == "ok"
        assert connection.execute("PRAGMA journal_mode").get == "delete"
        return list(connection.execute("SELECT * FROM t ORDER BY id"))


def test_the_file_is_the_database_of_one_moment(path: Path, tmp_path: Path) -> None:
    """Rows are changed and moved from the log into the file all the time, and none of that is in what is read."""
    stop = threading.Event()
    written = threading.Event()

    def write() -> None:
        with closing(apsw.Connection(str(path))) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 1")
            connection.set_busy_timeout(10_000)
            for at in range(100_000):
                connection.execute("UPDATE t SET v = randomblob(3000) WHERE id = 1 + ? % 500", (at,))
                connection.execute("INSERT INTO t (v) VALUES (randomblob(3000))")
                written.set()
                if stop.is_set():
                    return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for round_ in range(20):
            copy = tmp_path / f"copy{round_}.db"
            written.wait(10)
            with frozen(path) as now:
                assert now is not None
                seen = list(now.connection.execute("SELECT * FROM t ORDER BY id"))
                written.clear()
                assert written.wait(10)  # others go on
                copy.write_bytes(whole(now))
            assert rows(copy) == seen
    finally:
        stop.set()
        writer.join()


def test_what_was_committed_is_there_and_what_comes_later_is_not(
    path: Path, other: apsw.Connection, tmp_path: Path
) -> None:
    """All that stood in the log, to the last row; afterwards the log can be emptied again."""
    other.execute("PRAGMA wal_autocheckpoint = 0")
    other.execute("UPDATE t SET v = 'before'")
    with frozen(path) as now:
        assert now is not None
        other.execute("UPDATE t SET v = 'after'")
        busy, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
        assert busy
        (tmp_path / "copy.db").write_bytes(whole(now))
    assert {value for _, value in rows(tmp_path / "copy.db")} == {"before"}
    assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall() == [(0, 0, 0)]


def test_what_cannot_stand_still_is_told(path: Path, other: apsw.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another's long read keeps the log from being moved, another's write the lock; or there is no log."""
    monkeypatch.setattr("wuzapi_manager_server.storage.frozen._PATIENCE", 0.1)
    other.execute("BEGIN; SELECT * FROM t")
    with closing(apsw.Connection(str(path))) as writing:
        writing.execute("UPDATE t SET v = 'x'")
    with frozen(path) as now:
        assert now is None
    other.execute("COMMIT; BEGIN IMMEDIATE").fetchall()
    with frozen(path) as now:
        assert now is None
    other.execute("COMMIT")
    with frozen(path) as now:
        assert now is not None
    other.execute("PRAGMA journal_mode = DELETE")
    with frozen(path) as now:
        assert now is None


def test_this_process_keeps_its_locks(path: Path, other: apsw.Connection) -> None:
    """The system drops a process's locks on a file when it closes that file by itself; another would take it over."""
    other.execute("SELECT * FROM t LIMIT 1").fetchall()
    with frozen(path) as now:
        assert now is not None
        whole(now)
    done = subprocess.run([sys.executable, "-c", _ANOTHER, str(path)], capture_output=True, timeout=60, check=False)
    assert b"database is locked" in done.stderr


def test_a_file_that_ends_early_is_told(path: Path) -> None:
    """DATA_LOSS, not a short copy."""
    with frozen(path) as now, path.open("r+b") as file:
        assert now is not None
        file.truncate(40_960)
        with pytest.raises(DatabaseError) as caught:
            whole(now)
    assert caught.value.code is Code.DATA_LOSS
