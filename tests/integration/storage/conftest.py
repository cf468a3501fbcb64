"""A database in a fresh folder, stores on it, and a clock that tests set."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.audit import Audit
from wuzapi_manager_server.storage.audit import AuditFilter, AuditStore
from wuzapi_manager_server.storage.connections import ConnectionStore
from wuzapi_manager_server.storage.database import Database


class Clock:
    """A clock that stands still until it is told to go on; every reading is a microsecond later."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "wuzapi.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = Database.open(path)
    yield opened
    await opened.close()


@pytest.fixture
def box() -> SecretBox:
    return SecretBox([SecretBox.new_key()])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database, box: SecretBox, clock: Clock) -> ConnectionStore:
    return ConnectionStore(database, box, clock)


@pytest.fixture
def audits(database: Database, box: SecretBox, clock: Clock) -> AuditStore:
    return AuditStore(database, box, clock)


@pytest.fixture
def audit(database: Database, audits: AuditStore) -> Audit:
    return Audit(database, audits)


def deeds_of_the_system(audits: AuditStore) -> list[tuple[str, str, str]]:
    """What the audit log says that the service did by itself, newest first: RPC, target and outcome."""
    found = audits.page(AuditFilter(actor="system"), None, 100)
    return [(each.actor.action.rpartition("/")[2], each.deed.target, each.outcome) for each in found]
