"""The disk fills up under a real server: what needs room is refused, nothing is lost, and it mends itself."""

import os
from pathlib import Path
from random import Random

from grpc import StatusCode

from tests.contract.calls import refused
from tests.contract.server import World, world_in
from tests.e2e.backup_files import is_serving, listed, made, scratch, wait_for_ready
from tests.e2e.small_disk import fill, small_disk
from wuzapi_manager.v1 import maintenance_pb2 as pb

MIB = 1 << 20
VALUE = 60_000


def put(world: World, number: int) -> str:
    """Writes an entry that does not compress and is known by its number; gives its value once it is acknowledged."""
    value = Random(number).randbytes(VALUE // 2).hex()
    world.admin.maintenance.SetMetadata(pb.SetMetadataRequest(key=f"entry-{number:04}", value=value))
    return value


def stored(world: World) -> dict[str, str]:
    """All that is there."""
    found: dict[str, str] = {}
    token = ""
    while True:
        page = world.admin.maintenance.ListMetadata(pb.ListMetadataRequest(prefix="entry-", page_token=token))
        found.update((entry.key, entry.value) for entry in page.entries)
        token = page.next_page_token
        if not token:
            return found


def sound(world: World) -> bool:
    """Whether a full check finds nothing."""
    request = pb.CheckIntegrityRequest(depth=pb.CHECK_DEPTH_FULL)
    return bool(world.admin.maintenance.CheckIntegrity(request).ok)


def test_writes_on_a_full_disk_are_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    """RESOURCE_EXHAUSTED until there is room, reads go on; then writes too, and all acknowledged is there."""
    with small_disk(tmp_path / "data") as disk, world_in(tmp_path) as world:
        kept = {f"entry-{number:04}": put(world, number) for number in range(10)}
        filler = fill(disk, 2 * MIB)
        number = 10
        with refused(StatusCode.RESOURCE_EXHAUSTED, "DATABASE_ERROR") as refusal:
            while number < 1_000:
                kept[f"entry-{number:04}"] = put(world, number)
                number += 1
        assert number > 10
        assert refusal.help
        assert str(tmp_path) not in refusal.message
        assert stored(world) == kept
        filler.unlink()
        kept["entry-9999"] = put(world, 9999)
        assert stored(world) == kept
        assert sound(world)


def test_a_backup_on_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """It is refused, no half backup is listed or lies about, and the next one is made once there is room."""
    with small_disk(tmp_path / "small") as disk, world_in(tmp_path, backup_dir=str(disk / "backups")) as world:
        kept = {f"entry-{number:04}": put(world, number) for number in range(60)}
        maintenance = world.admin.maintenance
        first = maintenance.CreateBackup(pb.CreateBackupRequest()).backup
        filler = fill(disk, MIB)
        with refused(StatusCode.RESOURCE_EXHAUSTED, "FILE_SYSTEM_ERROR") as refusal:
            maintenance.CreateBackup(pb.CreateBackupRequest())
        assert refusal.help
        assert str(tmp_path) not in refusal.message
        assert [each.name for each in maintenance.ListBackups(pb.ListBackupsRequest()).backups] == [first.name]
        put(world, 60)
        filler.unlink()
        second = maintenance.CreateBackup(pb.CreateBackupRequest()).backup
        assert second.verified
        names = [each.name for each in maintenance.ListBackups(pb.ListBackupsRequest()).backups]
        assert sorted(names) == sorted([first.name, second.name])
        files = {path.name for path in (disk / "backups").iterdir() if not path.name.startswith(".")}
        assert all(any(name.startswith(known) for known in names) for name in files), files
        maintenance.RestoreBackup(pb.RestoreBackupRequest(name=first.name))
        assert stored(world) == kept


def test_a_backup_without_room_to_be_verified_is_not_kept(tmp_path: Path) -> None:
    """Its file would take the room that is lacking; what a restore would have replaced likewise."""
    with small_disk(tmp_path / "small") as disk, world_in(tmp_path, backup_dir=str(disk / "backups")) as world:
        for number in range(60):
            put(world, number)
        first = made(world)
        for left, refusing in ((1, made), (2, lambda world: restore(world, first.name))):
            filler = fill(disk, int((left + 0.5) * first.size_bytes))
            before = os.statvfs(disk).f_bavail
            with refused(StatusCode.RESOURCE_EXHAUSTED, "FILE_SYSTEM_ERROR"):
                refusing(world)
            assert (list(listed(world)), scratch(disk / "backups")) == ([first.name], [])
            assert os.statvfs(disk).f_bavail == before
            filler.unlink()
        assert made(world).verified


def test_a_vacuum_on_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    """The run ends with an error that says so; the database is whole, and takes writes and a vacuum later."""
    with small_disk(tmp_path / "data") as disk, world_in(tmp_path) as world:
        kept = {f"entry-{number:04}": put(world, number) for number in range(80)}
        list(world.admin.maintenance.RunMaintenance(pb.RunMaintenanceRequest()))  # it empties the write-ahead log
        filler = fill(disk, 2 * MIB)
        with refused(StatusCode.RESOURCE_EXHAUSTED, "DATABASE_ERROR"):
            list(world.admin.maintenance.RunMaintenance(pb.RunMaintenanceRequest(force_vacuum=True)))
        assert stored(world) == kept
        filler.unlink()
        list(world.admin.maintenance.RunMaintenance(pb.RunMaintenanceRequest(force_vacuum=True)))
        kept["entry-9999"] = put(world, 9999)
        assert stored(world) == kept
        assert sound(world)


def test_a_restore_without_room_for_its_scratch_files_leaves_nothing(tmp_path: Path) -> None:
    """It is refused and nothing lies about, deleting another backup makes room, and then it is done."""
    with small_disk(tmp_path / "small") as disk, world_in(tmp_path, backup_dir=str(disk / "backups")) as world:
        kept = {f"entry-{number:04}": put(world, number) for number in range(60)}
        first, second = made(world).name, made(world).name
        put(world, 60)
        fill(disk, 0)
        with refused(StatusCode.RESOURCE_EXHAUSTED, "FILE_SYSTEM_ERROR") as refusal:
            restore(world, first)
        assert str(tmp_path) not in refusal.message
        assert len(stored(world)) == 61
        assert is_serving(world)
        assert scratch(disk / "backups") == []
        assert listed(world)[first].verified
        world.admin.maintenance.DeleteBackup(pb.DeleteBackupRequest(name=second))
        (disk / "filler").unlink()
        restore(world, first)
        assert stored(world) == kept


def test_a_restore_without_room_for_the_exchange_changes_nothing(tmp_path: Path) -> None:
    """It is refused, the old content is served and gives back the room that was tried; with room it is done."""
    with small_disk(tmp_path / "data") as disk, world_in(tmp_path, backup_dir=str(tmp_path / "backups")) as world:
        full, kept, name = large_backup_small_present(world)
        filler = fill(disk, 3 * MIB)
        with refused(StatusCode.RESOURCE_EXHAUSTED, "DATABASE_ERROR") as refusal:
            restore(world, name)
        assert refusal.help
        assert stored(world) == kept
        wait_for_ready(world)
        assert scratch(tmp_path / "backups") == []
        filler.unlink()
        restore(world, name)
        assert stored(world) == full
        assert sound(world)


def test_a_restore_without_room_to_empty_its_log_is_done(tmp_path: Path) -> None:
    """Once the content is exchanged it is told so: the log is moved into the file when there is room."""
    with small_disk(tmp_path / "data") as disk, world_in(tmp_path, backup_dir=str(tmp_path / "backups")) as world:
        full, _, name = large_backup_small_present(world)
        filler = fill(disk, 8 * MIB)
        restore(world, name)
        assert stored(world) == full
        filler.unlink()
        kept = {**full, "entry-9999": put(world, 9999)}
        list(world.admin.maintenance.RunMaintenance(pb.RunMaintenanceRequest()))
        assert stored(world) == kept
        assert sound(world)


def large_backup_small_present(world: World) -> tuple[dict[str, str], dict[str, str], str]:
    """What a backup of five megabytes holds, what the database of some kilobytes holds now, and the backup's name."""
    full = {f"entry-{number:04}": put(world, number) for number in range(80)}
    name = made(world).name
    for key in list(full)[1:]:
        world.admin.maintenance.DeleteMetadata(pb.DeleteMetadataRequest(key=key))
    list(world.admin.maintenance.RunMaintenance(pb.RunMaintenanceRequest(force_vacuum=True)))
    return full, {"entry-0000": full["entry-0000"]}, name


def restore(world: World, name: str) -> None:
    world.admin.maintenance.RestoreBackup(pb.RestoreBackupRequest(name=name))
