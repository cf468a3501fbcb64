"""Which calls take longer than others: work on the whole database, whose time grows with it, and watching a session."""

import math

SECONDS = 3_600.0
"""How long such a call may take, where the settings for other calls do not allow more."""

_WATCH = "/wuzapi_manager.v1.RelayService/WatchSession"

_MAINTENANCE = "/wuzapi_manager.v1.MaintenanceService/"
_CALLS = frozenset(
    {
        "CheckIntegrity",
        "CreateBackup",
        "DownloadBackup",
        "RestoreBackup",
        "RunMaintenance",
        "UploadBackup",
        "VerifyBackup",
    }
)


def seconds_for(method: str, usual: float) -> float:
    """How long a call may work by itself: what is usual, but an hour for work on a whole database."""
    service, _, name = method.rpartition("/")
    return max(SECONDS, usual) if f"{service}/" == _MAINTENANCE and name in _CALLS else usual


def silence_for(method: str, usual: float) -> float:
    """How long a stream may say nothing while it works by itself.

    Who watches a session waits for somebody to fetch a phone, and the first QR code alone stays for a minute: that
    stream ends by its deadline.
    """
    return math.inf if method == _WATCH else seconds_for(method, usual)


def seconds_without_deadline(method: str) -> float:
    """How long a stream goes on whose caller set no deadline: an hour to watch a session, as long as it takes else."""
    return SECONDS if method == _WATCH else math.inf
