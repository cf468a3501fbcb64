"""Stopping: from within, by signal, and with several processes."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.integration.server.app import ADMIN, USER, App
from tests.integration.server.test_health import NOT_SERVING, SERVING, check
from tests.integration.server.test_pipeline import refused, update
from tests.integration.server.test_port import _get
from wuzapi_manager.v1 import record_pb2
from wuzapi_manager.v1.branding_pb2_grpc import BrandingServiceStub
from wuzapi_manager.v1.record_pb2_grpc import RecordServiceStub
from wuzapi_manager_server.main import running
from wuzapi_manager_server.settings import Settings

ROOT = Path(__file__).parents[3]


def watch(channel: grpc.aio.Channel) -> grpc.aio.UnaryStreamCall[bytes, bytes]:
    call: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/grpc.health.v1.Health/Watch")
    return call(b"")


async def next_status(watching: grpc.aio.UnaryStreamCall[bytes, bytes]) -> int | None:
    raw = await watching.read()
    return health_pb2.HealthCheckResponse.FromString(raw).status if isinstance(raw, bytes) else None


async def test_call_that_overstays_is_cancelled_and_awaited(app: App, settings: Settings) -> None:
    """A call that does not finish within the grace is cancelled, and its `finally` runs before the server is gone."""
    short = settings.model_copy(update={"shutdown_grace": 1.0})
    async with contextlib.AsyncExitStack() as stack:
        server = running(short, app.wire)
        where = await server.__aenter__()
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(where.address))
        call = BrandingServiceStub(channel).UpdateBranding(update("hang"), metadata=ADMIN)
        waiting = asyncio.ensure_future(refused(call))
        await app.branding.hanging.wait()
        begun = time.monotonic()
        await server.__aexit__(None, None, None)
        assert app.branding.ended.is_set()
        assert 0.5 < time.monotonic() - begun < 2.5
        await waiting


async def test_call_that_ignores_cancellation_does_not_stop_the_end(app: App, settings: Settings) -> None:
    """What does not even end when it is cancelled is left behind after the grace."""
    short = settings.model_copy(update={"shutdown_grace": 0.5})
    async with contextlib.AsyncExitStack() as stack:
        server = running(short, app.wire)
        where = await server.__aenter__()
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(where.address))
        call = BrandingServiceStub(channel).UpdateBranding(update("linger"), metadata=ADMIN)
        waiting = asyncio.ensure_future(refused(call))
        await app.branding.hanging.wait()
        begun = time.monotonic()
        await server.__aexit__(None, None, None)
        assert time.monotonic() - begun < 2.5
        assert not app.branding.ended.is_set()
        app.branding.release.set()
        await waiting


async def test_idle_reflection_stream_does_not_hold_up_the_stop(app: App, settings: Settings) -> None:
    """Neither an open watcher nor a reflection stream makes the server use its grace."""
    long = settings.model_copy(update={"shutdown_grace": 20.0})
    async with contextlib.AsyncExitStack() as stack:
        server = running(long, app.wire)
        where = await server.__aenter__()
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(where.address))
        reflect: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        )
        call = reflect()
        await call.write(b"")
        await call.read()
        watching = watch(channel)
        assert await next_status(watching) == SERVING
        begun = time.monotonic()
        await server.__aexit__(None, None, None)
        assert time.monotonic() - begun < 3


class Program:
    """The test app as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def text(self) -> str:
        return self.log.read_text()

    async def address(self) -> str:
        assert self.process.stdout is not None
        line = (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode()
        assert line.startswith("listening on "), self.text
        return line.split()[-1]

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 30)


@contextlib.asynccontextmanager
async def program(tmp_path: Path, *arguments: str, **settings: str) -> AsyncIterator[Program]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "GRPC_PORT": "0"} | settings
    environment |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE, stderr=stderr
        )
    try:
        yield Program(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.read(), 30)  # ends when the last process that inherited it has
        await process.wait()


