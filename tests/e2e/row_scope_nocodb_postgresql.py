"""NocoDB over PostgreSQL under the row-scope properties: tables of one database, each in a schema of its own."""

from collections.abc import Sequence
from typing import ClassVar

from tests.contract.nocodb_postgresql_source import NocodbOverPostgresql
from tests.contract.sources import MadeTable, Shape
from tests.e2e.row_scope_engine import Raw, Row
from tests.e2e.row_scope_postgresql import PostgresqlEngine
from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager.v1 import connection_pb2 as connections


class NocodbPostgresqlEngine(PostgresqlEngine):
    """The tables are those of PostgreSQL; what the service sees of them is what NocoDB makes of them."""

    link_types: ClassVar[tuple[str, ...]] = (
        "TEXT",
        "TEXT COLLATE nocase",
        "VARCHAR(40) DEFAULT 'nobody'",
        "BIGINT",
        "INTEGER",
    )
    keys: ClassVar[tuple[str, ...]] = ("text", "none", "nocase")

    def __init__(self, server: NocodbServer, place: str) -> None:
        super().__init__(place)
        self._nocodb = NocodbOverPostgresql(server, place)
        self._made: dict[str, MadeTable] = {}

    def make(
        self, name: str, key: str, link_type: str, rows: Sequence[Sequence[Raw]], *, replacing: bool = False
    ) -> None:
        """See Engine."""
        self._run(f'CREATE SCHEMA "{name}"')
        self._look_into(name)
        super().make(name, key, link_type, rows, replacing=replacing)
        self._made[name] = self._nocodb.placed(name, name, Shape(()))

    def rows(self, name: str) -> list[Row]:
        """See Engine."""
        self._look_into(name)
        return super().rows(name)

    def drop(self, name: str) -> None:
        """See Engine."""
        self._nocodb.disconnect(self._made.pop(name))
        self._run(f'DROP SCHEMA "{name}" CASCADE')

    def source_of(self, name: str) -> connections.Connection:
        """See Engine."""
        return self._nocodb.source_of(self._made[name])

    def close(self) -> None:
        """Gives the connections back."""
        self._nocodb.close()
        super().close()

    def _look_into(self, schema: str) -> None:
        self._run(f'SET search_path = "{schema}", public')
