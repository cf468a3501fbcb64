"""MaintenanceService: the upkeep, the caches and the figures of this process."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime

from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_server.domain.maintenance import Stats
from wuzapi_manager_server.rpc.call import current, in_language
from wuzapi_manager_server.rpc.convert_common import duration_to, timestamp_to
from wuzapi_manager_server.services.figures import Figures, Times
from wuzapi_manager_server.services.upkeep import Upkeep

_ACTIVE = frozenset({"ACTIVE", "CONNECTED"})


class UpkeepCalls:
    """Answers RunMaintenance, ClearCaches and GetMetrics. `figures` takes the figures of this process."""

    def __init__(self, upkeep: Upkeep, figures: Callable[[], Figures]) -> None:
        self._upkeep = upkeep
        self._figures = figures
        self._started = datetime.now(UTC)

    async def run(self, request: pb.RunMaintenanceRequest) -> AsyncGenerator[pb.RunMaintenanceResponse]:
        """A message at the start and at the end of each step."""
        language = current().language
        async with aclosing(self._upkeep.run(force_vacuum=request.force_vacuum)) as steps:
            async for each in steps:
                yield pb.RunMaintenanceResponse(
                    step=pb.MaintenanceStep.Value(f"MAINTENANCE_STEP_{each.step.value}"),
                    state=pb.StepState.Value(f"STEP_STATE_{each.state.value}"),
                    message=in_language(each.message, language),
                    duration=duration_to(each.seconds) if each.seconds else None,
                    steps_done=each.steps_done,
                )

    async def clear(self) -> pb.ClearCachesResponse:
        """How many entries each cache of this process had."""
        return pb.ClearCachesResponse(cleared=await self._upkeep.clear_caches())

    def metrics(self, stats: Stats) -> pb.GetMetricsResponse:
        """The figures as they are now."""
        figures = self._figures()
        by_type = Counter(figures.queries) + Counter(figures.errors)
        queries, errors = by_type.total(), sum(figures.errors.values())
        active = sum(count for (_, status), count in stats.connections.items() if status.upper() in _ACTIVE)
        return pb.GetMetricsResponse(
            queries=pb.QueryFigures(
                total=queries,
                by_type=by_type,
                times=_times(figures.query_times),
                slow=figures.slow,
                errors=errors,
                errors_by_type=figures.errors,
                error_rate=errors / queries if errors else 0.0,
            ),
            calls=pb.CallFigures(
                total=sum(figures.calls.values()), by_code=figures.calls, times=_times(figures.call_times)
            ),
            connections=pb.ConnectionFigures(active=active, total=sum(stats.connections.values())),
            caches=[
                pb.CacheFigures(
                    name=cache.name,
                    size=len(cache),
                    hits=cache.hits,
                    misses=cache.misses,
                    hit_rate=cache.hits / (cache.hits + cache.misses) if cache.hits else 0.0,
                )
                for cache in self._upkeep.caches
            ],
            start_time=timestamp_to(self._started),
        )


def _times(times: Times) -> pb.Times:
    p50, p95, p99 = map(duration_to, times.percentiles)
    return pb.Times(average=duration_to(times.average), p50=p50, p95=p95, p99=p99)
