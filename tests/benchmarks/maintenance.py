"""What backups, the audit log and metrics cost, beside a plain copy of the file and the same calls without them."""

import asyncio
import os
import random
import shutil
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import grpc

from tests.behind import behind
from tests.benchmarks import rig
from tests.benchmarks.figure import Figure
from tests.fakes.wuzapi import FakeWuzapi
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import connection_pb2_grpc, maintenance_pb2, maintenance_pb2_grpc
from wuzapi_manager_server.observe import Metrics

ADMIN = (("authorization", rig.ADMIN_TOKEN),)
SIZE = 1_000_000_000
ROUNDS = 3
_VALUE = 900
_UNDISTURBED_SECONDS = 5.0
_BACKUP_SECONDS = 300
_LEAST_SPEED, _LEAST_READS, _LEAST_WRITES, _MOST_WITH_VERIFICATION = 0.25, 0.80, 0.50, 3.0
_MOST_AUDIT, _MOST_METRICS = 0.10, 5.0
_CALLS = 1_000
_TURN_SECONDS, _TURNS = 0.5, 40
_WITHOUT_AUDIT = "from wuzapi_manager_server.storage import audit; audit.AuditStore.record = lambda *_: None; "
_Call = Callable[[], Awaitable[object]]


def figures(folder: Path) -> list[Figure]:
    """All of them, on a server whose database has 1 GB."""
    with FakeWuzapi(admin_token=rig.ADMIN_TOKEN) as wuzapi:
        with rig.server(folder, wuzapi.url):
            pass  # makes the schema
        database = folder / "data" / "wuzapi.db"
        _fill(database)
        with rig.server(folder, wuzapi.url, GRPC_MAX_DEADLINE=str(_BACKUP_SECONDS)) as server:
            found = asyncio.run(_backups(server, database))
        return [*found, asyncio.run(_audit(folder, wuzapi.url)), _metrics()]


