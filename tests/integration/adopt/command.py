"""`wuzapi-manager adopt` as an operator runs it, and the connections that a server shows then."""

import os
import subprocess
import sys
from pathlib import Path

from tests.contract.server import ADMIN_TOKEN, World
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager_server.settings import Settings


def adopt(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs the command on a service whose data lies in `folder`."""
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    environment = {
        "SQLITE_DB_PATH": str(folder / "data" / "wuzapi.db"),
        "SQLITE_SOURCES_DIR": str(folder / "sources"),
        "WUZAPI_ADMIN_TOKEN": ADMIN_TOKEN,
        **settings,
    }
    return subprocess.run(
        [sys.executable, "-m", "wuzapi_manager_server", "adopt", *arguments],
        env=inherited | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def every_connection(world: World) -> dict[str, connections.Connection]:
    """The connections that the administrator sees, by name."""
    listed = world.admin.connections.ListConnections(connections.ListConnectionsRequest())
    return {each.name: each for each in listed.connections}
