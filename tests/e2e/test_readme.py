"""The READMEs say what is true: their lines are run as they stand, and what they name exists."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.grpcurl import documents
from wuzapi_manager.v1 import branding_pb2, connection_pb2, maintenance_pb2, record_pb2, relay_pb2
from wuzapi_manager_server.cli import main
from wuzapi_manager_server.settings import Settings, table

ROOT = Path(__file__).parents[2]
ENGLISH, PORTUGUESE = ROOT / "README.md", ROOT / "README.pt-BR.md"
READMES = [ENGLISH, PORTUGUESE]
PAGES = [*READMES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = (
    *("serve", "config", "check", "migrate", "health", "token", "secrets rotate", "adopt"),
    *("backup create", "backup list", "backup verify", "backup restore", "backup delete"),
    "version",
)
NAMED_ADDRESS = "127.0.0.1:50051"


class Block(NamedTuple):
    """A block of code: its language, and its text."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks of code of a page, in order."""
    return [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)]


@contextmanager
def demo_server(folder: Path) -> Iterator[str]:
    """The address of `python -m tests.demo --stay` on a free port, which must end well when it is interrupted."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.demo", "--stay", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
            assert found
            yield found[0]
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 0


def contains(given: object, wanted: object) -> bool:
    """Whether an answer has at least what is wanted; lists are as long as wanted."""
    if isinstance(wanted, dict):
        return isinstance(given, dict) and all(
            key in given and contains(given[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(given, list) and len(given) == len(wanted) and all(map(contains, given, wanted))
    return given == wanted


def test_the_lines_with_grpcurl_work_when_pasted(tmp_path: Path) -> None:
    """Every block of grpcurl lines runs in one shell, in order, and gives the answer that stands below it."""
    shim = tmp_path / "bin" / "grpcurl"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "tests/e2e/grpcurl.py"}" "$@"\n')
    shim.chmod(0o755)
    steps = [(step, promise) for step, promise in pairwise(blocks(ENGLISH)) if step.language == "bash"]
    script = "exec 2>&1\n" + "".join(f"{step.text}\necho; echo '=== end'\n" for step, _ in steps)
    with demo_server(tmp_path) as address:
        done = subprocess.run(
            ["bash", "-u", "-c", script],
            env={**os.environ, "PATH": f"{shim.parent}:{os.environ['PATH']}", "GRPCURL_ADDRESS": address},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
    answers = done.stdout.split("=== end\n")
    assert len(answers) - 1 == len(steps) > 15
    for (step, promise), said in zip(steps, answers, strict=False):
        failure_expected = promise.language == "text" and "Code: " in promise.text
        assert ("ERROR:" in said) == failure_expected, f"{step.text}\n{said}"
        if promise.language == "json":
            answer, wanted = documents(said)[-1], documents(promise.text)[0]
            assert contains(answer, wanted), f"{step.text}\n{said}"
        elif promise.language == "text":
            for line in promise.text.splitlines():
                assert line.strip() in said, f"{line}\n{step.text}\n{said}"


def test_every_rpc_is_called_or_told(tmp_path: Path) -> None:
    """The table of RPCs names each one, and the lines with grpcurl call all but a few that resemble others."""
    services = [
        service
        for file in (connection_pb2, record_pb2, branding_pb2, maintenance_pb2, relay_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
    ]
    rpcs = {method.name for service in services for method in service.methods}
    assert len(rpcs) == 91
    for page in READMES:
        rows = "\n".join(line for line in page.read_text().splitlines() if line.startswith("|"))
        assert {name for name in rpcs if not re.search(rf"\b{name}\b", rows)} == set()
    called = {name for block in blocks(ENGLISH) for name in re.findall(r"Service/(\w+)", block.text)}
    alike = {
        "GetConnection",
        "SetConnectionStatus",
        "UnassignUsers",
        "BatchCreateConnections",
        "BatchDeleteConnections",
        "DeleteRecord",
    }
    sends = ("Image", "Audio", "Video", "Document", "Sticker", "Location", "Contact", "Poll", "Buttons", "List")
    alike |= {f"Send{kind}" for kind in sends} | {"EditMessage", "DeleteMessage", "React", "MarkRead"}
    alike |= {"SetChatPresence", "GetUserInfo", "GetAvatar", "GetGroupInfo", "UpdateWebhook", "DisconnectSession"}
    alike |= {"LogoutSession", "GetQrCode", "PairPhone", "GetUser", "UpdateUser"}
    assert rpcs - called <= alike


def test_the_python_blocks_work(tmp_path: Path) -> None:
    """The Python blocks are one program that runs to its end."""
    program = "".join(block.text for block in blocks(ENGLISH) if block.language == "python")
    with demo_server(tmp_path) as address:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program.replace(NAMED_ADDRESS, address)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "StatusCode.NOT_FOUND NOT_FOUND" in done.stdout
    assert "record.fields.nickname" in done.stdout
    assert len((tmp_path / "customers.csv").read_text().splitlines()) == 13


def test_both_languages_have_the_same_code() -> None:
    """The blocks of the Portuguese README are those of the English one.

    Comments and drawings aside, and that only the English one asks for English everywhere.
    """

    def code(page: Path) -> list[Block]:
        aside = r""" +# .*|, language="en"| -H 'accept-language: en'"""
        return [Block(block.language, re.sub(aside, "", block.text)) for block in blocks(page) if "┌" not in block.text]

    assert code(PORTUGUESE) == code(ENGLISH)


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_the_settings_table_is_complete(page: Path) -> None:
    """Every setting stands in the table with its default, in the order of the program, and no other does."""
    rows = re.findall(
        r"^\| `([A-Z][A-Z0-9_]+)` \| (?:`([^`]*)`|[a-zçã ]+)(?: s)? \| [^|]+ \| [^|]+ \|$",
        page.read_text(),
        re.MULTILINE,
    )
    settings = table(Settings.model_construct())
    assert rows == [(setting.variable, setting.default) for setting in settings]


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_the_table_of_commands_is_complete(page: Path) -> None:
    """It has those of the command line and no other."""
    part = page.read_text().partition("wuzapi-manager COMMAND")[2]
    assert tuple(re.findall(r"^\| `([a-z ]+)(?: FILE| NAME)?` \|", part, re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_help_text(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help is no error."""
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    said = capsys.readouterr()
    assert (ended.value.code, said.err) == (0, "")
    assert said.out.startswith(f"usage: wuzapi-manager {command} ")


def test_the_program_lists_its_commands() -> None:
    """It is installed under its name."""
    program = Path(sys.executable).with_name("wuzapi-manager")
    listed = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    names = set(re.findall(r"^ {4}(\w+)", listed, re.MULTILINE))
    assert names == {command.split()[0] for command in COMMANDS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Path) -> None:
    """Links lead to files, and make targets and files that are named are there."""
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text):
        if not link.startswith("https://"):
            assert (page.parent / link).exists(), link
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        headings = [re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines()]
        assert anchor in headings
    assert (
        set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)) <= targets
    )
    server = ROOT / "server" / "wuzapi_manager_server"
    for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", text):
        assert any((folder / name).exists() for folder in (ROOT, server)) or name.startswith("data/"), name
