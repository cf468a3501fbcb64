"""The users of the fake WUZAPI."""

from dataclasses import dataclass, field
from enum import Enum

EVENTS = {"Message", "ReadReceipt", "Presence", "HistorySync", "ChatPresence", "Connected", "Disconnected", "QR", "All"}


class State(Enum):
    """How far a user's phone is."""

    NO_CLIENT = "no client"
    CONNECTED = "connected"
    LOGGED_IN = "logged in"


@dataclass
class FakeUser:
    """A user as it lies in the database of the fake."""

    id: str
    name: str
    token: str
    state: State = State.LOGGED_IN
    jid: str = ""
    qr: str = ""
    settings: dict[str, object] = field(default_factory=dict)
