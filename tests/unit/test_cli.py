"""The command line."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.behind import behind
from wuzapi_manager_server.cli import main
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.settings import Settings
from wuzapi_manager_server.storage.checksums import connected
from wuzapi_manager_server.storage.database import schema_of
from wuzapi_manager_server.storage.migrations import STEPS
from wuzapi_manager_server.storage.migrations import migrate as apply
from wuzapi_manager_server.storage.secret_keys import load_admin_token


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting comes from where the tests happen to run; the port is one that nobody serves."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("GRPC_PORT", "1")


def test_config_prints_every_setting(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting with value, origin and help; secrets masked."""
    monkeypatch.setenv("WUZAPI_ADMIN_TOKEN", "a-planted-token-0123")
    assert main(["config"]) == 0
    said = capsys.readouterr().out
    assert "GRPC_PORT=1  (environment)\n    The port to listen on" in said
    assert "WUZAPI_ADMIN_TOKEN=***  (environment)" in said
    assert "planted" not in said
    assert all(f"{name.upper()}=" in said for name in Settings.model_fields)


def test_nobody_who_reads_on_is_no_traceback() -> None:
    """`config | head -1`: whether the pipe breaks amid it or at its end, nothing is said about it."""
    command = f"{sys.executable} -m wuzapi_manager_server config | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("GRPC_HOST=127.0.0.1  (default)\n", "")
    with Path("/dev/null").open("rb") as nothing:
        reader, writer = os.pipe()
        os.close(reader)
        program = [sys.executable, "-m", "wuzapi_manager_server", "version"]
        ended = subprocess.run(program, stdin=nothing, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_bad_settings_stop_every_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad value is one line on stderr and exit code 1."""
    monkeypatch.setenv("GRPC_PORT", "x")
    assert main(["serve"]) == 1
    assert capsys.readouterr().err == "GRPC_PORT: 'x' is not allowed; it takes a number from 0 to 65535\n"


@pytest.mark.parametrize("arguments", [[], ["nope"], ["secrets"], ["serve", "now"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    """What the command line does not know ends with exit code 2."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The version of the distribution."""
    assert main(["version"]) == 0
    assert capsys.readouterr().out.strip()


def test_migrate_makes_the_database(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The database is made and migrated; a second time changes nothing."""
    assert main(["migrate"]) == 0
    assert main(["migrate"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert first.startswith("data/wuzapi.db has schema ")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_database_of_others_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file that is no database is one sentence with what to do."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "wuzapi.db").write_bytes(b"no database" * 1000)
    assert main(["migrate"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_check_finds_what_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All well is exit code 0; rows that refer to nothing, or certificates that are not there, are named with 1."""
    assert main(["migrate"]) == 0
    assert main(["check"]) == 0
    assert "are well" in capsys.readouterr().out
    with behind(tmp_path / "data" / "wuzapi.db") as database:
        database.execute("PRAGMA foreign_keys = off")
        table, columns = _child_table(database)
        marks = ", ".join("1" for _ in columns)
        database.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})")
    assert main(["check"]) == 1
    assert "refers to a missing row" in capsys.readouterr().err
    monkeypatch.setenv("TLS_CERT_FILE", str(tmp_path / "absent.pem"))
    monkeypatch.setenv("TLS_KEY_FILE", str(tmp_path / "absent.key"))
    assert main(["check"]) == 1
    assert "absent.pem cannot be read" in capsys.readouterr().err


