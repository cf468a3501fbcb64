"""A server with a script, and clients of it that are closed at the end."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.integration.upstreams.script import Script
from wuzapi_manager_server.upstreams.http import HttpUpstream

Open = Callable[..., HttpUpstream]


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
