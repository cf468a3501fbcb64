"""A database in a fresh folder, stores on it, and a clock that tests set."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wuzapi_manager_server.secret_box import SecretBox
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
