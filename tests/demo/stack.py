"""What the demo runs: a fake WUZAPI, the sample database and a server of its own process, in a temporary folder."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.demo import sample
from tests.fakes.wuzapi import FakeWuzapi
from wuzapi_manager_server.settings import Settings

_PATIENCE = 30.0


class CannotStart(Exception):
    """The server did not start; the text is what it said of it."""


class Stack(NamedTuple):
    """Where things are while the stack is up; `process` is the server's."""

    address: str
    sources: Path
    log: Path
    process: "subprocess.Popen[str]"


@contextmanager
def stack(port: int = 0) -> Iterator[Stack]:
    """Starts everything, and takes everything away at the end. CannotStart says why the server did not start."""
    with tempfile.TemporaryDirectory(prefix="wuzapi-manager-demo-") as name, FakeWuzapi(sample.ADMIN_TOKEN) as wuzapi:
        folder = Path(name)
        sources = folder / "sources"
        sources.mkdir()
        sample.make(sources)
        wuzapi.add_user("Ana", sample.ANA_TOKEN)
        wuzapi.add_user("Bruno", sample.BRUNO_TOKEN)
        log = folder / "server.log"
        settings = {
            "GRPC_PORT": str(port),
            "SQLITE_DB_PATH": str(folder / "data" / "wuzapi.db"),
            "SQLITE_SOURCES_DIR": str(sources),
            "ALLOWED_SOURCE_HOSTS": "127.0.0.0/8,::1,localhost",
            "WUZAPI_BASE_URL": wuzapi.url,
            "WUZAPI_ADMIN_TOKEN": sample.ADMIN_TOKEN,
        }
        with _server(settings, folder, log) as (process, address):
            yield Stack(address, sources, log, process)


@contextmanager
def _server(settings: Mapping[str, str], folder: Path, log: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server of these settings alone: neither the environment's nor a `.env` is looked at."""
    names = {name.upper() for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name.upper() not in names}
    with (
        log.open("w", encoding="utf-8") as log_file,
        subprocess.Popen(
            [sys.executable, "-m", "wuzapi_manager_server", "serve"],
            env={**environment, **settings},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends the server
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            if not said.startswith("listening on "):
                process.wait(_PATIENCE)
                raise CannotStart(log.read_text(encoding="utf-8").strip() or "The server said nothing")
            yield process, said.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
