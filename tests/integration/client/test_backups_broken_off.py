"""Downloads and uploads of backups over a way that is cut: they go on where they were, and do not begin anew."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from tests.contract.server import ADMIN_TOKEN, World, world_in
from tests.fakes.tcp_proxy import TcpProxy, tcp_proxy
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_client import WuzapiManager, errors

MIB = 1 << 20
VALUES = 80  # of 60,000 bytes each


class Backup(NamedTuple):
    """A backup of more than 4 MiB: itself, its bytes, and where it lies."""

    message: pb.Backup
    content: bytes
    file: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("backups")) as made:
        yield made


@pytest.fixture(scope="module")
def backup(world: World) -> Backup:
    with WuzapiManager(world.address, admin_token=ADMIN_TOKEN) as admin:
        for number in range(VALUES):
            admin.set_metadata(f"large.{number}", Random(number).randbytes(30_000).hex())
        message = admin.create_backup()
    file = world.data / "backups" / message.name
    content = file.read_bytes()
    assert len(content) > 4 * MIB
    return Backup(message, content, file)


class Cut:
    """Counts the bytes that come from each side, and cuts amid a transfer from one side: once, or from then on.

    That is once 3 MiB were passed on, of which 1 MiB lies in a file of the other side already: what is still on its way
    at a cut is lost. The count begins anew with the cut.
    """

    def __init__(self, side: str = "", where: Path | None = None, pattern: str = "", *, for_good: bool = False) -> None:
        self.passed = {"client": 0, "server": 0}
        self.cuts = 0
        self._side = side
        self._where = where
        self._pattern = pattern
        self._for_good = for_good

    def __call__(self, side: str, data: bytes) -> bool:
        self.passed[side] += len(data)
        if self._where is not None and self.cuts == 0 and self.passed[self._side] > 3 * MIB:
            self._wait_for_bytes(self._where)
            self.passed = {"client": 0, "server": 0}
        elif not self._for_good or self.cuts == 0:
            return False
        self.cuts += 1
        return True

    def _wait_for_bytes(self, where: Path) -> None:
        until = time.monotonic() + 30
        while max((file.stat().st_size for file in where.glob(self._pattern)), default=0) < MIB:
            assert time.monotonic() < until
            threading.Event().wait(0.01)


@asynccontextmanager
async def over_a_proxy(world: World, cut: Cut) -> AsyncIterator[tuple[WuzapiManager, TcpProxy]]:
    """A client whose way to the server is cut as told."""
    host, _, port = world.address.rpartition(":")
    async with tcp_proxy(host, int(port)) as proxy:
        proxy.watch = cut
        with WuzapiManager(f"127.0.0.1:{proxy.port}", admin_token=ADMIN_TOKEN, language="en") as admin:
            yield admin, proxy


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@contextmanager
def work_of_another(folder: Path) -> Iterator[None]:
    """Another process works on the backups."""
    code = (
        "import sys; from pathlib import Path; from wuzapi_manager_server.storage.backups_folder import BackupFolder\n"
        "with BackupFolder(Path(sys.argv[1])).alone('the work of another'): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield
        other.communicate("")


async def test_a_download_goes_on_where_it_was_cut(world: World, backup: Backup, tmp_path: Path) -> None:
    """After a cut in the middle the same call continues behind the bytes that came, and the file is whole."""
    file, cut = tmp_path / "backup.wzb", Cut("server", tmp_path, "*.part")
    async with over_a_proxy(world, cut) as (admin, _):
        await asyncio.to_thread(admin.download_backup, backup.message.name, file)
    assert file.read_bytes() == backup.content
    assert cut.cuts == 1
    assert cut.passed["server"] < len(backup.content) - MIB // 2
    assert files(tmp_path) == ["backup.wzb"]


async def test_a_later_download_goes_on_with_the_part(world: World, backup: Backup, tmp_path: Path) -> None:
    """When the way stays cut, what came lies there as a part, not under the name; the next call brings the rest."""
    file, part = tmp_path / "backup.wzb", tmp_path / "backup.wzb.part"
    async with over_a_proxy(world, Cut("server", tmp_path, "*.part", for_good=True)) as (admin, _):
        with pytest.raises(errors.Unavailable):
            await asyncio.to_thread(admin.download_backup, backup.message.name, file)
    assert files(tmp_path) == ["backup.wzb.part"]
    came = part.read_bytes()
    assert MIB <= len(came) < len(backup.content)
    assert backup.content.startswith(came)
    assert part.stat().st_mode & 0o777 == 0o600
    way = Cut()
    async with over_a_proxy(world, way) as (admin, _):
        await asyncio.to_thread(admin.download_backup, backup.message.name, file)
    assert file.read_bytes() == backup.content
    rest = len(backup.content) - len(came)
    assert rest < way.passed["server"] < rest + MIB // 4
    assert files(tmp_path) == ["backup.wzb"]


async def test_all_that_came_is_looked_over_before_it_has_its_name(
    world: World, backup: Backup, tmp_path: Path
) -> None:
    """A download that had all bytes but not yet its name asks for no byte twice; one that was changed begins anew."""
    file, part = tmp_path / "backup.wzb", tmp_path / "backup.wzb.part"
    part.write_bytes(backup.content)
    way = Cut()
    async with over_a_proxy(world, way) as (admin, _):
        await asyncio.to_thread(admin.download_backup, backup.message.name, file)
    assert file.read_bytes() == backup.content
    assert way.passed["server"] < MIB
    file.unlink()
    part.write_bytes(b"\0" + backup.content[1 : 2 * MIB])
    async with over_a_proxy(world, way) as (admin, _):
        await asyncio.to_thread(admin.download_backup, backup.message.name, file)
    assert file.read_bytes() == backup.content


async def test_a_byte_that_changes_on_the_way_is_found(world: World, backup: Backup, tmp_path: Path) -> None:
    """The checksum that comes last is not that of the bytes that came: they are refused, and not kept."""
    needles = [backup.content[start : start + 16] for start in range(MIB, 2 * MIB, 10_000)]
    bent: list[bytes] = []

    def bend(_: str, data: bytes) -> bytes:
        found = next((needle for needle in needles if needle in data), None)
        if bent or found is None:
            return data
        bent.append(found)
        return data.replace(found, found[::-1])

    file = tmp_path / "backup.wzb"
    async with over_a_proxy(world, Cut()) as (admin, proxy):
        proxy.bend = bend
        with pytest.raises(errors.DataLoss, match="damaged on its way"):
            await asyncio.to_thread(admin.download_backup, backup.message.name, file)
        assert bent
        assert files(tmp_path) == []
        await asyncio.to_thread(admin.download_backup, backup.message.name, file)
    assert file.read_bytes() == backup.content


async def test_an_upload_goes_on_where_it_was_cut(world: World, backup: Backup) -> None:
    """After a cut in the middle the same call continues behind the bytes that the service has."""
    cut = Cut("client", backup.file.parent, ".upload-*")
    async with over_a_proxy(world, cut) as (admin, _):
        uploaded = await asyncio.to_thread(admin.upload_backup, backup.file)
    assert (uploaded.sha256, uploaded.verified) == (backup.message.sha256, True)
    assert uploaded.name != backup.message.name
    assert cut.cuts == 1
    assert cut.passed["client"] < len(backup.content) - MIB // 2


async def test_a_later_upload_goes_on_with_what_the_service_has(world: World, backup: Backup) -> None:
    """When the way stays cut the call says so; the next one sends only the rest."""
    async with over_a_proxy(world, Cut("client", backup.file.parent, ".upload-*", for_good=True)) as (admin, _):
        with pytest.raises(errors.Unavailable):
            await asyncio.to_thread(admin.upload_backup, backup.file)
    (part,) = backup.file.parent.glob(".upload-*")
    came = part.stat().st_size
    assert MIB <= came < len(backup.content)
    way = Cut()
    async with over_a_proxy(world, way) as (admin, _):
        uploaded = await asyncio.to_thread(admin.upload_backup, backup.file)
    rest = len(backup.content) - came
    assert rest < way.passed["client"] < rest + MIB // 4
    assert (uploaded.sha256, uploaded.verified) == (backup.message.sha256, True)


async def test_an_upload_that_came_whole_is_not_sent_again(world: World, backup: Backup) -> None:
    """While other work on backups goes on it is not verified, and told which work; later that is all there is to do."""
    with work_of_another(backup.file.parent):
        async with over_a_proxy(world, Cut()) as (admin, _):
            with pytest.raises(errors.Conflict) as refusal:
                await asyncio.to_thread(admin.upload_backup, backup.file)
    assert refusal.value.metadata["running"] == "the work of another"
    way = Cut()
    async with over_a_proxy(world, way) as (admin, _):
        uploaded = await asyncio.to_thread(admin.upload_backup, backup.file)
    assert (uploaded.sha256, uploaded.verified) == (backup.message.sha256, True)
    assert way.passed["client"] < MIB
