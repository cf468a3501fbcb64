"""NocoDB as the suite sees it: each table in a SQLite file of its own, which a base of a real NocoDB has as its source.

What the tests do behind the service's back they do in the file, with Python's own module. NocoDB sees rows at once,
and changed columns when it is told to look.
"""

import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import httpx

from tests.contract.sources import Can, MadeTable, Shape, Value
from tests.contract.sqlite_source import DECLARED, create_table, quoted, raw
from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager_server.domain.table import ColumnType

# Of an INTEGER key NocoDB takes for granted that SQLite gives it.
_DECLARED = DECLARED | {ColumnType.INTEGER: "INT"}
_SYNCED_SECONDS = 30.0
CHANGES_COLUMNS = re.compile("(ADD|DROP|RENAME) COLUMN")


class Place(NamedTuple):
    """Where a table is: its name in its file or schema, and its ids in NocoDB."""

    name: str
    base: str
    source: str
    table: str
    file: Path = Path()
    schema: str = ""


class NocodbUnderTest:
    """Tables of one NocoDB, which runs on this machine."""

    can: ClassVar = Can(
        types=frozenset(
            {
                ColumnType.BOOLEAN,
                ColumnType.INTEGER,
                ColumnType.DECIMAL,
                ColumnType.FLOAT,
                ColumnType.TEXT,
                ColumnType.DATE,
                ColumnType.TIME,
                ColumnType.UUID,
                ColumnType.JSON,
            }
        ),
        transactions=False,
        chosen_keys=False,
        exact_numbers=False,
        infinities=False,
        old_dates=False,
        max_text=100_000,
        keys_with_commas=False,
        empty_keys=False,
    )
    _numbers = count(1)

    def __init__(self, server: NocodbServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._http = httpx.Client(
            base_url=server.url, headers={"xc-auth": server.session}, timeout=60.0, trust_env=False
        )

    def make(self, shape: Shape, rows: Sequence[Sequence[Value]] = ()) -> MadeTable:
        """See SourceUnderTest."""
        number = next(self._numbers)
        file = self._folder / f"nocodb-{number}.db"
        name = shape.name or f"table {number}"
        base = f"{name} base" if shape.view else name
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(create_table(base, shape.columns, _DECLARED))
            if shape.view:
                database.execute(f"CREATE VIEW {quoted(name)} AS SELECT * FROM {quoted(base)}")
        table = self.connect(file, name, shape, base)
        self.add(table, rows)
        return table

    def connect(self, file: Path, name: str, shape: Shape, base: str = "") -> MadeTable:
        """Makes a base of a file, and gives its table `name`; where that is a view, `base` is the table."""
        connection = {"client": "sqlite3", "database": str(file), "connection": {"filename": str(file)}}
        source = {
            "type": "sqlite3",
            "config": {"client": "sqlite3", "connection": {**connection, "useNullAsDefault": True}},
            "inflection_column": "none",
            "inflection_table": "none",
        }
        place = self._based(file.name, source, name)._replace(file=file, name=base or name)
        return MadeTable(place.table, shape, place)

    def disconnect(self, table: MadeTable) -> None:
        """Takes the base away; the file stays."""
        self._call("DELETE", f"/api/v2/meta/bases/{place_of(table).base}")

    def source_of(self, table: MadeTable) -> connections.Connection:
        """See SourceUnderTest."""
        place = place_of(table)
        return connections.Connection(
            nocodb=connections.NocodbSource(
                host=self._server.url, token=self._server.token, project_id=place.base, table_id=place.table
            )
        )

    def add(self, table: MadeTable, rows: Sequence[Sequence[Value]]) -> None:
        """See SourceUnderTest."""
        marks = ", ".join("?" * len(table.shape.columns))
        with self._open(table) as database, database:
            database.executemany(
                f"INSERT INTO {quoted(place_of(table).name)} VALUES ({marks})",
                [[raw(value) for value in row] for row in rows],
            )

    def rows(self, table: MadeTable) -> list[tuple[Value, ...]]:
        """See SourceUnderTest."""
        with self._open(table) as database:
            return list(database.execute(f"SELECT * FROM {quoted(place_of(table).name)} ORDER BY 1"))

    def run(self, table: MadeTable, statement: str) -> None:
        """See SourceUnderTest. Waits until NocoDB knows the columns that the table has then."""
        place = place_of(table)
        columns = self._run(table, statement)
        if not CHANGES_COLUMNS.search(statement):
            return
        until = time.monotonic() + _SYNCED_SECONDS
        self._call("POST", f"/api/v2/meta/bases/{place.base}/meta-diff/{place.source}")
        while time.monotonic() < until:
            known = self._call("GET", f"/api/v2/meta/tables/{place.table}")["columns"]
            if {column["column_name"] for column in known} == columns:
                return
            time.sleep(0.05)
        raise AssertionError("NocoDB did not take the changed columns over")

    def close(self) -> None:
        """Gives the connections back."""
        self._http.close()

    def _run(self, table: MadeTable, statement: str) -> set[str]:
        """Does it in the database, and says which columns the table has then."""
        name = quoted(place_of(table).name)
        with self._open(table) as database, database:
            database.execute(statement.replace("{t}", name))
            return {row[1] for row in database.execute(f"PRAGMA table_info({name})")}

    def _based(self, title: str, source: object, name: str) -> Place:
        """Makes a base of a source, and says where its table of that name is in NocoDB."""
        body = {"title": title, "external": True, "type": "database", "sources": [source]}
        made = self._call("POST", "/api/v2/meta/bases", body)
        tables = self._call("GET", f"/api/v2/meta/bases/{made['id']}/tables")["list"]
        identifier = next(each["id"] for each in tables if each["table_name"] == name)
        return Place(name, made["id"], made["sources"][0]["id"], identifier)

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = self._http.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return cast("dict[str, Any]", answer.json())

    @staticmethod
    def _open(table: MadeTable) -> "closing[sqlite3.Connection]":
        return closing(sqlite3.connect(place_of(table).file, timeout=30.0))


def place_of(table: MadeTable) -> Place:
    """Where a table is."""
    assert isinstance(table.place, Place)
    return table.place
