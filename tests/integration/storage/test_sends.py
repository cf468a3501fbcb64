"""Sends that go on when the service stops."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.integration.storage.conftest import Clock
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.once import Request
from wuzapi_manager_server.services.sends import Sends
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.idempotency import IdempotencyStore

REQUEST = Request("3f0e6f5e-6a0b-4e5b-9d63-2f0a5a3c1b11", b"scope", b"body")


@pytest.fixture
def sends(database: Database, box: SecretBox, clock: Clock) -> Sends:
    return Sends(database, IdempotencyStore(database, box, clock))


async def test_a_stop_waits_for_sends_and_not_for_ever(sends: Sends) -> None:
    """One that hangs is cut off after the time given; asked again, it goes out under the id that it had."""
    out: list[str] = []
    is_out = asyncio.Event()

    async def hangs(message_id: str) -> bytes:
        out.append(message_id)
        is_out.set()
        await asyncio.Event().wait()
        return b""

    async def answered(message_id: str) -> bytes:
        out.append(message_id)
        return b"sent"

    caller = asyncio.ensure_future(sends.send(REQUEST, hangs))
    await is_out.wait()
    began = datetime.now(UTC)
    await sends.drain(0.05)
    assert (datetime.now(UTC) - began).total_seconds() < 5
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await sends.send(REQUEST, answered) == b"sent"
    assert out[0] == out[1]
