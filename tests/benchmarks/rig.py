"""What benchmarks run on: a real server process, the bare server beside it, and load from h2load."""

import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

PROGRAM = "from wuzapi_manager_server.cli import main; raise SystemExit(main())"
ADMIN_TOKEN = "benchmark-administrator-token"
_RATE = re.compile(r"finished in [^,]+, ([0-9.]+) req/s")
_DONE = re.compile(r"(\d+) succeeded, (\d+) failed, (\d+) errored")


class Unfit(Exception):
    """The machine lacks what a benchmark needs, or a run was not clean; the text says what."""


def free_port() -> int:
    """A free port below those that clients' sockets take."""
    for port in range(21_000, 30_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Unfit("no free port")


@dataclass
class Server:
    """A server process that answers on `address`."""

    process: subprocess.Popen[bytes]
    port: int
    metadata: tuple[tuple[str, str], ...] = field(default=(("authorization", ADMIN_TOKEN),))

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"127.0.0.1:{self.port}"

    def channel(self) -> grpc.Channel:
        """A channel to it; answers of up to 64 MiB are taken."""
        return grpc.insecure_channel(self.address, options=[("grpc.max_receive_message_length", 64 << 20)])

    def memory(self) -> tuple[float, float]:
        """Its resident memory now and at its highest, in MB (10^6)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        now, high = (int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) for name in ("VmRSS", "VmHWM"))  # type: ignore[index]  # the kernel always tells them
        return now * 1.024 / 1000, high * 1.024 / 1000


@contextmanager
def server(folder: Path, wuzapi_url: str, *, program: str = PROGRAM, **more: str) -> Iterator[Server]:
    """The product's server as a process, on a database in `folder`, with `more` settings. `program` runs it."""
    port = free_port()
    environment = {
        **os.environ,
        "GRPC_PORT": str(port),
        "GRPC_MAX_IN_FLIGHT": "1000",
        "SQLITE_DB_PATH": str(folder / "data" / "wuzapi.db"),
        "SQLITE_SOURCES_DIR": str(folder / "sources"),
        "ALLOWED_SOURCE_HOSTS": "127.0.0.0/8,::1,localhost",
        "WUZAPI_BASE_URL": wuzapi_url,
        "WUZAPI_ADMIN_TOKEN": ADMIN_TOKEN,
        "LOG_FORMAT": "json",
        **more,
    }
    (folder / "sources").mkdir(exist_ok=True)
    with (folder / "server.log").open("wb") as log:
        yield from _started([sys.executable, "-c", program, "serve"], environment, port, log.fileno())


@contextmanager
def bare_server() -> Iterator[Server]:
    """A server with one empty RPC, the same options, and nothing between the core and the handler."""
    port = free_port()
    yield from _started([sys.executable, "-m", "tests.benchmarks.bare", str(port)], os.environ, port, None)


def _started(command: list[str], environment: Mapping[str, str], port: int, output: int | None) -> Iterator[Server]:
    with subprocess.Popen(command, env=dict(environment), stdout=output, stderr=output) as process:
        try:
            _await_health(port, process)
            yield Server(process, port)
        finally:
            process.terminate()
            process.wait(30)


def _await_health(port: int, process: subprocess.Popen[bytes]) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if process.poll() is not None:
                raise Unfit(f"the server ended with {process.returncode}")
            try:
                check(health_pb2.HealthCheckRequest(), timeout=1, wait_for_ready=True)
            except grpc.RpcError:
                continue
            return
    raise Unfit("the server did not become ready")


def load(target: Server, method: str, request: Message, folder: Path, requests: int = 6_000) -> float:
    """Requests a second: 64 in flight over 8 connections, from h2load, the server free to use all cores."""
    program = shutil.which("h2load")
    if program is None:
        raise Unfit("h2load is missing: apt-get install nghttp2-client")
    body = request.SerializeToString()
    payload = folder / "payload.bin"
    payload.write_bytes(struct.pack(">BI", 0, len(body)) + body)
    headers = ["te: trailers", "content-type: application/grpc", *(f"{k}: {v}" for k, v in target.metadata)]
    command = [program, "-n", str(requests), "-c", "8", "-m", "8", "-d", str(payload)]
    for header in headers:
        command += ["-H", header]
    done = subprocess.run(
        [*command, f"http://{target.address}{method}"], capture_output=True, text=True, check=True, timeout=300
    )
    counts, rate = _DONE.search(done.stdout), _RATE.search(done.stdout)
    if counts is None or rate is None or counts.groups() != (str(requests), "0", "0"):
        raise Unfit(f"h2load was not clean: {done.stdout[:500]}")
    return float(rate[1])
