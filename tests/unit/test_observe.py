"""Logs and metrics of their own."""

import asyncio
import json
import logging

import pytest

from wuzapi_manager_server import observe
from wuzapi_manager_server.observe import Metrics, Sampling, failure, logger


def test_secrets_are_taken_out_of_any_line(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A configured secret never reaches the log, wherever it stands and however JSON writes it."""
    observe.configure("info", "json", ['to"ken\\1234', ""])
    logger().info('said to"ken\\1234', nested={"deep": ['to"ken\\1234']}, odd=object)
    logger().debug("not shown")
    line = capfdbinary.readouterr().err
    assert line.count(b"***") == 2
    assert b"ken" not in line
    assert json.loads(line)["event"] == "said ***"


def test_console_is_for_people(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """The console form is text, scrubbed too; auto is JSON where stderr is no terminal."""
    observe.configure("info", "console", ["hidden"])
    logger().info("a word", key="hidden")
    assert b"a word" in (said := capfdbinary.readouterr().err)
    assert b"hidden" not in said
    observe.configure("info", "auto", [])
    logger().info("a word")
    assert json.loads(capfdbinary.readouterr().err)["event"] == "a word"


def test_log_of_libraries_without_exception(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Warnings of libraries are lines of ours; what they say below that is not."""
    observe.configure("debug", "json", [])
    logging.getLogger("lib").warning("careful")
    logging.getLogger("lib").info("chatter")
    assert [json.loads(line)["event"] for line in capfdbinary.readouterr().err.splitlines()] == ["careful"]


def lookup(password: str) -> None:
    raise KeyError("inner")


def convert(*, hide: bool) -> None:
    try:
        lookup("hunter2")
    except KeyError as error:
        raise ValueError("x" * 5000) from (None if hide else error)


def test_failure_tells_causes_and_no_values() -> None:
    """An exception is told with its causes, innermost last, without variables; long messages are cut."""
    with pytest.raises(ValueError, match="xxx") as raised:
        convert(hide=False)
    told = json.dumps(failure(raised.value))
    assert told.index("ValueError") < told.index("KeyError")
    assert "hunter2" not in told
    assert len(told) < 3000
    with pytest.raises(ValueError, match="xxx") as raised:
        convert(hide=True)
    assert "KeyError" not in json.dumps(failure(raised.value))


async def test_lag_of_the_loop_and_calls_under_way_are_measured() -> None:
    """A loop that is kept busy shows its lag; stopping what was not started does nothing."""
    metrics = Metrics()
    sampling = Sampling(metrics, lambda: 7, interval=0.001)
    sampling.stop()
    sampling.start()
    busy_until = asyncio.get_running_loop().time() + 0.05
    while asyncio.get_running_loop().time() < busy_until:
        pass
    measured = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0, measured.set_result, None)
    await measured
    sampling.stop()
    assert (metrics.registry.get_sample_value("event_loop_lag_seconds") or 0) > 0.03
    assert metrics.registry.get_sample_value("grpc_server_in_flight") == 7
