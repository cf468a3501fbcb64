"""How an outgoing call fails before its answer is known. An HTTP status is no failure of a call."""

from typing import Literal

Stage = Literal["resolve", "connect", "tls", "answer"]


class Unreachable(Exception):
    """The other side was not reached, or broke off at `stage`. With `sent` the request may have been carried out."""

    def __init__(self, stage: Stage, *, sent: bool) -> None:
        super().__init__(f"unreachable at {stage}, {'perhaps carried out' if sent else 'nothing was sent'}")
        self.stage: Stage = stage
        self.sent = sent


class Late(Exception):
    """Time was over. With `sent` the request may have been carried out."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("late, " + ("perhaps carried out" if sent else "nothing was sent"))
        self.sent = sent


class Unavailable(Exception):
    """Nothing was sent: the other side failed too often, or too many calls wait for it. `retry_after` is in seconds."""

    def __init__(self, retry_after: float, *, busy: bool = False) -> None:
        super().__init__(f"not tried, worth trying in {retry_after:.1f} s")
        self.retry_after = retry_after
        self.busy = busy


class TooLarge(Exception):
    """The answer is larger than allowed. The request was carried out."""
