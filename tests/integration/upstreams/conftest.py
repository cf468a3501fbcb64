"""A server with a script, and clients of it that are closed at the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import pytest
import uvloop

from tests.integration.upstreams.script import Script
from wuzapi_manager_server.upstreams.http import HttpUpstream

Open = Callable[..., HttpUpstream]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop is the one that the service runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def server() -> Iterator[Script]:
    with Script() as made:
        yield made


@pytest.fixture
async def upstream_of() -> AsyncIterator[Open]:
    """Makes upstreams of a base URL, with a timeout of 10 seconds unless told otherwise."""
    made: list[HttpUpstream] = []

    def make(base_url: str, **options: Any) -> HttpUpstream:
        made.append(HttpUpstream(base_url, **{"timeout": 10.0, **options}))
        return made[-1]

    yield make
    for each in made:
        await each.close()
