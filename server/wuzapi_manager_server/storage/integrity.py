"""Looks for damage in a database file, on a connection of its own that only reads."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from itertools import islice
from pathlib import Path
from threading import Event

import apsw

from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.checksums import SINCE, connected
from wuzapi_manager_server.storage.damaged_rows import Sweep
from wuzapi_manager_server.storage.migrations import lacking, triggers, version_of

MOST_PROBLEMS = 100
_UNREADABLE = "the file is damaged so that it cannot be read to its end"
_STEPS = 20_000  # of SQLite's virtual machine between two looks at the clock: some milliseconds
_PAUSE = 0.1  # seconds between two of them while another thread works


def problems_of(path: Path, *, full: bool, watch: Callable[[], None] = lambda: None) -> tuple[str, ...]:
    """What is wrong with a database, at most 100 sentences; none when all is well.

    Quick looks at the structure of every page, and for triggers, of which the service has none; full also
    compares every index with its table and every row with its checksum, and follows every reference. `watch` is called
    at least a few times a second and may raise to end the work. DatabaseError where the file cannot be read at all.
    """

    def look() -> bool:
        watch()
        return False

    try:
        with closing(_opened(path, look)) as connection:
            return _both(connection, path, watch) if full else _structure(connection, full=False)
    except (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError):
        return (_UNREADABLE,)
    except apsw.Error as error:
        raise faults.translated(error) from error


def _opened(path: Path, is_over: Callable[[], bool]) -> apsw.Connection:
    connection = connected(path)
    connection.execute("PRAGMA query_only = 1")
    connection.set_busy_timeout(5_000)
    connection.set_progress_handler(is_over, _STEPS)
    return connection


def _both(connection: apsw.Connection, path: Path, watch: Callable[[], None]) -> tuple[str, ...]:
    """The structure and the rows, by two threads of which each keeps one processor busy."""
    over, sweep = Event(), Sweep()

    def look() -> bool:
        watch()
        return over.is_set()

    def other_half() -> tuple[tuple[str, ...], tuple[str, ...]]:
        with closing(_opened(path, look)) as other:
            return _structure(other, full=True), _rows(other, sweep.backwards)

    with ThreadPoolExecutor(1, thread_name_prefix="structure") as thread:
        beside = thread.submit(other_half)
        try:
            first = _rows(connection, sweep.forwards)
            while not wait([beside], timeout=_PAUSE).done:
                watch()
        except BaseException:
            over.set()
            raise
        structure, last = beside.result()
    return structure or tuple(dict.fromkeys((*first, *last)))[:MOST_PROBLEMS]


def _structure(connection: apsw.Connection, *, full: bool) -> tuple[str, ...]:
    check = "integrity_check" if full else "quick_check"
    found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}({MOST_PROBLEMS})")]
    problems = [] if found == ["ok"] else found
    problems += [f"{name} is not what the version of the schema says" for name in lacking(connection)]
    problems += [f"the trigger {name} is none of this service's" for name in triggers(connection)]
    if full:
        references = connection.execute("PRAGMA foreign_key_check")
        problems += [
            f"row {row} of {table} refers to a missing row of {parent}"
            for table, row, parent, _ in islice(references, MOST_PROBLEMS)
        ]
    return tuple(problems[:MOST_PROBLEMS])


def _rows(connection: apsw.Connection, damaged: Callable[[apsw.Connection], Iterable[str]]) -> tuple[str, ...]:
    """Of rows alone: where the structure is not sound either, that says more."""
    try:
        if version_of(connection) < SINCE:
            return ()
        return tuple(islice(damaged(connection), MOST_PROBLEMS))
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError):  # SQLError: a table is not there
        return (_UNREADABLE,)
