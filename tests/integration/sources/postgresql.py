"""A real PostgreSQL for tests of its sources: a database for each module, a schema for each test."""

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.contract.postgresql_source import postgresql_database
from wuzapi_manager_server.domain.connection import Postgresql
from wuzapi_manager_server.sources.postgresql import PostgresqlEngine, PostgresqlSource
from wuzapi_manager_server.sources.sql_pool import Limits
from wuzapi_manager_server.upstreams.addresses import AddressGuard

OpenTable = Callable[..., PostgresqlSource]

GUARD = ["127.0.0.0/8", "::1", "localhost"]


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    """The parameters of the module's database."""
    with postgresql_database() as place:
        yield place


@pytest.fixture
def database(place: str) -> Iterator[psycopg.Connection]:
    """A connection of the test's own."""
    with psycopg.connect(place, autocommit=True) as connection:
        yield connection


_schemas = count(1)


@pytest.fixture
def schema(database: psycopg.Connection) -> str:
    """An empty schema, in which the test's connection makes its tables."""
    name = f"s{next(_schemas)}"
    database.execute(f"CREATE SCHEMA {name}; SET search_path = {name}, public".encode())
    return name


def configuration(place: str, table: str, schema: str = "") -> Postgresql:
    """Where a table is."""
    parts = {name: str(value) for name, value in conninfo_to_dict(place).items()}
    return Postgresql(
        host=parts.get("host", "127.0.0.1"),
        port=int(parts.get("port", "5432")),
        database=parts["dbname"],
        username=parts.get("user", "postgres"),
        table_name=table,
        schema=schema,
        secret=parts.get("password", ""),
    )


@pytest.fixture
async def source(place: str, schema: str) -> AsyncIterator[OpenTable]:
    """Opens sources on tables of the schema, and closes them after the test; `changes` replace what is configured."""
    opened: list[PostgresqlSource] = []
    with ThreadPoolExecutor(8) as executor:
        engine = PostgresqlEngine(AddressGuard(GUARD), executor, Limits(30.0, 30.0))

        def open_source(table: str = "t", **changes: object) -> PostgresqlSource:
            opened.append(engine.open(replace(configuration(place, table, schema), **changes)))  # type: ignore[arg-type]  # tests name fields
            return opened[-1]

        yield open_source
        for each in opened:
            await each.close()
