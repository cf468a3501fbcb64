"""The folder of media: bounds, what has had its time, and a disk that is full."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wuzapi_manager_server.errors import Code, FileSystemError, RateLimited
from wuzapi_manager_server.storage.media_folder import KEPT, Bounds, MediaFolder

MIB = 1 << 20
ANA, BRUNO = "a" * 24, "b" * 24
_KILLED = """
import os, sys
from pathlib import Path
from wuzapi_manager_server.storage.media_folder import MediaFolder
incoming = MediaFolder(Path(sys.argv[1])).receive("a" * 24, 100)
incoming.write(b"x" * 50, 0)
print("received", flush=True)
sys.stdin.read()
"""


def made(folder: MediaFolder, owner: str = ANA, data: bytes = b"some media") -> str:
    """The name of a file that is there."""
    incoming = folder.receive(owner, len(data))
    incoming.write(data, 0)
    name, _ = incoming.keep()
    incoming.close()
    return name


def names(path: Path) -> set[str]:
    return {file.name for file in path.iterdir()} - {".lock"}


def test_a_file_is_kept_for_an_hour(tmp_path: Path) -> None:
    """It is read whole until then; afterwards it is gone for readers, and then from the disk with its mark."""
    folder = MediaFolder(tmp_path)
    name = made(folder)
    folder.sent(name)
    descriptor = folder.open(name)
    assert descriptor is not None
    folder.sweep()
    assert names(tmp_path) == {name, f"{name}.sent"}
    old = (tmp_path / name).stat().st_mtime - KEPT
    os.utime(tmp_path / name, (old, old))
    assert folder.open(name) is None
    folder.sweep()
    folder.sweep()  # a mark without its file goes the next time at the latest
    assert names(tmp_path) == set()
    assert os.pread(descriptor, 100, 0) == b"some media"
    os.close(descriptor)


def test_what_a_killed_process_received_goes(tmp_path: Path) -> None:
    """While it lives its file stays, however often others sweep; when it is killed the file goes."""
    folder = MediaFolder(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "received\n"
        folder.sweep()
        (left,) = names(tmp_path)
        assert left.endswith(".part")
        child.kill()
        child.wait()
    folder.sweep()
    assert names(tmp_path) == set()


def test_all_together_have_a_bound(tmp_path: Path) -> None:
    """Small files count as a MiB; what was sent makes room, whoever's it is, oldest first; what was not stays."""
    folder = MediaFolder(tmp_path, Bounds(of_one=8 * MIB, of_all=3 * MIB))
    first, second, third = (made(folder, owner) for owner in (ANA, BRUNO, ANA))
    for at, name in enumerate((first, second, third)):
        moment = time.time() - 60 + at
        os.utime(tmp_path / name, (moment, moment))
    with pytest.raises(RateLimited) as refused:
        made(folder, BRUNO)
    assert refused.value.retry_after == pytest.approx(KEPT - 60, abs=5)
    folder.sent(third)
    folder.sent(second)
    made(folder, BRUNO)
    assert second not in names(tmp_path)
    assert {first, third} <= names(tmp_path)


def test_what_is_being_received_counts_as_what_it_will_be(tmp_path: Path) -> None:
    """Two at once cannot have what one may."""
    folder = MediaFolder(tmp_path, Bounds(of_one=100 * MIB))
    incoming = folder.receive(ANA, 60 * MIB)
    with pytest.raises(RateLimited):
        folder.receive(ANA, 60 * MIB)
    incoming.close()
    folder.receive(ANA, 60 * MIB).close()
    assert names(tmp_path) == set()


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """There is no room: before anything is written where that can be seen, else when a write fails; nothing is left."""
    folder = MediaFolder(tmp_path, Bounds(of_one=2**61, of_all=2**61))
    with pytest.raises(FileSystemError) as before:
        folder.receive(ANA, 2**60)
    incoming = folder.receive(ANA, 10)
    with files_end_at(5), pytest.raises(FileSystemError) as during:
        incoming.write(b"0123456789", 0)
    incoming.close()
    assert {before.value.code, during.value.code} == {Code.RESOURCE_EXHAUSTED}
    assert names(tmp_path) == set()


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    """A file stands in its place: the operator is told what to look at, without its path."""
    (tmp_path / "media").write_text("")
    with pytest.raises(FileSystemError) as refused:
        MediaFolder(tmp_path / "media").receive(ANA, 10)
    assert refused.value.code is Code.FAILED_PRECONDITION
    assert str(tmp_path) not in refused.value.text.en


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Writes behind `size` fail, as those on a full disk do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
