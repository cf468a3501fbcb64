"""A small disk of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE = 24


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A disk of SIZE MiB. Where none can be had the test is left out, but in CI it fails."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        if os.environ.get("CI"):
            pytest.fail("no small disk can be mounted: the tests of a full disk need root in CI")
        pytest.skip("only root may mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, left: int) -> Path:
    """A file that leaves so many bytes of the disk."""
    filler = place / "filler"
    disk = os.statvfs(place)
    filler.write_bytes(bytes(max(0, disk.f_bavail * disk.f_frsize - left)))
    return filler
