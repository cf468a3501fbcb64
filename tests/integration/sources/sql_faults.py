"""What the tests of the faults of all SQL servers share."""

import asyncio
import time
from collections.abc import Callable

from wuzapi_manager_server.domain.connection import TlsMode

SLOW = 30.0
"""Seconds that a busy machine may take for what a test does not measure."""

TLS = [
    (TlsMode.PREFER, "127.0.0.1", False, True),
    (TlsMode.REQUIRE, "127.0.0.1", False, True),
    (TlsMode.VERIFY_CA, "127.0.0.1", True, True),
    (TlsMode.VERIFY_CA, "127.0.0.1", False, False),
    (TlsMode.VERIFY_FULL, "localhost", True, True),
    (TlsMode.VERIFY_FULL, "127.0.0.1", True, True),
    (TlsMode.VERIFY_FULL, "localhost", False, False),
]
"""A mode, the host of the connection, whether the certificate's authority is trusted, and whether it connects then."""


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what another process does."""
    end = time.monotonic() + SLOW
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
