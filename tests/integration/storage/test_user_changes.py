"""What processes tell each other of changed users."""

from contextlib import closing

import apsw

from tests.integration.storage.conftest import Clock
from wuzapi_manager_server.domain.caller import EVERYONE
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.user_changes import UserChangeStore


async def test_a_damaged_change_is_one_of_everybody(database: Database, clock: Clock) -> None:
    """Whose it was cannot be told any more, so that nobody may go by what was known before."""
    changes = UserChangeStore(database, clock)
    for user in ("ana", "bia", ""):
        await changes.add(user)
    with closing(apsw.Connection(str(database.path))) as behind:
        behind.create_scalar_function("row_checksum", lambda *_: -1, deterministic=True)
        behind.execute("UPDATE user_changes SET user_id = 'eva' WHERE user_id = 'ana'")
    assert [each.user_id for each in changes.since(0)] == [EVERYONE, "bia", ""]
