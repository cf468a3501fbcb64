"""Backups over the wire, at a real server process."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2

from tests.behind import behind
from tests.contract.calls import refused
from tests.contract.server import World, world_in
from tests.e2e.backup_files import made
from tests.e2e.samples import create
from wuzapi_manager.v1 import maintenance_pb2 as pb

WatchStub: TypeAlias = "grpc.UnaryStreamMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("backups")) as made:
        create(made)
        yield made


def listed(world: World) -> list[str]:
    return [backup.name for backup in world.admin.maintenance.ListBackups(pb.ListBackupsRequest()).backups]


def set_value(world: World, key: str, value: str) -> None:
    world.admin.maintenance.SetMetadata(pb.SetMetadataRequest(key=key, value=value))


def values(world: World) -> dict[str, str]:
    found = world.admin.maintenance.ListMetadata(pb.ListMetadataRequest(page_size=500)).entries
    return {entry.key: entry.value for entry in found if not entry.read_only}


def test_a_backup_is_verified_encrypted_and_listed(world: World) -> None:
    """It counts the rows of every table, names its key, and nothing of the database can be read in its file."""
    set_value(world, "planted", "planted-value-of-metadata")
    backup = made(world)
    assert (backup.verified, backup.encrypted, backup.origin) == (True, True, pb.BACKUP_ORIGIN_ASKED)
    assert backup.row_counts["database_connections"] >= 1
    assert backup.row_counts["system_metadata"] >= 1
    file = world.data / "backups" / backup.name
    content = file.read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (backup.size_bytes, backup.sha256)
    assert b"planted-value-of-metadata" not in content
    assert content[8:16].decode() == backup.key_id
    assert file.stat().st_mode & 0o777 == 0o600
    assert backup.name in listed(world)
    assert not list(file.parent.glob(".scratch*"))


def test_lists_come_in_pages_newest_first(world: World) -> None:
    """Two pages of one each follow one another."""
    made(world), made(world)
    first = world.admin.maintenance.ListBackups(pb.ListBackupsRequest(page_size=1))
    second = world.admin.maintenance.ListBackups(pb.ListBackupsRequest(page_size=1, page_token=first.next_page_token))
    assert [first.backups[0].name, second.backups[0].name] == listed(world)[:2]


def test_a_flipped_byte_is_found_and_named(world: World) -> None:
    """Verification names the backup and the place; it is no longer verified, and cannot be restored."""
    backup = made(world)
    file = world.data / "backups" / backup.name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with refused(StatusCode.DATA_LOSS, "FILE_SYSTEM_ERROR") as refusal:
        world.admin.maintenance.VerifyBackup(pb.VerifyBackupRequest(name=backup.name))
    assert backup.name in refusal.message
    shown = world.admin.maintenance.ListBackups(pb.ListBackupsRequest()).backups
    assert [each.verified for each in shown if each.name == backup.name] == [False]
    with refused(StatusCode.DATA_LOSS):
        world.admin.maintenance.RestoreBackup(pb.RestoreBackupRequest(name=backup.name))
    world.admin.maintenance.DeleteBackup(pb.DeleteBackupRequest(name=backup.name))
    assert backup.name not in listed(world)


@pytest.mark.parametrize("name", ["nope", "../wuzapi.db", "/etc/passwd", "20260101T000000.000000Z-0000.wzb", "a\0b"])
def test_a_name_is_never_a_path(world: World, name: str) -> None:
    """What is no name of a backup is NOT_FOUND wherever one is named."""
    calls = world.admin.maintenance
    with refused(StatusCode.NOT_FOUND):
        calls.VerifyBackup(pb.VerifyBackupRequest(name=name))
    with refused(StatusCode.NOT_FOUND):
        calls.DeleteBackup(pb.DeleteBackupRequest(name=name))
    with refused(StatusCode.NOT_FOUND):
        calls.RestoreBackup(pb.RestoreBackupRequest(name=name))
    with refused(StatusCode.NOT_FOUND):
        list(calls.DownloadBackup(pb.DownloadBackupRequest(name=name)))


def test_a_folder_that_cannot_be_used_is_told_as_such(world: World) -> None:
    """Nobody is told that there is no such backup where nobody can look."""
    backup, calls = made(world), world.admin.maintenance
    folder = world.data / "backups"
    folder.rename(world.data / "away")
    folder.write_text("no folder")
    for call in (
        lambda: calls.VerifyBackup(pb.VerifyBackupRequest(name=backup.name)),
        lambda: calls.DeleteBackup(pb.DeleteBackupRequest(name=backup.name)),
        lambda: calls.RestoreBackup(pb.RestoreBackupRequest(name=backup.name)),
        lambda: list(calls.DownloadBackup(pb.DownloadBackupRequest(name=backup.name))),
    ):
        with refused(StatusCode.FAILED_PRECONDITION, "FILE_SYSTEM_ERROR") as refusal:
            call()
        assert "BACKUP_DIR" in refusal.help
    folder.unlink()
    (world.data / "away").rename(folder)
    assert calls.VerifyBackup(pb.VerifyBackupRequest(name=backup.name)).backup.verified


def test_a_backup_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    """The command line says what to do, and nothing of a traceback."""
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-m", "wuzapi_manager_server", "backup", "create"],
        env={"PATH": "/usr/bin", "GRPC_PORT": "1", "BACKUP_DIR": "./file"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    said = "The folder of backups cannot be used. Check that BACKUP_DIR is a folder\n"
    assert (done.returncode, done.stderr) == (1, said)


def download(world: World, name: str, offset: int = 0) -> bytes:
    messages = list(world.admin.maintenance.DownloadBackup(pb.DownloadBackupRequest(name=name, offset=offset)))
    content = b"".join(message.chunk for message in messages)
    assert messages[0].header.name == name
    assert messages[0].remaining_bytes == len(content)
    assert all(len(message.chunk) <= 65536 for message in messages)
    assert messages[-1].sha256 == hashlib.sha256(content).hexdigest()
    return content


def test_a_download_can_go_on_and_come_back_as_an_upload(world: World) -> None:
    """The bytes are those of the file from any offset; sent in two streams they are a backup again, verified."""
    backup = made(world)
    content = download(world, backup.name)
    assert hashlib.sha256(content).hexdigest() == backup.sha256
    assert download(world, backup.name, 1000) == content[1000:]
    with refused(StatusCode.INVALID_ARGUMENT):
        download(world, backup.name, len(content) + 1)
    half = len(content) // 2
    head = pb.UploadBackupRequest(sha256=backup.sha256, size_bytes=len(content))
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        world.admin.maintenance.UploadBackup(iter([head, pb.UploadBackupRequest(chunk=content[:half])]))
    assert refusal.metadata["offset"] == str(half)
    head.offset = half
    took = world.admin.maintenance.UploadBackup(iter([head, pb.UploadBackupRequest(chunk=content[half:])])).backup
    assert took.name != backup.name
    assert (took.sha256, took.verified, took.origin) == (backup.sha256, True, pb.BACKUP_ORIGIN_UPLOADED)
    assert took.row_counts == backup.row_counts


def test_the_audit_log_names_what_was_made(world: World) -> None:
    """A backup that was made or brought here, and what a restore replaced."""
    calls = world.admin.maintenance
    backup = made(world)
    content = download(world, backup.name)
    upload = pb.UploadBackupRequest(sha256=backup.sha256, size_bytes=len(content), chunk=content)
    brought = calls.UploadBackup(iter([upload])).backup
    replaced = calls.RestoreBackup(pb.RestoreBackupRequest(name=brought.name)).replaced
    told = calls.ListAuditEvents(pb.ListAuditEventsRequest(page_size=1)).events[0]
    assert (told.action.rpartition("/")[2], told.target) == ("RestoreBackup", f"maintenance/{brought.name}")
    assert dict(told.after) == {"replaced": replaced.name}
    calls.RestoreBackup(pb.RestoreBackupRequest(name=replaced.name))
    events = calls.ListAuditEvents(pb.ListAuditEventsRequest(target="maintenance", page_size=3)).events
    assert [(each.action.rpartition("/")[2], each.target) for each in events] == [
        ("RestoreBackup", f"maintenance/{replaced.name}"),
        ("UploadBackup", f"maintenance/{brought.name}"),
        ("CreateBackup", f"maintenance/{backup.name}"),
    ]


def test_an_upload_of_something_else_is_refused_and_leaves_nothing(world: World) -> None:
    """Other bytes than promised, and files that are no backup, are not listed."""
    before = listed(world)
    noise = b"no database" * 100
    wrong = pb.UploadBackupRequest(sha256="0" * 64, size_bytes=len(noise), chunk=noise)
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        world.admin.maintenance.UploadBackup(iter([wrong]))
    assert list(refusal.violations) == ["sha256"]
    true = pb.UploadBackupRequest(sha256=hashlib.sha256(noise).hexdigest(), size_bytes=len(noise), chunk=noise)
    with refused(StatusCode.DATA_LOSS, "FILE_SYSTEM_ERROR") as refusal:
        world.admin.maintenance.UploadBackup(iter([true]))
    assert refusal.message == "The uploaded file is damaged: it is no database"
    assert "Upload it again" in refusal.help
    assert not list((world.data / "backups").glob(".upload-*"))
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        world.admin.maintenance.UploadBackup(iter([pb.UploadBackupRequest(sha256="x", size_bytes=-1, offset=5)]))
    assert list(refusal.violations) == ["sha256", "size_bytes", "offset"]
    assert listed(world) == before


def test_one_at_a_time(world: World) -> None:
    """What goes on elsewhere, also in another process, is told by name."""
    code = (
        "import sys; from pathlib import Path; from wuzapi_manager_server.storage.backups_folder import BackupFolder\n"
        "from wuzapi_manager_server.domain.audit import Actor, acting_as\n"
        "with acting_as(Actor(request_id='r-1')), BackupFolder(Path(sys.argv[1])).alone('the work of another'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(world.data / "backups")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with refused(StatusCode.ABORTED, "CONFLICT") as refusal:
            made(world)
        assert refusal.metadata["running"] == "the work of another"
        with refused(StatusCode.ABORTED, "CONFLICT") as refusal:
            list(world.admin.maintenance.RunMaintenance(pb.RunMaintenanceRequest()))
        assert (refusal.metadata["running"], refusal.metadata["request_id"]) == ("the work of another", "r-1")
        assert refusal.metadata["since"].startswith("20")
        assert refusal.retry_after == 5
        other.communicate("")
    made(world)


_INTERRUPTED = """
import os, signal, time
from wuzapi_manager_server.storage import backups

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
seal = backups.seal

