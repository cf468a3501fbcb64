"""Opening: whose file it is, whether it is sound, and what it is told."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import apsw
import pytest

from wuzapi_manager_server.errors import Code, DatabaseError
from wuzapi_manager_server.storage.database import SQLITE_VERSION, Database, refuse_wal_bug
from wuzapi_manager_server.storage.integrity import problems_of
from wuzapi_manager_server.storage.migrations import APPLICATION_ID, STEPS
from wuzapi_manager_server.storage.pragmas import Pragmas

CHILD = Path(__file__).with_name("opening_child.py")


def widen(path: Path) -> None:
    path.chmod(0o644)


async def opened_and_closed(path: Path, pragmas: Pragmas | None = None) -> None:
    await Database.open(path, pragmas).close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_folder_and_file_are_for_this_user_alone(path: Path) -> None:
    """The folder is made 0700, and the file and its companions 0600, whatever the umask."""
    before = os.umask(0)
    try:
        database = Database.open(path)
        await database.write(lambda: database.changed("INSERT INTO system_metadata VALUES ('a', '', '', '')"))
        assert mode(path.parent) == 0o700
        assert {file.name: mode(file) for file in path.parent.iterdir()} == dict.fromkeys(
            ["wuzapi.db", "wuzapi.db-wal", "wuzapi.db-shm"], 0o600
        )
        await database.close()
    finally:
        os.umask(before)


async def test_a_file_that_others_may_read_is_closed_to_them(path: Path) -> None:
    """Our own database that was copied with wide permissions is 0600 after the start."""
    await opened_and_closed(path)
    widen(path)
    await opened_and_closed(path)
    assert mode(path) == 0o600


async def test_a_new_file_is_marked_and_migrated(path: Path) -> None:
    """The file carries the application id and the schema version, and opening it again changes neither."""
    for _ in range(2):
        database = Database.open(path)
        assert database.rows("PRAGMA application_id") == [(APPLICATION_ID,)]
        assert database.schema_version == len(STEPS)
        assert problems_of(database.path, full=True) == ()
        await database.close()


NAMES = {
    "journal_mode": "wal",
    "busy_timeout": 1234,
    "cache_size": 321,
    "synchronous": 2,
    "temp_store": 1,
    "mmap_size": 65536,
    "foreign_keys": 0,
    "recursive_triggers": 0,
    "wal_autocheckpoint": 77,
}
PRAGMAS = Pragmas(
    timeout_ms=1234,
    cache_pages=321,
    synchronous="FULL",
    temp_store="FILE",
    mmap_bytes=65536,
    foreign_keys=False,
    recursive_triggers=False,
    wal_autocheckpoint=77,
)


async def test_every_pragma_holds_on_every_connection(path: Path) -> None:
    """The reader of the loop, the long readers and the writer all answer what was asked for."""
    database = Database.open(path, PRAGMAS)

    def found() -> dict[str, object]:
        return {name: database.rows(f"PRAGMA {name}")[0][0] for name in NAMES}

    assert found() == NAMES
    assert await database.read_long(found) == NAMES
    assert await database.alone(found) == NAMES
    await database.close()


async def test_wal_false_gives_delete(path: Path) -> None:
    """SQLITE_WAL_MODE=false turns a WAL database into one with a rollback journal, and back."""
    for wal, journal in ((True, "wal"), (False, "delete"), (True, "wal")):
        database = Database.open(path, Pragmas(wal=wal))
        assert database.rows("PRAGMA journal_mode") == [(journal,)]
        await database.write(lambda: None)
        await database.close()


@pytest.mark.parametrize(
    ("pragmas", "setting"),
    [(Pragmas(mmap_bytes=1 << 60), "SQLITE_MMAP_SIZE"), (Pragmas(timeout_ms=-5), "SQLITE_TIMEOUT")],
)
def test_a_pragma_that_sqlite_does_not_take_stops_the_start(path: Path, pragmas: Pragmas, setting: str) -> None:
    """The sentence says what was asked and answered, and which setting to change."""
    with pytest.raises(DatabaseError) as raised:
        Database.open(path, pragmas)
    assert raised.value.code is Code.FAILED_PRECONDITION
    assert "answers" in raised.value.text.en
    assert raised.value.suggestion is not None
    assert setting in raised.value.suggestion.en


async def test_a_journal_mode_that_another_program_holds_stops_the_start(path: Path) -> None:
    """While another connection uses the WAL, DELETE is not to be had: the start ends with the busy error."""
    await opened_and_closed(path)
    other = apsw.Connection(str(path))
    other.execute("BEGIN; SELECT * FROM system_metadata").fetchall()
    with pytest.raises(DatabaseError) as raised:
        Database.open(path, Pragmas(wal=False, timeout_ms=50))
    assert raised.value.text.pt == "Banco de dados está ocupado"
    other.close()


def test_the_original_applications_file_is_refused_and_left_as_it_is(path: Path) -> None:
    """A database with that application's tables is not ours; the sentence says so, no byte changes."""
    path.parent.mkdir()
    with sqlite3.connect(path) as original:
        original.execute("CREATE TABLE database_connections (id INTEGER PRIMARY KEY, name TEXT)")
        original.execute("INSERT INTO database_connections (name) VALUES ('Banco Principal SQLite')")
    original.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseError) as raised:
        Database.open(path)
    assert "original WUZAPI Manager" in raised.value.text.en
    assert raised.value.suggestion is not None
    assert "the old one stays as it is" in raised.value.suggestion.en
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["wuzapi.db"]


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE songs (id INTEGER)", "PRAGMA application_id = 5", "PRAGMA user_version = 5"]
)
def test_another_programs_database_is_refused(path: Path, statement: str) -> None:
    """Tables, an application id or a version of somebody else's make a file another program's."""
    path.parent.mkdir()
    with apsw.Connection(str(path)) as other:
        other.execute(statement)
    other.close()
    with pytest.raises(DatabaseError, match="another program"):
        Database.open(path)


