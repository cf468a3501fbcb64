"""What reading records of SQL servers costs beside the same query by the bare driver."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg

from tests.benchmarks import rig
from tests.benchmarks.figure import Figure
from tests.contract.mysql_source import mysql_database
from tests.contract.postgresql_source import postgresql_database, source_at
from tests.fakes.wuzapi import FakeWuzapi
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import connection_pb2_grpc, record_pb2, record_pb2_grpc

ROUNDS = 400
_COLUMNS = ("id", "owner", *(f"t{at}" for at in range(5)), "n", "price", "made")
_TABLE = (
    "CREATE TABLE bench (id INT PRIMARY KEY, owner VARCHAR(40), t0 VARCHAR(40), t1 VARCHAR(40), t2 VARCHAR(40),"
    " t3 VARCHAR(40), t4 VARCHAR(40), n INT, price NUMERIC(12,2), made TIMESTAMP(6))"
)
_ROW = "'ana', 'text 1', 'text 2', 'text 3', 'text 4', 'text 5', 42, 12.50, '2026-01-02 03:04:05'"
_INSERT = "INSERT INTO bench VALUES " + ", ".join(f"({at}, {_ROW})" for at in range(1, 201))
_QUERY = f"SELECT {', '.join(_COLUMNS)} FROM bench ORDER BY id LIMIT 101"
_PROMISED = {"JSON": 0.65, "Struct": 0.40}

Bare = Callable[[], object]


def figures(folder: Path) -> list[Figure]:
    """All of them, on a server process of their own. Needs PostgreSQL and MariaDB, found as the tests find them."""
    with (
        FakeWuzapi(admin_token=rig.ADMIN_TOKEN) as wuzapi,
        rig.server(folder, wuzapi.url) as server,
        server.channel() as channel,
        _postgresql() as (postgresql, bare_postgresql),
        _mysql() as (mysql, bare_mysql),
    ):
        stub = record_pb2_grpc.RecordServiceStub(channel)
        made = connection_pb2_grpc.ConnectionServiceStub(channel)
        found: list[Figure] = []
        for name, source, bare in (("PostgreSQL", postgresql, bare_postgresql), ("MariaDB", mysql, bare_mysql)):
            source.name, source.row_scope = name, connections.ROW_SCOPE_SHARED
            request = connections.CreateConnectionRequest(connection=source)
            number = made.CreateConnection(request, metadata=server.metadata).connection.id
            found += _lists(name, partial(stub.ListRecords, metadata=server.metadata), number, bare)
        return found


def _lists(name: str, ask: Callable[..., object], number: int, bare: Bare) -> list[Figure]:
    """A list of 100 rows of 10 columns in both formats and by the driver, taking turns, one call at a time."""
    ways: dict[str, Callable[[], object]] = {
        "bare": bare,
        "JSON": partial(ask, _request(number, record_pb2.RECORD_FORMAT_JSON)),
        "Struct": partial(ask, _request(number, record_pb2.RECORD_FORMAT_STRUCT)),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for round_ in range(ROUNDS):
        for way, call in ways.items():
            began = time.perf_counter()
            call()
            if round_ >= ROUNDS // 8:  # the first warm up
                times[way].append(time.perf_counter() - began)
    median = {way: statistics.median(each) for way, each in times.items()}
    return [
        Figure(
            f"ListRecords of 100 x 10 from {name} as {way}, one caller, against the bare driver",
            f"{median['bare'] / median[way]:.0%} of its rate ({median[way] * 1000:.2f} against"
            f" {median['bare'] * 1000:.2f} ms)",
            f"≥ {share:.0%}",
            median["bare"] / median[way] >= share,
        )
        for way, share in _PROMISED.items()
    ]


def _request(number: int, form: record_pb2.RecordFormat.ValueType) -> record_pb2.ListRecordsRequest:
    return record_pb2.ListRecordsRequest(connection_id=number, page_size=100, format=form)


@contextmanager
def _postgresql() -> Iterator[tuple[connections.Connection, Bare]]:
    with postgresql_database() as place, psycopg.connect(place, autocommit=True) as connection:
        connection.execute(_TABLE.encode())
        connection.execute(_INSERT.encode())
        yield source_at(place, "bench"), lambda: connection.execute(_QUERY.encode()).fetchall()


@contextmanager
def _mysql() -> Iterator[tuple[connections.Connection, Bare]]:
    with mysql_database() as place, closing(place.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(_TABLE)
        cursor.execute(_INSERT)
        source = connections.MysqlSource(
            host=place.host, port=place.port, database=place.database, username=place.user, password=place.password
        )
        source.table_name = "bench"

        def bare() -> object:
            cursor.execute(_QUERY)
            return cursor.fetchall()

        yield connections.Connection(mysql=source), bare