def interrupted(plain, made, box, watch):
    def look():
        os.kill(os.getpid(), signal.SIGINT)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            watch()
    return seal(plain, made, box, look)

backups.seal = interrupted
from wuzapi_manager_server.cli import main
raise SystemExit(main(["backup", "create"]))
"""


def test_an_interrupted_command_says_so_and_no_more(tmp_path: Path) -> None:
    """Ctrl-C in the midst of a backup: one word, and nothing is left of it."""
    environment = {"PATH": "/usr/bin", "GRPC_PORT": "1", "BACKUP_DIR": "./backups"}
    migrate = [sys.executable, "-m", "wuzapi_manager_server", "migrate"]
    subprocess.run(migrate, env=environment, cwd=tmp_path, check=True, capture_output=True)
    create = [sys.executable, "-c", _INTERRUPTED]
    done = subprocess.run(create, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "Interrupted\n")
    assert [file.name for file in (tmp_path / "backups").iterdir()] == [".lock"]


def test_the_command_line_does_the_same_offline(tmp_path: Path) -> None:
    """create, list, verify, restore and delete; restore is refused while a server runs."""
    program = [sys.executable, "-m", "wuzapi_manager_server"]
    environment = {"PATH": "/usr/bin", "GRPC_PORT": "1", "LOG_FORMAT": "json"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert run("migrate").returncode == 0
    first = run("backup", "create")
    assert first.returncode == 0, first.stderr
    name = first.stdout.split()[0]
    assert "verified  key " in first.stdout
    assert run("backup", "list").stdout.split()[0] == name
    assert run("backup", "verify", name).returncode == 0
    with behind(tmp_path / "data" / "wuzapi.db") as database:
        assert database.execute("SELECT target FROM audit_events").fetchall() == [(f"maintenance/{name}",)]
        database.execute("INSERT INTO system_metadata VALUES ('k', 'v', '', '')")
    restored = run("backup", "restore", name)
    assert restored.returncode == 0, restored.stderr
    with closing(sqlite3.connect(tmp_path / "data" / "wuzapi.db", isolation_level=None)) as database:
        assert database.execute("SELECT count(*) FROM system_metadata").fetchone() == (0,)
    deleted = run("backup", "delete", name)
    assert (deleted.returncode, deleted.stderr) == (0, "")
    assert run("backup", "verify", name).stderr.startswith("There is no such backup")
    last = run("backup", "list").stdout.split()[0]
    refused_ = run("backup", "delete", last)
    assert (refused_.returncode, refused_.stderr) == (
        1,
        "This is the only verified backup. Make another one first\n",
    )
    with closing(sqlite3.connect(tmp_path / "data" / "wuzapi.db", isolation_level=None)) as database:
        told = database.execute("SELECT actor, peer, action, target, outcome FROM audit_events ORDER BY id").fetchall()
        after = database.execute("SELECT facts_after FROM audit_events ORDER BY id").fetchone()
    assert json.loads(after[0]) == {"replaced": last}
    # What was done before the restore is told in what the restore replaced.
    assert told == [
        ("system", "command line", f"/wuzapi_manager.v1.MaintenanceService/{rpc}", f"maintenance/{of}", outcome)
        for rpc, of, outcome in (
            ("RestoreBackup", name, "OK"),
            ("DeleteBackup", name, "OK"),
            ("DeleteBackup", last, "FAILED_PRECONDITION"),
        )
    ]
