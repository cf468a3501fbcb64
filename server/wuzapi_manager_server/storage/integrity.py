"""Looks for damage in a database file, on a connection of its own that only reads."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path

import apsw

from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.checksums import SINCE, connected
from wuzapi_manager_server.storage.damaged_rows import damaged_rows
from wuzapi_manager_server.storage.migrations import foreign, lacking, version_of

MOST_PROBLEMS = 100
_UNREADABLE = "the file is damaged so that it cannot be read to its end"
_STEPS = 20_000  # of SQLite's virtual machine between two looks at the clock: some milliseconds


def problems_of(
    path: Path, *, full: bool, until: float | None = None, watch: Callable[[], None] | None = None
) -> tuple[str, ...]:
    """What is wrong with a database, at most 100 sentences; none when all is well.

    Quick looks at the structure of every page, and for tables, triggers and views that are not the service's; full also
    compares every index with its table and every row with its checksum, and follows every reference. TimeoutError when
    the monotonic moment `until` passes meanwhile; `watch` is called every few milliseconds and may raise to end the
    work. DatabaseError where the file cannot be read at all.
    """
    try:
        with closing(_opened(path, until, watch)) as connection:
            if not full:
                return _structure(connection, full=False)
            with closing(_opened(path, until, None)) as other:
                return _both(connection, other)
    except apsw.InterruptError:
        raise TimeoutError from None
    except (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError):
        return (_UNREADABLE,)
    except apsw.Error as error:
        raise faults.translated(error) from error


def _opened(path: Path, until: float | None, watch: Callable[[], None] | None) -> apsw.Connection:
    connection = connected(path)
    connection.execute("PRAGMA query_only = 1")
    connection.set_busy_timeout(5_000)
    if until is not None or watch is not None:
        connection.set_progress_handler(_looking(until, watch), _STEPS)
    return connection


def _both(connection: apsw.Connection, other: apsw.Connection) -> tuple[str, ...]:
    """The structure and the rows at once, each of which keeps one processor busy."""
    with ThreadPoolExecutor(1, thread_name_prefix="structure") as thread:
        structure = thread.submit(_structure, other, full=True)
        try:
            rows = _rows(connection)
        except BaseException:
            other.interrupt()
            raise
        return structure.result() or rows


def _structure(connection: apsw.Connection, *, full: bool) -> tuple[str, ...]:
    check = "integrity_check" if full else "quick_check"
    found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}({MOST_PROBLEMS})")]
    problems = [] if found == ["ok"] else found
    problems += [f"{name} is not what the version of the schema says" for name in lacking(connection)]
    problems += [f"the {what} is no part of this service's database" for what in foreign(connection)]
    if full:
        references = connection.execute("PRAGMA foreign_key_check")
        problems += [
            f"row {row} of {table} refers to a missing row of {parent}"
            for table, row, parent, _ in islice(references, MOST_PROBLEMS)
        ]
    return tuple(problems[:MOST_PROBLEMS])


def _rows(connection: apsw.Connection) -> tuple[str, ...]:
    """Of rows alone: where the structure is not sound either, that says more."""
    try:
        if version_of(connection) < SINCE:
            return ()
        return tuple(islice(damaged_rows(connection), MOST_PROBLEMS))
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError):  # SQLError: a table is not there
        return (_UNREADABLE,)


def _looking(until: float | None, watch: Callable[[], None] | None) -> Callable[[], bool]:
    def look() -> bool:
        if watch is not None:
            watch()
        return until is not None and time.monotonic() > until

    return look
