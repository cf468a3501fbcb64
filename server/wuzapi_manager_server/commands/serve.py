"""`wuzapi-manager serve`."""

import argparse

from wuzapi_manager_server import main
from wuzapi_manager_server.settings import Settings


def run(settings: Settings, _chosen: argparse.Namespace) -> int:
    """Serves until it is told to stop."""
    return main.serve(settings, announce)


def announce(address: str) -> None:
    """Says on stdout where the server answers."""
    print(f"listening on {address}", flush=True)
