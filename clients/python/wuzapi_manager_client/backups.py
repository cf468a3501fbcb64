"""The calls of MaintenanceService for backups, but for their files. For the administrator."""

from collections.abc import Iterator

from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_client.calls import Calls


class BackupCalls(Calls):
    """Makes, lists, verifies, deletes and restores backups of the service's own database.

    One of them is worked on at a time: Conflict, with what goes on as `metadata["running"]`. Making, verifying and
    restoring have an hour unless `timeout` says else. After DeadlineExceeded the service completes them all the same:
    `list_backups` tells.
    """

    def create_backup(self, *, timeout: float | None = None) -> pb.Backup:
        """Makes a backup while the service goes on, and verifies it."""
        return self._work(self._maintenance.CreateBackup, pb.CreateBackupRequest(), timeout).backup

    def list_backups(self, *, page_size: int = 0, timeout: float | None = None) -> Iterator[pb.Backup]:
        """All backups, newest first; pages are asked for as they are needed."""
        request = pb.ListBackupsRequest(page_size=page_size)
        return (item for page in self._pages(self._maintenance.ListBackups, request, timeout) for item in page.backups)

    def verify_backup(self, name: str, *, timeout: float | None = None) -> pb.Backup:
        """Restores a backup to a scratch file and compares all that is known of it. DataLoss where it is damaged."""
        return self._work(self._maintenance.VerifyBackup, pb.VerifyBackupRequest(name=name), timeout).backup

    def delete_backup(self, name: str, *, timeout: float | None = None) -> None:
        """Deletes a backup for good. FailedPrecondition for the only one that is verified."""
        self._call(self._maintenance.DeleteBackup, pb.DeleteBackupRequest(name=name), timeout)

    def restore_backup(
        self, name: str, *, validate_only: bool = False, timeout: float | None = None
    ) -> pb.RestoreBackupResponse:
        """Puts a backup in place of the database, while the service runs.

        `replaced` in the answer is a backup of what was there before: restoring that one undoes it. Where anything
        fails, nothing has changed. With `validate_only` it is only checked that the backup can be restored.
        """
        request = pb.RestoreBackupRequest(name=name, validate_only=validate_only)
        return self._work(self._maintenance.RestoreBackup, request, timeout)
