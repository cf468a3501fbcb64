"""What the relay adds to a call, and what one upstream that hangs takes from the others."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import grpc
import httpx
from grpc_health.v1 import health_pb2

from tests.benchmarks import rig
from tests.benchmarks.figure import Figure
from tests.fakes.http_server import FakeServer
from tests.fakes.nocodb import BASE, TABLE, FakeNocodb
from tests.fakes.nocodb import TOKEN as TOKEN_OF_NOCODB
from tests.fakes.wuzapi import FakeWuzapi
from wuzapi_manager.v1 import (
    branding_pb2,
    branding_pb2_grpc,
    connection_pb2_grpc,
    record_pb2,
    record_pb2_grpc,
    relay_pb2,
    relay_pb2_grpc,
)
from wuzapi_manager.v1 import connection_pb2 as connections

TOKEN = "benchmark-user-token"
USER = (("token", TOKEN),)
ADMIN = (("authorization", rig.ADMIN_TOKEN),)
SENDS = 600
SLOW_CALLS = 500
_MOST_ADDED = 1.5
_LEAST_LEFT = 0.90
_MOST_HEALTH = 50.0
_Call = Callable[[], Awaitable[object]]


def figures(folder: Path) -> list[Figure]:
    """All of them, on a server and a WUZAPI of their own."""
    with FakeWuzapi(admin_token=rig.ADMIN_TOKEN) as wuzapi, FakeNocodb() as nocodb:
        wuzapi.add_user("benchmark", TOKEN)
        with rig.server(folder, wuzapi.url) as server:
            return asyncio.run(_measured(server, wuzapi, nocodb))


async def _measured(server: rig.Server, wuzapi: FakeWuzapi, nocodb: FakeNocodb) -> list[Figure]:
    async with grpc.aio.insecure_channel(server.address) as channel:
        added = await _added_by_the_relay(channel, wuzapi)
        hanging = await _beside_one_that_hangs(channel, wuzapi, nocodb)
        return [added, *hanging]


async def _added_by_the_relay(channel: grpc.aio.Channel, wuzapi: FakeWuzapi) -> Figure:
    """SendText against the same POST made with httpx, taking turns."""
    stub = relay_pb2_grpc.RelayServiceStub(channel)
    body = {"Phone": "5581999990001", "Body": "Olá!", "Id": "3EB0AAAAAAAAAAAAAAAAAA"}
    direct, relayed = [], []
    async with httpx.AsyncClient(base_url=wuzapi.url, trust_env=False) as client:
        for number in range(SENDS):
            request = relay_pb2.SendTextRequest(phone=body["Phone"], body=body["Body"], request_id=str(uuid4()))
            took = await _timed(lambda: client.post("/chat/send/text", headers={"token": TOKEN}, json=body))
            took_by_relay = await _timed(lambda request=request: stub.SendText(request, metadata=USER))  # type: ignore[misc]  # mypy cannot tell a lambda's default
            if number >= SENDS // 6:  # the first warm up
                direct.append(took)
                relayed.append(took_by_relay)
    alone, through = statistics.median(direct) * 1000, statistics.median(relayed) * 1000
    return Figure(
        "SendText, what it adds to the same call with httpx, median",
        f"{through - alone:.2f} ms ({through:.2f} against {alone:.2f})",
        f"≤ {_MOST_ADDED} ms",
        kept=through - alone <= _MOST_ADDED,
    )


async def _beside_one_that_hangs(channel: grpc.aio.Channel, wuzapi: FakeWuzapi, nocodb: FakeNocodb) -> list[Figure]:
    """What goes on, and at what rate, with 500 calls to an upstream that does not answer and without, taking turns."""
    relay = relay_pb2_grpc.RelayServiceStub(channel)
    branding = branding_pb2_grpc.BrandingServiceStub(channel)
    records = record_pb2_grpc.RecordServiceStub(channel)
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    listed = record_pb2.ListRecordsRequest(connection_id=await _nocodb_connection(channel, nocodb))

    def brand() -> Awaitable[object]:
        return branding.GetBranding(branding_pb2.GetBrandingRequest())

    def webhook(timeout: float = 30) -> Awaitable[object]:
        return relay.GetWebhook(relay_pb2.GetWebhookRequest(), metadata=USER, timeout=timeout)

    def rows(timeout: float = 30) -> Awaitable[object]:
        return records.ListRecords(listed, metadata=ADMIN, timeout=timeout)

    health: list[float] = []

    async def slowest_health() -> None:
        health.extend([await _timed(lambda: check(health_pb2.HealthCheckRequest())) for _ in range(50)])

    brand_beside = await _kept(wuzapi, lambda: webhook(8), brand, 2_000, slowest_health)
    rows_beside = await _kept(wuzapi, lambda: webhook(8), rows, 1_000)
    webhook_beside = await _kept(nocodb, lambda: rows(8), webhook, 1_000)
    slowest = max(health) * 1000
    return [
        _share(f"GetBranding while {SLOW_CALLS} calls hang at WUZAPI", brand_beside),
        _share(f"ListRecords of a NocoDB while {SLOW_CALLS} calls hang at WUZAPI", rows_beside),
        _share(f"GetWebhook of WUZAPI while {SLOW_CALLS} calls hang at a NocoDB", webhook_beside),
        Figure(
            f"health check while {SLOW_CALLS} calls hang at WUZAPI, slowest of {len(health)}",
            f"{slowest:.1f} ms",
            f"≤ {_MOST_HEALTH:.0f} ms",
            kept=slowest <= _MOST_HEALTH,
        ),
    ]


async def _nocodb_connection(channel: grpc.aio.Channel, nocodb: FakeNocodb) -> int:
    """The id of a connection to the table of that NocoDB."""
    source = connections.NocodbSource(host=nocodb.url, token=TOKEN_OF_NOCODB, project_id=BASE, table_id=TABLE)
    made = await connection_pb2_grpc.ConnectionServiceStub(channel).CreateConnection(
        connections.CreateConnectionRequest(
            connection=connections.Connection(name="NocoDB", nocodb=source, row_scope=connections.ROW_SCOPE_SHARED)
        ),
        metadata=ADMIN,
    )
    return made.connection.id


async def _kept(
    slow: FakeServer, hangs: _Call, call: _Call, count: int, meanwhile: Callable[[], Awaitable[None]] | None = None
) -> float:
    """The part of its rate that `call` keeps while calls hang at that server: the median of three rounds."""
    ratios = []
    for _ in range(3):
        free = await _rate(call, count)
        with slow.held():
            calls = [asyncio.ensure_future(_ended(hangs())) for _ in range(SLOW_CALLS)]
            await asyncio.sleep(1.0)  # until they wait
            if meanwhile is not None:
                await meanwhile()
            ratios.append(await _rate(call, count) / free)
        await asyncio.gather(*calls)
    return statistics.median(ratios)


def _share(what: str, ratio: float) -> Figure:
    return Figure(what, f"{ratio:.0%} of its rate without them", f"≥ {_LEAST_LEFT:.0%}", kept=ratio >= _LEAST_LEFT)


async def _rate(call: _Call, count: int, at_once: int = 16) -> float:
    """Calls a second."""
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await call()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return count / (time.perf_counter() - began)


async def _timed(call: _Call) -> float:
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


async def _ended(call: Awaitable[object]) -> None:
    try:
        await call
    except grpc.RpcError:
        return  # it hung, as it was told to
