"""Tables of a real NocoDB, made by its own API, for tests of the source itself."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import httpx

from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager_server.domain.connection import Nocodb
from wuzapi_manager_server.sources.nocodb import NocodbEngine, NocodbSource
from wuzapi_manager_server.upstreams.addresses import AddressGuard

SECONDS = 60.0


class Made(NamedTuple):
    """A table, and a client of NocoDB's API."""

    place: Nocodb
    client: httpx.Client

    def post(self, path: str, body: object) -> Any:
        """The answer to a POST that is carried out."""
        answer = self.client.post(f"/api/v2/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()


@contextmanager
def made_table(server: NocodbServer, name: str, columns: Sequence[Mapping[str, object]]) -> Iterator[Made]:
    """A base with one table, deleted afterwards."""
    headers = {"xc-token": server.token}
    with httpx.Client(base_url=server.url, headers=headers, timeout=SECONDS, trust_env=False) as client:
        base = client.post("/api/v2/meta/bases", json={"title": name}).json()["id"]
        body = {"table_name": name.lower(), "title": name, "columns": list(columns)}
        table = client.post(f"/api/v2/meta/bases/{base}/tables", json=body).json()["id"]
        yield Made(Nocodb(server.url, base, table, secret=server.token), client)
        client.delete(f"/api/v2/meta/bases/{base}")


@asynccontextmanager
async def opened(place: Nocodb) -> AsyncIterator[NocodbSource]:
    """The table as a source."""
    source = NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS).open(place)
    yield source
    await source.close()
