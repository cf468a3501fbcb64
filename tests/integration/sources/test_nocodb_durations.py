"""Durations of a real NocoDB, which takes no number for them in a new row."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import httpx
import pytest

from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager_server.domain.connection import Nocodb
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Cell, Owner
from wuzapi_manager_server.sources.base import Query
from wuzapi_manager_server.sources.nocodb import NocodbEngine, NocodbSource
from wuzapi_manager_server.upstreams.addresses import AddressGuard

SECONDS = 60.0
ANA = Owner("Owner", "ana")


@pytest.fixture(scope="module", params=[0, 1, 2])
def place(nocodb_server: NocodbServer, request: pytest.FixtureRequest) -> Iterator[Nocodb]:
    """A table with a duration that is shown as h:mm, h:mm:ss or h:mm:ss.s."""
    headers = {"xc-token": nocodb_server.token}
    with httpx.Client(base_url=nocodb_server.url, headers=headers, timeout=SECONDS, trust_env=False) as client:
        base = client.post("/api/v2/meta/bases", json={"title": "Durations"}).json()["id"]
        columns = [
            {"column_name": "id", "title": "Id", "uidt": "ID"},
            {"column_name": "owner", "title": "Owner", "uidt": "SingleLineText"},
            {"column_name": "took", "title": "Took", "uidt": "Duration", "meta": {"duration": request.param}},
            {"column_name": "n", "title": "N", "uidt": "Number"},
        ]
        body = {"table_name": "t", "title": "T", "columns": columns}
        table = client.post(f"/api/v2/meta/bases/{base}/tables", json=body).json()["id"]
        yield Nocodb(nocodb_server.url, base, table, secret=nocodb_server.token)
        client.delete(f"/api/v2/meta/bases/{base}")


@pytest.fixture
async def source(place: Nocodb) -> AsyncIterator[NocodbSource]:
    made = NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS).open(place)
    yield made
    await made.close()


async def test_new_rows_have_their_durations(source: NocodbSource) -> None:
    """Zero, a fraction, none at all and more than a day, alone and many at once."""
    given: list[Cell] = [Decimal(0), Decimal("90.5"), None, Decimal(219_660), Decimal(3661)]
    rows = [{"Owner": ANA.value, "Took": took, "N": at} for at, took in enumerate(given)]
    outcomes = await source.insert(rows[1:], ANA, Deadline.after(SECONDS))
    outcomes = [*await source.insert(rows[:1], ANA, Deadline.after(SECONDS)), *outcomes]
    assert [outcome.error for outcome in outcomes] == [None] * len(rows)
    place = (await source.describe(Deadline.after(SECONDS))).index["Took"]
    assert [outcome.row.cells[place] for outcome in outcomes if outcome.row] == given
    kept = await source.fetch(Query(ANA, limit=100), Deadline.after(SECONDS))
    assert [row.cells[place] for row in kept] == given[1:] + given[:1]
