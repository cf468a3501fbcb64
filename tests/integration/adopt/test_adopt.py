"""`wuzapi-manager adopt` as an operator runs it, and what the server shows of what came over."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.contract.server import ADMIN_TOKEN, World, world_in
from tests.fakes.wuzapi import FakeWuzapi
from tests.integration.adopt.original import NOCODB, OWN_TABLES, POSTGRES, SECRETS, write
from wuzapi_manager.v1 import branding_pb2 as branding
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager_server.settings import Settings
from wuzapi_manager_server.storage.checksums import install
from wuzapi_manager_server.storage.migrations import STEPS, migrate

LEADS: dict[str, object] = {"name": "Leads", "type": "SQLITE", "database_name": "leads.db", "table_name": "leads"}
BRANDING = [{"app_name": "Old"}, {"app_name": "Loja São João", "primary_color": "#a0b1c2", "logo_url": "javascript:x"}]
METADATA = {"schema_version": "2", "install_id": "abc", "system.adopted.x": "1"}


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return write(tmp_path / "original.db", [OWN_TABLES, NOCODB, POSTGRES, LEADS], BRANDING, METADATA)


def adopt(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs the command on a service whose data lies in `folder`."""
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    environment = {
        "SQLITE_DB_PATH": str(folder / "data" / "wuzapi.db"),
        "SQLITE_SOURCES_DIR": str(folder / "sources"),
        "WUZAPI_ADMIN_TOKEN": ADMIN_TOKEN,
        **settings,
    }
    return subprocess.run(
        [sys.executable, "-m", "wuzapi_manager_server", "adopt", *arguments],
        env=inherited | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def every_connection(world: World) -> dict[str, connections.Connection]:
    """The connections that the administrator sees, by name."""
    listed = world.admin.connections.ListConnections(connections.ListConnectionsRequest())
    return {each.name: each for each in listed.connections}


def test_a_dry_run_tells_and_changes_nothing(original: Path, tmp_path: Path) -> None:
    """Without --apply it says what comes over and what stays behind and why; no connection is made."""
    done = adopt(tmp_path, str(original))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Comes over: 3 connections" in done.stdout
    assert "connection 1 'Banco Principal SQLite' (SQLITE): it shows the application's own tables" in done.stdout
    assert "'schema_version' is the original's own" in done.stdout
    assert "Nothing was changed" in done.stdout
    assert not any(secret in done.stdout for secret in SECRETS)
    with world_in(tmp_path) as world:
        assert every_connection(world) == {}
        assert world.public.branding.GetBranding(branding.GetBrandingRequest()).branding.app_name == "WUZAPI"


def test_a_dry_run_makes_nothing(original: Path, tmp_path: Path) -> None:
    """Where there is no database yet there is none afterwards, and no key, token or folder either."""
    before = sorted(tmp_path.rglob("*"))
    assert "Comes over: 3 connections" in adopt(tmp_path, str(original)).stdout
    with FakeWuzapi(admin_token=ADMIN_TOKEN) as wuzapi:
        wanting = adopt(
            tmp_path, str(original), "--admin-means-everyone", WUZAPI_ADMIN_TOKEN="", WUZAPI_BASE_URL=wuzapi.url
        )
    assert (wanting.returncode, wanting.stdout) == (1, "")
    assert wanting.stderr == "The administrator's token is not here. Set WUZAPI_ADMIN_TOKEN\n"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("version", [0, 1, len(STEPS) - 1])
def test_a_dry_run_leaves_an_older_database_as_it_is(version: int, original: Path, tmp_path: Path) -> None:
    """It is looked into and not migrated; what is set in it already is told."""
    own = tmp_path / "data" / "wuzapi.db"
    own.parent.mkdir()
    with closing(apsw.Connection(str(own))) as database:
        migrate(database, STEPS[:version])
        if version:
            now = "2026-01-01T00:00:00.000000Z"
            database.execute(
                "INSERT INTO system_metadata (key, value, created_at, updated_at) VALUES (?, ?, ?, ?)",
                ("install_id", "here", now, now),
            ).fetchall()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = adopt(tmp_path, str(original))
    assert (done.returncode, done.stderr) == (0, "")
    assert ("'install_id' is set here already" in done.stdout) is bool(version)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_dry_run_says_that_the_database_is_none_of_ours(original: Path, tmp_path: Path) -> None:
    """SQLITE_DB_PATH may name the original's own, or a place that cannot be read: one sentence, as with --apply."""
    (tmp_path / "text").write_text("no database" * 999)
    for place, said in (
        (original, "The file named by SQLITE_DB_PATH is a database of the original"),
        (tmp_path / "text", "The database is corrupt"),
        (tmp_path, "The database cannot be opened"),
    ):
        done = adopt(tmp_path, str(original), SQLITE_DB_PATH=str(place))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(said)
        assert len(done.stderr.splitlines()) == 1


def test_applied_it_is_served(original: Path, tmp_path: Path) -> None:
    """Connections, users, mappings, views, branding and metadata are there, secrets are kept and encrypted."""
    done = adopt(tmp_path, str(original), "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    with world_in(tmp_path) as world:
        found = every_connection(world)
        assert set(found) == {"Clientes", "Pedidos", "Leads"}
        assert list(found["Clientes"].assigned_users) == ["7", SECRETS[2]]
        assert found["Clientes"].nocodb.has_token
        assert [mapping.column for mapping in found["Clientes"].field_mappings] == ["nome", "codigo", "cep"]
        assert found["Clientes"].view_configuration["defaultViewMode"] == "kanban"
        assert list(found["Pedidos"].assigned_users) == ["a1b2"]
        assert found["Pedidos"].postgresql.has_password
        shown = world.public.branding.GetBranding(branding.GetBrandingRequest()).branding
        assert (shown.app_name, shown.primary_color, shown.logo_url) == ("Loja São João", "#A0B1C2", "")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir() if path.name.startswith("wuzapi.db"))
    assert not any(secret.encode() in kept for secret in SECRETS)


def test_the_same_file_is_taken_once(original: Path, tmp_path: Path) -> None:
    """A second --apply says when it was done, and makes nothing twice; a dry run says so too."""
    assert adopt(tmp_path, str(original), "--apply").returncode == 0
    again = adopt(tmp_path, str(original), "--apply")
    assert again.returncode == 1
    assert again.stderr.startswith("This file was adopted before, at ")
    dry = adopt(tmp_path, str(original))
    assert dry.returncode == 0
    assert dry.stdout.splitlines()[-1].startswith("Nothing was changed. This file was adopted before, at ")
    with world_in(tmp_path) as world:
        assert len(every_connection(world)) == 3


def test_the_same_content_is_taken_once(original: Path, tmp_path: Path) -> None:
    """It counts what a file holds, not how: who closes it last has SQLite move the log of writes into it."""
    open_, closed = tmp_path / "open.db", tmp_path / "closed.db"
    with closing(sqlite3.connect(original)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        with database:
            database.execute("UPDATE database_connections SET host = 'elsewhere.example.com' WHERE name = 'Pedidos'")
        open_.write_bytes(original.read_bytes())
        log = tmp_path / f"{original.name}-wal"
        open_.with_name("open.db-wal").write_bytes(log.read_bytes())
    closed.write_bytes(original.read_bytes())
    assert open_.read_bytes() != closed.read_bytes()
    assert adopt(tmp_path, str(open_), "--apply").returncode == 0
    again = adopt(tmp_path, str(closed), "--apply")
    assert again.stderr.startswith("This file was adopted before, at ")
    with closing(sqlite3.connect(closed)) as database, database:
        database.execute("UPDATE database_connections SET host = 'else.example.com' WHERE name = 'Pedidos'")
    assert "was adopted before" not in adopt(tmp_path, str(closed)).stdout


def test_marks_of_whole_files_count(original: Path, tmp_path: Path) -> None:
    """What was marked as adopted by the SHA-256 of its file is known still."""
    mark = f"system.adopted.{hashlib.sha256(original.read_bytes()).hexdigest()}"
    assert adopt(tmp_path, str(write(tmp_path / "other.db", [])), "--apply").returncode == 0
    with closing(apsw.Connection(str(tmp_path / "data" / "wuzapi.db"))) as database:
        install(database)
        database.execute("UPDATE system_metadata SET key = ? WHERE key LIKE 'system.adopted.%'", (mark,)).fetchall()
    again = adopt(tmp_path, str(original), "--apply")
    assert (again.returncode, again.stderr[:31]) == (1, "This file was adopted before, a")


def test_admin_means_everyone_when_said_so(original: Path, tmp_path: Path) -> None:
    """Then all users that WUZAPI has are assigned to what the original showed to all."""
    with FakeWuzapi(admin_token=ADMIN_TOKEN) as wuzapi:
        ids = {wuzapi.add_user(name, f"token-of-{name}") for name in ("ana", "bia")}
        done = adopt(tmp_path, str(original), "--apply", "--admin-means-everyone", WUZAPI_BASE_URL=wuzapi.url)
    assert (done.returncode, done.stderr) == (0, "")
    with world_in(tmp_path) as world:
        assert set(every_connection(world)["Pedidos"].assigned_users) == {"a1b2", *ids}
        assert list(every_connection(world)["Clientes"].assigned_users) == ["7", SECRETS[2]]


def test_admin_means_everyone_needs_wuzapi(original: Path, tmp_path: Path) -> None:
    """Without an address, or with nobody there, it is one sentence, and nothing is taken."""
    asked = (str(original), "--apply", "--admin-means-everyone")
    unset = adopt(tmp_path, *asked)
    assert (unset.returncode, unset.stdout) == (1, "")
    assert "WUZAPI_BASE_URL" in unset.stderr
    gone = adopt(tmp_path, *asked, WUZAPI_BASE_URL="http://127.0.0.1:1")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr == "WUZAPI cannot be reached. Check that the service is available\n"


def test_the_file_is_left_untouched(original: Path, tmp_path: Path) -> None:
    """Not a byte of it changes and nothing appears beside it, also where the original left a log of writes behind."""
    folder = tmp_path / "field"
    folder.mkdir()
    with closing(sqlite3.connect(original)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        with database:
            database.execute("UPDATE database_connections SET name = 'Only in the log' WHERE name = 'Leads'")
        for name in (original.name, f"{original.name}-wal"):
            (folder / name).write_bytes((tmp_path / name).read_bytes())
    before = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}
    assert len(before) == 2
    done = adopt(tmp_path, str(folder / original.name), "--apply")
    assert "'Only in the log'" in done.stdout
    assert {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()} == before


def test_a_write_that_was_cut_short_is_undone(original: Path, tmp_path: Path) -> None:
    """What a killed application wrote and never committed does not come over; the file and its journal stay."""
    folder = tmp_path / "field"
    folder.mkdir()
    with closing(sqlite3.connect(original, isolation_level=None)) as database:
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN")
        database.execute("UPDATE database_connections SET name = 'Never committed'")
        database.execute("CREATE TABLE much AS SELECT randomblob(100000)")
        for name in (original.name, f"{original.name}-journal"):
            (folder / name).write_bytes((tmp_path / name).read_bytes())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert b"Never committed" in before[original.name]
    done = adopt(tmp_path, str(folder / original.name), "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert "'Leads'" in done.stdout
    assert "Never committed" not in done.stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_sqlite_files_outside_of_the_folder_stay_behind(tmp_path: Path) -> None:
    """A SQLite connection that this service could not open is told, not made."""
    file = write(tmp_path / "original.db", [LEADS | {"database_name": "../../etc/leads.db"}])
    done = adopt(tmp_path, str(file))
    assert "Comes over: 0 connections" in done.stdout
    assert "connection 1 'Leads' (SQLITE): " in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "The file cannot be read. Check that it is there"),
        (b"", "The file has no table database_connections"),
        (b"no database at all" * 999, "The file is no SQLite database"),
    ],
)
def test_what_is_no_such_database_is_one_sentence(content: bytes | None, said: str, tmp_path: Path) -> None:
    """A file that is missing, empty or something else ends with exit code 1 and what to do."""
    file = tmp_path / "x.db"
    if content is not None:
        file.write_bytes(content)
    done = adopt(tmp_path, str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


def test_a_database_of_this_service_is_refused(original: Path, tmp_path: Path) -> None:
    """Its own database has tables of the same names, and so has a backup that is not encrypted."""
    assert adopt(tmp_path, str(original), "--apply").returncode == 0
    own = tmp_path / "data" / "wuzapi.db"
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(own)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    for file in (own, backup):
        done = adopt(tmp_path, str(file), "--apply")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("The file is a database of this service, or a backup of one")
        assert len(done.stderr.splitlines()) == 1


def test_a_damaged_file_is_refused(original: Path, tmp_path: Path) -> None:
    """Damage is found before anything is taken from it."""
    content = bytearray(original.read_bytes())
    content[4096:4196] = os.urandom(100)
    original.write_bytes(content)
    done = adopt(tmp_path, str(original), "--apply")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Stop the application and try again" in done.stderr


ODD: dict[str, tuple[str, str, str]] = {
    "half a character": ("field_mappings", r'[{"columnName": "a", "label": "\ud800"}]', "a character that is none"),
    "digits": ("view_configuration", f'{{"a": {"7" * 23}}}', "its view configuration holds a number"),
    "more digits": ("assigned_users", f"[{'7' * 5_000}]", "its text of assigned users holds a number"),
}


@pytest.mark.parametrize(("encoding", "no_text"), [("UTF-8", b"Caf\xe9"), ("UTF-16le", b"C\0\0\xd8")])
def test_one_odd_row_does_not_keep_the_others_from_coming(encoding: str, no_text: bytes, tmp_path: Path) -> None:
    """Each is named with why, the same without --apply and with it; what can come over does."""
    file = tmp_path / "original.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.executescript(f"PRAGMA encoding = '{encoding}'; CREATE TABLE other (word TEXT)")
    odd = [POSTGRES | {"name": f"row {case}", column: value} for case, (column, value, _) in ODD.items()]
    write(file, [POSTGRES | {"name": no_text}, POSTGRES | {"password": no_text}, *odd])
    with closing(sqlite3.connect(file)) as database, database:
        assert database.execute("PRAGMA encoding").fetchall() == [(encoding,)]
        database.execute("UPDATE database_connections SET name = CAST(name AS TEXT), password = CAST(password AS TEXT)")
    dry, done = adopt(tmp_path, str(file)), adopt(tmp_path, str(file), "--apply")
    assert (dry.returncode, dry.stderr, done.returncode, done.stderr) == (0, "", 0, "")
    assert "Comes over: 2 connections" in done.stdout
    for said in ("its name is no text", "its password is no text", *(said for _, _, said in ODD.values())):
        assert said in done.stdout
    assert done.stdout.startswith(dry.stdout.partition("Nothing was changed")[0])
    with world_in(tmp_path) as world:
        assert set(every_connection(world)) == {"row digits", "row more digits"}
