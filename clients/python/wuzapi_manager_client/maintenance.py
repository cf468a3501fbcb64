"""The calls of MaintenanceService that look after the service's own database. For the administrator."""

from collections.abc import Iterator
from typing import Literal

from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_client.calls import STREAM_TIMEOUT, Calls, translated
from wuzapi_manager_client.enums import enum_number


class MaintenanceCalls(Calls):
    """Tells what runs and what the database holds, checks it for damage, and runs its upkeep."""

    def get_server_info(self, *, timeout: float | None = None) -> pb.GetServerInfoResponse:
        """What runs: versions, since when, and every setting with where it came from. Secrets are stars."""
        return self._call(self._maintenance.GetServerInfo, pb.GetServerInfoRequest(), timeout)

    def get_stats(self, *, timeout: float | None = None) -> pb.GetStatsResponse:
        """How much of what the database holds, and how large its files are."""
        return self._call(self._maintenance.GetStats, pb.GetStatsRequest(), timeout)

    def get_metrics(self, *, timeout: float | None = None) -> pb.GetMetricsResponse:
        """Figures of the process that answers, since it began: calls, queries, caches."""
        return self._call(self._maintenance.GetMetrics, pb.GetMetricsRequest(), timeout)

    def check_integrity(
        self, depth: Literal["QUICK", "FULL"] = "QUICK", *, timeout: float | None = None
    ) -> pb.CheckIntegrityResponse:
        """Looks for damage: `ok`, and the `problems` where it is not. It has an hour unless `timeout` says else.

        "FULL" also compares every index with its table, follows every reference, and checks the chain of the audit log.
        """
        request = pb.CheckIntegrityRequest(depth=enum_number(pb.CheckDepth, depth))
        return self._work(self._maintenance.CheckIntegrity, request, timeout)

    def run_maintenance(
        self, *, force_vacuum: bool = False, timeout: float = STREAM_TIMEOUT
    ) -> Iterator[pb.RunMaintenanceResponse]:
        """Runs the upkeep, and tells when each step begins and ends. It begins with the first message asked for.

        Read it to its end: leaving earlier cancels it. A step that fails is told as such, then its error is raised.
        """
        request = pb.RunMaintenanceRequest(force_vacuum=force_vacuum)
        with translated():
            stream = self._maintenance.RunMaintenance(request, timeout=timeout, metadata=self._metadata)
            try:
                yield from stream
            finally:
                stream.cancel()

    def clear_caches(self, *, timeout: float | None = None) -> dict[str, int]:
        """Forgets what the process that answers has cached; how many entries each cache had."""
        return dict(self._call(self._maintenance.ClearCaches, pb.ClearCachesRequest(), timeout).cleared)
