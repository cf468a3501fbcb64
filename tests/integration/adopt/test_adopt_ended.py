"""`wuzapi-manager adopt` that is ended while it reads a copy, which holds every password in plain."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.server import ADMIN_TOKEN
from wuzapi_manager_server.settings import Settings


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_no_copy_stays(number: signal.Signals, original: Path, tmp_path: Path) -> None:
    """The copy goes however it is ended, in one sentence."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.adopt.slow_adopt", "adopt", str(original), "--apply"],
        env=inherited | {"TMPDIR": str(scratch), "WUZAPI_ADMIN_TOKEN": ADMIN_TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "reading\n"
            (copy,) = scratch.glob("wuzapi-manager-adopt-*/*")
            assert copy.read_bytes() == original.read_bytes()
            assert copy.parent.stat().st_mode & 0o077 == 0
            process.send_signal(number)
            said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, *said) == (1, "", "Interrupted\n")
    assert list(scratch.iterdir()) == []
