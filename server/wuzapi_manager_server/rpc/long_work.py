"""Which calls work on the whole of the service's own database, so that their time grows with it."""

SECONDS = 3_600.0
"""How long such work may take, where the settings for other calls do not allow more."""

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
