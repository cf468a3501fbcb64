"""A real MySQL or MariaDB for tests of its sources: a database for each module, its tables dropped after each test."""

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pymysql
import pytest

from tests.contract.mysql_source import MysqlPlace, mysql_database, quoted
from wuzapi_manager_server.domain.connection import Mysql
from wuzapi_manager_server.sources.mysql import MysqlEngine, MysqlSource
from wuzapi_manager_server.sources.sql_pool import Limits
from wuzapi_manager_server.upstreams.addresses import AddressGuard

OpenTable = Callable[..., MysqlSource]
Run = Callable[..., list[tuple[object, ...]]]

GUARD = ["127.0.0.0/8", "::1", "localhost"]


@pytest.fixture(scope="module")
def place() -> Iterator[MysqlPlace]:
    """The module's database."""
    with mysql_database() as place:
        yield place


@pytest.fixture
def database(place: MysqlPlace) -> Iterator[pymysql.Connection]:
    """A connection of the test's own, which stores what it is given, be it as invalid as it may."""
    with place.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0")
        yield connection
        cursor.execute("SET SESSION foreign_key_checks = 0")
        cursor.execute(
            "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", [place.database]
        )
        for name, kind in cursor.fetchall():
            cursor.execute(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} {quoted(name)}")


@pytest.fixture
def run(database: pymysql.Connection) -> Run:
    """Runs a statement, with values for its marks where some are given, and gives its rows.

    The values are given one by one, or all by their names in one dictionary.
    """

    def run(statement: str, *values: object) -> list[tuple[object, ...]]:
        given = values[0] if values and isinstance(values[0], dict) else values or None
        with database.cursor() as cursor:
            cursor.execute(statement, given)
            return list(cursor.fetchall())

    return run


def configuration(place: MysqlPlace, table: str) -> Mysql:
    """Where a table is."""
    return Mysql(
        host=place.host,
        port=place.port,
        database=place.database,
        username=place.user,
        table_name=table,
        secret=place.password,
    )


@pytest.fixture
async def source(place: MysqlPlace, database: pymysql.Connection) -> AsyncIterator[OpenTable]:
    """Opens sources on tables, and closes them after the test; `changes` replace what is configured."""
    opened: list[MysqlSource] = []
    with ThreadPoolExecutor(16) as executor:
        engine = MysqlEngine(AddressGuard(GUARD), executor, Limits(30.0, 30.0))

        def open_source(table: str = "t", **changes: object) -> MysqlSource:
            opened.append(engine.open(replace(configuration(place, table), **changes)))  # type: ignore[arg-type]  # tests name fields
            return opened[-1]

        yield open_source
        for each in opened:
            await each.close()
