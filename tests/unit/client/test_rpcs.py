"""The client has all that the service has."""

import re

from tests.unit.protos import services
from wuzapi_manager_client import WuzapiManager

BESIDE = {"close", "list_records_page", "pair_in_terminal"}


def test_every_rpc_is_a_method() -> None:
    """Each RPC of each service is a method by its name, and there is no other method but a few."""
    rpcs = [method.name for service in services() for method in service.methods]
    names = [re.sub(r"(?<!^)(?=[A-Z])", "_", rpc).lower() for rpc in rpcs]
    assert len(names) == len(set(names)) >= 91
    methods = {name for name in dir(WuzapiManager) if not name.startswith("_")}
    assert methods - BESIDE == set(names)
