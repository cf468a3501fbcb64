"""A server that may be started again on the same folder, and a channel that keeps everything it hears."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import grpc
from google.protobuf.message import Message

from tests.contract.calls import Caller, channel_to
from tests.contract.server import ADMIN_TOKEN
from tests.fakes.wuzapi import FakeWuzapi
from wuzapi_manager_server.settings import Settings

_GRACE = 20.0


class Heard(NamedTuple):
    """What came back from a call: to whom, from where, the status, the message (None for errors) and all its bytes."""

    authorization: str
    token: str
    method: str
    code: str
    message: Message | None
    data: bytes


class Recorder(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamUnaryClientInterceptor):
    """Keeps every answer and every error."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []

    # What grpcio's continuations take and give has names in its stubs alone.
    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: object
    ) -> Any:
        return self._whole(client_call_details, continuation(client_call_details, request))

    def intercept_stream_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request_iterator: object
    ) -> Any:
        return self._whole(client_call_details, continuation(client_call_details, request_iterator))

    def intercept_unary_stream(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: object
    ) -> Any:
        call = continuation(client_call_details, request)

        def answers() -> Iterator[Message]:
            try:
                for answer in call:
                    self._keep(client_call_details, call, answer)
                    yield answer
            except grpc.RpcError:
                self._keep(client_call_details, call, None)
                raise

        return answers()

    def _whole(self, details: grpc.ClientCallDetails, call: Any) -> Any:
        self._keep(details, call, None if call.exception() else call.result())
        return call

    def _keep(self, details: grpc.ClientCallDetails, call: Any, message: Message | None) -> None:
        metadata = {str(name): str(value) for name, value in details.metadata or ()}
        said = [] if message is not None and not call.done() else [call.details() or "", *call.trailing_metadata()]
        parts = [part if isinstance(part, bytes) else str(part).encode() for entry in said for part in _parts(entry)]
        answer = b"" if message is None else message.SerializeToString()
        code = "OK" if message is not None else call.code().name
        self.heard.append(
            Heard(
                metadata.get("authorization", ""),
                metadata.get("token", ""),
                str(details.method),
                code,
                message,
                b"\n".join((answer, *parts)),
            )
        )


def _parts(entry: object) -> tuple[object, ...]:
    return cast("tuple[object, ...]", entry) if isinstance(entry, tuple) else (entry,)


class Stage:
    """A folder with data and sources, a WUZAPI, and a server on them while `serving`."""

    def __init__(self, folder: Path, wuzapi: FakeWuzapi, **settings: str) -> None:
        self.data = folder / "data"
        self.sources = folder / "sources"
        self.sources.mkdir()
        self.output = folder / "server.out"
        self.recorder = Recorder()
        self._folder = folder
        self._settings = settings
        self._wuzapi = wuzapi
        self._channel: grpc.Channel | None = None

    @property
    def database(self) -> Path:
        """The service's own database."""
        return self.data / "wuzapi.db"

    @contextmanager
    def serving(self) -> Iterator["Stage"]:
        """A server on a free port; what it writes is added to `output`."""
        with (
            self.output.open("ab") as output,
            subprocess.Popen(
                self._line("serve"),
                cwd=self._folder,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=output,
            ) as process,
        ):
            try:
                assert process.stdout is not None
                announced = process.stdout.readline()
                assert announced.startswith(b"listening on "), self.output.read_text()[-3000:]
                with channel_to(announced.removeprefix(b"listening on ").decode().strip()) as channel:
                    self._channel = grpc.intercept_channel(channel, self.recorder)
                    yield self
            finally:
                process.terminate()
                try:
                    rest, _ = process.communicate(timeout=_GRACE)
                    output.write(announced + rest)
                finally:
                    process.kill()
        assert process.returncode == 0, self.output.read_text()[-3000:]

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command beside the server, or instead of it."""
        return subprocess.run(
            self._line(*arguments),
            cwd=self._folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calling(self, **metadata: str) -> Caller:
        """Somebody at the running server."""
        assert self._channel is not None
        return Caller(self._channel, metadata)

    @property
    def admin(self) -> Caller:
        """The administrator at the running server."""
        return self.calling(authorization=ADMIN_TOKEN)

    def files(self) -> dict[str, bytes]:
        """The bytes of every file of the data folder, as they lie there now."""
        return {str(file.relative_to(self.data)): file.read_bytes() for file in self.data.rglob("*") if file.is_file()}

    @staticmethod
    def _line(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "wuzapi_manager_server", *arguments]

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        return {
            **inherited,
            "GRPC_PORT": "0",
            "SQLITE_DB_PATH": str(self.database),
            "SQLITE_SOURCES_DIR": str(self.sources),
            "ALLOWED_SOURCE_HOSTS": "127.0.0.0/8,::1,localhost",
            "WUZAPI_BASE_URL": self._wuzapi.url,
            "WUZAPI_ADMIN_TOKEN": ADMIN_TOKEN,
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "debug",
            "SLOW_QUERY_MS": "0",
            **{name.upper(): value for name, value in self._settings.items()},
        }