def test_check_and_token_make_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where there is no database, or an empty file, and no token, that is said; a key is not made either."""
    path = tmp_path / "data" / "wuzapi.db"
    for command, why in (("check", f"There is no database at {path}: set"), ("token", "There is no token yet: the")):
        assert main([command]) == 1
        assert capsys.readouterr().err.startswith(why)
    assert list(tmp_path.iterdir()) == []
    path.parent.mkdir()
    path.touch()
    assert main(["check"]) == 1
    assert capsys.readouterr().err.startswith("There is no database at")
    assert path.stat().st_size == 0
    assert main(["migrate"]) == 0
    assert main(["check"]) == 0
    assert not (path.parent / "secret.key").exists()
    path.write_bytes(b"")
    with closing(connected(path)) as older:
        apply(older, STEPS[:-1])
    assert main(["check"]) == 0
    last = len(STEPS)
    assert f"the next start brings the database from schema {last - 1} to {last}" in capsys.readouterr().out
    assert schema_of(path) == last - 1
    monkeypatch.setenv("SQLITE_DB_PATH", str(tmp_path))
    assert main(["check"]) == 1
    assert "is a folder: set SQLITE_DB_PATH" in capsys.readouterr().err


def test_check_looks_at_the_folders(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A folder that a setting names and that is not there, or is none, is a sentence each, besides all else."""
    assert main(["migrate"]) == 0
    sources, backups = tmp_path / "sources", tmp_path / "file"
    backups.touch()
    monkeypatch.setenv("SQLITE_SOURCES_DIR", str(sources))
    monkeypatch.setenv("BACKUP_DIR", str(backups))
    assert main(["check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{sources} is not there: make it, or set SQLITE_SOURCES_DIR to another folder",
        f"{backups} is no folder: make it, or set BACKUP_DIR to another folder",
    ]
    backups.unlink()
    for folder in (sources, backups):
        folder.mkdir()
    assert main(["check"]) == 0


def _child_table(database: sqlite3.Connection) -> tuple[str, list[str]]:
    """A table with a foreign key, and its columns."""
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if database.execute(f"PRAGMA foreign_key_list({name})").fetchall():
            return name, [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
    raise AssertionError("no table has a foreign key")


def test_rotate_makes_a_new_key_in_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without SECRET_KEYS a new key comes first in the file, the older one stays for backups."""
    file = tmp_path / "data" / "secret.key"
    file.parent.mkdir()
    file.write_text(f"{SecretBox.new_key()}\n")
    old = file.read_text().split()
    assert main(["secrets", "rotate"]) == 0
    new = file.read_text().split()
    assert len(new) == 2
    assert new[1:] == old
    assert "secret.key: backups" in capsys.readouterr().out


def test_rotate_with_keys_that_are_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With SECRET_KEYS the first one is the target, and no file is made."""
    monkeypatch.setenv("SECRET_KEYS", f"{SecretBox.new_key()},{SecretBox.new_key()}")
    assert main(["secrets", "rotate"]) == 0
    assert "under the first key now" in capsys.readouterr().out
    assert not (tmp_path / "data" / "secret.key").exists()


def test_token_tells_the_place_and_not_the_token(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file of a made token, or the variable; never the token."""
    load_admin_token(None, tmp_path / "data")
    assert main(["token"]) == 0
    file = tmp_path / "data" / "admin.token"
    assert capsys.readouterr().out.strip() == str(file)
    assert file.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("WUZAPI_ADMIN_TOKEN", "a-planted-token-0123")
    assert main(["token"]) == 0
    assert capsys.readouterr().out.strip() == "WUZAPI_ADMIN_TOKEN"


def test_health_of_nobody_is_exit_code_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server the probe says so, in one sentence; an address for all is asked on this machine."""
    monkeypatch.setenv("GRPC_HOST", "0.0.0.0")  # noqa: S104 - never bound
    assert main(["health"]) == 1
    assert capsys.readouterr().out.startswith("No answer from 127.0.0.1:1")


def test_program_serves_and_is_healthy(tmp_path: Path) -> None:
    """The real program on the real parts: it serves, its health command agrees, keys are not rotated beneath it."""
    program = [sys.executable, "-m", "wuzapi_manager_server"]
    environment = os.environ | {"GRPC_PORT": "0"}
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen([*program, "serve"], env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        environment["GRPC_PORT"] = address.rpartition(":")[2]
        health = subprocess.run([*program, "health"], env=environment, capture_output=True, text=True, check=False)
        alive = subprocess.run(
            [*program, "health", "--liveness"], env=environment, capture_output=True, text=True, check=False
        )
        rotated = subprocess.run(
            [*program, "secrets", "rotate"], env=environment, capture_output=True, text=True, check=False
        )
        server.terminate()
        assert server.wait(20) == 0
    assert (health.returncode, health.stdout) == (0, f"{address} is ready\n")
    assert (alive.returncode, alive.stdout) == (0, f"{address} answers\n")
    assert (rotated.returncode, rotated.stderr) == (
        1,
        "The server is running, or another command uses the database: stop it first\n",
    )
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert events == ["database open", "readiness", "serving", "draining", "stopped"]
