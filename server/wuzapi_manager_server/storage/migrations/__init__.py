"""The schema, step by step. A step that was released never changes.

The version of a database is its PRAGMA user_version: how many of the steps it has seen.
"""

from collections.abc import Callable, Sequence
from functools import cache

import apsw

from wuzapi_manager_server.storage.checksums import install
from wuzapi_manager_server.storage.migrations import (
    m0001_initial,
    m0002_audit,
    m0003_user_changes,
    m0004_last_test,
    m0005_audit_indexes,
    m0006_checksums,
    m0007_audit_target,
)

Step = Callable[[apsw.Connection], None]

STEPS: tuple[Step, ...] = (
    m0001_initial.up,
    m0002_audit.up,
    m0003_user_changes.up,
    m0004_last_test.up,
    m0005_audit_indexes.up,
    m0006_checksums.up,
    m0007_audit_target.up,
)
_SCHEMA = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'"
_TRIGGERS = "SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name"
APPLICATION_ID = 0x575A4D47  # "WZMG": marks a file as this service's


def migrate(connection: apsw.Connection, steps: Sequence[Step] = STEPS) -> int:
    """Brings a database to the newest version and gives that.

    A step and its version are one transaction: all or nothing, also when several processes start at once.
    """
    install(connection)
    for version, step in enumerate(steps, start=1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if version_of(connection) < version:
                step(connection)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    return version_of(connection)


def lacking(connection: apsw.Connection) -> list[str]:
    """The names of tables and indexes that a database of its version has and this one has not, or has otherwise."""
    found = set(connection.execute(_SCHEMA))
    return sorted({str(name) for name, _, _ in _schema_at(version_of(connection)) - found})


def triggers(connection: apsw.Connection) -> list[str]:
    """The triggers of a database. The service has none; another's would change what it writes."""
    return [str(name) for (name,) in connection.execute(_TRIGGERS)]


@cache
def _schema_at(version: int) -> frozenset[tuple[object, ...]]:
    connection = apsw.Connection(":memory:")
    try:
        migrate(connection, STEPS[:version])
        return frozenset(connection.execute(_SCHEMA))
    finally:
        connection.close()


def version_of(connection: apsw.Connection) -> int:
    """How many steps a database has seen."""
    return int(str(connection.execute("PRAGMA user_version").get))
