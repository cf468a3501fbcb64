"""What the tests of Airtable as a source share: a fake, which encodes our reading of Airtable's documents."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.fakes.airtable import TOKEN, FakeAirtable, FakeField, FakeTable
from tests.fakes.http_server import Answer
from wuzapi_manager_server.domain.connection import Airtable
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Cell, Owner, Row
from wuzapi_manager_server.sources.airtable import AirtableEngine, AirtableSource
from wuzapi_manager_server.sources.airtable_rate import Rates
from wuzapi_manager_server.upstreams.addresses import AddressGuard

BASE = "appOfTheTests0001"
GUARD = AddressGuard(["127.0.0.1"])
ANA = Owner("owner", "token-of-ana")
FIELDS = (FakeField("name"), FakeField("owner"), FakeField("age", "number", {"precision": 0}))
Open = Callable[..., AirtableSource]


def soon(seconds: float = 20.0) -> Deadline:
    return Deadline.after(seconds)


@pytest.fixture
def fake() -> Iterator[FakeAirtable]:
    with FakeAirtable() as made:
        yield made


@pytest.fixture
async def opened(fake: FakeAirtable) -> AsyncIterator[Open]:
    sources: list[AirtableSource] = []

    def make(
        table: FakeTable, *, token: str = TOKEN, url: str = "", timeout: float = 20, rates: Rates | None = None
    ) -> AirtableSource:
        engine = AirtableEngine(GUARD, timeout, rates or Rates(1_000_000))
        sources.append(engine.open(Airtable(url or fake.url, BASE, table.id, secret=token)))
        return sources[-1]

    yield make
    for source in sources:
        await source.close()


@pytest.fixture
def people(fake: FakeAirtable) -> FakeTable:
    """A table without an autoNumber."""
    table = fake.make(BASE, "People", [FakeField(each.name, each.type, each.options) for each in FIELDS])
    for at in range(250):
        table.put({"name": f"n{at % 7}", "owner": "token-of-ana" if at % 2 else "other", "age": at or None})
    return table


def cells(rows: list[Row], source_column: int) -> list[Cell]:
    return [row.cells[source_column] for row in rows]


def told(status: int, kind: str) -> Answer:
    return Answer(status, b'{"error": {"type": "%s", "message": "SECRET WORDS"}}' % kind.encode())


def too_many(kind: str) -> Answer:
    return Answer(429, b'{"errors": [{"error": "%s", "message": "SECRET WORDS"}]}' % kind.encode())
