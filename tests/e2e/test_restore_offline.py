"""`wuzapi-manager backup restore` without a server: a failure is one sentence, and a damaged database no obstacle."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random, SystemRandom
from typing import NamedTuple

import pytest

from tests.contract.server import World, world_in
from tests.e2e.backup_files import Rows, made, plant, rows, scratch
from tests.e2e.killable import kill
from tests.e2e.samples import create
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_server.secret_box import SecretBox

KILLS = int(os.environ.get("KILLS") or 1)
SEED = int(os.environ.get("KILL_SEED") or SystemRandom().randrange(2**32))


_TOLD = {"audit_events", "sqlite_sequence"}


class Machine(NamedTuple):
    """A data folder whose server has stopped, with a good backup."""

    folder: Path
    good: str

    @property
    def database(self) -> Path:
        return self.folder / "data" / "wuzapi.db"

    @property
    def backups(self) -> Path:
        return self.folder / "data" / "backups"

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin", "GRPC_PORT": "1", "LOG_FORMAT": "json", **settings}
        command = [sys.executable, "-m", "wuzapi_manager_server", *arguments]
        return subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60
        )

    @contextmanager
    def started(self, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
        """A command that is killed when the context ends."""
        environment = {"PATH": "/usr/bin", "GRPC_PORT": "1", "LOG_FORMAT": "json"}
        command = [sys.executable, "-m", "wuzapi_manager_server", *arguments]
        with subprocess.Popen(
            command, env=environment, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                kill(process)

    def content(self) -> Rows:
        """All but the audit log, which tells of each try."""
        return {table: found for table, found in rows(self.database).items() if table not in _TOLD}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("offline")
    with world_in(folder) as world:
        put(world, "before")
        create(world)
        good = made(world).name
        put(world, "after")
        said = Machine(folder, good).run("backup", "restore", good)
        assert (said.returncode, said.stdout) == (1, "")
        why = "The server is running, or another command uses the database: stop it first, or call RestoreBackup\n"
        assert said.stderr == why
    return Machine(folder, good)


@pytest.fixture
def machine(stopped: Machine, tmp_path: Path) -> Iterator[Machine]:
    shutil.copytree(stopped.folder / "data", tmp_path / "data")
    yield Machine(tmp_path, stopped.good)
    assert scratch(tmp_path / "data") == []
    assert scratch(tmp_path / "data" / "backups") == []


def put(world: World, key: str) -> None:
    world.admin.maintenance.SetMetadata(pb.SetMetadataRequest(key=key, value=key))


def keys(machine: Machine) -> set[object]:
    return {key for key, *_ in machine.content()["system_metadata"]}


def fails(machine: Machine, name: str, **settings: str) -> str:
    """The one sentence of a restore that fails and changes nothing."""
    before = machine.content()
    done = machine.run("backup", "restore", name, **settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert str(machine.folder) not in done.stderr
    assert machine.content() == before
    return done.stderr


def test_what_cannot_be_restored_is_one_sentence_and_changes_nothing(machine: Machine) -> None:
    """A flipped byte and a missing key."""
    good = machine.backups / machine.good
    content = bytearray(good.read_bytes())
    content[len(content) // 2] ^= 1
    assert "is damaged: the part from byte" in fails(machine, plant(machine.backups, good, bytes(content)))
    (machine.folder / "data" / "secret.key").rename(machine.folder / "key")
    assert "Add" in fails(machine, machine.good, SECRET_KEYS=SecretBox.new_key())


def damaged_beyond_use(machine: Machine) -> bytes:
    """All but the first page of the database is overwritten; gives what it is then."""
    first = machine.database.read_bytes()[:4096]
    damaged = first + b"\xff" * (machine.database.stat().st_size - len(first))
    machine.database.write_bytes(damaged)
    return damaged


def test_a_database_that_cannot_be_used_is_put_aside(machine: Machine) -> None:
    """Backups are verified all the same, a bad one leaves it as it is, a good one takes its place; it is kept."""
    damaged = damaged_beyond_use(machine)
    good = machine.backups / machine.good
    assert machine.run("backup", "verify", machine.good).returncode == 0
    bad = machine.run("backup", "restore", plant(machine.backups, good, good.read_bytes()[:-1]))
    assert (bad.returncode, "is damaged" in bad.stderr) == (1, True)
    assert machine.database.read_bytes() == damaged
    done = machine.run("backup", "restore", machine.good)
    assert done.returncode == 0, done.stderr
    assert {"before"} == keys(machine) & {"before", "after"}
    (kept,) = machine.database.parent.glob("wuzapi.db.damaged-*")
    assert kept.read_bytes() == damaged
    assert kept.name in done.stdout
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.timeout(3_600)
def test_a_kill_amid_it_leaves_one_or_the_other(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged database that is being replaced is there as it was, or what was restored is; the next one works."""
    damaged = damaged_beyond_use(machine)
    random = Random(SEED)
    fresh = machine.database.with_name(".wuzapi.db.restored")
    done, span = 0, 0.4
    for number in range(KILLS):
        machine.database.write_bytes(damaged)
        with machine.started("backup", "restore", machine.good) as process:
            until = time.monotonic() + 60
            while not fresh.exists() and process.poll() is None:
                assert time.monotonic() < until
                threading.Event().wait(0.0005)
            threading.Event().wait(random.uniform(0.0, span))
        said = f"KILL_SEED={SEED}, kill {number}"
        before = machine.database.read_bytes() == damaged
        span *= 1.3 if before else 0.7  # it aims at the exchange, by what was hit
        if not before:
            assert {"before"} == keys(machine) & {"before", "after"}, said
            assert any(kept.read_bytes() == damaged for kept in machine.database.parent.glob("*.damaged-*")), said
            done += 1
    with capsys.disabled():
        print(f" survived {KILLS} kills, {done} behind the exchange", end="")  # noqa: T201 - what the test is for
    machine.database.write_bytes(damaged)
    last = machine.run("backup", "restore", machine.good)
    assert last.returncode == 0, last.stderr
    assert {"before"} == keys(machine) & {"before", "after"}


def test_a_database_of_a_newer_program_is_put_aside(machine: Machine) -> None:
    """A backup made before the update can be restored, which is what the start advises."""
    with closing(sqlite3.connect(machine.database, isolation_level=None)) as opened:
        opened.execute("PRAGMA user_version = 99")
    done = machine.run("backup", "restore", machine.good)
    assert done.returncode == 0, done.stderr
    assert {"before"} == keys(machine) & {"before", "after"}
    (kept,) = machine.database.parent.glob("wuzapi.db.damaged-*")
    with closing(sqlite3.connect(kept)) as opened:
        assert opened.execute("PRAGMA user_version").fetchone() == (99,)
