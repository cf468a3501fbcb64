"""A flipped bit in a file on the disk: what finds it. `FLIPS` says how many, `FLIP_SEED` repeats a run.

Every flip in a backup is found, and every one in the live database that changes a row; others are in what is left of
rows that lie elsewhere now, or in the number that SQLite gives next.
"""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.integration.storage.conftest import Clock
from tests.integration.storage.examples import SOURCES, connection
from wuzapi_manager_server.domain.audit import Deed
from wuzapi_manager_server.domain.backup import Backup, Origin
from wuzapi_manager_server.domain.branding import Branding
from wuzapi_manager_server.errors import Code, DatabaseError, FileSystemError
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.backups import BackupMaker
from wuzapi_manager_server.storage.backups_folder import BackupFolder
from wuzapi_manager_server.storage.branding import BrandingStore
from wuzapi_manager_server.storage.connections import ConnectionStore
from wuzapi_manager_server.storage.contents import Contents
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.idempotency import IdempotencyStore
from wuzapi_manager_server.storage.integrity import problems_of
from wuzapi_manager_server.storage.metadata import MetadataStore
from wuzapi_manager_server.storage.secret_keys import open_box

FLIPS = int(os.environ.get("FLIPS") or 90)
SEED = int(os.environ.get("FLIP_SEED") or SystemRandom().randrange(2**32))
TARGETED = 20
HEADER = 100  # bytes of the file that belong to no page
PAGE = 4096

Rows = dict[str, list[tuple[object, ...]]]


@pytest.fixture
async def filled(database: Database, path: Path, clock: Clock) -> tuple[Path, SecretBox]:
    """A closed database with something of everything."""
    box = open_box(database, [], path.parent)
    store, audit = ConnectionStore(database, box, clock), AuditStore(database, box, clock)
    brandings, metadata = BrandingStore(database, clock), MetadataStore(database, clock)
    requests = IdempotencyStore(database, box, clock)

    def fill() -> None:
        for number in range(40):
            store.create(
                connection(SOURCES[number % 5], name=f"connection {number}", assigned_users=(f"u{number}", "x"))
            )
            audit.record(Deed(f"connections/{number}", {"name": "a"}, {"name": "b", "number": number}))
            metadata.set(f"key.{number}", f"value {number} " * 20)
            brandings.add(Branding(app_name=f"name {number}", custom_home_html="<p>home</p>" * 20), None)
            requests.begin(f"request {number}".encode(), b"body")

    await database.write(fill)
    await database.alone(lambda: database.rows("VACUUM"))
    await database.close()
    return path, box


