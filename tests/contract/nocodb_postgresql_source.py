"""NocoDB on a PostgreSQL database: each table in a schema of its own, the source of a base of a real NocoDB."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from psycopg.conninfo import conninfo_to_dict

from tests.contract.nocodb_source import CHANGES_COLUMNS, NocodbUnderTest, place_of
from tests.contract.postgresql_source import PostgresqlUnderTest
from tests.contract.sources import Can, MadeTable, Shape, Value
from tests.servers.nocodb_server import NocodbServer

_POOL = {"min": 0, "max": 2, "idleTimeoutMillis": 300, "reapIntervalMillis": 200}
"""Each base has connections of its own, and PostgreSQL has a hundred."""


class NocodbOverPostgresql(NocodbUnderTest):
    """Tables of one NocoDB, whose rows are in one PostgreSQL database. What it can do is what it can over SQLite."""

    can: ClassVar[Can] = NocodbUnderTest.can

    def __init__(self, server: NocodbServer, database: str) -> None:
        super().__init__(server, Path())
        parts = {name: str(value) for name, value in conninfo_to_dict(database).items()}
        self._connection = {
            "host": parts.get("host", "127.0.0.1"),
            "port": parts.get("port", "5432"),
            "user": parts.get("user", "postgres"),
            "password": parts.get("password", ""),
            "database": parts["dbname"],
        }
        self._postgresql = PostgresqlUnderTest(database)

    def make(self, shape: Shape, rows: Sequence[Sequence[Value]] = ()) -> MadeTable:
        """See SourceUnderTest."""
        schema = self._schema()
        return self.placed(schema, self._postgresql.make(shape, rows).name, shape)

    def sql(self, statements: str) -> None:
        """Does something in the database that all tables share."""
        self._postgresql.run(MadeTable("", Shape(())), statements)

    def based_on(self, statements: str, name: str) -> MadeTable:
        """The table of that name that statements make in a schema of its own."""
        schema = self._schema()
        self.sql(statements)
        return self.placed(schema, name, Shape(()))

    def _schema(self) -> str:
        schema = f"s{next(self._numbers)}"
        self.sql(f"CREATE SCHEMA {schema}; SET search_path = {schema}, public")
        return schema

    def placed(self, schema: str, name: str, shape: Shape) -> MadeTable:
        """The table of that name in that schema, in a base of its own."""
        # NocoDB looks for tables in `schema`, and for rows along the path of the connection.
        connection = {**self._connection, "options": f'-c search_path="{schema}",public'}
        source = {
            "type": "pg",
            "config": {"client": "pg", "connection": connection, "schema": schema, "pool": _POOL},
            "inflection_column": "none",
            "inflection_table": "none",
        }
        place = self._based(schema, source, name)
        return MadeTable(place.table, shape, place._replace(schema=schema))

    def add(self, table: MadeTable, rows: Sequence[Sequence[Value]]) -> None:
        """See SourceUnderTest."""
        self._postgresql.add(self._inner(table), rows)

    def rows(self, table: MadeTable) -> list[tuple[Value, ...]]:
        """See SourceUnderTest."""
        return self._postgresql.rows(self._inner(table))

    def close(self) -> None:
        """Gives the connections back."""
        self._postgresql.close()
        super().close()

    def _run(self, table: MadeTable, statement: str) -> set[str]:
        inner = self._inner(table)
        self._postgresql.run(inner, statement)
        return self._postgresql.columns(inner) if CHANGES_COLUMNS.search(statement) else set()

    def _inner(self, table: MadeTable) -> MadeTable:
        """The table as PostgreSQL has it; from now on its schema is the one that names are looked up in."""
        place = place_of(table)
        inner = MadeTable(place.name, table.shape)
        self._postgresql.run(inner, f'SET search_path = "{place.schema}", public')
        return inner
