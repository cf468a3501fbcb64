"""A server of the test app on a free port, and a channel to it."""

import json
from collections.abc import AsyncIterator, Callable

import grpc
import pytest

from tests.integration.server.app import ADMIN, App
from wuzapi_manager_server import observe
from wuzapi_manager_server.main import running
from wuzapi_manager_server.settings import Settings


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No setting comes from where the tests happen to run."""
    monkeypatch.chdir(str(tmp_path))
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def logged(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[[], list[dict[str, object]]]:
    """Gives the log's lines since it was last asked. Ask for it before the server starts."""
    observe.configure("info", "json", [ADMIN[0][1]])
    return lambda: [json.loads(line) for line in capfdbinary.readouterr().err.splitlines()]


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def settings() -> Settings:
    return Settings(
        grpc_port=0,
        grpc_max_in_flight=2,
        grpc_max_streams=2,
        grpc_max_deadline=20.0,
        grpc_stream_idle=20.0,
        shutdown_grace=5.0,
        grpc_max_message_bytes=1 << 20,
    )


@pytest.fixture
async def channel(app: App, settings: Settings) -> AsyncIterator[grpc.aio.Channel]:
    async with running(settings, app.wire) as where, grpc.aio.insecure_channel(where.address) as made:
        yield made
