"""kill -9 amid the migration of an older database: its version is one that there is, and no row is lost.

`KILLS` says how many (4 by default; `make test-kills` does 100), `KILL_SEED` repeats a run's moments.
"""

import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random, SystemRandom
from typing import NamedTuple

import apsw
import pytest

from tests.e2e.killable import served, started
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_server.storage.migrations import APPLICATION_ID, STEPS, migrate, version_of

KILLS = int(os.environ.get("KILLS") or 4)
SEED = int(os.environ.get("KILL_SEED") or SystemRandom().randrange(2**32))
NEWEST = len(STEPS)
ROWS = 3_000
FEW = 20  # kills, above which some must have fallen before and some behind the migration
_OLD = f"""
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
INSERT INTO system_metadata SELECT printf('w.%06d', i), hex(randomblob(1000)), '2026-01-02T03:04:05.000000Z',
  '2026-01-02T03:04:05.000000Z' FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
INSERT INTO database_connections (name, type, database_name, table_name, created_at, updated_at)
  SELECT 'connection ' || i, 'SQLITE', 'x.db', 't', '2026-01-02T03:04:05.000000Z', '2026-01-02T03:04:05.000000Z' FROM n;
INSERT INTO branding_config (app_name, created_at, updated_at)
  VALUES ('before', '2026-01-02T03:04:05.000000Z', '2026-01-02T03:04:05.000000Z');
"""

Rows = dict[str, list[tuple[object, ...]]]


class Found(NamedTuple):
    """What a database file holds after a kill."""

    version: int
    schema: set[tuple[object, ...]]
    rows: Rows


def made_old(database: Path) -> Rows:
    """A database of the first version of the schema with data; gives its rows."""
    database.parent.mkdir()
    with closing(apsw.Connection(str(database))) as connection:
        migrate(connection, STEPS[:1])
        connection.execute(f"BEGIN; {_OLD} COMMIT")
        return rows_of(connection)


def rows_of(connection: apsw.Connection) -> Rows:
    """The rows of each table, without nulls at their ends: of columns that a step has added."""
    tables = [str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    found = {}
    for table in tables:
        columns = ", ".join(str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})"))  # no checksum
        found[table] = [_ended(row) for row in connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1")]
    return found


def _ended(row: tuple[object, ...]) -> tuple[object, ...]:
    while row and row[-1] is None:
        row = row[:-1]
    return row


def schema_of(connection: apsw.Connection) -> set[tuple[object, ...]]:
    return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"))


def schema_at(version: int) -> set[tuple[object, ...]]:
    """The schema after so many steps."""
    with closing(apsw.Connection(":memory:")) as connection:
        migrate(connection, STEPS[:version])
        return schema_of(connection)


def look(database: Path) -> Found:
    """What is in the file, which opening it recovers first; it is whole and ours."""
    with closing(apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        assert list(connection.execute("PRAGMA integrity_check")) == [("ok",)]
        assert connection.execute("PRAGMA application_id").get == APPLICATION_ID
        return Found(version_of(connection), schema_of(connection), rows_of(connection))


class Aim:
    """When to kill: so long after a start has touched its database, which is learnt from what was hit before."""

    def __init__(self, folder: Path) -> None:
        database = folder / "data" / "wuzapi.db"
        self._companions = [database.with_name(f"wuzapi.db-{kind}") for kind in ("wal", "journal")]
        self._span = 0.008

    def wait(self, process: "subprocess.Popen[str]", random: Random) -> None:
        """Until the start writes a log (since its first look) or a journal (since its first step), and then a while."""
        until = time.monotonic() + 60
        while not any(file.exists() for file in self._companions):
            assert time.monotonic() < until
            assert process.poll() is None
            threading.Event().wait(0.0002)
        threading.Event().wait(random.uniform(0.0, self._span))

    def learn(self, version: int) -> None:
        """Aims later after a kill before the migration was done, earlier after one behind it."""
        self._span *= 0.5 if version == NEWEST else 1.6

    def left(self) -> bool:
        """Whether a log or a journal with something in it lies there."""
        return any(file.exists() and file.stat().st_size for file in self._companions)


@pytest.mark.timeout(3_600)
def test_kills_amid_a_migration_leave_a_version_and_every_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After each kill the database passes its check, has the schema of its version exactly, and every row as it was.

    The next start goes on from there; the last is let be, and serves. Every other kill is amid a rollback journal in
    place of the write-ahead log.
    """
    random = Random(SEED)
    expected = made_old(tmp_path / "old" / "wuzapi.db")
    schemas = {version: schema_at(version) for version in range(1, NEWEST + 1)}
    modes = [{"sqlite_wal_mode": "true"}, {"sqlite_wal_mode": "false", "sqlite_synchronous": "FULL"}]

    def fresh(name: str) -> Path:
        shutil.copytree(tmp_path / "old", tmp_path / name / "data")
        return tmp_path / name

    folders = [fresh("0"), fresh("1")]
    aims = [Aim(folder) for folder in folders]
    versions: Counter[int] = Counter()
    recovered = 0
    for number in range(KILLS):
        at = number % len(modes)
        database = folders[at] / "data" / "wuzapi.db"
        with started(folders[at], **modes[at]) as process:
            aims[at].wait(process, random)
        recovered += aims[at].left()
        found = look(database)
        aims[at].learn(found.version)
        said = f"KILL_SEED={SEED}, kill {number}: version {found.version}"
        assert found.schema == schemas.get(found.version), said
        for table, rows in expected.items():
            assert set(rows) <= set(found.rows[table]), f"{said}: {table}"
        versions[found.version] += 1
        if found.version == NEWEST and number < KILLS - 1:
            shutil.rmtree(folders[at])
            fresh(folders[at].name)
    with served(folders[at], **modes[at]) as running:
        assert running.calls.GetServerInfo(pb.GetServerInfoRequest()).schema_version == NEWEST
        last = running.calls.GetMetadata(pb.GetMetadataRequest(key=f"w.{ROWS:06}")).entry
        assert (last.key, last.value) == expected["system_metadata"][-1][:2]
        listed = running.admin.connections.ListConnections(connections.ListConnectionsRequest(page_size=500))
        assert {each.name for each in listed.connections} == {row[1] for row in expected["database_connections"]}
    between = sum(count for version, count in versions.items() if 1 < version < NEWEST)
    told = (
        f" survived {KILLS} kills: {versions[1]} before the migration was done, {between} between two of its steps,"
        f" {versions[NEWEST]} behind it; {recovered} left a log or journal to recover from"
    )
    with capsys.disabled():
        print(told, end="")  # noqa: T201 - what the test is for
    if KILLS >= FEW:
        assert versions[1], told
        assert versions[NEWEST], told
