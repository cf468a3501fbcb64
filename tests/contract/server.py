"""The product's own server as a process, with a WUZAPI beside it: real sockets, a real database.

It must be a process of its own: the tests look into SQLite files with another SQLite library than the server's, and two
of them in one process would take each other's locks away.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.contract.calls import Caller, channel_to
from tests.fakes.wuzapi import FakeUser, FakeWuzapi, State
from wuzapi_manager_server.settings import Settings

ADMIN_TOKEN = "admin-token-of-the-tests"
PROGRAM = ("-m", "wuzapi_manager_server")
_GRACE = 20.0


class World:
    """A server that answers on `address`, its folders, and who may call it."""

    def __init__(self, address: str, folder: Path, wuzapi: FakeWuzapi) -> None:
        self.address = address
        self.data = folder / "data"
        self.sources = folder / "sources"
        self.log = folder / "server.log"
        self.wuzapi = wuzapi
        self.channel = channel_to(address)
        self.admin = Caller(self.channel, {"authorization": ADMIN_TOKEN})
        self.public = Caller(self.channel, {})

    @property
    def database(self) -> Path:
        """The service's own database."""
        return self.data / "wuzapi.db"

    def user(self, token: str, *, identity: str = "", jid: str = "") -> Caller:
        """A user whom WUZAPI knows by that token, and what stands for the user in link fields."""
        known = next((user for user in self.wuzapi.users.values() if user.token == token), None)
        if known is None:
            number = len(self.wuzapi.users) + 1
            known = FakeUser(
                identity or f"{number:032x}", f"user {number}", token, State.LOGGED_IN, jid or f"5581{number:09}@s.net"
            )
            assert known.id not in self.wuzapi.users, "another test knows another user by that identity"
            self.wuzapi.users[known.id] = known
        assert identity in {"", known.id}, "another test knows the user of that token by another identity"
        assert jid in {"", known.jid}, "another test knows the user of that token by another jid"
        return Caller(self.channel, {"token": token}, identity=known.id, jid=known.jid)

    def calling(self, metadata: Mapping[str, str]) -> Caller:
        """Anyone, by metadata."""
        return Caller(self.channel, metadata)


@contextmanager
def world_in(folder: Path, *, program: Sequence[str] = PROGRAM, **settings: str) -> Iterator[World]:
    """A server on a free port while the context is open; `settings` are environment variables in lower case.

    `program` is what Python runs.
    """
    (folder / "sources").mkdir(exist_ok=True)
    with FakeWuzapi() as wuzapi, _served(folder, wuzapi.url, program, settings) as address:
        world = World(address, folder, wuzapi)
        try:
            yield world
        finally:
            world.channel.close()


@contextmanager
def _served(folder: Path, wuzapi_url: str, program: Sequence[str], settings: Mapping[str, str]) -> Iterator[str]:
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    environment = {
        **inherited,
        "GRPC_PORT": "0",
        "SQLITE_DB_PATH": str(folder / "data" / "wuzapi.db"),
        "SQLITE_SOURCES_DIR": str(folder / "sources"),
        "ALLOWED_SOURCE_HOSTS": "127.0.0.0/8,::1,localhost",
        "WUZAPI_BASE_URL": wuzapi_url,
        "WUZAPI_ADMIN_TOKEN": ADMIN_TOKEN,
        "LOG_FORMAT": "json",
        **{name.upper(): value for name, value in settings.items()},
    }
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, *program, "serve"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            announced = process.stdout.readline()
            assert announced.startswith("listening on "), (folder / "server.log").read_text()
            yield announced.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            try:
                code = process.wait(_GRACE)
            finally:
                process.kill()
    assert code == 0, (folder / "server.log").read_text()[-5000:]
