"""The calls of MaintenanceService for values by key. For the administrator."""

from collections.abc import Iterator

from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_client.calls import Calls


class MetadataCalls(Calls):
    """Keeps texts by key. Keys that begin with "system." are the service's own and can only be read."""

    def get_metadata(self, key: str, *, timeout: float | None = None) -> pb.MetadataEntry:
        """The value of a key, with when it was set. NotFound where there is none."""
        return self._call(self._maintenance.GetMetadata, pb.GetMetadataRequest(key=key), timeout).entry

    def set_metadata(self, key: str, value: str, *, timeout: float | None = None) -> pb.MetadataEntry:
        """Stores a value of at most 64 KiB, in place of the one that is there."""
        return self._call(self._maintenance.SetMetadata, pb.SetMetadataRequest(key=key, value=value), timeout).entry

    def list_metadata(
        self, prefix: str = "", *, page_size: int = 0, timeout: float | None = None
    ) -> Iterator[pb.MetadataEntry]:
        """All values whose keys begin so, in the order of their keys; pages are asked for as they are needed."""
        request = pb.ListMetadataRequest(prefix=prefix, page_size=page_size)
        return (
            entry for page in self._pages(self._maintenance.ListMetadata, request, timeout) for entry in page.entries
        )

    def delete_metadata(self, key: str, *, timeout: float | None = None) -> None:
        """Removes a key. NotFound where there is none."""
        self._call(self._maintenance.DeleteMetadata, pb.DeleteMetadataRequest(key=key), timeout)
