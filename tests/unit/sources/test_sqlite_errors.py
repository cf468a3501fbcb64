"""What callers are told of the driver's own errors, each provoked in the driver itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cysqlite._cysqlite import connect
from cysqlite.exceptions import Error

from wuzapi_manager_server.errors import (
    AlreadyExists,
    Code,
    ConnectionFailed,
    QueryFailed,
    ServiceError,
    TimedOut,
)
from wuzapi_manager_server.sources.sqlite_errors import translated

_READ_ONLY, _READ_WRITE = 1, 2


def _full(path: Path) -> None:
    connection = connect(str(path))
    connection.execute("PRAGMA max_page_count = 3").fetchall()
    connection.execute("CREATE TABLE t (a)")
    connection.execute("INSERT INTO t VALUES (zeroblob(1000000))")


def _read_only(path: Path) -> None:
    connect(str(path)).close()
    connect(str(path), flags=_READ_ONLY).execute("CREATE TABLE t (a)")


def _missing(path: Path) -> None:
    connect(str(path), flags=_READ_WRITE)


def _no_database(path: Path) -> None:
    path.write_bytes(b"text" * 1000)
    connect(str(path)).execute("SELECT * FROM sqlite_schema")


def _locked(path: Path) -> None:
    holder = connect(str(path))
    holder.execute("BEGIN EXCLUSIVE")
    connect(str(path), timeout=0).execute("BEGIN IMMEDIATE")


def _interrupted(path: Path) -> None:
    connection = connect(str(path))
    connection.progress(lambda: 1, 10)
    connection.execute("WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x) FROM n")


def _taken(path: Path) -> None:
    connection = connect(str(path))
    connection.execute("CREATE TABLE t (a UNIQUE)")
    connection.execute("INSERT INTO t VALUES (1), (1)")


def _lying_trigger(path: Path) -> None:
    connection = connect(str(path))
    connection.execute("CREATE TABLE t (a)")
    connection.execute(
        "CREATE TRIGGER r BEFORE INSERT ON t BEGIN SELECT RAISE(ABORT, '/etc secret (code=5, ext=5)'); END"
    )
    connection.execute("INSERT INTO t VALUES (1)")


@pytest.mark.parametrize(
    ("provoke", "kind", "code"),
    [
        (_full, QueryFailed, Code.RESOURCE_EXHAUSTED),
        (_read_only, QueryFailed, Code.FAILED_PRECONDITION),
        (_missing, ConnectionFailed, Code.UNAVAILABLE),
        (_no_database, QueryFailed, Code.FAILED_PRECONDITION),
        (_locked, ConnectionFailed, Code.UNAVAILABLE),
        (_interrupted, TimedOut, Code.DEADLINE_EXCEEDED),
        (_taken, AlreadyExists, Code.ALREADY_EXISTS),
        (_lying_trigger, QueryFailed, Code.FAILED_PRECONDITION),
    ],
)
def test_errors_by_their_code(
    tmp_path: Path, provoke: Callable[[Path], None], kind: type[ServiceError], code: Code
) -> None:
    """Each error is told by its result code, in both languages, without the driver's text or the path."""
    with pytest.raises(Error) as caught:
        provoke(tmp_path / "x.db")
    error = translated(caught.value)
    assert type(error) is kind
    assert error.code is code
    shown = f"{error.text} {error.suggestion} {error.metadata}"
    assert not any(part in shown for part in ("secret", "code=", str(tmp_path), "x.db", "SELECT"))


def test_an_error_without_a_code_is_one_of_opening() -> None:
    """The driver gives no code where it cannot open a file."""
    assert isinstance(translated(None), ConnectionFailed)
