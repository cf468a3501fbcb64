"""What has had its time goes."""

import asyncio
from datetime import datetime

import pytest

from tests.integration.storage.conftest import Clock, deeds_of_the_system
from tests.integration.storage.examples import connection
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.purge import Purge
from wuzapi_manager_server.storage import connections
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.connections import ConnectionStore
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.idempotency import KEPT, IdempotencyStore
from wuzapi_manager_server.storage.sweeper import DELETED_KEPT, Kept, Sweeper


class Swept(IdempotencyStore):
    """Tells when a sweep has come to its end."""

    def __init__(self, database: Database, box: SecretBox, clock: Clock) -> None:
        super().__init__(database, box, clock)
        self.ends = asyncio.Semaphore(0)
        self._loop = asyncio.get_running_loop()

    def purge(self, before: datetime) -> int:
        removed = super().purge(before)
        if not removed:
            self._loop.call_soon_threadsafe(self.ends.release)
        return removed


@pytest.fixture
def purge(store: ConnectionStore, audits: AuditStore) -> Purge:
    return Purge(store, audits)


def kept(purge: Purge, requests: IdempotencyStore) -> list[Kept]:
    return [Kept(DELETED_KEPT, purge.connections), Kept(KEPT, requests.purge)]


async def test_a_sweep_removes_what_is_due_in_batches(
    database: Database,
    box: SecretBox,
    clock: Clock,
    store: ConnectionStore,
    purge: Purge,
    audits: AuditStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Connections deleted 30 days ago and requests of 24 hours ago go, younger ones stay, at start and again later.

    The audit log names each connection that is gone.
    """
    monkeypatch.setattr(connections, "PURGE_BATCH", 2)
    requests = Swept(database, box, clock)
    await database.write(lambda: [store.create(connection()) for _ in range(6)])
    await database.write(lambda: [store.delete(number) for number in range(1, 6)])
    await database.write(lambda: requests.begin(b"old", b""))
    clock.forward(days=29, hours=23)
    await database.write(lambda: store.delete(6))
    sweeper = Sweeper(database, kept(purge, requests), clock, interval=0.001)
    sweeper.start()
    await requests.ends.acquire()
    assert [store.version(number) for number in (1, 5, 6)] == [2, 2, 2]
    assert database.rows("SELECT count(*) FROM idempotency_requests") == [(0,)]
    clock.forward(hours=2)
    for _ in range(requests.ends._value + 2):
        await requests.ends.acquire()
    await sweeper.stop()
    assert [store.version(number) for number in (1, 5, 6)] == [None, None, 2]
    gone = [("DeleteConnection", f"connections/{number}", "OK") for number in range(1, 6)]
    assert sorted(deeds_of_the_system(audits)) == gone
    clock.forward(days=31)
    assert await sweeper.sweep() == 1


async def test_a_sweep_that_fails_is_tried_again(
    database: Database, box: SecretBox, clock: Clock, purge: Purge, capfd: pytest.CaptureFixture[str]
) -> None:
    """A database error is logged and the next sweep goes on; stopping one that was never started does nothing."""
    requests = Swept(database, box, clock)
    await database.alone(lambda: database.rows("PRAGMA query_only = 1"))
    sweeper = Sweeper(database, kept(purge, requests), clock, interval=0.001)
    await sweeper.stop()
    sweeper.start()
    while "sweep failed" not in "".join(capfd.readouterr()):  # where the log goes is for whoever configured it last
        await database.read_long(lambda: None)
    await database.alone(lambda: database.rows("PRAGMA query_only = 0"))
    await requests.ends.acquire()
    await sweeper.stop()
