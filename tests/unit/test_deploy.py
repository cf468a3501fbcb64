"""What the Kubernetes example, the image and the alerts state is so."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

from wuzapi_manager_server.rpc.health import Health
from wuzapi_manager_server.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "kubernetes" / "wuzapi-manager.yaml").read_text()
IMAGE = (ROOT / "Dockerfile").read_text()
ALERTS = (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text()


def test_the_kubernetes_example_is_of_this_service() -> None:
    """Its variables are settings, its ports those of the settings, its probes ask for what health knows."""
    env = dict(re.findall(r'^ +- \{name: ([A-Z_]+), value: "?([^"}]+)"?\}', TEXT, re.MULTILINE))
    assert len(env) == 5
    assert {name.lower() for name in env} <= Settings.model_fields.keys()
    assert dict(re.findall(r"name: (\w+), containerPort: (\d+)", TEXT)) == {
        "grpc": env["GRPC_PORT"],
        "metrics": env["METRICS_PORT"],
    }
    probes = re.findall(r"(\w+)Probe:\n +grpc: \{port: (\d+), service: (\w+)\}", TEXT)
    port = env["GRPC_PORT"]
    assert probes == [("startup", port, "liveness"), ("liveness", port, "liveness"), ("readiness", port, "readiness")]
    assert {service for *_, service in probes} <= Health([])._statuses.keys()
    assert re.findall(r"podMetricsEndpoints: \[\{port: (\w+)\}\]", TEXT) == ["metrics"]
    assert "enableServiceLinks: false" in TEXT


def test_the_kubernetes_example_leaves_time_to_stop() -> None:
    """More than the longest stop, of which the comment names the parts."""
    settings = Settings.model_construct()
    grace = int(re.findall(r"terminationGracePeriodSeconds: (\d+)", TEXT)[0])
    assert grace > settings.longest_stop
    parts = (
        f"SHUTDOWN_GRACE ({settings.shutdown_grace:.0f}) + REQUEST_TIMEOUT ({settings.request_timeout:.0f}) + 2 + 5:"
    )
    assert parts in TEXT
    assert settings.shutdown_grace + settings.request_timeout + 2 + 5 == settings.longest_stop
    operations = (ROOT / "docs" / "operations.md").read_text()
    assert f"| together | {settings.longest_stop:.0f} s |" in operations
    assert f"terminationGracePeriodSeconds: {grace} " in operations


def test_the_kubernetes_example_keeps_secrets_from_the_volume() -> None:
    """What would be made beside the database comes from a Secret; each name in it is a setting that is secret."""
    secrets = re.findall(r"\{name: (\w+), valueFrom: \{secretKeyRef: \{name: wuzapi-manager, key: (\w+)\}\}\}", TEXT)
    assert secrets == [("SECRET_KEYS", "SECRET_KEYS"), ("WUZAPI_ADMIN_TOKEN", "WUZAPI_ADMIN_TOKEN")]
    assert all(f"--from-literal={name}=" in TEXT for name, _ in secrets)
    mounts = re.findall(r"^ +- \{name: (\w+), mountPath: (\S+)\}$", TEXT, re.MULTILINE)
    volumes = re.findall(r"^ +- \{name: (\w+), (?:persistentVolumeClaim|emptyDir)", TEXT, re.MULTILINE)
    assert [name for name, _ in mounts] == volumes
    assert ("tmp", "/tmp") in mounts  # noqa: S108 - a place in the container


def test_the_image_is_made_of_what_is_here() -> None:
    """What it copies exists and is not ignored, its command is one, its user that of the Kubernetes example."""
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    copied = [name for line in re.findall(r"^COPY (?!--)(.+) \S+$", IMAGE, re.MULTILINE) for name in line.split()]
    assert set(copied) == allowed
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry,) = json.loads(re.findall(r"^ENTRYPOINT (.+)$", IMAGE, re.MULTILINE)[0])
    assert entry in project["scripts"]
    assert re.findall(r"^CMD (.+)$", IMAGE, re.MULTILINE) == ['["serve"]']
    (extra,) = re.findall(r"'\.\[(\w+)\]'", IMAGE)
    assert extra in project["optional-dependencies"]
    (user,) = re.findall(r"^USER (\d+):\1$", IMAGE, re.MULTILINE)
    assert re.findall(r"(?:runAsUser|runAsGroup|fsGroup): (\d+)", TEXT) == [user] * 3
    assert f"--owner={user} --group={user}" in IMAGE


def test_the_image_has_the_versions_of_the_lock() -> None:
    """What the image makes of the lock names each version, with its condition, and nothing else."""
    (script,) = re.findall(r"RUN (sed .+) > versions\.txt", IMAGE)
    made = subprocess.run(["sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line for line in made.splitlines() if not line.startswith("#")]
    pinned = re.findall(r"^[a-z]\S+==\S+", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert [line.split()[0] for line in lines] == pinned
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+[^\\ ])?", line) for line in lines)


def test_every_alert_has_a_severity() -> None:
    """So that a rule for who is woken needs no names."""
    alerts = re.split(r"^ +- alert: ", ALERTS, flags=re.MULTILINE)[1:]
    assert len(alerts) >= 7
    for alert in alerts:
        assert re.search(r"^ +labels: \{severity: (critical|warning)\}$", alert, re.MULTILINE), alert