async def _backups(server: rig.Server, database: Path) -> list[Figure]:
    """Backups beside copies with fsync, alone and while reads or writes go on."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = connection_pb2_grpc.ConnectionServiceStub(channel)
        maintenance = maintenance_pb2_grpc.MaintenanceServiceStub(channel)
        request = connections.CreateConnectionRequest(connection=_CONNECTION)
        number = (await stub.CreateConnection(request, metadata=ADMIN)).connection.id
        asked = connections.GetConnectionRequest(id=number)
        change = connections.SetConnectionStatusRequest(id=number, status=connections.CONNECTION_STATUS_ACTIVE)

        async def backup() -> tuple[float, float]:
            """Seconds until the backup was made, and until it was verified too."""
            request = maintenance_pb2.CreateBackupRequest()
            began, at = time.perf_counter(), time.time()
            made = await maintenance.CreateBackup(request, metadata=ADMIN, timeout=_BACKUP_SECONDS)
            took = time.perf_counter() - began
            return made.backup.create_time.ToNanoseconds() / 1e9 - at, took

        speeds, whole, reads, writes = [], [], [], []
        for _ in range(ROUNDS):
            plain = await asyncio.to_thread(_copy_time, database)
            made, verified = await backup()
            speeds.append(plain / made)
            whole.append(verified / made)
            reads.append(await _kept(lambda: stub.GetConnection(asked, metadata=ADMIN), backup))
            writes.append(await _kept(lambda: stub.SetConnectionStatus(change, metadata=ADMIN), backup))
        speed, with_check = statistics.median(speeds), statistics.median(whole)
        read, written = statistics.median(reads), statistics.median(writes)
        return [
            Figure(
                f"encrypted backup of {SIZE / 1e9:.1f} GB, against cp with fsync",
                f"{speed:.0%} of its speed",
                f"≥ {_LEAST_SPEED:.0%}",
                kept=speed >= _LEAST_SPEED,
            ),
            Figure(
                "the same with its verification",
                f"x {with_check:.1f} the time of the backup",
                f"≤ x {_MOST_WITH_VERIFICATION:.0f}",
                kept=with_check <= _MOST_WITH_VERIFICATION,
            ),
            Figure("reads meanwhile", f"{read:.0%} of their rate", f"≥ {_LEAST_READS:.0%}", kept=read >= _LEAST_READS),
            Figure(
                "writes meanwhile",
                f"{written:.0%} of their rate",
                f"≥ {_LEAST_WRITES:.0%}",
                kept=written >= _LEAST_WRITES,
            ),
        ]


async def _kept(call: _Call, work: _Call) -> float:
    """The part of its rate that a call keeps during that work; any failure ends the benchmark."""
    alone = await _rate(call, lambda: asyncio.sleep(_UNDISTURBED_SECONDS))
    return await _rate(call, work) / alone


async def _rate(call: _Call, work: _Call, at_once: int = 4) -> float:
    """Calls a second until the work is done."""
    task = asyncio.ensure_future(work())
    count = 0

    async def worker() -> None:
        nonlocal count
        while not task.done():
            await call()
            count += 1

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    await task
    return count / (time.perf_counter() - began)


async def _audit(folder: Path, wuzapi_url: str) -> Figure:
    """Changes of a connection on a server with the audit log and on one without, taking turns."""
    with ExitStack() as servers:
        calls: list[_Call] = []
        for name, program in (("with", rig.PROGRAM), ("without", _WITHOUT_AUDIT + rig.PROGRAM)):
            (folder / name).mkdir()
            server = servers.enter_context(rig.server(folder / name, wuzapi_url, program=program))
            channel = grpc.aio.insecure_channel(server.address)
            stub = connection_pb2_grpc.ConnectionServiceStub(channel)
            request = connections.CreateConnectionRequest(connection=_CONNECTION)
            number = (await stub.CreateConnection(request, metadata=ADMIN)).connection.id
            change = connections.SetConnectionStatusRequest(id=number, status=connections.CONNECTION_STATUS_ACTIVE)
            calls.append(partial(stub.SetConnectionStatus, change, metadata=ADMIN))
        ratios = []
        for turn in range(_TURNS):
            kept, without = [await _rate(call, lambda: asyncio.sleep(_TURN_SECONDS)) for call in calls]
            if turn:  # the first warms up
                ratios.append(1 - kept / without)
    cost = statistics.median(ratios)
    return Figure(
        "audit log, of the throughput of changes", f"{cost:.0%}", f"≤ {_MOST_AUDIT:.0%}", kept=cost <= _MOST_AUDIT
    )


def _metrics() -> Figure:
    """What is counted of a call."""
    metrics = Metrics()
    method, times = metrics.method("/service/method"), []
    for _ in range(2 * ROUNDS + 1):
        began = time.perf_counter()
        for _ in range(_CALLS):
            method.begin()
            method.end("OK", 0.001)
        metrics.sample(under_way=1)
        times.append((time.perf_counter() - began) / _CALLS * 1e6)
    found = statistics.median(times)
    return Figure("metrics of a call", f"{found:.1f} µs", f"≤ {_MOST_METRICS:.0f} µs", kept=found <= _MOST_METRICS)


_CONNECTION = connections.Connection(
    name="benchmark",
    sqlite=connections.SqliteSource(database="none.db", table_name="customers"),
    user_link_field="owner",
)


def _copy_time(database: Path) -> float:
    target = database.with_name("copy")
    began = time.perf_counter()
    shutil.copyfile(database, target)
    with target.open("rb+") as copied:
        os.fsync(copied.fileno())
    took = time.perf_counter() - began
    target.unlink()
    return took


def _fill(database: Path) -> None:
    """Random texts."""
    draw, now = random.Random(5), "2026-11-27T00:00:00.000000Z"
    with behind(database) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO system_metadata (key, value, created_at, updated_at) VALUES (?, ?, ?, ?)",
            ((f"key-{at}", draw.randbytes(_VALUE // 2).hex(), now, now) for at in range(SIZE // _VALUE)),
        )
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
