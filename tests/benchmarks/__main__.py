"""Measures what the product promises of its speed and memory, and prints the table of docs/benchmarks.md.

Every figure is a ratio of medians within this run, its variants interleaved; exit code 1 when a promise is not kept.
"""

import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import grpc
from google.protobuf.message import Message

from tests.benchmarks import bare, maintenance, relay, rig, sources
from tests.benchmarks.figure import Figure
from tests.fakes.wuzapi import FakeWuzapi
from wuzapi_manager.v1 import (
    branding_pb2,
    branding_pb2_grpc,
    connection_pb2,
    connection_pb2_grpc,
    record_pb2,
    record_pb2_grpc,
)

ROUNDS = 7
USER_TOKEN = "benchmark-user-token"
MANY, FEW = 100_000, 100
ROWS = 1_000_000
PAGE = 100
ADMIN = (("authorization", rig.ADMIN_TOKEN),)
USER = (("token", USER_TOKEN),)


def main() -> int:
    """Runs all benchmarks."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name, FakeWuzapi(admin_token=rig.ADMIN_TOKEN) as wuzapi:
        folder = Path(name)
        wuzapi.add_user("benchmark", USER_TOKEN)
        with rig.server(folder, wuzapi.url) as server, server.channel() as channel:
            _make_source(folder / "sources" / "million.db")
            connection_id = _make_connections(channel, FEW)
            figures += _throughput(server, folder, connection_id)
            figures.append(_memory_of_export(server, channel, connection_id))
            figures.append(_late_page(channel, connection_id))
        figures.append(_among_many(folder, wuzapi.url))
    for part in (relay, sources, maintenance):
        with tempfile.TemporaryDirectory() as name:
            figures += part.figures(Path(name))
    _print(figures)
    return 0 if all(figure.kept for figure in figures) else 1


def _throughput(server: rig.Server, folder: Path, connection_id: int) -> list[Figure]:
    """Reads of the service's own data against an empty RPC, interleaved."""
    reads: dict[str, tuple[str, Message, float]] = {
        "GetConnection": (
            "/wuzapi_manager.v1.ConnectionService/GetConnection",
            connection_pb2.GetConnectionRequest(id=connection_id),
            0.50,
        ),
        "GetBranding": (
            "/wuzapi_manager.v1.BrandingService/GetBranding",
            branding_pb2.GetBrandingRequest(),
            0.50,
        ),
        "ListConnections of 100": (
            "/wuzapi_manager.v1.ConnectionService/ListConnections",
            connection_pb2.ListConnectionsRequest(page_size=100),
            0.08,
        ),
    }
    rates: dict[str, list[float]] = {name: [] for name in ("empty RPC", *reads)}
    with rig.bare_server() as empty:
        for round_ in range(ROUNDS + 1):
            measured = {"empty RPC": rig.load(empty, bare.METHOD, branding_pb2.GetBrandingRequest(), folder)}
            for name, (method, request, _) in reads.items():
                count = 1_500 if name.startswith("List") else 6_000
                measured[name] = rig.load(server, method, request, folder, count)
            if round_:  # the first warms up
                for name, rate in measured.items():
                    rates[name].append(rate)
    _check_answers(server, connection_id)
    base = statistics.median(rates["empty RPC"])
    figures = [Figure("empty RPC, no interceptors", f"{base:,.0f}/s", "the measure", kept=True)]
    for name, (_, _, least) in reads.items():
        ratio = statistics.median(
            rate / empty_rate for rate, empty_rate in zip(rates[name], rates["empty RPC"], strict=True)
        )
        rate = statistics.median(rates[name])
        figures.append(
            Figure(name, f"{ratio:.0%} of the empty RPC ({rate:,.0f}/s)", f"≥ {least:.0%}", kept=ratio >= least)
        )
    return figures


def _check_answers(server: rig.Server, connection_id: int) -> None:
    """What was counted were answers: h2load takes gRPC's errors for success."""
    with server.channel() as channel:
        connections = connection_pb2_grpc.ConnectionServiceStub(channel)
        found = connections.GetConnection(connection_pb2.GetConnectionRequest(id=connection_id), metadata=ADMIN)
        listed = connections.ListConnections(connection_pb2.ListConnectionsRequest(page_size=100), metadata=ADMIN)
        branding = branding_pb2_grpc.BrandingServiceStub(channel).GetBranding(branding_pb2.GetBrandingRequest())
    if found.connection.id != connection_id or len(listed.connections) != 100 or not branding.branding.app_name:
        raise rig.Unfit("the answers are not what they should be")


