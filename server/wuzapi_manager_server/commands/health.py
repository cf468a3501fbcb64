"""`wuzapi-manager health`: asked every few seconds where a probe cannot speak gRPC itself, so it loads little."""

import argparse

from wuzapi_manager_server.rpc.probe import probe
from wuzapi_manager_server.settings import Settings


def run(settings: Settings, chosen: argparse.Namespace) -> int:
    """Asks the running server whether it is ready, or with `--liveness` whether it answers."""
    well, said = probe(settings, liveness=chosen.liveness)
    print(said)
    return 0 if well else 1
