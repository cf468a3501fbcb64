"""The upkeep as a use case on a real database."""

from contextlib import closing
from datetime import UTC, datetime

import apsw
import pytest

from wuzapi_manager_server.domain.audit import Actor, acting
from wuzapi_manager_server.errors import Code, Conflict, DatabaseError
from wuzapi_manager_server.rpc.maintenance_upkeep import UpkeepCalls
from wuzapi_manager_server.services.figures import Figures, Times
from wuzapi_manager_server.services.upkeep import Progress, State, Step, Upkeep
from wuzapi_manager_server.storage.backups_folder import BackupFolder
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.stats import stats_of


@pytest.fixture
def upkeep(database: Database) -> Upkeep:
    return Upkeep(database, [], BackupFolder(database.path.parent / "backups"))


async def test_one_at_a_time(upkeep: Upkeep) -> None:
    """While it runs another is refused with since when and by whose request; once it ended it may run again."""
    acting.set(Actor("admin", "", "", "the-first"))
    running = upkeep.run(force_vacuum=False)
    assert (await anext(running)).state is State.STARTED
    with pytest.raises(Conflict) as raised:
        await anext(upkeep.run(force_vacuum=False))
    told = raised.value.metadata
    assert (told["running"], told["request_id"]) == ("maintenance", "the-first")
    assert datetime.fromisoformat(told["since"]) <= datetime.now(UTC)
    assert raised.value.retry_after == 5
    assert [each.steps_done async for each in running][-1] == 5
    assert [each.steps_done async for each in upkeep.run(force_vacuum=True)][-1] == 5


async def test_one_that_is_broken_off_makes_room(upkeep: Upkeep) -> None:
    """A caller who goes away in the midst does not keep others from it."""
    running = upkeep.run(force_vacuum=False)
    await anext(running)
    await running.aclose()
    assert [each.steps_done async for each in upkeep.run(force_vacuum=False)][-1] == 5


async def test_a_failed_step_ends_it(upkeep: Upkeep, database: Database) -> None:
    """A database that another program holds cannot be vacuumed: that is told and raised, nothing after it is begun."""
    other = apsw.Connection(str(database.path))
    await database.write(lambda: database.changed("INSERT INTO system_metadata VALUES ('a', 'b', '', '')"))
    database.rows("PRAGMA busy_timeout = 1")
    await database.alone(lambda: database.rows("PRAGMA busy_timeout = 1"))
    other.execute("BEGIN IMMEDIATE")
    told: list[Progress] = []

    async def run() -> None:
        async for each in upkeep.run(force_vacuum=True):
            told.append(each)  # noqa: PERF401 - what was told before the error counts

    try:
        with pytest.raises(DatabaseError) as raised:
            await run()
    finally:
        other.close()
    assert raised.value.code is Code.UNAVAILABLE
    assert [(each.step, each.state) for each in told[1::2]] == [
        (Step.INTEGRITY, State.DONE),
        (Step.VACUUM, State.FAILED),
    ]
    assert told[-1].message.en == "The database is busy"


async def test_what_keeps_the_log_from_being_emptied_is_told(upkeep: Upkeep, database: Database) -> None:
    """A reader in the way of the checkpoint is no failure."""
    await database.alone(lambda: database.rows("PRAGMA busy_timeout = 1"))
    other = apsw.Connection(str(database.path))
    await database.write(lambda: database.changed("INSERT INTO system_metadata VALUES ('a', 'b', '', '')"))
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM system_metadata").fetchall()
    try:
        await database.write(lambda: database.changed("INSERT INTO system_metadata VALUES ('c', 'd', '', '')"))
        told = {each.step: each.state async for each in upkeep.run(force_vacuum=False)}
    finally:
        other.close()
    assert told[Step.CHECKPOINT] is State.SKIPPED
    assert told[Step.CACHES] is State.DONE


async def test_what_a_vacuum_gives_back_is_told(upkeep: Upkeep, database: Database) -> None:
    """What is in the log yet is no loss; what a reader keeps from being given back now is told as what will be."""

    async def vacuumed() -> tuple[int, str]:
        told = [each.message.en async for each in upkeep.run(force_vacuum=True) if each.step is Step.VACUUM][-1]
        freed, _, rest = told.partition(" ")
        return int(freed), rest

    fill = (
        "INSERT INTO system_metadata WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
        " SELECT 'k' || i, hex(randomblob(1000)), '', '' FROM n"
    )
    await database.write(lambda: database.changed(fill))
    freed, rest = await vacuumed()
    assert (0 <= freed < 100_000, rest) == (True, "bytes were given back")
    await database.write(lambda: database.changed("DELETE FROM system_metadata"))
    await database.alone(lambda: database.rows("PRAGMA busy_timeout = 1"))
    with closing(apsw.Connection(str(database.path))) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM system_metadata").fetchall()
        freed, rest = await vacuumed()
    assert (freed > 1_000_000, rest) == (True, "bytes will be given back: a reader is in the way")
    assert (await vacuumed())[0] < 100_000
    assert database.path.stat().st_size < 500_000


async def test_statements_that_failed_are_among_all(upkeep: Upkeep, database: Database) -> None:
    """In the total and by kind, and the rate is their share."""
    none = Times(0.0, (0.0, 0.0, 0.0))
    figures = Figures({"INSERT": 2, "SELECT": 5}, none, 0, {"SELECT": 2, "UPDATE": 1}, {}, none)
    found = UpkeepCalls(upkeep, lambda: figures).metrics(stats_of(database)).queries
    assert dict(found.by_type) == {"INSERT": 2, "SELECT": 7, "UPDATE": 1}
    assert (found.total, found.errors, found.error_rate) == (10, 3, 0.3)
