"""Backups through the client, at a real server process: made, verified, restored, taken away and brought back."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.server import ADMIN_TOKEN, World, world_in
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_client import WuzapiManager, errors


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("backups")) as made:
        yield made


@pytest.fixture
def admin(world: World) -> Iterator[WuzapiManager]:
    with WuzapiManager(world.address, admin_token=ADMIN_TOKEN, language="en") as client:
        yield client


def test_backups_are_made_listed_verified_and_deleted(admin: WuzapiManager) -> None:
    """Newest first over pages; the last verified one stays."""
    names = [admin.create_backup().name for _ in range(3)]
    found = list(admin.list_backups(page_size=2))
    assert [backup.name for backup in found] == names[::-1]
    verified = admin.verify_backup(names[0])
    assert (verified.name, verified.verified, verified.origin) == (names[0], True, pb.BACKUP_ORIGIN_ASKED)
    assert verified.verify_time.ToNanoseconds() > found[-1].verify_time.ToNanoseconds()
    for name in names[:2]:
        admin.delete_backup(name)
    assert [backup.name for backup in admin.list_backups()] == names[2:]
    with pytest.raises(errors.FailedPrecondition, match="only verified backup"):
        admin.delete_backup(names[2])
    with pytest.raises(errors.NotFound):
        admin.verify_backup(names[0])


def test_what_was_taken_away_brings_the_data_back(world: World, admin: WuzapiManager, tmp_path: Path) -> None:
    """Downloaded, deleted at the service, uploaded, verified, restored: the data is that of the backup.

    And a restore of what the restore replaced undoes it.
    """
    admin.set_metadata("site", "Recife")
    backup = admin.create_backup()
    file = tmp_path / "taken.wzb"
    downloaded = admin.download_backup(backup.name, str(file))
    assert downloaded == backup
    assert hashlib.sha256(file.read_bytes()).hexdigest() == backup.sha256
    assert file.read_bytes() == (world.data / "backups" / backup.name).read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]

    admin.create_backup()
    admin.delete_backup(backup.name)
    admin.set_metadata("site", "Olinda")
    uploaded = admin.upload_backup(file)
    assert (uploaded.sha256, uploaded.origin) == (backup.sha256, pb.BACKUP_ORIGIN_UPLOADED)
    assert uploaded.name != backup.name
    assert admin.verify_backup(uploaded.name).verified
    assert not admin.restore_backup(uploaded.name, validate_only=True).HasField("replaced")
    assert admin.get_metadata("site").value == "Olinda"
    restored = admin.restore_backup(uploaded.name)
    assert (restored.backup.name, restored.replaced.origin) == (uploaded.name, pb.BACKUP_ORIGIN_BEFORE_RESTORE)
    assert admin.get_metadata("site").value == "Recife"
    admin.restore_backup(restored.replaced.name)
    assert admin.get_metadata("site").value == "Olinda"


def test_a_download_takes_the_place_of_the_file_before(admin: WuzapiManager, tmp_path: Path) -> None:
    """What is there under the name stays until the new file is whole, and is replaced by it then."""
    file = tmp_path / "backup.wzb"
    file.write_text("the file of yesterday")
    with pytest.raises(errors.NotFound):
        admin.download_backup("20260101T000000.000000Z-0000.wzb", file)
    assert file.read_text() == "the file of yesterday"
    assert list(tmp_path.iterdir()) == [file]
    backup = admin.create_backup()
    admin.download_backup(backup.name, file)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == backup.sha256


def test_a_download_goes_to_a_file(admin: WuzapiManager, tmp_path: Path) -> None:
    """A folder, and a folder that is not there, are told before anything is asked for."""
    with pytest.raises(IsADirectoryError):
        admin.download_backup("any", tmp_path)
    with pytest.raises(FileNotFoundError):
        admin.download_backup("any", tmp_path / "nowhere" / "backup.wzb")


@pytest.mark.parametrize("left", [b"of another", b"of another" * 1_000_000], ids=["short", "long"])
def test_what_is_left_of_another_file_is_no_part_of_this(admin: WuzapiManager, tmp_path: Path, left: bytes) -> None:
    """The download begins anew where what lies there does not belong to it, be it shorter or longer than the backup."""
    backup = admin.create_backup()
    assert len(left) < 100 or len(left) > backup.size_bytes
    file = tmp_path / "backup.wzb"
    (tmp_path / "backup.wzb.part").write_bytes(left)
    admin.download_backup(backup.name, file)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == backup.sha256
    assert list(tmp_path.iterdir()) == [file]


def test_a_mistake_in_the_call_does_not_cost_what_came(admin: WuzapiManager, tmp_path: Path) -> None:
    """What was left over stays where no backup, or none that is there, was named."""
    part = tmp_path / "backup.wzb.part"
    part.write_bytes(b"what came")
    with pytest.raises(errors.InvalidArgument):
        admin.download_backup("", tmp_path / "backup.wzb")
    with pytest.raises(errors.NotFound):
        admin.download_backup("another", tmp_path / "backup.wzb")
    assert part.read_bytes() == b"what came"


def test_a_file_that_is_not_what_its_checksum_says_is_not_kept(
    world: World, admin: WuzapiManager, tmp_path: Path
) -> None:
    """A byte that changed on the service's disk is found, and nothing is left of the download."""
    backup = admin.create_backup()
    stored = world.data / "backups" / backup.name
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(content)
    with pytest.raises(errors.DataLoss, match="not what its checksum says") as refusal:
        admin.download_backup(backup.name, tmp_path / "backup.wzb")
    assert "use another backup" in refusal.value.suggestion
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_backup_is_refused(admin: WuzapiManager, tmp_path: Path) -> None:
    """An upload of something else is DataLoss, of nothing InvalidArgument, and neither is listed."""
    before = [backup.name for backup in admin.list_backups()]
    file = tmp_path / "noise.wzb"
    file.write_bytes(b"no database" * 20_000)
    with pytest.raises(errors.DataLoss):
        admin.upload_backup(file)
    file.write_bytes(b"")
    with pytest.raises(errors.InvalidArgument) as refusal:
        admin.upload_backup(file)
    assert [violation.field for violation in refusal.value.violations] == ["size_bytes"]
    with pytest.raises(FileNotFoundError):
        admin.upload_backup(tmp_path / "nowhere.wzb")
    assert [backup.name for backup in admin.list_backups()] == before


def test_another_machine_takes_it_with_the_key(world: World, admin: WuzapiManager, tmp_path: Path) -> None:
    """A service that is new needs the key and the file alone; without the key it says so, and has no backup of it."""
    admin.set_metadata("site", "Recife")
    file = tmp_path / "backup.wzb"
    admin.download_backup(admin.create_backup().name, file)
    key = world.data / "secret.key"
    for has_key in (True, False):
        folder = tmp_path / f"machine-{has_key}"
        (folder / "data").mkdir(parents=True)
        if has_key:
            shutil.copy(key, folder / "data")
        with world_in(folder) as other, WuzapiManager(other.address, admin_token=ADMIN_TOKEN, language="en") as there:
            if has_key:
                there.restore_backup(there.upload_backup(file).name)
                assert there.get_metadata("site").value == "Recife"
            else:
                with pytest.raises(errors.FailedPrecondition) as refusal:
                    there.upload_backup(file)
                assert "offset" not in refusal.value.metadata
                assert not list(there.list_backups())
