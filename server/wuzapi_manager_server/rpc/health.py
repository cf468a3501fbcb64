"""grpc.health.v1.Health: what probes and load balancers ask. No token is asked for.

`""`, `readiness` and every service by its full name say whether the service can work; `liveness` says that the process
answers, and is all that stays SERVING during a shutdown. `backups` says that they are not stale: no probe asks for it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from wuzapi_manager_server.observe import failure, logger
from wuzapi_manager_server.rpc.health_names import LIVENESS, READINESS

SERVICE = "grpc.health.v1.Health"

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
_NO_DETAILS: Mapping[str, Callable[[], bool]] = {}
_Context = grpc.aio.ServicerContext[object, health_pb2.HealthCheckResponse]


class Health(health_pb2_grpc.HealthServicer):
    """The servicer. It begins not ready. `details` are more names, each with what tells whether all is well with it.

    The library's own lacks List, and its watchers do not end when the server drains, which would hold up the stop.
    """

    def __init__(self, services: Sequence[str], details: Mapping[str, Callable[[], bool]] = _NO_DETAILS) -> None:
        self._details = details
        self._statuses: dict[str, int] = dict.fromkeys(("", READINESS, *services, *details), _NOT_SERVING)
        self._statuses[LIVENESS] = _SERVING
        self._changed = asyncio.Event()
        self._draining = False

    async def Check(  # noqa: N802 - the protocol's name
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> health_pb2.HealthCheckResponse:
        """The status of one service. NOT_FOUND for a name that is none."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no service of that name")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(  # noqa: N802 - the protocol's name
        self, request: health_pb2.HealthCheckRequest, _context: _Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The status of one service now and at each change, until the server drains."""
        last = None
        while True:
            changed = self._changed
            status = self._statuses.get(request.service, _UNKNOWN)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
                last = status
            elif self._draining:
                return
            else:
                await changed.wait()

    async def List(  # noqa: N802 - the protocol's name
        self,
        _request: "health_pb2.HealthListRequest",  # type: ignore[name-defined]  # missing from the stubs
        _context: _Context,
    ) -> "health_pb2.HealthListResponse":  # type: ignore[name-defined]  # missing from the stubs
        """Every service's status."""
        return health_pb2.HealthListResponse(  # type: ignore[attr-defined]  # missing from the stubs
            statuses={name: health_pb2.HealthCheckResponse(status=status) for name, status in self._statuses.items()}
        )

    def set_ready(self, *, ready: bool) -> None:
        """Says of everything but liveness whether it serves. Of no effect once the server drains."""
        if not self._draining:
            self._set(_SERVING if ready else _NOT_SERVING)

    def drain(self) -> None:
        """Says for good that nothing but liveness serves, and ends every watcher once it has heard so."""
        self._draining = True
        self._set(_NOT_SERVING)

    def _set(self, status: int) -> None:
        for name in self._statuses:
            well = self._details.get(name)
            if name != LIVENESS:
                self._statuses[name] = status if well is None or well() else _NOT_SERVING
        self._changed.set()
        self._changed = asyncio.Event()


def add_health(health: Health, server: grpc.aio.Server) -> None:
    """Serves it."""
    health_pb2_grpc.add_HealthServicer_to_server(health, server)


class ReadinessMonitor:
    """Asks every few seconds whether the service can work, and tells Health. What raises or hangs is not ready.

    It asks at once when `changed` is set.
    """

    def __init__(
        self,
        health: Health,
        ready: Callable[[], Awaitable[bool]],
        interval: float = 3.0,
        changed: asyncio.Event | None = None,
    ) -> None:
        self._changed = changed or asyncio.Event()
        self._health = health
        self._ready = ready
        self._interval = interval
        self._task: asyncio.Task[None] | None = None
        self._was_ready: bool | None = None

    async def start(self) -> None:
        """Asks once, then begins to ask again and again."""
        await self._ask()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends asking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._changed.wait()
            self._changed.clear()
            await self._ask()

    async def _ask(self) -> None:
        why: dict[str, object] = {}
        try:
            async with asyncio.timeout(self._interval):
                ready = await self._ready()
        except Exception as error:  # noqa: BLE001 - whatever keeps the check from an answer makes the service unready
            ready, why = False, failure(error)
        if ready != self._was_ready:
            self._was_ready = ready
            (logger().info if ready else logger().error)("readiness", ready=ready, **why)
        self._health.set_ready(ready=ready)
