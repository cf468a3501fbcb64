"""The circuit breaker: when it opens, what it lets through, and what closes it."""

import pytest

from wuzapi_manager_server.upstreams.breaker import Breaker
from wuzapi_manager_server.upstreams.http_faults import Unavailable


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.failed(trial=breaker.enter())


def wait_of(breaker: Breaker) -> float:
    with pytest.raises(Unavailable) as caught:
        breaker.enter()
    return caught.value.retry_after


def test_eight_failures_in_a_row_open_it(breaker: Breaker) -> None:
    """Seven do not, and a success in between starts the count anew."""
    fail(breaker, 7)
    assert not breaker.enter()
    breaker.succeeded()
    fail(breaker, 7)
    assert not breaker.enter()
    breaker.failed(trial=False)
    assert 0.4 <= wait_of(breaker) <= 0.6


def test_one_trial_at_a_time(breaker: Breaker, clock: Clock) -> None:
    """After the pause one call is let through and others are refused until it has ended; a success closes it."""
    fail(breaker, 8)
    clock.now += 0.7
    assert breaker.enter()
    assert wait_of(breaker) > 0
    breaker.succeeded()
    assert not breaker.enter()
    assert not breaker.enter()


def test_failed_trials_make_longer_pauses(breaker: Breaker, clock: Clock) -> None:
    """Each doubles the pause, up to about fifteen seconds."""
    fail(breaker, 8)
    waits = []
    for _ in range(8):
        waits.append(wait_of(breaker))
        clock.now += waits[-1] + 0.001
        fail(breaker)
    for wait, middle in zip(waits, [0.5, 1, 2, 4, 8, 15, 15, 15], strict=True):
        assert middle * 0.8 <= wait <= middle * 1.2


def test_a_trial_that_tells_nothing_makes_room_for_the_next(breaker: Breaker, clock: Clock) -> None:
    """A caller that went away leaves the question open, and the next call asks it."""
    fail(breaker, 8)
    clock.now += 1
    assert breaker.enter()
    breaker.left(trial=True)
    assert breaker.enter()


def test_calls_from_before_it_opened(breaker: Breaker, clock: Clock) -> None:
    """Their failures do not lengthen the pause, and they do not end the trial; their success closes it."""
    late = [breaker.enter() for _ in range(3)]
    fail(breaker, 8)
    before = wait_of(breaker)
    breaker.failed(trial=late[0])
    breaker.left(trial=late[1])
    assert wait_of(breaker) == before
    clock.now += 1
    assert breaker.enter()
    breaker.failed(trial=late[0])
    assert wait_of(breaker) == 1.0
    breaker.succeeded()
    assert not breaker.enter()


def test_a_second_opening_starts_with_a_short_pause(breaker: Breaker, clock: Clock) -> None:
    """An upstream that came back is treated as one that never failed."""
    fail(breaker, 8)
    for _ in range(4):
        clock.now += 60
        fail(breaker)
    clock.now += 60
    assert breaker.enter()
    breaker.succeeded()
    fail(breaker, 8)
    assert wait_of(breaker) <= 0.6
