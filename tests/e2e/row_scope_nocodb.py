"""NocoDB under the row-scope properties: tables of SQLite files, each the source of a base."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.contract.nocodb_source import NocodbUnderTest
from tests.contract.sources import MadeTable, Shape
from tests.e2e.row_scope_engine import Raw, Row
from tests.e2e.row_scope_sqlite import SqliteEngine
from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager.v1 import connection_pb2 as connections


class NocodbEngine(SqliteEngine):
    """The files are those of SQLite; what the service sees of them is what NocoDB makes of them."""

    link_types: ClassVar[tuple[str, ...]] = ("TEXT", "TEXT COLLATE NOCASE", "VARCHAR(40) DEFAULT 'nobody'")
    texts: ClassVar[frozenset[str]] = frozenset({"TEXT", "TEXT COLLATE NOCASE"})
    searched: ClassVar[frozenset[str]] = frozenset(link_types)
    keys: ClassVar[tuple[str, ...]] = ("text", "none", "nocase")

    def __init__(self, server: NocodbServer, folder: Path) -> None:
        super().__init__(folder)
        self._nocodb = NocodbUnderTest(server, folder)
        self._made: dict[str, MadeTable] = {}

    def make(
        self, name: str, key: str, link_type: str, rows: Sequence[Sequence[Raw]], *, replacing: bool = False
    ) -> None:
        """See Engine: what replaces the row of another is out of NocoDB's sight, and so of the service's."""
        del replacing
        super().make(name, key, link_type, rows)
        self._made[name] = self._nocodb.connect(self._file(name), "t", Shape(()))

    def rows(self, name: str) -> list[Row]:
        """See Engine."""
        return super().rows(name)

    def drop(self, name: str) -> None:
        """See Engine."""
        self._nocodb.disconnect(self._made.pop(name))
        super().drop(name)

    def source_of(self, name: str) -> connections.Connection:
        """See Engine."""
        return self._nocodb.source_of(self._made[name])

    def close(self) -> None:
        """Gives the connections back."""
        self._nocodb.close()
