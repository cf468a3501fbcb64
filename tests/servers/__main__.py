"""`make test-servers`: installs the servers that tests need and that are not here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.servers.nocodb_install import Missing, install

_PACKAGES = {"postgresql": "postgres", "mariadb-server": "mariadbd"}
_ELSEWHERE = (*Path("/usr/lib/postgresql").glob("*/bin"), Path("/usr/sbin"), Path("/usr/libexec"))


def main() -> int:
    """Installs what is missing; 1 where something could not be had."""
    try:
        _install_packages()
        print(f"NocoDB: {install()}")
    except Missing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _install_packages() -> None:
    missing = [package for package, program in _PACKAGES.items() if not _is_there(program)]
    for package in _PACKAGES.keys() - set(missing):
        print(f"{package}: installed")
    if not missing:
        return
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Missing(f"Missing for tests: {', '.join(missing)}. As root on Debian: {' '.join(command)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for each in (["apt-get", "update", "-qq"], command):
        if subprocess.run(each, env=environment, check=False).returncode:
            raise Missing(f"`{' '.join(each)}` failed")


def _is_there(program: str) -> bool:
    return shutil.which(program) is not None or any((folder / program).exists() for folder in _ELSEWHERE)


if __name__ == "__main__":
    sys.exit(main())
