"""Health and reflection, as probes and tools ask."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tests.integration.server.app import BRANDING, RECORDS, App
from wuzapi_manager_server.main import running
from wuzapi_manager_server.rpc.health import Health, ReadinessMonitor
from wuzapi_manager_server.settings import Settings

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
HEALTH = "/grpc.health.v1.Health/"


async def check(channel: grpc.aio.Channel, service: str) -> int:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(HEALTH + "Check")
    raw = await call(health_pb2.HealthCheckRequest(service=service).SerializeToString())
    return health_pb2.HealthCheckResponse.FromString(raw).status


@pytest.mark.parametrize("service", ["", "readiness", "liveness", BRANDING, RECORDS])
async def test_everything_serves(channel: grpc.aio.Channel, service: str) -> None:
    """The server as a whole, its two probes and every service by its full name are SERVING, without a token."""
    assert await check(channel, service) == SERVING


async def test_unknown_service_is_not_found(channel: grpc.aio.Channel) -> None:
    """A name that is no service is NOT_FOUND."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await check(channel, "nope")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_list_gives_every_status(channel: grpc.aio.Channel) -> None:
    """List names all that Check knows."""
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(HEALTH + "List")
    answer = health_pb2.HealthListResponse.FromString(await call(b""))  # type: ignore[attr-defined]  # missing from the stubs
    assert {name: each.status for name, each in answer.statuses.items()} == dict.fromkeys(
        ("", "readiness", "liveness", BRANDING, RECORDS), SERVING
    )


async def test_unready_service_lives(app: App, settings: Settings) -> None:
    """A service that cannot work is not SERVING, its process still is."""
    app.readiness = False
    async with running(settings, app.wire) as where, grpc.aio.insecure_channel(where.address) as channel:
        assert await check(channel, "readiness") == NOT_SERVING
        assert await check(channel, BRANDING) == NOT_SERVING
        assert await check(channel, "liveness") == SERVING


async def test_monitor_follows_readiness() -> None:
    """The monitor asks again and again; an exception or a hanging check is unready, and it recovers."""
    health = Health(["a"])
    outcomes = iter(("ready", "raises", "hangs", "ready"))
    seen: list[int] = []

    async def ready() -> bool:
        outcome = next(outcomes, "ready")
        if outcome == "raises":
            raise OSError("disk is gone")
        if outcome == "hangs":
            await asyncio.Event().wait()
        return True

    monitor = ReadinessMonitor(health, ready, interval=0.02)
    await monitor.start()
    async for status in watch(health, "a"):
        seen.append(status)
        if len(seen) == 3:
            break
    await monitor.stop()
    assert seen == [SERVING, NOT_SERVING, SERVING]


async def test_monitor_that_never_started_stops() -> None:
    """Stopping a monitor that was not started does nothing."""

    async def ready() -> bool:
        return True

    await ReadinessMonitor(Health([]), ready).stop()


async def watch(health: Health, service: str) -> AsyncIterator[int]:
    responses = health.Watch(health_pb2.HealthCheckRequest(service=service), None)  # type: ignore[arg-type]  # not used
    async for response in responses:
        yield response.status


async def test_drain_tells_watchers_and_ends_them() -> None:
    """Draining: a watcher hears NOT_SERVING and ends; readiness that comes later changes nothing."""
    health = Health(["a"])
    health.set_ready(ready=True)
    statuses = watch(health, "a")
    assert await anext(statuses) == SERVING
    health.drain()
    health.set_ready(ready=True)
    assert [status async for status in statuses] == [NOT_SERVING]
    assert [status async for status in watch(health, "liveness")] == [SERVING]
    assert [status async for status in watch(health, "nope")] == [health_pb2.HealthCheckResponse.SERVICE_UNKNOWN]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_and_describes_every_service(channel: grpc.aio.Channel, version: str) -> None:
    """Both versions list all services, themselves included, and describe each of them."""
    call: grpc.aio.StreamStreamMultiCallable[
        reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
    ] = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    ask = reflection_pb2.ServerReflectionRequest
    listed = [answer async for answer in call(iter([ask(list_services="")]))]
    names = [service.name for service in listed[0].list_services_response.service]
    assert sorted(names) == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        BRANDING,
        RECORDS,
    ]
    described = [answer async for answer in call(iter([ask(file_containing_symbol=name) for name in names]))]
    assert all(answer.file_descriptor_response.file_descriptor_proto for answer in described)


async def test_buf_learns_the_api_from_the_server(app: App, settings: Settings) -> None:
    """A tool that knows nothing lists the methods and calls one by reflection."""
    async with running(settings, app.wire) as where:
        url = f"http://{where.address}"
        listed = await _buf("--list-methods", url)
        assert f"{BRANDING}/GetBranding" in listed
        answer = await _buf(f"{url}/{BRANDING}/GetBranding", "--data", "{}")
        assert "Public pt-BR" in answer


async def _buf(*arguments: str) -> str:
    buf = Path(sys.executable).with_name("buf")
    command = [str(buf), "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_reflection_can_be_switched_off(app: App, settings: Settings) -> None:
    """Without reflection its methods do not exist."""
    off = settings.model_copy(update={"grpc_reflection": False})
    async with running(off, app.wire) as where, grpc.aio.insecure_channel(where.address) as channel:
        for version in ("v1", "v1alpha"):
            call: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
                f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
            )
            assert await call(iter([b""])).code() is grpc.StatusCode.UNIMPLEMENTED
