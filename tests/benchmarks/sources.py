"""What reading records costs beside the same query by the bare driver, or the same request by a bare client."""

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import cast

import grpc
import httpx
import orjson
import psycopg

from tests.benchmarks import rig
from tests.benchmarks.figure import Figure
from tests.benchmarks.in_process import service
from tests.contract.mysql_source import mysql_database
from tests.contract.nocodb_source import NocodbUnderTest
from tests.contract.postgresql_source import postgresql_database, source_at
from tests.contract.sources import PEOPLE
from tests.fakes.wuzapi import FakeWuzapi
from tests.servers import nocodb_server
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import connection_pb2_grpc, record_pb2, record_pb2_grpc

ROUNDS = 400
EXPORTED = 1_000_000
_COLUMNS = ("id", "owner", *(f"t{at}" for at in range(5)), "n", "price", "made")
_TABLE = (
    "CREATE TABLE bench (id INT PRIMARY KEY, owner VARCHAR(40), t0 VARCHAR(40), t1 VARCHAR(40), t2 VARCHAR(40),"
    " t3 VARCHAR(40), t4 VARCHAR(40), n INT, price NUMERIC(12,2), made TIMESTAMP(6))"
)
_ROW = "'ana', 'text 1', 'text 2', 'text 3', 'text 4', 'text 5', 42, 12.50, '2026-01-02 03:04:05'"
_INSERT = "INSERT INTO bench VALUES " + ", ".join(f"({at}, {_ROW})" for at in range(1, 201))
_QUERY = f"SELECT {', '.join(_COLUMNS)} FROM bench ORDER BY id LIMIT 101"
_EXPORT_QUERY = f"SELECT {', '.join(_COLUMNS)} FROM bench ORDER BY id"
_PROMISED = {"JSON": 0.65, "Struct": 0.40}
_FORMATS = {"JSON": record_pb2.RECORD_FORMAT_JSON, "Struct": record_pb2.RECORD_FORMAT_STRUCT}
_EXPORT, _NOCODB_ADDS = 0.50, 2.0

Bare = Callable[[], object]


def figures(folder: Path) -> list[Figure]:
    """All of them. Needs PostgreSQL, MariaDB and NocoDB, found as the tests find them."""
    with FakeWuzapi(admin_token=rig.ADMIN_TOKEN) as wuzapi, _postgresql() as postgresql, _mysql() as mysql:
        found = asyncio.run(_in_process(folder, {"PostgreSQL": postgresql, "MariaDB": mysql}))
        with rig.server(folder, wuzapi.url) as server, server.channel() as channel:
            for name, (source, bare) in (("PostgreSQL", postgresql), ("MariaDB", mysql)):
                found.append(_over_a_socket(name, server, channel, source, bare))
            found.append(_export(server, channel))
            found.append(_nocodb(folder, server, channel))
        return found


async def _in_process(folder: Path, engines: Mapping[str, tuple[connections.Connection, Bare]]) -> list[Figure]:
    """A list of 100 rows of 10 columns in both formats and by the driver, taking turns, one call at a time."""
    found = []
    async with service(folder) as methods:
        for name, (source, bare) in engines.items():
            source.name, source.row_scope = name, connections.ROW_SCOPE_SHARED
            made = await methods["CreateConnection"](connections.CreateConnectionRequest(connection=source), None)
            number = connections.CreateConnectionResponse.FromString(cast("bytes", made)).connection.id
            ways: dict[str, Callable[[], Awaitable[object]]] = {"bare": partial(_ran, bare)}
            for way, form in _FORMATS.items():
                ways[way] = partial(methods["ListRecords"], _request(number, form), None)
            median = await _medians(ways)
            found += [
                Figure(
                    f"ListRecords of 100 x 10 from {name} as {way}, against the bare driver in the same process",
                    f"{median['bare'] / median[way]:.0%} of its rate ({median[way] * 1000:.2f} against"
                    f" {median['bare'] * 1000:.2f} ms)",
                    f"≥ {share:.0%}",
                    median["bare"] / median[way] >= share,
                )
                for way, share in _PROMISED.items()
            ]
    return found


async def _ran(work: Bare) -> object:
    return work()