async def test_a_newer_schema_is_refused(path: Path) -> None:
    """A database that a newer program has migrated is refused with both versions."""
    await opened_and_closed(path)
    with apsw.Connection(str(path)) as newer:
        newer.execute("PRAGMA user_version = 9999")
    newer.close()
    with pytest.raises(DatabaseError, match=f"version 9999; this program knows versions up to {len(STEPS)}"):
        Database.open(path)


def test_a_file_that_is_no_database_is_corrupt(path: Path) -> None:
    """Garbage is told as corruption, in the words of the original application."""
    path.parent.mkdir()
    path.write_bytes(b"not a database " * 1000)
    with pytest.raises(DatabaseError) as raised:
        Database.open(path)
    assert raised.value.code is Code.DATA_LOSS
    assert raised.value.text.pt == "Banco de dados corrompido"
    assert raised.value.suggestion is not None
    assert raised.value.suggestion.pt == "Execute verificação de integridade ou restaure backup"


async def test_a_damaged_page_is_found_at_the_start(path: Path) -> None:
    """quick_check finds an index page that was overwritten behind SQLite's back."""
    database = Database.open(path)
    await database.write(
        lambda: database.changed(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
            " INSERT INTO system_metadata SELECT printf('key %06d', i), 'value', '', '' FROM n"
        )
    )
    page = database.rows("SELECT rootpage FROM sqlite_schema WHERE name = 'system_metadata'")[0][0]
    await database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096 + 8)
        file.write(bytes(range(200)))
    with pytest.raises(DatabaseError) as raised:
        Database.open(path)
    assert raised.value.code is Code.DATA_LOSS


