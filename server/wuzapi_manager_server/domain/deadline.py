"""Until when an answer is worth having."""

import time
from dataclasses import dataclass

from wuzapi_manager_server.errors import Text, TimedOut


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left; never below 0."""
        return max(0.0, self.at - time.monotonic())

    def cap(self, seconds: float) -> float:
        """Seconds left, at most `seconds`. TimedOut when none is left."""
        left = self.remaining()
        if left <= 0:
            raise timed_out()
        return min(left, seconds)


def timed_out() -> TimedOut:
    """The error for a deadline that has passed."""
    return TimedOut(
        Text("The deadline passed before the work was done", "O prazo terminou antes da conclusão"),
        suggestion=Text("Ask for less at once, or with a later deadline", "Peça menos por vez ou use um prazo maior"),
    )