def _memory_of_export(server: rig.Server, channel: grpc.Channel, connection_id: int) -> Figure:
    """The server's highest memory up to the end of an export of all rows."""
    stub = record_pb2_grpc.RecordServiceStub(channel)
    began = time.monotonic()
    lines = 0
    for part in stub.ExportRecords(record_pb2.ExportRecordsRequest(connection_id=connection_id), metadata=ADMIN):
        lines += part.chunk.count(b"\n")
    took = time.monotonic() - began
    if lines != ROWS:
        raise rig.Unfit(f"{lines} lines were exported")
    _, high = server.memory()
    return Figure(
        "export of 1,000,000 rows, highest memory of the server",
        f"{high:.0f} MB ({ROWS / took:,.0f} rows/s)",
        "< 150 MB",
        kept=high < 150,
    )


def _late_page(channel: grpc.Channel, connection_id: int) -> Figure:
    """Page 1,000 against page 1 of the million rows, interleaved."""
    stub = record_pb2_grpc.RecordServiceStub(channel)

    def page(token: str) -> record_pb2.ListRecordsResponse:
        request = record_pb2.ListRecordsRequest(connection_id=connection_id, page_size=PAGE, page_token=token)
        return stub.ListRecords(request, metadata=ADMIN)

    token = ""
    for _ in range(999):
        token = page(token).next_page_token
    if page(token).records[0].id != str(999 * PAGE + 1):
        raise rig.Unfit("page 1,000 is not page 1,000")
    first, late = [], []
    for _ in range(200):
        first.append(_timed(lambda: page("")))
        late.append(_timed(lambda: page(token)))
    ratio = statistics.median(late) / statistics.median(first)
    return _within("page 1,000 of a million rows against page 1, median time", ratio, 0.20)


def _among_many(folder: Path, wuzapi_url: str) -> Figure:
    """A user's own connections on two servers, one with a hundred connections, one with a hundred thousand."""
    small, large = folder / "small", folder / "large"
    small.mkdir()
    large.mkdir()
    few, many = [], []
    with (
        rig.server(small, wuzapi_url) as one,
        rig.server(large, wuzapi_url) as other,
        one.channel() as to_few,
        other.channel() as to_many,
    ):
        _make_connections(to_few, FEW)
        _make_connections(to_many, FEW)
        _make_connections(to_many, MANY - FEW)
        for _ in range(500):
            few.append(_timed(lambda: _user_connections(to_few)))
            many.append(_timed(lambda: _user_connections(to_many)))
    ratio = statistics.median(many[100:]) / statistics.median(few[100:])
    return _within("a user's connections among 100,000 against among 100, median time", ratio, 0.20)


def _within(what: str, ratio: float, tolerance: float) -> Figure:
    return Figure(what, f"x {ratio:.2f}", f"x 1 ± {tolerance:.0%}", kept=ratio <= 1 + tolerance)


def _user_connections(channel: grpc.Channel) -> None:
    stub = connection_pb2_grpc.ConnectionServiceStub(channel)
    found = stub.ListUserConnections(connection_pb2.ListUserConnectionsRequest(), metadata=USER)
    if len(found.connections) != 1:
        raise rig.Unfit(f"the user has {len(found.connections)} connections")


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _make_source(path: Path) -> None:
    """A table of a million rows of ten columns."""
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, owner TEXT, name TEXT, email TEXT, city TEXT,"
            " phone TEXT, age INTEGER, balance REAL, active BOOLEAN, created DATETIME)"
        )
        database.executemany(
            "INSERT INTO customers VALUES (?, ?, ?, ?, 'Recife', '+5581999999999', ?, ?, 1, '2026-11-23 10:00:00')",
            (
                (n, f"user-{n % 100:04}-token", f"Cliente {n}", f"cliente{n}@example.com", n % 90, n / 7)
                for n in range(1, ROWS + 1)
            ),
        )


def _make_connections(channel: grpc.Channel, count: int) -> int:
    """Connections of which the user has the very first, others having the others; the first's id."""
    stub = connection_pb2_grpc.ConnectionServiceStub(channel)
    first = 0
    for start in range(0, count, 1_000):
        made = stub.BatchCreateConnections(
            connection_pb2.BatchCreateConnectionsRequest(
                connections=[
                    connection_pb2.Connection(
                        name=f"Connection {n}",
                        sqlite=connection_pb2.SqliteSource(database="million.db", table_name="customers"),
                        user_link_field="owner",
                        assigned_users=[USER_TOKEN if count == FEW and n == 0 else f"user-{count}-{n}"],
                    )
                    for n in range(start, min(start + 1_000, count))
                ]
            ),
            metadata=ADMIN,
            timeout=60,
        )
        first = first or made.connections[0].id
    return first


def _print(figures: list[Figure]) -> None:
    print("| what | found | promised | |")
    print("| --- | --- | --- | --- |")
    for figure in figures:
        print(f"| {figure.what} | {figure.found} | {figure.promised} | {'kept' if figure.kept else '**not kept**'} |")


if __name__ == "__main__":
    sys.exit(main())