async def test_check_tells_of_rows_that_refer_to_nothing(path: Path) -> None:
    """The full check names a row whose parent is missing, which SQLite lets in while foreign keys are off."""
    database = Database.open(path, Pragmas(foreign_keys=False))
    await database.write(lambda: database.changed("INSERT INTO connection_assignments VALUES (7, x'00', 'secret', 0)"))
    assert problems_of(database.path, full=True) == (
        "row None of connection_assignments refers to a missing row of database_connections",
    )
    await database.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the way of the folder is the original application's CANTOPEN, and the path is not told."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError) as raised:
        Database.open(tmp_path / "file" / "data" / "wuzapi.db")
    assert raised.value.text.pt == "Não foi possível abrir o banco de dados"
    assert str(tmp_path) not in f"{raised.value}{raised.value.suggestion}"
    assert isinstance(raised.value.__cause__, OSError)


def test_a_folder_in_place_of_the_file_is_told(path: Path) -> None:
    """SQLite's own CANTOPEN has the same words."""
    path.mkdir(parents=True)
    with pytest.raises(DatabaseError) as raised:
        Database.open(path)
    assert raised.value.text.pt == "Não foi possível abrir o banco de dados"
    assert raised.value.retry_after


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "message"),
    [
        (0o555, None, "Permissão negada para acessar o banco de dados"),
        (0o755, 0o444, "O banco de dados está somente para leitura"),
        (0o755, 0o000, "Não foi possível abrir o banco de dados"),
    ],
)
async def test_what_may_not_be_written_is_told(folder_mode: int, file_mode: int | None, message: str) -> None:
    """A folder or file without the right permissions stops the start with a sentence; tried as an ordinary user."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        path = Path(made) / "wuzapi.db"
        if file_mode is not None:
            await opened_and_closed(path, Pragmas(wal=False))
        said = await asyncio.to_thread(said_by_ordinary_user, path, folder_mode, file_mode)
    assert said == (message, "")


def said_by_ordinary_user(path: Path, folder_mode: int, file_mode: int | None) -> tuple[str, str]:
    if file_mode is not None:
        path.chmod(file_mode)
    path.parent.chmod(folder_mode)
    child = subprocess.run(
        [sys.executable, CHILD, path, "unprivileged"], capture_output=True, text=True, check=False, timeout=60
    )
    path.parent.chmod(0o755)
    return child.stdout.strip(), child.stderr


def test_processes_that_start_at_once_share_one_new_file(path: Path) -> None:
    """Four processes that open the same missing file all succeed, and the schema is made once."""
    children = [
        subprocess.Popen([sys.executable, CHILD, path], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.communicate(timeout=60)[0].strip() for child in children] == ["open"] * 4
    assert [child.returncode for child in children] == [0] * 4


@pytest.mark.parametrize(
    ("pragmas", "message"),
    [
        (Pragmas(), "Não foi possível abrir o banco de dados"),
        (Pragmas(mmap_bytes=1 << 60), "O SQLite recebeu mmap_size"),
    ],
)
def test_a_writer_that_cannot_open_its_connection_says_why(tmp_path: Path, pragmas: Pragmas, message: str) -> None:
    """What changes between the checks and the start of the writer's thread is told where the start waits for it."""
    path = tmp_path / "wuzapi.db"
    if pragmas != Pragmas():
        path.touch()
    with pytest.raises(DatabaseError) as raised:
        Database(path, pragmas, 1.0)._writer.start()
    assert raised.value.text.pt.startswith(message)


def test_sqlite_with_the_wal_bug_is_refused_in_wal_mode_alone() -> None:
    """An affected SQLite is told by its version with what to do; ours is not affected."""
    refuse_wal_bug(SQLITE_VERSION, wal=True)
    refuse_wal_bug("3.40.1", wal=False)
    with pytest.raises(DatabaseError, match=r"3\.40\.1") as raised:
        refuse_wal_bug("3.40.1", wal=True)
    assert raised.value.suggestion is not None
    assert "SQLITE_WAL_MODE=false" in raised.value.suggestion.en


async def test_a_slow_statement_is_logged_without_its_values(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What takes longer than it should stands in the log, as its text alone."""
    database = Database.open(path, slow=0.0)
    database.rows("SELECT :secret", {"secret": "planted-value"})
    await database.close()
    logged = "".join(capfd.readouterr())
    assert "slow query" in logged
    assert "SELECT :secret" in logged
    assert "planted-value" not in logged
