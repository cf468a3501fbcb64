"""The server that the behaviour of the services is tested at."""

from collections.abc import Iterator

import pytest

from tests.contract.server import World, world_in
from tests.e2e.samples import create


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="session")
def there(world: World) -> int:
    """A connection that is there."""
    return create(world).id
