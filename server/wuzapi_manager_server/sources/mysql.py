"""A table of a MySQL or MariaDB server as a source of records."""

from concurrent.futures import Executor
from dataclasses import replace

import sqlalchemy as sa

from wuzapi_manager_server.domain.connection import Mysql, Source
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import SourceTables
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.sources import mysql_schema
from wuzapi_manager_server.sources.mysql_driver import MysqlDriver, own
from wuzapi_manager_server.sources.mysql_write import MysqlWritten
from wuzapi_manager_server.sources.sql_pool import Limits, ServerPools, raw_of
from wuzapi_manager_server.sources.sql_server import Place, ServerSource
from wuzapi_manager_server.sources.sql_table import SqlTable
from wuzapi_manager_server.sources.sql_work import Job
from wuzapi_manager_server.upstreams.addresses import AddressGuard


class MysqlEngine:
    """Makes the sources of MYSQL connections; see sources.registry.Engine."""

    def __init__(self, guard: AddressGuard, executor: Executor, limits: Limits) -> None:
        self._driver = MysqlDriver(limits.timeout)
        self._pools = ServerPools(self._driver, guard, executor, limits)

    def check(self, _: Source) -> Text | None:
        """None: the registry has looked at the host."""
        return None

    def open(self, configuration: Source) -> "MysqlSource":
        """The source of that table."""
        assert isinstance(configuration, Mysql)  # noqa: S101 - the registry gives each engine its own type
        # What MySQL calls a schema is a database: where one is named, it is the one to work in.
        database = configuration.schema or configuration.database
        return MysqlSource(self._pools, self._driver, replace(configuration, database=database, schema=""))


class MysqlSource(ServerSource):
    """The connection's table, in the database that the configuration names. Places have no schema."""

    writer = MysqlWritten

    def __init__(self, pools: ServerPools, driver: MysqlDriver, server: Mysql) -> None:
        super().__init__(pools, server, Place("", server.table_name))
        self._driver = driver
        self._server = server

    def read_table(self, connection: sa.Connection, place: Place) -> SqlTable:
        """See ServerSource."""
        return mysql_schema.described(connection, self._server.database, place.name, mariadb=_is_mariadb(connection))

    def listed(self, connection: sa.Connection, after: Place, limit: int) -> list[Place]:
        """See ServerSource."""
        found = mysql_schema.listed(connection, self._server.database, after.name, limit)
        return [Place("", table.name) for table in found]

    async def tables(self, after: tuple[str, str], limit: int, deadline: Deadline) -> SourceTables:
        """See RecordSource; the schema's name is empty."""

        def read(connection: sa.Connection, _: Job) -> SourceTables:
            database = self._server.database
            found = mysql_schema.listed(connection, database, after[1], limit + 1)
            tables = mysql_schema.describe_all(connection, database, found[:limit], mariadb=_is_mariadb(connection))
            return SourceTables(tuple(table.table for table in tables), more=len(found) > limit)

        return await self.transaction(read, deadline)

    async def try_tls(self, addresses: list[str], deadline: Deadline) -> Text:
        """See ServerSource."""
        return await self._driver.try_tls(self._server, addresses, self._pool.port, deadline)


def _is_mariadb(connection: sa.Connection) -> bool:
    return own(raw_of(connection)).mariadb
