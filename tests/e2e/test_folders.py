"""Folders and files that cannot be used: the start says in one sentence what to do, a running server goes on."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import pytest
from grpc import StatusCode

from tests.contract.calls import refused
from tests.contract.server import World, world_in
from tests.e2e.backup_files import is_serving, listed, made
from tests.e2e.small_disk import small_disk
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_server.storage.database import Database

NOBODY = 65534
# A user who may read everything, this program among it, and write what is theirs.
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
CHILD = Path(__file__).with_name("serving_child.py")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user reaches."""
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("the tests of other users' folders need root in CI")
        pytest.skip("only root may run a process as another user")
    with TemporaryDirectory(dir="/tmp") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def folder(place: Path, name: str, mode: int = 0o755, owner: int = NOBODY) -> Path:
    made = place / name
    made.mkdir()
    os.chown(made, owner, owner)
    made.chmod(mode)
    return made


async def database(place: Path, name: str, *, file_mode: int, mode: int = 0o755, owner: int = NOBODY) -> Path:
    """A database of this service in a folder of its own."""
    path = folder(place, name) / "wuzapi.db"
    await Database.open(path).close()
    path.chmod(file_mode)
    os.chown(path, owner, owner)
    path.parent.chmod(mode)
    return path


async def test_a_start_that_cannot_use_its_place_says_why_in_one_line(place: Path) -> None:
    """It names the place and SQLITE_DB_PATH and what to do, shows no traceback, and the exit code is 1."""
    (place / "file").write_text("a file")
    cases = {
        folder(place, "read-only", 0o555) / "wuzapi.db": f"The folder {place}/read-only cannot be written by user",
        place / "read-only" / "a" / "b" / "wuzapi.db": f"The folder {place}/read-only cannot be written by user",
        place / "file" / "wuzapi.db": f"cannot be made below {place}/file, which is a file",
        folder(place, "folder.db"): f"{place}/folder.db is a folder",
        folder(place, "theirs", 0o700, 0) / "wuzapi.db": "it belongs to user 0: change its owner",
        await database(place, "read-only-file", file_mode=0o444): "wuzapi.db cannot be written by user",
        await database(place, "their-file", file_mode=0o600, owner=0): "it belongs to user 0: change its owner",
        await database(
            place, "both", file_mode=0o600, mode=0o555
        ): f"The folder {place}/both cannot be written by user",
    }
    command = [*AS_NOBODY, sys.executable, str(CHILD), *map(str, cases)]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=True, timeout=60)  # noqa: ASYNC221 - nothing else goes on
    for (path, expected), (code, said) in zip(cases.items(), json.loads(done.stdout), strict=True):
        assert (code, said.count("\n")) == (1, 1), said
        assert expected in said, path
        assert "SQLITE_DB_PATH" in said
        assert "Traceback" not in said


def test_a_disk_that_can_only_be_read_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    """That is said as such: no owner or permission would help."""
    with small_disk(tmp_path / "data") as disk:
        remount(disk, "ro")
        command = [sys.executable, str(CHILD), str(disk / "wuzapi.db")]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    ((code, said),) = json.loads(done.stdout)
    why = "is on a disk that can only be read: mount it for writing, or set SQLITE_DB_PATH to another place"
    assert (code, said) == (1, f"The folder {disk} {why}\n")


def test_a_folder_of_backups_that_cannot_be_written_is_told_without_its_path(tmp_path: Path) -> None:
    """FAILED_PRECONDITION to whatever writes there; backups are listed and downloaded, all else goes on."""
    with small_disk(tmp_path / "small") as disk, world_in(tmp_path, backup_dir=str(disk / "backups")) as world:
        backup = made(world)
        remount(disk, "ro")
        for told in refusals(world, backup.name, "The folder of backups cannot be written"):
            assert "BACKUP_DIR" in told
        assert listed(world)[backup.name].verified
        sent = world.admin.maintenance.DownloadBackup(pb.DownloadBackupRequest(name=backup.name))
        assert hashlib.sha256(b"".join(each.chunk for each in sent)).hexdigest() == backup.sha256
        world.admin.maintenance.SetMetadata(pb.SetMetadataRequest(key="k", value="v"))
        assert is_serving(world)
        remount(disk, "rw")
        made(world)
        (disk / "backups").rename(disk / "away")
        (disk / "backups").write_text("a file")
        with refused(StatusCode.FAILED_PRECONDITION, "FILE_SYSTEM_ERROR") as refusal:
            world.admin.maintenance.ListBackups(pb.ListBackupsRequest())
        assert str(tmp_path) not in f"{refusal.message}{refusal.help}"
        assert str(tmp_path) not in refusal.localized


def test_a_folder_of_backups_that_cannot_be_made_is_told_at_the_start(tmp_path: Path) -> None:
    """The log has an error that names it and says what to do; the service works."""
    nowhere = "/proc/1/no-folder"
    with world_in(tmp_path, backup_dir=nowhere) as world:
        (line,) = (line for line in world.log.read_text().splitlines() if '"backups cannot be made"' in line)
        told = json.loads(line)
        assert (told["level"], told["folder"]) == ("error", nowhere)
        assert "Check that BACKUP_DIR is a folder" in told["why"]
        assert is_serving(world)


def test_a_folder_of_backups_is_made_at_the_start(tmp_path: Path) -> None:
    """So that `check` can tell one that was misspelt."""
    with world_in(tmp_path, backup_dir=str(tmp_path / "a" / "backups")):
        assert (tmp_path / "a" / "backups").stat().st_mode & 0o777 == 0o700


def refusals(world: World, name: str, message: str) -> Iterator[str]:
    """What to do, of every call that needs to write in the folder of backups."""
    calls = world.admin.maintenance
    upload = pb.UploadBackupRequest(sha256="0" * 64, size_bytes=1, chunk=b"x")
    for call in (
        lambda: calls.CreateBackup(pb.CreateBackupRequest()),
        lambda: calls.VerifyBackup(pb.VerifyBackupRequest(name=name)),
        lambda: calls.RestoreBackup(pb.RestoreBackupRequest(name=name)),
        lambda: calls.DeleteBackup(pb.DeleteBackupRequest(name=name)),
        lambda: calls.UploadBackup(iter([upload])),
        lambda: list(calls.RunMaintenance(pb.RunMaintenanceRequest())),
    ):
        with refused(StatusCode.FAILED_PRECONDITION, "FILE_SYSTEM_ERROR") as refusal:
            call()
        assert refusal.message == message
        yield refusal.help


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def test_a_database_that_was_taken_away_is_not_ready(tmp_path: Path) -> None:
    """Nor where another file lies in its place; what puts other content into the same file makes no difference."""
    with world_in(tmp_path) as world:
        calls = world.admin.maintenance
        calls.RestoreBackup(pb.RestoreBackupRequest(name=made(world).name))
        list(calls.RunMaintenance(pb.RunMaintenanceRequest(force_vacuum=True)))
        sleep(4)  # it is asked every three seconds
        assert is_serving(world)
        away = world.data / "away.db"
        world.database.rename(away)
        wait_until(lambda: not is_serving(world))
        world.database.write_bytes(away.read_bytes())
        sleep(4)
        assert not is_serving(world)
        away.replace(world.database)
        wait_until(lambda: is_serving(world))
        told = [json.loads(line) for line in world.log.read_text().splitlines()]
        [entry] = [each for each in told if each["event"].startswith("the file of the database is gone")]
        assert entry["level"] == "error"


def wait_until(true: Callable[[], bool]) -> None:
    """At most half a minute."""
    until = monotonic() + 30
    while not true():
        assert monotonic() < until
        sleep(0.1)
