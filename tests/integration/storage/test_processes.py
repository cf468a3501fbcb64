"""Several processes on one file, and processes that are killed."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.integrity import problems_of

CHILD = Path(__file__).with_name("writing_child.py")


def child(path: Path, prefix: str, limit: int, journal: str) -> "subprocess.Popen[str]":
    started = subprocess.Popen(
        [sys.executable, CHILD, path, prefix, str(limit), journal],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "open\n"
    return started


def go(started: "subprocess.Popen[str]") -> None:
    assert started.stdin is not None
    started.stdin.write("go\n")
    started.stdin.flush()


async def test_killed_twenty_times_no_answered_write_is_lost(path: Path) -> None:
    """Kill -9 in the midst of writing, 20 times: every answered write is there, and the file is sound."""
    answered: set[str] = set()
    chance = random.Random(20)
    for round_ in range(20):
        victim = child(path, f"round{round_}", 1_000_000, "wal")
        go(victim)
        assert victim.stdout is not None
        for _ in range(chance.randrange(1, 400)):
            answered.add(victim.stdout.readline().strip())
        victim.kill()
        # Not `communicate`, which reads past what `readline` holds already.
        answered.update(victim.stdout.read().split("\n")[:-1])  # a line that was cut off is no answer
        _, errors = victim.communicate(timeout=30)
        assert errors == ""
    database = Database.open(path)
    stored = {key for (key,) in database.rows("SELECT key FROM system_metadata")}
    assert problems_of(database.path, full=True) == ()
    await database.close()
    assert len(answered) > 1_000
    assert answered <= stored


@pytest.mark.parametrize("journal", ["wal", "delete"])
async def test_two_processes_that_write_at_once_never_meet_a_lock(path: Path, journal: str) -> None:
    """Both write as fast as they can, reading before each write; every write is answered and there."""
    limit = 100
    children = [child(path, prefix, limit, journal) for prefix in ("one", "two")]
    for each in children:
        go(each)
    results = [each.communicate(timeout=100) for each in children]
    assert [errors for _, errors in results] == ["", ""]
    answered = {line for output, _ in results for line in output.split()}
    database = Database.open(path)
    stored = {key for (key,) in database.rows("SELECT key FROM system_metadata")}
    assert problems_of(database.path, full=True) == ()
    await database.close()
    assert stored == answered
    assert len(stored) == 2 * 32 * limit
