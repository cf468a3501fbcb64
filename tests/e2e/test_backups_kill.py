"""kill -9 amid writes, backups, vacuums and restores: nothing acknowledged is lost, nothing half is listed.

`KILLS` says how many (4 by default; `make test-kills` does 100), `KILL_SEED` repeats a run's moments.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from random import Random, SystemRandom

import grpc
import pytest

from tests.e2e.killable import Running, served
from wuzapi_manager.v1 import maintenance_pb2 as pb

KILLS = int(os.environ.get("KILLS") or 4)
SEED = int(os.environ.get("KILL_SEED") or SystemRandom().randrange(2**32))
WRITERS = 4
_PADDING = "x" * 2_000


class Load:
    """Writers that note what was acknowledged; they end when the server is gone."""

    def __init__(self, running: Running, generation: int) -> None:
        self.acknowledged: list[str] = []
        self._threads = [
            threading.Thread(target=self._write, args=(running, f"w.{generation}.{number}"))
            for number in range(WRITERS)
        ]
        for thread in self._threads:
            thread.start()

    def _write(self, running: Running, prefix: str) -> None:
        with suppress(grpc.RpcError, ValueError):  # a channel that was closed is a ValueError
            for count in range(10_000):
                key = f"{prefix}.{count}"
                running.calls.SetMetadata(pb.SetMetadataRequest(key=key, value=_PADDING))
                self.acknowledged.append(key)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()


def _nothing(_running: Running, _known: str) -> None:
    """The writers alone."""


def _backup(running: Running, _known: str) -> None:
    while True:
        running.calls.CreateBackup(pb.CreateBackupRequest())


def _vacuum(running: Running, _known: str) -> None:
    while True:
        list(running.calls.RunMaintenance(pb.RunMaintenanceRequest(force_vacuum=True)))


def _restore(running: Running, known: str) -> None:
    running.calls.RestoreBackup(pb.RestoreBackupRequest(name=known))


WORK: tuple[Callable[[Running, str], None], ...] = (_nothing, _backup, _vacuum, _restore)


def keys_in(database: Path) -> set[str]:
    """The keys that the file has, after the server was killed; looking at it recovers it as the server's start does."""
    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {key for (key,) in opened.execute("SELECT key FROM system_metadata WHERE key LIKE 'w.%'")}


@pytest.mark.timeout(3_600)
def test_kills_at_random_moments_lose_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The database opens, passes its check and holds every acknowledged write; every listed backup verifies.

    Only a restore that was completed takes writes back, to those of its backup.
    """
    random = Random(SEED)
    database = tmp_path / "data" / "wuzapi.db"
    survived = 0
    expected: set[str] = set()
    with served(tmp_path) as running:
        for number in range(50):
            running.calls.SetMetadata(pb.SetMetadataRequest(key=f"w.base.{number}", value=_PADDING * 30))
            expected.add(f"w.base.{number}")
        known = running.calls.CreateBackup(pb.CreateBackupRequest()).backup.name
    base = set(expected)
    for generation in range(KILLS):
        work = WORK[generation % len(WORK)]
        with served(tmp_path) as running:
            listed = running.calls.ListBackups(pb.ListBackupsRequest(page_size=500)).backups
            assert all(each.verified or each.origin != pb.BACKUP_ORIGIN_UPLOADED for each in listed)
            for each in listed:
                running.calls.VerifyBackup(pb.VerifyBackupRequest(name=each.name))
            for each in listed[:-2]:
                if each.name != known:
                    running.calls.DeleteBackup(pb.DeleteBackupRequest(name=each.name))
            load = Load(running, generation)
            other = threading.Thread(target=_suppressed, args=(work, running, known))
            other.start()
            time.sleep(random.uniform(0.0, 1.5))  # the moment of the kill is what is random
            running.kill()
            other.join(60)
            load.join()
        found = keys_in(database)
        acknowledged = expected | set(load.acknowledged)
        said = (
            f"KILL_SEED={SEED}, kill {generation}, {work.__name__}: {len(acknowledged - found)} of {len(acknowledged)}"
        )
        if work is _restore and not acknowledged <= found:
            assert base <= found, said  # the restore was completed: what its backup has is there
            assert expected & found == base, said
        else:
            assert acknowledged <= found, said
        expected = found
        survived += 1
    with capsys.disabled():
        print(f" survived {survived} kills, {len(expected)} writes kept", end="")  # noqa: T201 - what the test is for
    assert survived == KILLS


def _suppressed(work: Callable[[Running, str], None], running: Running, known: str) -> None:
    with suppress(grpc.RpcError, ValueError):
        work(running, known)
