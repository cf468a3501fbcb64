"""Commands that must have the database to themselves do not run beside a server, whatever state it is in."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.killable import Running, kill, served
from wuzapi_manager_server.storage.hold import lock_of, take

REFUSAL = "The server is running, or another command uses the database: stop it first"
ALONE = (("secrets", "rotate"), ("migrate",), ("backup", "restore", "20260101T000000.000000Z-0000.wzb"))


def command(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command with the settings of the server, but for the port."""
    return subprocess.run(
        [sys.executable, "-m", "wuzapi_manager_server", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin", "GRPC_PORT": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def all_refused(folder: Path) -> None:
    for arguments in ALONE:
        done = command(folder, *arguments)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert done.stderr.startswith(REFUSAL), arguments
        assert done.stderr.count("\n") == 1


@contextmanager
def stopped(server: Running) -> Iterator[None]:
    """A server that hangs."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_a_server_that_hangs_is_a_server_until_it_is_killed(tmp_path: Path) -> None:
    """Nothing answers on any port, and the commands are refused; behind kill -9 they run at once."""
    with served(tmp_path) as server:
        with stopped(server):
            all_refused(tmp_path)
        keys = (tmp_path / "data" / "secret.key").read_text()
        backup = command(tmp_path, "backup", "create")  # that may run beside it
        assert backup.returncode == 0, backup.stderr
        kill(server.process)
        done = command(tmp_path, "backup", "restore", backup.stdout.split()[0])
        assert done.returncode == 0, done.stderr
        assert command(tmp_path, "secrets", "rotate").returncode == 0
        assert (tmp_path / "data" / "secret.key").read_text().split()[1:] == keys.split()
    assert stat.S_IMODE((tmp_path / "data" / "wuzapi.db.lock").stat().st_mode) == 0o600
    assert (tmp_path / "data" / "wuzapi.db.lock").read_bytes() == b""


def test_several_workers_hold_the_database_each(tmp_path: Path) -> None:
    """Where the parent was killed and a worker hangs, that worker is a server still."""
    with served(tmp_path, grpc_workers="2") as server:
        pid = server.process.pid
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        workers = [each for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]
        assert len(workers) == 2
        all_refused(tmp_path)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        try:
            kill(server.process)
            all_refused(tmp_path)
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
        assert until(lambda: command(tmp_path, "secrets", "rotate").returncode == 0)


def until(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold: a process that was killed is gone some time later."""
    return any(holds() for _ in range(20))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_server_starts_beside_such_a_command(tmp_path: Path, workers: str) -> None:
    """It says why in one sentence; so do the commands among themselves."""
    lock = take(tmp_path / "data" / "wuzapi.db", alone=True)
    try:
        environment = {"PATH": "/usr/bin", "GRPC_PORT": "0", "GRPC_WORKERS": workers}
        serve = [sys.executable, "-m", "wuzapi_manager_server", "serve"]
        done = subprocess.run(
            serve, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "A command has the database to itself: wait until it has ended\n"
        assert command(tmp_path, "backup", "create").stderr == done.stderr
        all_refused(tmp_path)
    finally:
        os.close(lock)
    assert command(tmp_path, "migrate").returncode == 0


def test_a_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    """What a process starts holds nothing once that process is gone; a link to the database is the same database."""
    database = tmp_path / "wuzapi.db"
    lock = take(database, alone=False)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        try:
            link = tmp_path / "link.db"
            link.symlink_to(database)
            assert lock_of(link) == lock_of(database)
            with pytest.raises(BlockingIOError):
                take(link, alone=True)
            os.close(lock)
            os.close(take(link, alone=True))
        finally:
            child.kill()
