"""What METRICS_PORT of a running server shows, and what the dashboard and the alerts make of it."""

import json
import re
import socket
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic

import grpc
import pytest
from grpc_health.v1 import health_pb2
from prometheus_client.metrics import MetricWrapperBase

from tests.contract.server import World, world_in
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import maintenance_pb2 as maintenance
from wuzapi_manager_server.observe import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
WORDS = {"by", "sum", "max", "min", "rate", "increase", "histogram_quantile", "absent", "or", "time"}
SUFFIXES = ("_total", "_bucket", "_sum", "_count")
TOKEN = "token-of-ana-0123"


def on_dashboard() -> list[str]:
    board = json.loads((DEPLOY / "grafana" / "wuzapi-manager.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def expressions() -> list[str]:
    alerts = (DEPLOY / "prometheus" / "alerts.yaml").read_text()
    return [*on_dashboard(), *re.findall(r"^ +expr: (.+)$", alerts, re.MULTILINE)]


def parsed(expression: str) -> tuple[set[str], set[str]]:
    """The metrics and the labels of an expression: every word that is none of PromQL's own."""
    labels = set(re.findall(r"(\w+) *(?:=~|!=|!~|=)", expression))
    labels.update(name for names in re.findall(r"\bby \(([^)]*)\)", expression) for name in re.findall(r"\w+", names))
    bare = re.sub(r"\bby \([^)]*\)|\{[^}]*\}|\[[^]]*\]", " ", expression)
    return {word for word in re.findall(r"[a-z_]\w*", bare) if word not in WORDS}, labels


def family(metric: str) -> str:
    return next((metric.removesuffix(end) for end in SUFFIXES if metric.endswith(end)), metric)


def scrape(port: int, until: Callable[[str], bool] = bool) -> str:
    """What the port shows, once it shows what is waited for, at the latest after half a minute."""
    end = monotonic() + 30
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            text = str(response.read().decode())
        if until(text) or monotonic() > end:
            return text
        Event().wait(0.1)


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("metrics"), metrics_port=str(port)) as made:
        yield made


def test_dashboard_and_alerts_ask_for_what_there_is(world: World, port: int) -> None:
    """Every metric of every expression is in the answer of a running server, and has the labels that are used."""
    shown = set(re.findall(r"^# TYPE (\w+) ", scrape(port), re.MULTILINE))
    collectors = [each for each in Metrics().registry._collector_to_names if isinstance(each, MetricWrapperBase)]
    declared = {each._name: {*each._labelnames} for each in collectors}
    found = expressions()
    assert len(found) >= 25
    for expression in found:
        metrics, labels = parsed(expression)
        assert metrics, expression
        assert {each.removesuffix("_bucket") for each in metrics} <= shown, expression
        for metric in metrics:
            assert labels - {"le"} <= declared[family(metric)], expression


def test_what_backups_breakers_and_readiness_show_is_on_the_dashboard() -> None:
    """Each of their metrics is asked for, and told in the operations page, as is every other."""
    asked = {name for expression in on_dashboard() for name in parsed(expression)[0]}
    page = (DEPLOY.parent / "docs" / "operations.md").read_text()
    names = {
        f"{each._name}_total" if each._type == "counter" else each._name
        for each in Metrics().registry._collector_to_names
        if isinstance(each, MetricWrapperBase)
    }
    assert {name for name in names if f"`{name}`" not in page} == set()
    shown = {name for name in names if name.startswith(("backup_", "service_ready", "upstream_breaker"))}
    assert len(shown) == 7
    assert shown <= asked


def test_a_server_shows_its_database_and_upstreams(world: World, port: int) -> None:
    """The database's gauges have values, WUZAPI was asked once, the service is ready; no label tells who called."""
    ana = world.user(TOKEN, identity="ana-identity")
    ana.connections.ListUserConnections(connections.ListUserConnectionsRequest())
    text = scrape(port, lambda text: re.search(r"^database_size_bytes [1-9]", text, re.MULTILINE) is not None)
    assert re.search(r"^database_size_bytes [1-9]", text, re.MULTILINE)
    assert re.search(r"^database_disk_free_bytes [1-9]", text, re.MULTILINE)
    assert re.search(r"^database_schema_version [1-9]", text, re.MULTILINE)
    assert 'upstream_requests_total{outcome="2xx",upstream="wuzapi"} 1.0' in text
    assert "service_ready 1.0" in text
    assert "grpc_server_in_flight 0.0" in text
    for secret in (TOKEN, "ana-identity", "127.0.0.1", str(world.data)):
        assert secret not in text


def test_backups_show_in_metrics_and_in_health(tmp_path: Path) -> None:
    """Without a backup a schedule is stale: `backups` does not serve, all else does. One that is made mends it.

    A backup that fails is counted.
    """
    port = free_port()
    yearly = "0 0 1 1 *"
    with world_in(tmp_path, metrics_port=str(port), backup_schedule=yearly) as world:
        stale = scrape(port, lambda text: "backup_stale 1.0" in text)
        assert "backup_stale 1.0" in stale
        assert "backup_newest_verified_timestamp_seconds 0.0" in stale
        assert serves(world, "backups", False)
        assert serves(world, "readiness", True)
        made = world.admin.maintenance.CreateBackup(maintenance.CreateBackupRequest()).backup
        fresh = scrape(port, lambda text: "backup_stale 0.0" in text)
        assert "backup_verified 1.0" in fresh
        for which in ("newest", "oldest"):
            found = re.search(rf"^backup_{which}_verified_timestamp_seconds (\S+)", fresh, re.MULTILINE)
            assert found
            assert int(float(found[1])) == made.create_time.seconds
        assert serves(world, "backups", True)
        assert "backup_failures_total 0.0" in fresh
        folder = world.data / "backups"
        folder.rename(world.data / "elsewhere")
        folder.write_text("no folder")
        with pytest.raises(grpc.RpcError):
            world.admin.maintenance.CreateBackup(maintenance.CreateBackupRequest())
        assert "backup_failures_total 1.0" in scrape(port, lambda text: "backup_failures_total 1.0" in text)
        assert serves(world, "backups", False)
        assert serves(world, "readiness", True)


def serves(world: World, service: str, expected: bool) -> bool:
    """Whether a health check comes to say what is expected, at the latest after half a minute."""
    wanted = health_pb2.HealthCheckResponse.SERVING if expected else health_pb2.HealthCheckResponse.NOT_SERVING
    check = world.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    end = monotonic() + 30
    while monotonic() < end:
        if check(health_pb2.HealthCheckRequest(service=service)).status == wanted:
            return True
        Event().wait(0.1)
    return False


def test_workers_show_their_gauges_together(tmp_path: Path) -> None:
    """With two processes the port shows each gauge once: the database as it is, and the least ready process."""
    port = free_port()
    with world_in(tmp_path, metrics_port=str(port), grpc_workers="2"):
        text = scrape(port, lambda text: "database_size_bytes " in text and "service_ready 1.0" in text)
    assert "service_ready 1.0" in text
    assert len(re.findall(r"^database_size_bytes [1-9]", text, re.MULTILINE)) == 1
    assert "grpc_server_in_flight 0.0" in text
    assert "pid=" not in text
