"""`make demo`: the tour runs to its end anywhere, and leaves nothing behind."""

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.demo.tour import Tour
from tests.fakes.http_server import FakeServer

ROOT = Path(__file__).parents[2]


def demo(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo with its temporary files in the folder."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_tour_shows_what_it_does_and_leaves_nothing(tmp_path: Path) -> None:
    """Without a terminal it ends with 0, shows the client's lines and their results, and its folder is gone."""
    done = demo(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout
    for line in (
        '    admin.assign_users(shop, ["token-of-ana", "token-of-bruno"])',
        "Ana: 12 Bruno: 12",
        "the administrator: 24",
        "8 {'name': 'Helena Brandão', 'credit': '510.25'}",
        "InvalidArgument VALIDATION_ERROR",
        "Conflict CONFLICT ['etag']",
        "NotFound - ",
        "Bruno finds: []",
        "Lojas & Cia - revision 3",
        "Nothing is left behind.",
    ):
        assert line in said
    assert "\nFAIL" not in said
    assert "\033" not in said
    assert "self." not in said
    assert list(tmp_path.iterdir()) == []


def test_every_step_of_the_tour_is_told() -> None:
    """Every method of the tour is one of its steps."""
    methods = {name for name in vars(Tour) if not name.startswith("_") and name != "steps"}
    tour = Tour.__new__(Tour)
    assert methods == {step.__name__ for step in Tour.steps(tour)}


def test_the_tour_is_coloured_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal captions stand out, and it ends with 0 as well."""
    ours, theirs = pty.openpty()
    said = b""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        with suppress(OSError):  # how a terminal says that the other side has gone
            while piece := os.read(ours, 65536):
                said += piece
        process.wait(60)
    os.close(ours)
    assert process.returncode == 0
    assert re.search(rb"\033\[1m1\. ", said)


def test_the_settings_around_do_not_matter(tmp_path: Path) -> None:
    """Settings of the environment, also bad ones, do not reach the demo's server."""
    done = demo(tmp_path, LOG_LEVEL="nonsense", WUZAPI_BASE_URL="not a url", SQLITE_DB_PATH=str(tmp_path / "never.db"))
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_told_in_one_sentence(tmp_path: Path) -> None:
    """Where the server cannot start the demo says why, ends with 1 and leaves nothing."""
    with FakeServer() as other:
        port = other.url.rpartition(":")[2]
        done = demo(tmp_path, "--stay", "--port", port)
    assert done.returncode == 1
    assert done.stderr == f"127.0.0.1:{port} is taken by another program: stop it, or give another --port\n"
    assert list(tmp_path.iterdir()) == []
