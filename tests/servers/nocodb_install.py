"""NocoDB from the npm registry, in a cache folder outside of the checkout. Never committed, never shipped.

Its package.json leaves out what tests do not load: importers, AI, cloud drivers. The lock file pins the rest by
integrity and names no registry: npm's own configuration says which. SQLite's driver is compiled once for each version
of Node, and kept.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RECIPE = Path(__file__).parent / "nocodb"
_FILES = ("package.json", "package-lock.json", "run.js", "stub/package.json", "stub/index.js")
_DRIVER = Path("node_modules/sqlite3/build/Release/node_sqlite3.node")
_HEADERS = Path("/usr/include/node/node.h")
_SECONDS = 1800
HOW_TO_GET_IT = "run `make test-servers`, or set TEST_NOCODB_URL (http://email:password@host:port)"


class Missing(Exception):
    """NocoDB cannot be had; the text says why and what to do."""


def cache() -> Path:
    """Where servers for tests are kept."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "wuzapi-manager-tests"


def folder() -> Path:
    """Where this NocoDB is, or would be."""
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update((RECIPE / name).read_bytes())
    return cache() / f"nocodb-{digest.hexdigest()[:12]}"


def installed() -> Path | None:
    """The folder of a NocoDB that can be started."""
    return folder() if (folder() / _DRIVER).exists() and shutil.which("node") else None


def install() -> Path:
    """Installs it, unless it is there. Raises Missing."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Missing(f"NocoDB needs {program}: install Node.js 20 or newer (Debian: apt-get install nodejs npm)")
    cache().mkdir(parents=True, exist_ok=True)
    with _alone():
        if found := installed():
            return found
        made = Path(f"{folder()}.part")
        shutil.rmtree(made, ignore_errors=True)
        (made / "stub").mkdir(parents=True)
        for name in _FILES:
            shutil.copy(RECIPE / name, made / name)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], made)
        _compile_driver(made)
        shutil.rmtree(folder(), ignore_errors=True)
        made.rename(folder())
    return folder()


@contextmanager
def _alone() -> Iterator[None]:
    with (cache() / "nocodb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compile_driver(made: Path) -> None:
    """What npm's scripts would do, without the download that they try first."""
    driver = made / _DRIVER
    source = (made / "node_modules/sqlite3/package.json").read_bytes()
    abi = subprocess.run(
        ["node", "-p", "process.versions.modules + process.arch"], check=True, capture_output=True, text=True
    ).stdout.strip()
    kept = cache() / f"sqlite3-{hashlib.sha256(source).hexdigest()[:12]}-{abi}.node"
    if not kept.exists():
        headers = ["--nodedir=/usr"] if _HEADERS.exists() else []
        gyp = str(made / "node_modules/.bin/node-gyp")
        _run([gyp, "rebuild", *headers], made / "node_modules/sqlite3")
        shutil.copy(driver, kept.with_suffix(f".{os.getpid()}"))
        kept.with_suffix(f".{os.getpid()}").rename(kept)
        shutil.rmtree(driver.parent.parent)
    driver.parent.mkdir(parents=True)
    shutil.copy(kept, driver)


def _run(command: list[str], where: Path) -> None:
    log = cache() / "nocodb-install.log"
    with log.open("ab") as output:
        done = subprocess.run(command, cwd=where, stdout=output, stderr=output, timeout=_SECONDS, check=False)
    if done.returncode:
        raise Missing(f"`{Path(command[0]).name} {command[1]}` failed (code {done.returncode}); see {log}")
