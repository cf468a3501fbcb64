"""The NocoDB that tests use: the one of TEST_NOCODB_URL, one on its default port, or one started for the run.

One server serves all processes of a run: the first that needs it starts it under a file lock, the process that began
the run stops it, and it stops by itself when that process is gone.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from tests.servers.nocodb_install import HOW_TO_GET_IT, Missing, installed

RUN = "WUZAPI_MANAGER_TEST_RUN"
"""The environment variable that tells the processes of a run the folder that they share."""

EMAIL, PASSWORD = "admin@example.com", "Admin.1234pw"
_DEFAULT = "http://127.0.0.1:8080"
_STARTING_SECONDS = 100.0


class NocodbServer(NamedTuple):
    """A NocoDB that answers. `token` is for the API, `session` for what NocoDB allows to people alone."""

    url: str
    token: str
    session: str


def begin_run() -> None:
    """Called once by the process that begins a run."""
    if RUN not in os.environ:
        os.environ[RUN] = tempfile.mkdtemp(prefix="wuzapi-manager-tests-")
        (Path(os.environ[RUN]) / "owner").write_text(str(os.getpid()))


def end_run() -> None:
    """Stops what was started, when called by the process that began the run."""
    folder = os.environ.get(RUN)
    if folder is None or not (Path(folder) / "owner").exists():
        return
    if (Path(folder) / "owner").read_text() != str(os.getpid()):
        return
    started = Path(folder) / "nocodb.pid"
    if started.exists():
        _stop(int(started.read_text()))
    shutil.rmtree(folder, ignore_errors=True)
    del os.environ[RUN]


def nocodb() -> NocodbServer:
    """The server, started if need be. Raises Missing where there is none."""
    begin_run()
    folder = Path(os.environ[RUN])
    with (folder / "nocodb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = folder / "nocodb.json"
        if not known.exists():
            known.write_text(json.dumps(_found(folder)))
        return NocodbServer(*json.loads(known.read_text()))


def server_or_skip() -> NocodbServer:
    """The server. Where there is none, CI fails and other runs skip, visibly."""
    try:
        return nocodb()
    except Missing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def _found(folder: Path) -> NocodbServer:
    given = os.environ.get("TEST_NOCODB_URL")
    if given:
        parts = urlsplit(given)
        url = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "") + parts.path.rstrip("/")
        server = _signed_in(url, unquote(parts.username or EMAIL), unquote(parts.password or PASSWORD))
        if server is None:
            raise Missing(f"TEST_NOCODB_URL is set, but no NocoDB lets us in there; {HOW_TO_GET_IT}")
        return server
    return _signed_in(_DEFAULT, EMAIL, PASSWORD) or _started(folder)


def _started(folder: Path) -> NocodbServer:
    home = installed()
    if home is None:
        raise Missing(f"There is no NocoDB to test against: {HOW_TO_GET_IT}")
    data = folder / "nocodb"
    data.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "PORT": str(port),
        "PARENT_PID": (folder / "owner").read_text(),
        "NODE_ENV": "production",
        "NC_TOOL_DIR": str(data),
        "NC_DISABLE_TELE": "true",
        "NC_DISABLE_ERR_REPORTS": "true",
        "NC_ADMIN_EMAIL": EMAIL,
        "NC_ADMIN_PASSWORD": PASSWORD,
        "NC_AUTH_JWT_SECRET": "tests",
    }
    with (folder / "nocodb.log").open("wb") as log:
        process = subprocess.Popen(
            ["node", str(home / "run.js")], cwd=data, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    (folder / "nocodb.pid").write_text(str(process.pid))
    until = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < until and process.poll() is None:
        server = _signed_in(f"http://127.0.0.1:{port}", EMAIL, PASSWORD)
        if server is not None:
            process.returncode = 0  # it is not this process that stops it
            return server
        time.sleep(0.1)
    raise Missing(f"NocoDB did not start: {(folder / 'nocodb.log').read_text(errors='replace')[-1000:]}")


def _signed_in(url: str, email: str, password: str) -> NocodbServer | None:
    try:
        with httpx.Client(base_url=url, timeout=20.0, trust_env=False) as client:
            signed = client.post("/api/v2/auth/user/signin", json={"email": email, "password": password})
            if signed.status_code != httpx.codes.OK:
                return None
            session = str(signed.json()["token"])
            made = client.post("/api/v1/tokens", json={"description": "tests"}, headers={"xc-auth": session})
            return NocodbServer(url, str(made.json()["token"]), session)
    except (httpx.HTTPError, ValueError, KeyError):
        return None


def _stop(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
