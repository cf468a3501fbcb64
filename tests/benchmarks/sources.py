"""What reading records costs beside the same query by the bare driver, or the same request by a bare client."""

import asyncio
import hashlib
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
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
from tests.benchmarks.in_process import Method, service
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
_PAGE, _NOCODB_PAGE = 100, 25

Bare = Callable[[], object]


def figures(folder: Path) -> list[Figure]:
    """All of them. Needs PostgreSQL, MariaDB and NocoDB, found as the tests find them."""
    with (
        FakeWuzapi(admin_token=rig.ADMIN_TOKEN) as wuzapi,
        _postgresql() as postgresql,
        _mysql() as mysql,
        _nocodb(folder) as nocodb,
    ):
        found = asyncio.run(_in_process(folder, {"PostgreSQL": postgresql, "MariaDB": mysql}, nocodb))
        with rig.server(folder, wuzapi.url) as server, server.channel() as channel:
            for name, (source, bare) in (("PostgreSQL", postgresql), ("MariaDB", mysql)):
                bare_time, ours = _over_a_socket(
                    server, channel, source, bare, partial(_request, form=_FORMATS["JSON"])
                )
                what = f"the same from {name} as JSON over a socket, one caller"
                found.append(Figure(what, f"{bare_time / ours:.0%} ({ours * 1000:.2f} ms)", "nothing", kept=True))
            found.append(_export(server, channel))
            adds = _adds(*_over_a_socket(server, channel, *nocodb, partial(_request, size=_NOCODB_PAGE)))
            found.append(Figure("the same over a socket, gRPC and one caller included", adds[1], "nothing", kept=True))
        return found


async def _in_process(
    folder: Path,
    engines: Mapping[str, tuple[connections.Connection, Bare]],
    nocodb: tuple[connections.Connection, Bare],
) -> list[Figure]:
    """Lists in both formats and by the driver, or by a bare client, taking turns, one call at a time."""
    found = []
    async with service(folder) as methods:
        for name, (source, bare) in engines.items():
            number = await _made(methods, source)
            ways: dict[str, Callable[[], Awaitable[object]]] = {
                "bare": partial(_ran, bare),
                "least": partial(_ran, partial(_least, bare)),
            }
            for way, form in _FORMATS.items():
                request = _request(number, form)
                ways[way] = partial(methods["ListRecords"], request, None)
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
            what = f"a loop around the bare driver of {name} that makes JSON with a keyed etag a row, and nothing else"
            told = f"{median['bare'] / median['least']:.0%} of its rate ({median['least'] * 1000:.2f} ms)"
            found.append(Figure(what, told, "nothing", kept=True))
        request = _request(await _made(methods, nocodb[0]), size=_NOCODB_PAGE)
        ways = {"direct": partial(_ran, nocodb[1]), "ours": partial(methods["ListRecords"], request, None)}
        median = await _medians(ways)
        adds, told = _adds(median["direct"], median["ours"])
        what = "ListRecords of 25 rows of NocoDB, what it adds to NocoDB's own time in the same process, median"
        found.append(Figure(what, told, f"≤ {_NOCODB_ADDS} ms", kept=adds <= _NOCODB_ADDS))
    return found


async def _made(methods: Mapping[str, Method], source: connections.Connection) -> int:
    """The id of a connection to that source, shared by all."""
    source.name, source.row_scope = "benchmark", connections.ROW_SCOPE_SHARED
    made = await methods["CreateConnection"](connections.CreateConnectionRequest(connection=source), None)
    return connections.CreateConnectionResponse.FromString(cast("bytes", made)).connection.id


def _adds(direct: float, ours: float) -> tuple[float, str]:
    """What ours takes longer, in milliseconds, and how that is told."""
    adds = (ours - direct) * 1000
    return adds, f"{adds:.1f} ms ({ours * 1000:.1f} against {direct * 1000:.1f})"


def _least(bare: Bare) -> bytes:
    """The least that a list of records with etags can be made of: no pool, no scope, no checks, no ids but the key."""
    keyed = hashlib.blake2b(key=b"benchmark", digest_size=12)
    records = []
    for row in cast("Sequence[Sequence[object]]", bare()):
        etag = keyed.copy()
        etag.update(orjson.dumps(row, default=str))
        fields = dict(zip(_COLUMNS, row, strict=True))
        records.append({"id": str(row[0]), "fields": fields, "etag": etag.hexdigest()})
    return orjson.dumps(records, default=str)


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
    server: rig.Server,
    channel: grpc.Channel,
    source: connections.Connection,
    bare: Bare,
    asked: Callable[[int], record_pb2.ListRecordsRequest],
) -> tuple[float, float]:
    """The median times of a bare call and of the same list as a client has it, with transport, taking turns."""
    request = asked(_connected(server, channel, source))
    ask = partial(record_pb2_grpc.RecordServiceStub(channel).ListRecords, metadata=server.metadata)
    median = asyncio.run(_medians({"bare": partial(_ran, bare), "ours": partial(_ran, partial(ask, request))}))
    return median["bare"], median["ours"]


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


@contextmanager
def _nocodb(folder: Path) -> Iterator[tuple[connections.Connection, Bare]]:
    """A table of a real NocoDB, and the request for its first page made with httpx."""
    nocodb_server.begin_run()
    try:
        nocodb = nocodb_server.server_or_skip()
        with closing(NocodbUnderTest(nocodb, folder)) as made:
            source = made.source_of(made.make(PEOPLE, [[at, "ana", f"Ana {at}", 7] for at in range(1, 101)]))
            table = source.nocodb.table_id
            with httpx.Client(base_url=nocodb.url, headers={"xc-token": nocodb.token}, trust_env=False) as client:
                columns = client.get(f"/api/v2/meta/tables/{table}").json()["columns"]
                key = next(str(column["id"]) for column in columns if column["title"] == "id")
                params = {"limit": str(_NOCODB_PAGE + 1), "sort": key}
                yield source, partial(client.get, f"/api/v2/tables/{table}/records", params=params)
    finally:
        nocodb_server.end_run()


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _request(
    number: int, form: record_pb2.RecordFormat.ValueType = record_pb2.RECORD_FORMAT_STRUCT, size: int = _PAGE
) -> record_pb2.ListRecordsRequest:
    return record_pb2.ListRecordsRequest(connection_id=number, page_size=size, format=form)


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
