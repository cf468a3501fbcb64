"""What the Kubernetes example states is so."""

import re
from pathlib import Path

from wuzapi_manager_server.rpc.health import Health
from wuzapi_manager_server.settings import Settings

TEXT = (Path(__file__).parents[2] / "deploy" / "kubernetes" / "wuzapi-manager.yaml").read_text()


def test_the_kubernetes_example_is_of_this_service() -> None:
    """Its variables are settings, its ports those of the settings, its probes ask for what health knows."""
    env = dict(re.findall(r'\{name: ([A-Z_]+), value: "?([^"}]+)"?\}', TEXT))
    assert len(env) == 5
    assert {name.lower() for name in env} <= Settings.model_fields.keys()
    assert dict(re.findall(r"name: (\w+), containerPort: (\d+)", TEXT)) == {
        "grpc": env["GRPC_PORT"],
        "metrics": env["METRICS_PORT"],
    }
    probes = re.findall(r"grpc: \{port: (\d+), service: (\w+)\}", TEXT)
    assert probes == [(env["GRPC_PORT"], "liveness"), (env["GRPC_PORT"], "readiness")]
    assert {service for _, service in probes} <= Health([])._statuses.keys()
    grace = int(re.findall(r"terminationGracePeriodSeconds: (\d+)", TEXT)[0])
    assert grace > Settings.model_construct().longest_stop == 37
    assert re.findall(r"podMetricsEndpoints: \[\{port: (\w+)\}\]", TEXT) == ["metrics"]
