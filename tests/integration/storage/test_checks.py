"""Checks of a database that is in use: one at a time, and ended when nobody waits any more."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from tests.integration.storage.conftest import Clock
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.maintenance import Maintenance
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.contents import Contents
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.integrity import problems_of
from wuzapi_manager_server.storage.metadata import MetadataStore


@pytest.fixture
def maintenance(database: Database, box: SecretBox, clock: Clock, audits: AuditStore) -> Maintenance:
    return Maintenance(database, MetadataStore(database, clock), audits, Contents(database, box, clock))


class Long:
    """Checks that take until they are told to end, or their callers are gone."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.over = threading.Event()

    def __call__(self, *_: object, watch: Callable[[], None], **__: object) -> tuple[str, ...]:
        self.begun += 1
        try:
            while not self.over.wait(0.005):
                watch()
        finally:
            self.ended += 1
        return ()


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> Long:
    made = Long()
    monkeypatch.setattr("wuzapi_manager_server.services.maintenance.problems_of", made)
    return made


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - it looks at what other threads do
            await asyncio.sleep(0.005)


async def test_checks_wait_for_one_another_and_other_long_reads_do_not(maintenance: Maintenance, long: Long) -> None:
    """However many are asked for; one whose caller is gone ends, and one that waits too long is told."""
    checks = [asyncio.create_task(maintenance.check(full=bool(n % 2), deadline=Deadline.after(60))) for n in range(4)]
    await until(lambda: long.begun == 1)
    assert (await asyncio.wait_for(maintenance.stats(), 10)).metadata == 0
    with pytest.raises(TimeoutError):
        await maintenance.check(full=True, deadline=Deadline.after(0.05))
    assert (long.begun, long.ended) == (1, 0)
    checks[0].cancel()
    await until(lambda: long.begun == 2)
    assert long.ended == 1
    long.over.set()
    assert [checked.problems for checked in await asyncio.gather(*checks[1:])] == [(), (), ()]
    assert (await maintenance.check(full=False, deadline=Deadline.after(60))).problems == ()


async def test_a_check_ends_at_its_deadline(maintenance: Maintenance, long: Long) -> None:
    """And makes room for the next."""
    with pytest.raises(TimeoutError):
        await maintenance.check(full=True, deadline=Deadline.after(0.05))
    assert long.ended == 1
    long.over.set()
    assert (await maintenance.check(full=True, deadline=Deadline.after(60))).problems == ()


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("calls", [1, 3])
async def test_who_watches_may_end_a_check(database: Database, full: bool, calls: int) -> None:
    """At any look: what was raised then comes out, and all threads have ended."""
    fill = (
        "INSERT INTO system_metadata WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
        " SELECT 'k' || i, 'v', '', '' FROM n"
    )
    await database.write(lambda: database.changed(fill))
    left = calls

    def watch() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            raise LookupError

    with pytest.raises(LookupError):
        problems_of(database.path, full=full, watch=watch)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("structure")]
    assert problems_of(database.path, full=full) == ()
