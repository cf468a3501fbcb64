"""A table of a PostgreSQL database as a source of records."""

from concurrent.futures import Executor

import sqlalchemy as sa

from wuzapi_manager_server.domain.connection import Postgresql, Source
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.sources import postgresql_schema
from wuzapi_manager_server.sources.postgresql_driver import PostgresqlDriver
from wuzapi_manager_server.sources.postgresql_tls import protection
from wuzapi_manager_server.sources.sql_pool import Limits, ServerPools
from wuzapi_manager_server.sources.sql_server import Place, ServerSource
from wuzapi_manager_server.sources.sql_table import SqlTable
from wuzapi_manager_server.upstreams.addresses import AddressGuard


class PostgresqlEngine:
    """Makes the sources of POSTGRESQL connections; see sources.registry.Engine."""

    def __init__(self, guard: AddressGuard, executor: Executor, limits: Limits) -> None:
        self._pools = ServerPools(PostgresqlDriver(limits.timeout), guard, executor, limits)

    def check(self, _: Source) -> Text | None:
        """See Engine: which host may be a source is the registry's to say."""
        return None

    def open(self, configuration: Source) -> "PostgresqlSource":
        """The source of that table."""
        assert isinstance(configuration, Postgresql)  # noqa: S101 - the registry gives each engine its own type
        return PostgresqlSource(self._pools, configuration)


class PostgresqlSource(ServerSource):
    """A table or view that the connection's user may read; an empty schema means public."""

    alone = True

    def __init__(self, pools: ServerPools, configuration: Postgresql) -> None:
        super().__init__(pools, configuration, Place(configuration.schema or "public", configuration.table_name))
        self._configuration = configuration

    def read_table(self, connection: sa.Connection, place: Place) -> SqlTable:
        """See ServerSource."""
        return postgresql_schema.describe(connection, place)

    def listed(self, connection: sa.Connection, after: Place, limit: int) -> list[Place]:
        """See ServerSource."""
        return postgresql_schema.listed(connection, self._place.schema, after, limit)

    async def try_tls(self, addresses: list[str], deadline: Deadline) -> Text:
        """See ServerSource."""
        return await protection(self._configuration, addresses, self._pool.port, deadline)
