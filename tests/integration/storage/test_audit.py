"""The audit log as it is kept: a chain that shows what was changed or taken away."""

from contextvars import copy_context
from datetime import timedelta
from functools import partial

import pytest

from tests.integration.storage.conftest import Clock
from wuzapi_manager_server.domain.audit import Actor, Deed, acting
from wuzapi_manager_server.errors import Code, DatabaseError
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage import audit as stored
from wuzapi_manager_server.storage.audit import KEPT, AuditFilter, AuditStore
from wuzapi_manager_server.storage.database import Database


@pytest.fixture
def audit(database: Database, box: SecretBox, clock: Clock) -> AuditStore:
    return AuditStore(database, box, clock)


async def fill(database: Database, audit: AuditStore, count: int) -> None:
    """So many entries, on connections 1, 2 and so on."""
    for number in range(1, count + 1):
        deed = Deed(f"connections/{number}", {"name": "a"}, {"name": "b", "number": number})
        await database.write(lambda deed=deed: audit.record(deed))  # type: ignore[misc]  # a default for a loop


async def test_entries_come_back_newest_first(database: Database, audit: AuditStore) -> None:
    """What was recorded is listed, page by page, with who acted where."""

    async def act() -> None:
        acting.set(Actor("user", "7", "/x.Y/Z", "request-1", "ipv4:127.0.0.1:9"))
        await database.write(lambda: audit.record(Deed("connections/4/records", {}, {"record_ids": ["1"]}), "ABORTED"))

    await fill(database, audit, 3)
    await copy_context().run(act)
    first, second, third, fourth = audit.page(AuditFilter(), None, 10)
    assert first.actor == Actor("user", "7", "/x.Y/Z", "request-1", "ipv4:127.0.0.1:9")
    assert (first.deed, first.outcome) == (Deed("connections/4/records", {}, {"record_ids": ["1"]}), "ABORTED")
    assert second.actor == Actor()
    assert second.deed == Deed("connections/3", {"name": "a"}, {"name": "b", "number": 3})
    assert audit.page(AuditFilter(), third.id, 10) == [fourth]
    assert audit.page(AuditFilter(), None, 2) == [first, second]


async def test_filters(database: Database, audit: AuditStore, clock: Clock) -> None:
    """Each part of a filter narrows; a target takes what lies below it and nothing that only begins like it."""

    async def act() -> None:
        acting.set(Actor("admin", "", "/x.Y/Z", "r9"))
        await database.write(lambda: audit.record(Deed("connections/1/records/x"), "NOT_FOUND"))

    await fill(database, audit, 12)
    middle = clock()
    await copy_context().run(act)

    def found(**wanted: object) -> list[str]:
        return [event.deed.target for event in audit.page(AuditFilter(**wanted), None, 100)]  # type: ignore[arg-type]  # the parts of a filter, by name

    assert found(target="connections/1") == ["connections/1/records/x", "connections/1"]
    for part in ({"actor": "admin"}, {"action": "/x.Y/Z"}, {"outcome": "NOT_FOUND"}, {"request_id": "r9"}):
        assert found(**part) == ["connections/1/records/x"]
    assert found(since=middle) == ["connections/1/records/x"]
    assert len(found(until=middle)) == 12
    assert found(actor_id="7") == []


