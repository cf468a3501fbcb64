"""The way back of each restore that fails, at a real server: nothing changed, nothing left, the next one works."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest
from grpc import StatusCode

from tests.behind import behind
from tests.contract.calls import refused
from tests.contract.server import World, world_in
from tests.e2e.backup_files import (
    folder_of,
    kept,
    listed,
    made,
    plant,
    plant_plain,
    rows_in,
    scratch,
    wait_for_ready,
)
from tests.e2e.samples import create
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.backups_sealed import seal
from wuzapi_manager_server.storage.migrations import STEPS, migrate


class Stage(NamedTuple):
    """A server with a good backup, from which its present content differs."""

    world: World
    good: Path
    content: bytes

    @property
    def folder(self) -> Path:
        return folder_of(self.world)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with world_in(tmp_path_factory.mktemp("restore")) as world:
        create(world)
        put(world, "before")
        good = folder_of(world) / made(world).name
        yield Stage(world, good, good.read_bytes())


def put(world: World, key: str) -> None:
    world.admin.maintenance.SetMetadata(pb.SetMetadataRequest(key=key, value=key))


def restore(world: World, name: str) -> pb.RestoreBackupResponse:
    return world.admin.maintenance.RestoreBackup(pb.RestoreBackupRequest(name=name))


@contextmanager
def nothing_comes_of_it(stage: Stage) -> Iterator[None]:
    """What is done within changes nothing and leaves nothing; readiness is SERVING, and the good backup restores."""
    world = stage.world
    put(world, "after")
    before, backups = kept(world), set(listed(world))
    yield
    wait_for_ready(world)
    assert kept(world) == before
    assert set(listed(world)) == backups
    assert scratch(stage.folder) == []
    restore(world, stage.good.name)
    keys = {key for key, *_ in kept(world)["system_metadata"]}
    assert "before" in keys
    assert "after" not in keys


def copy_of(live: Path, target: Path) -> None:
    with closing(sqlite3.connect(live)) as reading, closing(sqlite3.connect(target, isolation_level=None)) as writing:
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode = DELETE")


def test_a_backup_of_another_key_is_refused_by_the_key_s_name(stage: Stage, tmp_path: Path) -> None:
    """FAILED_PRECONDITION names the key that is missing; it stays listed, and no longer counts as verified."""
    other = SecretBox([SecretBox.new_key()])
    copy_of(stage.world.database, tmp_path / "plain.db")
    with (tmp_path / "plain.db").open("rb") as plain:
        digest = seal(plain, tmp_path / "sealed", other, lambda: None)
    content = (tmp_path / "sealed").read_bytes()
    name = plant(stage.folder, stage.good, content, sha256=digest.sha256, key_id=other.key_ids[0])
    with nothing_comes_of_it(stage):
        with refused(StatusCode.FAILED_PRECONDITION, "FILE_SYSTEM_ERROR") as refusal:
            restore(stage.world, name)
        assert refusal.metadata == {"key_id": other.key_ids[0]}
        assert other.key_ids[0] in refusal.message
        assert "SECRET_KEYS" in refusal.help
        assert not listed(stage.world)[name].verified
        with refused(StatusCode.FAILED_PRECONDITION, "FILE_SYSTEM_ERROR"):
            stage.world.admin.maintenance.VerifyBackup(pb.VerifyBackupRequest(name=name))


def test_a_backup_of_a_newer_schema_is_not_called_damaged(stage: Stage, tmp_path: Path) -> None:
    """FAILED_PRECONDITION tells both versions and that a newer program is needed; nobody is told to delete it."""
    newer = tmp_path / "newer.db"
    copy_of(stage.world.database, newer)
    with closing(sqlite3.connect(newer, isolation_level=None)) as copy:
        copy.execute("PRAGMA user_version = 99")
    name = plant_plain(stage.folder, stage.good, newer)
    with nothing_comes_of_it(stage):
        with refused(StatusCode.FAILED_PRECONDITION, "FILE_SYSTEM_ERROR") as refusal:
            restore(stage.world, name)
        assert "schema version 99" in refusal.message
        assert "newer program" in refusal.help
        assert "delete" not in refusal.help


PLACES = {"the magic": 0, "the key's id": 8, "the salt": 20, "a chunk's size": 33, "the text": 36, "the end": -1}


@pytest.mark.parametrize("place", [*PLACES, "the middle"])
def test_a_flipped_byte_anywhere_is_damage(stage: Stage, place: str) -> None:
    """DATA_LOSS, wherever it is: also in the header, where a missing key would be the wrong thing to look for."""
    content = bytearray(stage.content)
    content[PLACES.get(place, len(content) // 2)] ^= 1
    damage(stage, bytes(content))


@pytest.mark.parametrize("size", [0, 7, 35, 36, 40, -1, 1])
def test_a_file_that_is_cut_short_or_longer_is_damage(stage: Stage, size: int) -> None:
    """DATA_LOSS, whether nothing is left, not even the header, all but a byte, or there is a byte too many."""
    damage(stage, stage.content + b"x" if size == 1 else stage.content[:size])


def damage(stage: Stage, content: bytes) -> None:
    name = plant(stage.folder, stage.good, content)
    with nothing_comes_of_it(stage):
        assert listed(stage.world)[name].verified
        with refused(StatusCode.DATA_LOSS, "FILE_SYSTEM_ERROR") as refusal:
            restore(stage.world, name)
        assert refusal.metadata == {"name": name}
        assert str(stage.folder) not in refusal.message
        assert not listed(stage.world)[name].verified
    stage.world.admin.maintenance.DeleteBackup(pb.DeleteBackupRequest(name=name))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "CREATE TRIGGER t AFTER INSERT ON system_metadata BEGIN DELETE FROM audit_events; END",
            "the trigger t is none of this service's",
        ),
        ("PRAGMA user_version = 0", "it does not tell the version of its schema"),
    ],
)
def test_what_is_not_the_service_s_is_not_brought_in(stage: Stage, tmp_path: Path, statement: str, words: str) -> None:
    """A trigger could change what the service writes: it is refused by name, in an upload and by a restore."""
    other, calls = tmp_path / "other.db", stage.world.admin.maintenance
    copy_of(stage.world.database, other)
    with closing(sqlite3.connect(other, isolation_level=None)) as copy:
        copy.execute(statement)
    content = other.read_bytes()
    planted = plant_plain(stage.folder, stage.good, other)
    with nothing_comes_of_it(stage):
        with refused(StatusCode.DATA_LOSS, "FILE_SYSTEM_ERROR") as refusal:
            sha256 = hashlib.sha256(content).hexdigest()
            calls.UploadBackup(iter([pb.UploadBackupRequest(sha256=sha256, size_bytes=len(content), chunk=content)]))
        assert words in refusal.message
        with refused(StatusCode.DATA_LOSS, "FILE_SYSTEM_ERROR") as refusal:
            restore(stage.world, planted)
        assert words in refusal.message
        with refused(StatusCode.DATA_LOSS, "FILE_SYSTEM_ERROR"):
            calls.VerifyBackup(pb.VerifyBackupRequest(name=planted))
    calls.DeleteBackup(pb.DeleteBackupRequest(name=planted))


def test_a_restore_can_be_tried_out(stage: Stage, tmp_path: Path) -> None:
    """What a restore would say is said, nothing is changed or made, and the audit log has refusals alone."""
    world, calls = stage.world, stage.world.admin.maintenance
    with closing(apsw.Connection(str(tmp_path / "older.db"))) as made_old:
        migrate(made_old, STEPS[:5])
    older = plant_plain(stage.folder, stage.good, tmp_path / "older.db")
    broken = plant(stage.folder, stage.good, stage.content[:-1])
    with nothing_comes_of_it(stage):
        for name in (stage.good.name, older):
            tried = calls.RestoreBackup(pb.RestoreBackupRequest(name=name, validate_only=True))
            assert (tried.backup, tried.HasField("replaced")) == (listed(world)[name], False)
            assert tried.schema_version == len(STEPS)
        with refused(StatusCode.DATA_LOSS, "FILE_SYSTEM_ERROR"):
            calls.RestoreBackup(pb.RestoreBackupRequest(name=broken, validate_only=True))
        assert not listed(world)[broken].verified
        events = calls.ListAuditEvents(pb.ListAuditEventsRequest(target="maintenance", page_size=100)).events
        told = [each for each in events if each.action.endswith("RestoreBackup")]
        assert (told[0].target, told[0].outcome) == (f"maintenance/{broken}", "DATA_LOSS")
        assert older not in str(told)
    for name in (older, broken):
        calls.DeleteBackup(pb.DeleteBackupRequest(name=name))


def test_a_damaged_database_can_be_restored_over(stage: Stage) -> None:
    """Damage that only a full check finds does not keep a good backup out; what was there is kept, not verified."""
    world = stage.world
    with behind(world.database) as live:
        live.execute("INSERT INTO connection_assignments VALUES (99, x'00', 's', 0)")  # of no connection
    full = pb.CheckIntegrityRequest(depth=pb.CHECK_DEPTH_FULL)
    assert not world.admin.maintenance.CheckIntegrity(full).ok
    with refused(StatusCode.DATA_LOSS):
        made(world)
    done = restore(world, stage.good.name)
    assert (done.replaced.origin, done.replaced.verified) == (pb.BACKUP_ORIGIN_BEFORE_RESTORE, False)
    assert world.admin.maintenance.CheckIntegrity(full).ok
    assert (99, b"\0", "s", 0) in rows_in(world, done.replaced.name)["connection_assignments"]


def test_a_file_without_its_description_is_listed_and_described_by_verification(stage: Stage) -> None:
    """Brought without it, or with a damaged one, it is not verified and of unknown origin, and never just removed."""
    calls = stage.world.admin.maintenance
    for text in (
        None,
        b'{"size": 1',
        stage.good.with_name(f"{stage.good.name}.json").read_bytes().replace(b"2", b"3", 1),
    ):
        name = plant(stage.folder, stage.good, stage.content)
        description = stage.folder / f"{name}.json"
        description.unlink()
        if text is not None:
            description.write_bytes(text)
        made(stage.world)
        found = listed(stage.world)[name]
        assert (found.verified, found.origin, found.sha256) == (False, pb.BACKUP_ORIGIN_UNSPECIFIED, "")
        verified = calls.VerifyBackup(pb.VerifyBackupRequest(name=name)).backup
        assert verified.sha256 == listed(stage.world)[stage.good.name].sha256
        assert verified.row_counts == listed(stage.world)[stage.good.name].row_counts
        assert listed(stage.world)[name] == verified
        calls.DeleteBackup(pb.DeleteBackupRequest(name=name))
        assert name not in listed(stage.world)
