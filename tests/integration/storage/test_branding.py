"""The revisions of the branding."""

from dataclasses import replace

import pytest

from tests.integration.storage.conftest import Clock
from wuzapi_manager_server.domain.branding import Branding
from wuzapi_manager_server.errors import Conflict
from wuzapi_manager_server.storage.branding import BrandingStore
from wuzapi_manager_server.storage.database import Database

FULL = Branding(
    "Ação",
    "https://a/logo",
    "#112233",
    "#445566",
    "https://a/dark",
    "https://a/icon",
    "https://a/og",
    "5511999999999",
    "https://a/support",
    "https://a/terms",
    "https://a/privacy",
    "<p>olá</p>",
)


@pytest.fixture
def brandings(database: Database, clock: Clock) -> BrandingStore:
    return BrandingStore(database, clock)


async def test_nothing_is_there_at_first(brandings: BrandingStore) -> None:
    """No revision, no branding, an empty page."""
    assert (brandings.current_revision(), brandings.get(0), brandings.get(1)) == (0, None, None)
    assert brandings.page(None, 10) == []


async def test_every_change_is_a_revision(database: Database, brandings: BrandingStore) -> None:
    """Every field comes back; revisions count from 1, are listed newest first and stay as they were."""
    first = await database.write(lambda: brandings.add(FULL, 0))
    assert first == replace(FULL, revision=1, update_time=first.update_time)
    assert first.update_time is not None
    second = await database.write(lambda: brandings.add(replace(first, app_name="Two"), None))
    third = await database.write(lambda: brandings.add(Branding(), 2))
    assert [each.revision for each in (second, third)] == [2, 3]
    assert brandings.current_revision() == 3
    assert [brandings.get(revision) for revision in (1, 2, 3, 4)] == [first, second, third, None]
    assert brandings.page(None, 2) == [third, second]
    assert brandings.page(2, 2) == [first]


async def test_a_change_of_an_older_revision_is_refused(database: Database, brandings: BrandingStore) -> None:
    """The current revision is told as the etag, and nothing is stored."""
    await database.write(lambda: brandings.add(FULL, 0))
    with pytest.raises(Conflict) as raised:
        await database.write(lambda: brandings.add(FULL, 0))
    assert raised.value.metadata == {"etag": "1"}
    assert brandings.current_revision() == 1
