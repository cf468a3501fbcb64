"""Work that must come to its end."""

import asyncio

import pytest

from wuzapi_manager_server.duty import finished


async def test_its_result_is_given() -> None:
    """And what it raises is raised."""

    async def fails() -> None:
        raise ValueError("failed")

    assert await finished(asyncio.sleep(0, "done")) == "done"
    with pytest.raises(ValueError, match="failed"):
        await finished(fails())


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("well", [True, False])
async def test_it_ends_however_often_who_waits_is_cancelled(times: int, well: bool) -> None:
    """The cancellation is told once the work has ended, whatever came of it."""
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), False

    async def work() -> None:
        nonlocal ended
        begun.set()
        await may_end.wait()
        ended = True
        if not well:
            raise ValueError("failed")

    waiting = asyncio.create_task(finished(work()))
    await begun.wait()
    for _ in range(times):
        waiting.cancel()
        await asyncio.sleep(0)
    assert not waiting.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended
