"""Long work makes way for the main thread."""

import threading
import time
from collections.abc import Callable

import pytest

from wuzapi_manager_server.services.courtesy import Courtesy

WORK = 0.1
"""Seconds."""


def rests_beside(main: Callable[[threading.Thread], None], least: float = 0.0) -> list[float]:
    """The rests of a thread that works, while the main thread does something until that has ended.

    It works until the main thread had `least` seconds of a processor too, which other programs may keep from it.
    """
    rests: list[float] = []
    clock = time.pthread_getcpuclockid(threading.main_thread().ident or 0)

    def work() -> None:
        courtesy = Courtesy(rests.append)
        until, enough = time.monotonic() + WORK, time.clock_gettime(clock) + least
        while time.monotonic() < until or time.clock_gettime(clock) < enough:
            sum(range(1_000))
        courtesy.pause()

    thread = threading.Thread(target=work)
    thread.start()
    main(thread)
    thread.join()
    return rests


def busy(thread: threading.Thread) -> None:
    while thread.is_alive():
        sum(range(1_000))


def test_it_rests_beside_a_busy_main_thread() -> None:
    """No longer than three times its work."""
    (rest,) = rests_beside(busy, least=0.1 * WORK)
    assert 0.1 * WORK < rest <= 3.5 * WORK


def test_it_does_not_rest_beside_an_idle_one() -> None:
    """Nobody waits for anything then."""
    assert rests_beside(threading.Thread.join) == []


def test_a_rest_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a piece of work was."""
    monkeypatch.setattr("wuzapi_manager_server.services.courtesy._LONGEST", 0.02)
    assert rests_beside(busy, least=0.015) == [0.02]


def test_threads_that_share_one_rest_for_themselves() -> None:
    """A thread that has just come to it has nothing to rest for, however long another worked."""
    rests: list[float] = []
    courtesy = Courtesy(rests.append)
    until = time.monotonic() + WORK
    while time.monotonic() < until:
        sum(range(1_000))
    thread = threading.Thread(target=courtesy.pause)
    thread.start()
    thread.join()
    assert sum(rests) < 0.1 * WORK