async def test_what_is_undone_is_not_told(database: Database, audit: AuditStore) -> None:
    """An entry is part of the transaction that it tells of."""

    def work() -> None:
        audit.record(Deed("x"))
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(work)
    assert audit.page(AuditFilter(), None, 10) == []
    assert audit.check() == ()


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("UPDATE audit_events SET facts_after = '{}' WHERE id = 2", "audit entry 2 was changed"),
        ("UPDATE audit_events SET outcome = 'OK ', target = 'x' WHERE id = 4", "audit entry 4 was changed"),
        ("UPDATE audit_events SET previous = zeroblob(32) WHERE id = 3", "audit entry 2 was changed"),
        ("DELETE FROM audit_events WHERE id IN (2, 3)", "audit entries 2 to 3 are missing"),
        ("DELETE FROM audit_events WHERE id = 1", "audit entries 1 to 1 are missing"),
        ("DELETE FROM audit_events WHERE id > 3", "audit entries 4 to 5 are missing"),
        ("UPDATE audit_events SET facts_after = 'not json' WHERE id = 5", "audit entry 5 cannot be read"),
        ("UPDATE audit_events SET facts_before = '[1]' WHERE id = 5", "audit entry 5 cannot be read"),
        ("UPDATE audit_events SET created_at = 'then' WHERE id = 5", "audit entry 5 cannot be read"),
        ("UPDATE audit_events SET created_at = '0001-01-01T00:00+14:00' WHERE id = 5", "audit entry 5 cannot be read"),
    ],
)
async def test_a_broken_chain_is_found(database: Database, audit: AuditStore, harm: str, found: str) -> None:
    """A changed entry, and one that was taken away at the beginning, in the middle or at the end, is named."""
    await fill(database, audit, 5)
    assert audit.check() == ()
    await database.write(lambda: database.changed(harm))
    assert audit.check()[0] == found


async def test_old_entries_go_and_the_chain_stays_whole(
    database: Database, audit: AuditStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries of 90 days ago are removed in batches; what is left still proves that nothing else was."""
    monkeypatch.setattr(stored, "PURGE_BATCH", 2)
    await fill(database, audit, 3)
    clock.forward(days=91)
    await fill(database, audit, 2)
    before = clock() - KEPT
    assert [await database.write(lambda: audit.purge(before)) for _ in range(3)] == [2, 1, 0]
    assert [event.id for event in audit.page(AuditFilter(), None, 10)] == [5, 4]
    assert audit.check() == ()
    await database.write(lambda: database.changed("DELETE FROM audit_events WHERE id = 4"))
    assert audit.check() == ("audit entries 4 to 4 are missing",)


async def test_an_entry_before_the_first_is_found(database: Database, audit: AuditStore, clock: Clock) -> None:
    """One that was put where the log was emptied by age, or below all numbers."""
    await fill(database, audit, 2)
    clock.forward(days=91)
    before = clock() - KEPT
    assert await database.write(lambda: audit.purge(before)) == 2
    await fill(database, audit, 2)
    for number in (2, -1):
        await database.write(partial(database.changed, f"UPDATE audit_events SET id = {number} WHERE id = 4"))
        assert f"audit entry {number} stands before the first" in audit.check()
        await database.write(partial(database.changed, f"UPDATE audit_events SET id = 4 WHERE id = {number}"))
    assert audit.check() == ()


@pytest.mark.parametrize(("column", "value"), [("facts_after", "not json"), ("facts_before", "[1]")])
async def test_an_entry_that_cannot_be_read_is_damage(
    database: Database, audit: AuditStore, column: str, value: str
) -> None:
    """Who asks for it is told so, whatever stands in it."""
    await fill(database, audit, 2)
    await database.write(lambda: database.changed(f"UPDATE audit_events SET {column} = ? WHERE id = 1", (value,)))
    with pytest.raises(DatabaseError) as raised:
        audit.page(AuditFilter(), None, 10)
    assert raised.value.code is Code.DATA_LOSS


async def test_when_all_have_gone_the_next_is_chained_to_the_last(
    database: Database, audit: AuditStore, clock: Clock
) -> None:
    """A log that was emptied by age goes on where it ended."""
    await fill(database, audit, 2)
    clock.forward(days=91)
    before = clock() - timedelta(days=90)
    assert await database.write(lambda: audit.purge(before)) == 2
    await fill(database, audit, 1)
    assert audit.check() == ()
    await database.write(lambda: database.changed("UPDATE audit_events SET previous = zeroblob(32)"))
    assert audit.check() != ()


async def test_a_text_that_became_bytes_is_found(database: Database, audit: AuditStore) -> None:
    """The same bytes as another type have the same hash, and are told all the same."""
    await fill(database, audit, 3)
    await database.write(lambda: database.changed("UPDATE audit_events SET peer = x'' WHERE id = 2 AND peer = ''"))
    assert audit.check() == ("audit entry 2 was changed",)
