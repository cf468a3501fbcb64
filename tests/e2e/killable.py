"""Server processes that tests may kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contract.calls import Caller, channel_to
from wuzapi_manager_server.settings import Settings

TOKEN = "admin-token-of-the-tests"


class Running:
    """A server process that answers and may be killed."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.process = process
        self.channel = channel_to(address)
        self.admin = Caller(self.channel, {"authorization": TOKEN})
        self.calls = self.admin.maintenance

    def kill(self) -> None:
        kill(self.process)
        self.channel.close()


def kill(process: "subprocess.Popen[str]") -> None:
    """Sends SIGKILL, and sees it gone."""
    process.send_signal(signal.SIGKILL)
    process.wait(30)


@contextmanager
def started(folder: Path, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    """A server process from its first moment; its log is the folder's `log`, its address will be on its stdout."""
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    environment = {
        **inherited,
        "GRPC_PORT": "0",
        "WUZAPI_ADMIN_TOKEN": TOKEN,
        "LOG_LEVEL": "error",
        **{name.upper(): value for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "wuzapi_manager_server", "serve"]
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            yield process
        finally:
            kill(process)


@contextmanager
def served(folder: Path, **settings: str) -> Iterator[Running]:
    """A server that answers."""
    with started(folder, **settings) as process:
        assert process.stdout is not None
        announced = process.stdout.readline()
        assert announced.startswith("listening on "), (folder / "log").read_text()[-3000:]
        running = Running(process, announced.removeprefix("listening on ").strip())
        try:
            yield running
        finally:
            running.kill()
