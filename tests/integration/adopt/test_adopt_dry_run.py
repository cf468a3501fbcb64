"""`wuzapi-manager adopt` without `--apply`: it tells and writes nothing."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.contract.server import ADMIN_TOKEN, world_in
from tests.fakes.wuzapi import FakeWuzapi
from tests.integration.adopt.command import adopt, every_connection
from tests.integration.adopt.original import SECRETS
from wuzapi_manager.v1 import branding_pb2 as branding
from wuzapi_manager_server.storage.migrations import STEPS, migrate


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