APP = ("-m", "tests.integration.server.app")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_drains_the_process(tmp_path: Path, number: signal.Signals) -> None:
    """NOT_SERVING first, watchers end, new calls are UNAVAILABLE, the open call finishes, exit 0 within the grace."""
    async with program(tmp_path, *APP, SHUTDOWN_GRACE="20") as server:
        address = await server.address()
        async with grpc.aio.insecure_channel(address) as channel, grpc.aio.insecure_channel(address) as other:
            watching = watch(channel)
            assert await next_status(watching) == SERVING
            importing = RecordServiceStub(channel).ImportRecords(metadata=USER)
            await importing.write(record_pb2.ImportRecordsRequest(chunk=b"1"))
            assert await check(other, "") == SERVING
            begun = time.monotonic()
            server.process.send_signal(number)
            assert await next_status(watching) == NOT_SERVING
            assert await next_status(watching) is None
            assert await watching.code() is grpc.StatusCode.OK
            assert await _refusal(other) is grpc.StatusCode.UNAVAILABLE
            await importing.write(record_pb2.ImportRecordsRequest(chunk=b"2"))
            await importing.done_writing()
            assert (await importing).created_count == 2
            assert await server.ended() == 0
            assert time.monotonic() - begun < 15
        assert '"event":"draining"' in server.text
        assert '"event":"stopped"' in server.text


async def _refusal(channel: grpc.aio.Channel) -> grpc.StatusCode:
    """How a new call is refused once the core has stopped taking them."""
    while True:
        try:
            assert await check(channel, "") == NOT_SERVING
        except grpc.aio.AioRpcError as error:
            return error.code()


async def test_second_program_on_a_port_says_so(tmp_path: Path) -> None:
    """The real command on a taken port: one sentence, exit code 1, no traceback."""
    async with program(tmp_path, *APP) as server:
        port = (await server.address()).rpartition(":")[2]
        (tmp_path / "second").mkdir()
        async with program(tmp_path / "second", "-m", "wuzapi_manager_server", "serve", GRPC_PORT=port) as second:
            assert await second.ended() == 1
            said = [line for line in second.text.splitlines() if not line.startswith("{")]
            assert said == [f"127.0.0.1:{port} is taken by another program: stop it, or set GRPC_PORT"]


async def test_workers_share_a_port_and_stop_together(tmp_path: Path) -> None:
    """Two processes serve one port; one that dies is replaced; the metrics are summed; SIGTERM ends all with 0."""
    settings = {"GRPC_WORKERS": "2", "SHUTDOWN_GRACE": "5", "METRICS_PORT": "45679"}
    async with program(tmp_path, *APP, **settings) as server:
        addresses = {await server.address() for _ in range(2)}
        assert len(addresses) == 1
        pids = _children(server.process.pid)
        assert len(pids) == 2
        async with grpc.aio.insecure_channel(addresses.pop()) as channel:
            assert await check(channel, "") == SERVING
            await refused(BrandingServiceStub(channel).UpdateBranding(update("bug"), metadata=ADMIN))
        text = await asyncio.to_thread(_get, "http://127.0.0.1:45679/metrics")
        assert 'grpc_code="INTERNAL"' in text
        os.kill(pids[0], signal.SIGKILL)
        await server.address()  # the new one says where it listens
        now = _children(server.process.pid)
        assert len(now) == 2
        assert pids[0] not in now
        server.process.send_signal(signal.SIGTERM)
        assert await server.ended() == 0
    assert '"event":"worker died"' in server.text


def _children(pid: int) -> list[int]:
    """The worker processes of a process (not the helper of `multiprocessing`)."""
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.parametrize("how", ["silently", "with a sentence"])
async def test_workers_that_die_at_once_end_the_program(tmp_path: Path, how: str) -> None:
    """When workers do not stay alive the program gives up with exit code 1; what a worker has to say is in the log."""
    async with program(tmp_path, *APP, GRPC_WORKERS="2", WORKER_DIES=how) as server:
        assert await server.ended() == 1
        assert "giving up" in server.text
        assert "Traceback" not in server.text
        assert ("The worker has a reason" in server.text) == (how == "with a sentence")


async def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """A parent that is killed leaves no worker behind."""
    async with program(tmp_path, *APP, GRPC_WORKERS="2") as server:
        address = await server.address()
        await server.address()
        async with grpc.aio.insecure_channel(address) as channel:
            watching = watch(channel)
            assert await next_status(watching) == SERVING
            server.process.kill()
            assert await next_status(watching) == NOT_SERVING
            assert await next_status(watching) is None