async def _medians(ways: Mapping[str, Callable[[], Awaitable[object]]]) -> Mapping[str, float]:
    """The median time of each way in seconds; they take turns."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for round_ in range(ROUNDS):
        for way, call in ways.items():
            began = time.perf_counter()
            await call()
            if round_ >= ROUNDS // 8:  # the first warm up
                times[way].append(time.perf_counter() - began)
    return {way: statistics.median(each) for way, each in times.items()}


def _connected(server: rig.Server, channel: grpc.Channel, source: connections.Connection) -> int:
    """The id of a connection to that source, shared by all."""
    source.name, source.row_scope = "benchmark", connections.ROW_SCOPE_SHARED
    stub = connection_pb2_grpc.ConnectionServiceStub(channel)
    request = connections.CreateConnectionRequest(connection=source)
    return stub.CreateConnection(request, metadata=server.metadata).connection.id


def _over_a_socket(
    name: str, server: rig.Server, channel: grpc.Channel, source: connections.Connection, bare: Bare
) -> Figure:
    """The same list as a client has it, with transport, and the work of this process on it."""
    number = _connected(server, channel, source)
    ask = partial(record_pb2_grpc.RecordServiceStub(channel).ListRecords, metadata=server.metadata)
    request = _request(number, record_pb2.RECORD_FORMAT_JSON)
    median = asyncio.run(_medians({"bare": partial(_ran, bare), "ours": partial(_ran, partial(ask, request))}))
    return Figure(
        f"the same from {name} as JSON over a socket, one caller",
        f"{median['bare'] / median['ours']:.0%} ({median['ours'] * 1000:.2f} ms)",
        "nothing",
        kept=True,
    )


def _export(server: rig.Server, channel: grpc.Channel) -> Figure:
    """An export of a million rows of PostgreSQL against a server-side cursor that writes the same lines."""
    with postgresql_database() as place, psycopg.connect(place, autocommit=True) as connection:
        connection.execute(_TABLE.encode())
        values = f"SELECT g, {_ROW} FROM generate_series(1, {EXPORTED}) g"
        connection.execute(f"INSERT INTO bench {values}".encode())
        number = _connected(server, channel, source_at(place, "bench"))
        ratios = []
        for _ in range(2):
            alone = _timed(partial(_by_cursor, connection))
            ratios.append(alone / _timed(partial(_exported, server, channel, number)))
    ratio, (_, high) = statistics.median(ratios), server.memory()
    return Figure(
        f"export of {EXPORTED:,} rows of PostgreSQL, against a bare server-side cursor",
        f"{ratio:.0%} of its rate, highest memory {high:.0f} MB",
        f"≥ {_EXPORT:.0%}, < 150 MB",
        kept=ratio >= _EXPORT and high < 150,
    )


def _by_cursor(connection: psycopg.Connection) -> None:
    with Path(os.devnull).open("wb") as file, connection.transaction(), connection.cursor("export") as cursor:
        cursor.itersize = 1000
        cursor.execute(_EXPORT_QUERY.encode())
        names = [column.name for column in cursor.description or ()]
        file.writelines(orjson.dumps(dict(zip(names, row, strict=True)), default=str) + b"\n" for row in cursor)


def _exported(server: rig.Server, channel: grpc.Channel, number: int) -> None:
    stub = record_pb2_grpc.RecordServiceStub(channel)
    request = record_pb2.ExportRecordsRequest(connection_id=number)
    lines = sum(part.chunk.count(b"\n") for part in stub.ExportRecords(request, metadata=server.metadata))
    if lines != EXPORTED:
        raise rig.Unfit(f"{lines} lines were exported")


def _nocodb(folder: Path, server: rig.Server, channel: grpc.Channel) -> Figure:
    """A page of a real NocoDB against the same request made with httpx, taking turns."""
    nocodb_server.begin_run()
    try:
        nocodb = nocodb_server.server_or_skip()
        with closing(NocodbUnderTest(nocodb, folder)) as made:
            source = made.source_of(made.make(PEOPLE, [[at, "ana", f"Ana {at}", 7] for at in range(1, 101)]))
            number = _connected(server, channel, source)
            ask = partial(record_pb2_grpc.RecordServiceStub(channel).ListRecords, metadata=server.metadata)
            request = record_pb2.ListRecordsRequest(connection_id=number, page_size=25)
            table = source.nocodb.table_id
            with httpx.Client(base_url=nocodb.url, headers={"xc-token": nocodb.token}, trust_env=False) as client:
                columns = client.get(f"/api/v2/meta/tables/{table}").json()["columns"]
                key = next(str(column["id"]) for column in columns if column["title"] == "id")
                get = partial(client.get, f"/api/v2/tables/{table}/records", params={"limit": "26", "sort": key})
                ways = {"direct": partial(_ran, get), "ours": partial(_ran, partial(ask, request))}
                median = asyncio.run(_medians(ways))
    finally:
        nocodb_server.end_run()
    adds = (median["ours"] - median["direct"]) * 1000
    return Figure(
        "ListRecords of 25 rows of NocoDB, what it adds to NocoDB's own time, median",
        f"{adds:.1f} ms ({median['ours'] * 1000:.1f} against {median['direct'] * 1000:.1f})",
        f"≤ {_NOCODB_ADDS} ms",
        kept=adds <= _NOCODB_ADDS,
    )


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


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