def rows_of(path: Path) -> Rows:
    """Every row of every table, texts as bytes: they may be damaged."""
    with closing(sqlite3.connect(path)) as opened:
        tables = [name for (name,) in opened.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        tables.remove("sqlite_sequence")
        opened.text_factory = bytes
        return {table: list(opened.execute(f"SELECT * FROM {table} ORDER BY 1, 2")) for table in tables}


async def found_by(path: Path, box: SecretBox, clock: Clock) -> tuple[str, Rows | None]:
    """What finds damage in a file: "start", "check" or nothing, and then its rows. Any other exception is a fault."""
    try:
        opened = Database.open(path)
    except DatabaseError:
        return "start", None
    try:
        try:
            open_box(opened, [], path.parent)
        except DatabaseError:
            return "start", None
        try:
            problems = problems_of(path, full=True) or Contents(opened, box, clock).check()
        except DatabaseError as error:
            return ("check" if error.code is Code.DATA_LOSS else error.text.en), None
        if problems:
            return "check", None
    finally:
        await opened.close()
    return "", rows_of(path)


def flipped(content: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def read(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, content: bytes) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
    path.write_bytes(content)


@pytest.mark.timeout(3_600)
async def test_flips_in_the_live_database(
    filled: tuple[Path, SecretBox], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every one that changes a value is found, and no more than a DatabaseError comes of it."""
    path, box = filled
    random = Random(SEED)
    content = path.read_bytes()
    nothing, whole = await found_by(path, box, clock)
    assert (nothing, whole is None) == ("", False)
    assert whole is not None
    content = path.read_bytes()
    counts: Counter[str] = Counter()
    for _ in range(FLIPS):
        place, bit = random.randrange(len(content)), random.randrange(8)
        put(path, flipped(content, place, bit))
        found, rows = await found_by(path, box, clock)
        if rows is not None:
            found = "nothing changed" if rows == whole else "silent"
        counts[found] += 1
    with capsys.disabled():
        print(f" FLIP_SEED={SEED}: {dict(counts)}", end="")  # noqa: T201 - the figures are the point
    assert set(counts) <= {"start", "check", "nothing changed"}, (SEED, counts)


async def every_flip_is_found(path: Path, box: SecretBox, clock: Clock, places: Callable[[bytes], list[int]]) -> None:
    random = Random(SEED)
    nothing, whole = await found_by(path, box, clock)
    assert nothing == ""
    content = read(path)
    chosen = random.sample(places(content), TARGETED)
    left = 0
    for place in chosen:
        bit = random.randrange(8)
        put(path, flipped(content, place, bit))
        found, rows = await found_by(path, box, clock)
        assert found or rows == whole, f"FLIP_SEED={SEED}, byte {place}, bit {bit}"
        left += not found  # it was in what a page still has of a row that lies elsewhere now
    assert left <= TARGETED * 3 // 4


async def test_every_flip_in_a_secret_is_found(filled: tuple[Path, SecretBox], clock: Clock) -> None:
    """Passwords, tokens, users and what is kept of requests are sealed: none of them is ever a little different."""
    path, box = filled
    mark = f"{box.key_ids[0]}:gAAAA".encode()

    def places(content: bytes) -> list[int]:
        starts = [at for at in range(len(content)) if content.startswith(mark, at)]
        return [at + offset for at in starts for offset in range(len(mark) + 60)]

    await every_flip_is_found(path, box, clock, places)


async def test_every_flip_in_the_audit_log_is_found(filled: tuple[Path, SecretBox], clock: Clock) -> None:
    """Also in its newest entry, which nothing follows yet."""
    path, box = filled

    def places(content: bytes) -> list[int]:
        mark = b'{"name":"b","number":'
        starts = [at for at in range(len(content)) if content.startswith(mark, at)]
        return [at + offset for at in starts for offset in range(len(mark))]

    await every_flip_is_found(path, box, clock, places)


async def test_every_flip_of_the_kind_of_a_page_is_found(filled: tuple[Path, SecretBox], clock: Clock) -> None:
    """The first byte of a page of a table or an index says what it is."""
    path, box = filled
    kinds = {2, 5, 10, 13}

    def places(content: bytes) -> list[int]:
        pages = [HEADER, *range(PAGE, len(content), PAGE)]
        return [at for at in pages if content[at] in kinds]

    await every_flip_is_found(path, box, clock, places)


@pytest.mark.parametrize("encrypt", [True, False])
async def test_every_flip_in_a_backup_is_found(
    filled: tuple[Path, SecretBox], clock: Clock, tmp_path: Path, *, encrypt: bool
) -> None:
    """Verification names the backup, wherever the bit is in its file, and whether or not that is encrypted."""
    path, box = filled
    folder = BackupFolder(tmp_path / "backups")
    folder.make()
    maker = BackupMaker(path, folder, box, clock, encrypt=encrypt)
    backup = maker.verify(maker.make(Origin.ASKED, lambda: None), lambda: None)
    file = folder.file(backup)
    content = file.read_bytes()
    random = Random(SEED)
    for _ in range(FLIPS // 3):
        place, bit = random.randrange(len(content)), random.randrange(8)
        file.write_bytes(flipped(content, place, bit))
        with pytest.raises(FileSystemError) as raised:
            maker.verify(backup, lambda: None)
        assert raised.value.code is Code.DATA_LOSS
        assert folder.get(backup.name).verify_time is None
    file.write_bytes(content)
    assert maker.verify(folder.get(backup.name), lambda: None).verify_time is not None


async def test_every_flip_in_a_description_is_found(
    filled: tuple[Path, SecretBox], clock: Clock, tmp_path: Path
) -> None:
    """Either it says the same as before, or the backup counts as not verified, until it is verified anew."""
    path, box = filled
    folder = BackupFolder(tmp_path / "backups")
    folder.make()
    maker = BackupMaker(path, folder, box, clock, encrypt=True)
    backup = maker.verify(maker.make(Origin.SCHEDULE, lambda: None), lambda: None)
    description = folder.file(backup).with_name(f"{backup.name}.json")
    content = description.read_bytes()
    listed: list[Backup] = []
    for place in range(len(content)):
        description.write_bytes(flipped(content, place, place % 8))
        (found,) = folder.all()
        assert found == backup or (found.verify_time, found.origin) == (None, Origin.UNSPECIFIED), (place, found)
        listed += [found] if found != backup else []
    assert len(listed) > len(content) // 2
    again = maker.verify(listed[-1], lambda: None)
    assert (again.sha256, again.rows) == (backup.sha256, backup.rows)
