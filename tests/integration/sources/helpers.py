"""What tests of SQLite sources share."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Cell, Owner, Row
from wuzapi_manager_server.sources.base import Query, Where
from wuzapi_manager_server.sources.sqlite import SqliteSource

_HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement).fetchone()
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
connection.close()
"""


def soon(seconds: float = 60.0) -> Deadline:
    return Deadline.after(seconds)


async def read(source: SqliteSource, where: Where | None = None, owner: Owner | None = None) -> list[Row]:
    return list(await source.fetch(Query(owner, where, limit=1000), soon()))


async def column(source: SqliteSource, name: str, where: Where | None = None) -> list[Cell]:
    table = await source.describe(soon())
    return [row.cells[table.index[name]] for row in await read(source, where)]


@contextmanager
def held(path: Path, *statements: str) -> Iterator[None]:
    """Another process holds a lock on the file meanwhile: all of it, or what the statements take."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path), *(statements or ["BEGIN EXCLUSIVE"])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.communicate(timeout=30)


def elsewhere(path: Path, script: str) -> None:
    """Another process changes the file: closing it by a second SQLite in this one would drop the locks of the first."""
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2]); c.close()"
    subprocess.run([sys.executable, "-c", code, str(path), script], check=True, timeout=60)
