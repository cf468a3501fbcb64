"""Where Prometheus reads the metrics of this process, or of all worker processes."""

import os
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"


class MetricsEndpoint:
    """Serves metrics as Prometheus reads them, over HTTP, from a thread. OSError when the port is taken."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        self.port = int(self._server.server_port)

    def close(self) -> None:
        """Ends serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def shared_registry(environment: Mapping[str, str] = os.environ) -> CollectorRegistry:
    """A registry that sums up those of all worker processes, which share the folder PROMETHEUS_MULTIPROC_DIR."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=environment[MULTIPROCESS_DIR])  # type: ignore[no-untyped-call]  # has no types
    return registry
