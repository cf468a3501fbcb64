"""Trying a source step by step: where it ends, and whose turn it is then."""

import pytest

from wuzapi_manager_server.domain.deadline import timed_out
from wuzapi_manager_server.domain.table import Fault
from wuzapi_manager_server.errors import (
    AirtableError,
    Code,
    ConnectionFailed,
    CredentialsRejected,
    DatabaseError,
    NocodbError,
    PermissionDenied,
    QueryFailed,
    RateLimited,
    ServiceError,
    SystemFailure,
    Text,
    TimedOut,
)
from wuzapi_manager_server.observe import configure
from wuzapi_manager_server.sources.trial import tried

WHY = Text("why", "por quê")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ConnectionFailed(WHY), Fault.TRANSIENT),
        (timed_out(), Fault.TRANSIENT),
        (RateLimited(WHY), Fault.TRANSIENT),
        (NocodbError(Code.UNAVAILABLE, WHY, suggestion=WHY), Fault.TRANSIENT),
        (NocodbError(Code.FAILED_PRECONDITION, WHY, suggestion=WHY), Fault.CONFIG),
        (AirtableError(Code.UNAVAILABLE, WHY, suggestion=WHY), Fault.TRANSIENT),
        (AirtableError(Code.FAILED_PRECONDITION, WHY, suggestion=WHY), Fault.CONFIG),
        (DatabaseError(Code.UNAVAILABLE, WHY, suggestion=WHY), Fault.SYSTEM),
        (CredentialsRejected(WHY), Fault.CONFIG),
        (QueryFailed(WHY), Fault.CONFIG),
        (PermissionDenied(WHY), Fault.CONFIG),
        (SystemFailure(WHY), Fault.SYSTEM),
    ],
)
async def test_the_first_step_that_fails_is_the_last_and_says_whose_turn_it_is(
    error: ServiceError, fault: Fault
) -> None:
    """Steps before it have passed; those behind it are not tried."""

    async def passes() -> Text:
        return Text("well", "bem")

    async def fails() -> Text:
        raise error

    steps = await tried({"one": passes, "two": fails, "three": passes})
    assert [(step.name, step.ok, step.fault) for step in steps] == [("one", True, None), ("two", False, fault)]
    assert steps[1].message.en == (
        "The source did not answer in time" if isinstance(error, TimedOut) else error.text.en
    )


async def test_a_step_that_breaks_is_the_services_fault(capfd: pytest.CaptureFixture[str]) -> None:
    """What nobody foresaw ends the steps as SYSTEM; its words are in the log and nowhere else."""
    configure("info", "json", [])

    async def breaks() -> Text:
        raise RuntimeError("words of the inside")

    (step,) = await tried({"read": breaks, "more": breaks})
    assert (step.name, step.ok, step.fault) == ("read", False, Fault.SYSTEM)
    assert "inside" not in f"{step.message}{step.suggestion}"
    assert "words of the inside" in capfd.readouterr().err
