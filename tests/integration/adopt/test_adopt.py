"""`wuzapi-manager adopt --apply`, and what the server shows of what came over."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import apsw

from tests.contract.server import ADMIN_TOKEN, world_in
from tests.fakes.wuzapi import FakeWuzapi
from tests.integration.adopt.command import adopt, every_connection
from tests.integration.adopt.original import SECRETS, write
from wuzapi_manager.v1 import branding_pb2 as branding
from wuzapi_manager.v1 import maintenance_pb2 as maintenance
from wuzapi_manager_server.storage.checksums import install


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


def test_the_audit_log_tells_of_it(original: Path, tmp_path: Path) -> None:
    """Each connection and the branding have an entry, as done from the command line, without a secret."""
    assert adopt(tmp_path, str(original), "--apply").returncode == 0
    with world_in(tmp_path) as world:
        ids = {name: f"connections/{each.id}" for name, each in every_connection(world).items()}
        found = world.admin.maintenance.ListAuditEvents(maintenance.ListAuditEventsRequest()).events
        full = maintenance.CheckIntegrityRequest(depth=maintenance.CHECK_DEPTH_FULL)
        assert world.admin.maintenance.CheckIntegrity(full).ok
    told = {event.target: event for event in found}
    assert len(found) == 4
    assert set(told) == {*ids.values(), "branding"}
    assert {(event.actor, event.peer, event.outcome) for event in found} == {("system", "command line", "OK")}
    assert told[ids["Clientes"]].action.endswith("ConnectionService/CreateConnection")
    assert told[ids["Clientes"]].after["secret"] == "given"
    assert told["branding"].action.endswith("BrandingService/UpdateBranding")
    assert dict(told["branding"].before) == {"app_name": "WUZAPI", "primary_color": "", "revision": 0}
    assert dict(told["branding"].after) == {"app_name": "Loja São João", "primary_color": "#A0B1C2", "revision": 1}
    assert not any(secret in str(found) for secret in SECRETS)


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


def test_admin_means_everyone_needs_wuzapi(original: Path, tmp_path: Path) -> None:
    """Without an address, or with nobody there, it is one sentence, and nothing is taken."""
    asked = (str(original), "--apply", "--admin-means-everyone")
    unset = adopt(tmp_path, *asked)
    assert (unset.returncode, unset.stdout) == (1, "")
    assert "WUZAPI_BASE_URL" in unset.stderr
    gone = adopt(tmp_path, *asked, WUZAPI_BASE_URL="http://127.0.0.1:1")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr == "WUZAPI cannot be reached. Check that the service is available\n"
