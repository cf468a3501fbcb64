"""Media that a user brought here to send."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class UploadedMedia:
    """What is known of it. `name` is that of its file, `told` the media type that its first bytes tell.

    `mime_type` is the one that the user said; either may be empty. `sha256` is in hex.
    """

    name: str
    size: int
    sha256: str
    told: str
    mime_type: str
    expire_time: datetime
