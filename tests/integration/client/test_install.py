"""The client needs nothing of the server's."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import metadata, packages_distributions
from pathlib import Path

ALLOWED = {"grpc", "google", "typing_extensions", "wuzapi_manager", "wuzapi_manager_client"}
PROGRAM = """
import importlib.abc, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError("not installed: " + name)
        return None

sys.meta_path.insert(0, Refuse())
import wuzapi_manager_client as client
with client.WuzapiManager("127.0.0.1:1", token="token-of-ana", timeout=0.5) as me:
    try:
        me.get_branding()
    except client.ManagerError as error:
        print(type(error).__name__)
print(*sorted(name.partition(".")[0] for name in sys.modules))
"""

BASE = """
import importlib.abc, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"dotenv", "pydantic", "pydantic_settings", "uvloop"}}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
        return None

sys.meta_path.insert(0, Refuse())
from {module} import {function}
sys.exit({function}())
"""


def test_the_program_says_that_the_server_is_not_installed() -> None:
    """The command of the base install ends with one sentence and exit code 1."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["wuzapi-manager"].partition(":")
    program = BASE.format(module=module, function=function)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert "server" in project["optional-dependencies"]
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "The server is not installed here (dotenv is missing): pip install 'wuzapi-manager[server]'\n",
    )


def test_it_works_without_the_servers_dependencies() -> None:
    """With every package of the server's refused, the client imports, calls and fails as it should."""
    lines = metadata("wuzapi-manager").get_all("Requires-Dist") or ()
    folded = {re.split(r"[^\w-]", line)[0].lower().replace("-", "_") for line in lines}
    blocked = {
        package
        for package, owners in packages_distributions().items()
        if any(owner.lower().replace("-", "_") in folded for owner in owners)
    } - ALLOWED
    blocked |= {"wuzapi_manager_server", "httpx", "peewee", "apsw", "sqlalchemy", "grpc_status", "grpc_tools"}
    program = PROGRAM.format(blocked=blocked)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    failure, modules = result.stdout.splitlines()
    assert failure in {"Unavailable", "DeadlineExceeded"}
    installed = set(packages_distributions())
    assert {name for name in modules.split() if name in installed} - ALLOWED <= {"_distutils_hack", "coverage", "tests"}
