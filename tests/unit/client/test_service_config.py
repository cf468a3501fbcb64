"""What is retried."""

import json

from tests.unit.protos import services
from wuzapi_manager_client.service_config import service_config

CREATES = {"CreateConnection", "BatchCreateConnections", "CreateRecord", "BatchCreateRecords"}
SAFE = ("Get", "List", "Count", "Describe", "Export", "Check", "Watch", "Download", "Send", "Edit", "CreateUser")


def test_reads_and_creates_are_retried_and_nothing_else() -> None:
    """Every read, and every create and send that carries a request_id, is named; no other write is."""
    names = json.loads(service_config())["methodConfig"][0]["name"]
    retried = {(name["service"], name["method"]) for name in names}
    for service in services():
        for method in service.methods:
            expected = method.name in CREATES or method.name.startswith(SAFE)
            assert ((service.full_name, method.name) in retried) is expected, method.full_name


def test_tries_are_few_and_throttled() -> None:
    """At most four tries, only when the service is unavailable, and fewer when most calls fail."""
    config = json.loads(service_config())
    policy = config["methodConfig"][0]["retryPolicy"]
    assert (policy["maxAttempts"], policy["retryableStatusCodes"]) == (4, ["UNAVAILABLE"])
    assert config["retryThrottling"]["maxTokens"] > 0
