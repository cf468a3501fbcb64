"""Values by key."""

from functools import partial

from tests.integration.storage.conftest import Clock
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.metadata import MetadataStore


async def test_values_are_set_read_listed_and_removed(database: Database, clock: Clock) -> None:
    """Setting again keeps the creation time; pages go on behind a key; a missing key is None and not removed."""
    metadata = MetadataStore(database, clock)
    first = await database.write(lambda: metadata.set("b", "1"))
    assert (first.key, first.value) == ("b", "1")
    assert first.create_time == first.update_time
    again = await database.write(lambda: metadata.set("b", "é"))
    assert again.create_time == first.create_time
    assert again.update_time > first.update_time
    assert metadata.get("b") == again
    for key in "ca":
        await database.write(partial(metadata.set, key, ""))
    assert [each.key for each in metadata.page("", 2)] == ["a", "b"]
    assert [each.key for each in metadata.page("b", 2)] == ["c"]
    assert await database.write(lambda: metadata.delete("b"))
    assert not await database.write(lambda: metadata.delete("b"))
    assert metadata.get("b") is None
