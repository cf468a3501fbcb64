"""Where the parts are put together and run."""

import asyncio
import gc
import multiprocessing
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from typing import NamedTuple

import grpc
import uvloop
from prometheus_client.multiprocess import mark_process_dead

from wuzapi_manager_server import observe
from wuzapi_manager_server.errors import CannotStart, ServiceError
from wuzapi_manager_server.metrics_endpoint import MULTIPROCESS_DIR, MetricsEndpoint, shared_registry
from wuzapi_manager_server.observe import Metrics, Sampling, logger
from wuzapi_manager_server.opening import beside_others
from wuzapi_manager_server.rpc.health import SERVICE as HEALTH
from wuzapi_manager_server.rpc.health import Health, ReadinessMonitor, add_health
from wuzapi_manager_server.rpc.pipeline import Limits, Pipeline
from wuzapi_manager_server.rpc.reflection import add_reflection
from wuzapi_manager_server.rpc.server import Tls, check_tls, listen, new_server, reserve
from wuzapi_manager_server.settings import Settings, join_address
from wuzapi_manager_server.wiring import Parts, wire
from wuzapi_manager_server.workers import Workers

_OBJECTS_BEFORE_COLLECTION = 20_000

Announce = Callable[[str], None]
Wire = Callable[[Settings, Metrics], AbstractAsyncContextManager[Parts]]


class Running(NamedTuple):
    """Where a running server answers: `address` is `host:port`; `metrics_port` is set where METRICS_PORT is."""

    address: str
    port: int
    metrics_port: int | None


@asynccontextmanager
async def running(settings: Settings, wire_parts: Wire = wire, *, worker: bool = False) -> AsyncIterator[Running]:
    """Serves while the context is open, then drains within SHUTDOWN_GRACE. CannotStart when that is not possible.

    A `worker` shares its port with others, and leaves the metrics to its parent.
    """
    if not worker and settings.grpc_port:
        reserve(settings.grpc_host, settings.grpc_port, share=False).close()
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(wire_parts(settings, metrics))
        names = [service.name for service in parts.services]
        health = Health(names, parts.details)
        pipeline = Pipeline(parts.callers, parts.audit, _limits(settings), metrics)
        server = new_server([pipeline], message_bytes=settings.grpc_max_message_bytes, share_port=worker)
        for service in parts.services:
            service.add(server)
        add_health(health, server)
        if settings.grpc_reflection:
            add_reflection(server, [*names, HEALTH])
        metrics_port = None
        if settings.metrics_port is not None and not worker:
            endpoint = _metrics_endpoint(settings, settings.metrics_port, metrics)
            stack.callback(endpoint.close)
            metrics_port = endpoint.port
        port = listen(server, settings.grpc_host, settings.grpc_port, tls_of(settings))
        await server.start()
        stack.push_async_callback(_drain, server, health, pipeline, settings.shutdown_grace)
        monitor = ReadinessMonitor(health, partial(_ready, parts, metrics), changed=parts.changed)
        await monitor.start()
        stack.push_async_callback(monitor.stop)
        sampling = Sampling(metrics, lambda: pipeline.under_way)
        sampling.start()
        stack.callback(sampling.stop)
        yield Running(join_address(settings.grpc_host, port), port, metrics_port)


def serve(settings: Settings, announce: Announce, wire_parts: Wire = wire) -> int:
    """Serves until SIGTERM or SIGINT, and gives the exit code. `announce` is told where, once it answers."""
    if settings.grpc_workers > 1:
        return _serve_with_workers(settings, announce, wire_parts)
    return _run(settings, announce, wire_parts, worker=False)


