"""The service's own work on a call, without a socket: from the request's message to the bytes of the answer."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, cast

import grpc
from google.protobuf.message import Message
from pydantic import SecretStr

from tests.benchmarks import rig
from wuzapi_manager_server import observe, wiring
from wuzapi_manager_server.domain.caller import Admin
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.rpc.call import Call, enter
from wuzapi_manager_server.settings import Settings

_SECONDS = 600.0


Method = Callable[[Message, None], Awaitable[Message | bytes]]


class _Handler(Protocol):
    unary_unary: Method | None


class _Methods:
    """Takes the place of a server: keeps what would answer."""

    def __init__(self) -> None:
        self.found: dict[str, Method] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Nothing: they come by name too."""

    def add_registered_method_handlers(self, _service: str, handlers: Mapping[str, _Handler]) -> None:
        """Keeps those that answer one message with one."""
        for name, handler in handlers.items():
            if handler.unary_unary is not None:
                self.found[name] = handler.unary_unary


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[Mapping[str, Method]]:
    """The methods of all services by name, as the administrator calls them, on a database in `folder`."""
    (folder / "sources").mkdir(exist_ok=True)
    settings = Settings(
        sqlite_db_path=folder / "wuzapi.db",
        sqlite_sources_dir=folder / "sources",
        allowed_source_hosts=("127.0.0.0/8", "::1", "localhost"),
        wuzapi_admin_token=SecretStr(rig.ADMIN_TOKEN),
    )
    observe.configure("error", "json", ())
    async with wiring.wire(settings, observe.Metrics()) as parts:
        methods = _Methods()
        for each in parts.services:
            each.add(cast("grpc.aio.Server", methods))
        enter(Call(Admin(), Deadline.after(_SECONDS), "benchmark", "en"))
        parts.audit.enter(Admin(), "benchmark", "benchmark", "benchmark")
        yield methods.found
