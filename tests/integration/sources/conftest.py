"""Real SQLite files, made by the standard library's own SQLite, and sources on them."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from wuzapi_manager_server.sources.sqlite import SqliteSource
from wuzapi_manager_server.sources.sqlite_folder import SqliteFolder

_EXPLAIN = """
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
rows = connection.execute("EXPLAIN QUERY PLAN " + sys.argv[2], json.loads(sys.argv[3]))
print(json.dumps([row[3].replace(" COVERING", "") for row in rows]))
"""

Open = Callable[..., SqliteSource]
Make = Callable[..., str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "sources"
    root.mkdir()
    return root


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor


@pytest.fixture
def folder(root: Path, executor: ThreadPoolExecutor) -> SqliteFolder:
    return SqliteFolder(root, [root.parent / "data"], executor, 60.0)


@pytest.fixture
def make(root: Path) -> Make:
    """Makes a database of a script and rows, by the standard library, and gives its name."""

    def make(script: str, *inserts: tuple[str, list[tuple[object, ...]]], name: str = "shop.db") -> str:
        with closing(sqlite3.connect(root / name)) as connection, connection:
            connection.executescript(script)
            for statement, rows in inserts:
                connection.executemany(statement, rows)
        return name

    return make


@pytest.fixture
async def source(folder: SqliteFolder) -> AsyncIterator[Open]:
    """Opens sources, and closes them after the test."""
    opened: list[SqliteSource] = []

    def open_source(table: str, database: str = "shop.db") -> SqliteSource:
        opened.append(SqliteSource(folder, database, table))
        return opened[-1]

    yield open_source
    for each in opened:
        await each.close()


@pytest.fixture
def plans(root: Path) -> Iterator[list[str]]:
    """How SQLite carries out each SELECT that a source runs meanwhile."""
    found: list[str] = []

    def explain(_: object, __: object, statement: str, parameters: tuple[object, ...], *___: object) -> None:
        if statement.startswith("SELECT"):
            arguments = [str(root / "shop.db"), statement, json.dumps(parameters)]
            done = subprocess.run(
                [sys.executable, "-c", _EXPLAIN, *arguments], check=True, capture_output=True, timeout=60
            )
            found.extend(json.loads(done.stdout))

    event.listen(Engine, "before_cursor_execute", explain)
    yield found
    event.remove(Engine, "before_cursor_execute", explain)