def _serve_with_workers(settings: Settings, announce: Announce, wire_parts: Wire) -> int:
    _configure_log(settings)
    with ExitStack() as stack:
        held = stack.enter_context(reserve(settings.grpc_host, settings.grpc_port, share=True))
        on_port = settings.model_copy(update={"grpc_port": held.getsockname()[1]})
        stack.enter_context(beside_others(settings))  # also while no worker is there yet, or one is replaced
        asyncio.run(_try(on_port, wire_parts))
        died: Callable[[int], None] | None = None
        if settings.metrics_port is not None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="wuzapi-manager-metrics-"))
            os.environ[MULTIPROCESS_DIR] = folder  # the workers inherit it
            endpoint = _metrics_endpoint(settings, settings.metrics_port, None)
            stack.callback(endpoint.close)
            died = partial(mark_process_dead, path=folder)
        target = partial(_work, on_port, announce, wire_parts)
        return Workers(settings.grpc_workers, target, longest_stop=settings.longest_stop, died=died).run()


async def _try(settings: Settings, wire_parts: Wire) -> None:
    """Opens and closes everything once: migrates, makes keys, and says what is wrong before any worker begins."""
    check_tls(tls_of(settings))
    async with wire_parts(settings, Metrics()):
        pass


def _work(settings: Settings, announce: Announce, wire_parts: Wire) -> int:
    """What a worker process runs. What keeps it from starting is in the log: nobody reads its standard error."""
    try:
        return _run(settings, announce, wire_parts, worker=True)
    except (CannotStart, ServiceError) as error:
        logger().error("cannot start", why=str(error))
        return 1


def _run(settings: Settings, announce: Announce, wire_parts: Wire, *, worker: bool) -> int:
    _configure_log(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_until_stopped(settings, announce, wire_parts, worker=worker))


async def _until_stopped(settings: Settings, announce: Announce, wire_parts: Wire, *, worker: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    parent = multiprocessing.parent_process()
    if worker and parent is not None:  # a parent that was killed must not leave its workers behind
        loop.add_reader(parent.sentinel, stop.set)
    async with running(settings, wire_parts, worker=worker) as where:
        _spare_the_collector()
        logger().info("serving", address=where.address, metrics_port=where.metrics_port, pid=os.getpid())
        announce(where.address)
        await stop.wait()
        logger().info("draining")
    logger().info("stopped")
    return 0


def _spare_the_collector() -> None:
    """What is there at the start is there to stay: cycles are looked for among what comes later, and less often.

    With Python's own 700 objects a page of a list is looked through several times: an export takes a fifth longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION, *gc.get_threshold()[1:])


async def _ready(parts: Parts, metrics: Metrics) -> bool:
    """Whether the service can work, shown as a metric too: what raises or is cancelled shows 0."""
    ready = False
    try:
        ready = await parts.ready()
    finally:
        metrics.ready.set(ready)
    return ready


async def _drain(server: grpc.aio.Server, health: Health, pipeline: Pipeline, grace: float) -> None:
    """NOT_SERVING first; no new calls; open calls finish within the grace, or are cancelled and awaited."""
    end = asyncio.get_running_loop().time() + grace
    health.drain()
    stopping = asyncio.create_task(server.stop(grace))
    await pipeline.drain(grace * 0.9)
    # What is open now is a reflection stream, a watcher on its way out, or a call that had its time.
    await asyncio.wait({stopping}, timeout=min(0.2, grace * 0.02))
    await server.stop(None)
    await stopping
    left = await pipeline.drain(max(0.0, end - asyncio.get_running_loop().time()))
    if left:
        logger().error("calls did not end", calls=left)


def _limits(settings: Settings) -> Limits:
    return Limits(
        in_flight=settings.grpc_max_in_flight,
        streams=settings.grpc_max_streams,
        message_bytes=settings.grpc_max_message_bytes,
        deadline=settings.grpc_max_deadline,
        stream_idle=settings.grpc_stream_idle,
    )


def tls_of(settings: Settings) -> Tls | None:
    """The certificate files of the settings; None for plain text."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return Tls(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)


def _metrics_endpoint(settings: Settings, port: int, metrics: Metrics | None) -> MetricsEndpoint:
    registry = metrics.registry if metrics else shared_registry()
    try:
        return MetricsEndpoint(settings.grpc_host, port, registry)
    except OSError:
        raise CannotStart(f"Metrics cannot be served on port {port}: set METRICS_PORT to a free one") from None


def _configure_log(settings: Settings) -> None:
    observe.configure(settings.log_level, settings.log_format, settings.secrets)
