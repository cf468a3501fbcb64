"""Looks for damage in a database file, on a connection of its own that only reads."""

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import apsw

from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.checksums import SINCE, connected
from wuzapi_manager_server.storage.damaged_rows import damaged_rows
from wuzapi_manager_server.storage.migrations import lacking, version_of

MOST_PROBLEMS = 100
_STEPS = 20_000  # of SQLite's virtual machine between two looks at the clock: some milliseconds


def problems_of(
    path: Path, *, full: bool, until: float | None = None, watch: Callable[[], None] | None = None
) -> tuple[str, ...]:
    """What is wrong with a database, at most 100 sentences; none when all is well.

    Quick looks at the structure of every page; full also compares every index with its table and every row with its
    checksum, and follows every reference. TimeoutError when the monotonic moment `until` passes meanwhile; `watch` is
    called every few milliseconds and may raise to end the work. DatabaseError where the file cannot be read at all.
    """
    try:
        connection = connected(path)
        try:
            connection.execute("PRAGMA query_only = 1")
            connection.set_busy_timeout(5_000)
            if until is not None or watch is not None:
                connection.set_progress_handler(_looking(until, watch), _STEPS)
            return _problems(connection, full=full)
        finally:
            connection.close()
    except apsw.InterruptError:
        raise TimeoutError from None
    except (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError):
        return ("the file is damaged so that it cannot be read to its end",)
    except apsw.Error as error:
        raise faults.translated(error) from error


def _problems(connection: apsw.Connection, *, full: bool) -> tuple[str, ...]:
    check = "integrity_check" if full else "quick_check"
    found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}({MOST_PROBLEMS})")]
    problems = [] if found == ["ok"] else found
    problems += [f"{name} is not what the version of the schema says" for name in lacking(connection)]
    if full:
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            problems.append(f"row {row} of {table} refers to a missing row of {parent}")
            if len(problems) >= MOST_PROBLEMS:
                break
        if not problems and version_of(connection) >= SINCE:
            problems += islice(damaged_rows(connection), MOST_PROBLEMS)
    return tuple(problems[:MOST_PROBLEMS])


def _looking(until: float | None, watch: Callable[[], None] | None) -> Callable[[], bool]:
    def look() -> bool:
        if watch is not None:
            watch()
        return until is not None and time.monotonic() > until

    return look
