"""MaintenanceService."""

import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from enum import Enum

from grpc.aio import ServicerContext

from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager.v1 import maintenance_pb2_grpc
from wuzapi_manager_server.domain.deadline import timed_out
from wuzapi_manager_server.domain.maintenance import Stats, is_own_key, key_problem, value_problem
from wuzapi_manager_server.errors import Text, Violation
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.rpc.convert_common import choice_from, duration_to, timestamp_to
from wuzapi_manager_server.rpc.maintenance_audit import audit_events
from wuzapi_manager_server.rpc.maintenance_backups import BackupCalls
from wuzapi_manager_server.rpc.maintenance_upkeep import UpkeepCalls
from wuzapi_manager_server.rpc.pages import cut
from wuzapi_manager_server.rpc.requests import Problems, binding, required
from wuzapi_manager_server.services.maintenance import Maintenance
from wuzapi_manager_server.services.page_tokens import PageTokens, page_size
from wuzapi_manager_server.storage.metadata import Metadata

_DEFAULT_PAGE, _LARGEST_PAGE = 50, 500
_LONGEST_PREFIX = 100
Context = ServicerContext[object, object]


class Depth(Enum):
    """How deep a check looks. Names are those of the protos without prefix."""

    QUICK = "QUICK"
    FULL = "FULL"


class About:
    """What GetServerInfo tells and nothing else knows. A setting is its name, value and origin."""

    def __init__(
        self, version: str, sqlite_version: str, clock: Callable[[], datetime], settings: Sequence[tuple[str, str, str]]
    ) -> None:
        self.version = version
        self.sqlite_version = sqlite_version
        self.settings = settings
        self.start_time = clock()
        self._began = time.monotonic()

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began


class MaintenanceServicer(maintenance_pb2_grpc.MaintenanceServiceServicer):
    """Answers MaintenanceService. `page_bytes` bounds an answer's size."""

    def __init__(
        self,
        maintenance: Maintenance,
        upkeep: UpkeepCalls,
        backups: BackupCalls,
        about: About,
        tokens: PageTokens,
        page_bytes: int,
    ) -> None:
        self._maintenance = maintenance
        self._backups = backups
        self._upkeep = upkeep
        self._about = about
        self._tokens = tokens
        self._page_bytes = page_bytes

    async def GetServerInfo(self, request: pb.GetServerInfoRequest, context: Context) -> pb.GetServerInfoResponse:
        """See the proto."""
        about = self._about
        return pb.GetServerInfoResponse(
            version=about.version,
            python_version=sys.version.partition(" ")[0],
            sqlite_version=about.sqlite_version,
            schema_version=self._maintenance.schema_version,
            start_time=timestamp_to(about.start_time),
            uptime=duration_to(about.uptime),
            settings=[
                pb.ServerSetting(name=name, value=value, origin=origin) for name, value, origin in about.settings
            ],
        )

    async def GetStats(self, request: pb.GetStatsRequest, context: Context) -> pb.GetStatsResponse:
        """See the proto."""
        stats = await self._maintenance.stats()
        figures = self._upkeep.metrics(stats)
        response = _stats_to(stats, self._about.sqlite_version)
        more = pb.GetStatsResponse(
            backups=await self._backups.figures(),
            caches=figures.caches,
            query_times=figures.queries.times,
            call_times=figures.calls.times,
        )
        response.MergeFrom(more)
        return response

    async def CheckIntegrity(self, request: pb.CheckIntegrityRequest, context: Context) -> pb.CheckIntegrityResponse:
        """See the proto."""
        problems = Problems()
        depth = choice_from(request.depth, pb.CheckDepth.DESCRIPTOR, Depth, "depth", problems.violations)
        problems.settle()
        full = depth is Depth.FULL
        try:
            checked = await self._maintenance.check(full=full, deadline=current().deadline)
        except TimeoutError:
            raise timed_out() from None
        return pb.CheckIntegrityResponse(
            ok=not checked.problems,
            problems=checked.problems,
            depth=pb.CHECK_DEPTH_FULL if full else pb.CHECK_DEPTH_QUICK,
            duration=duration_to(checked.seconds),
        )

    async def GetMetadata(self, request: pb.GetMetadataRequest, context: Context) -> pb.GetMetadataResponse:
        """See the proto."""
        required(key=request.key)
        return pb.GetMetadataResponse(entry=_entry_to(self._maintenance.get(request.key)))

    async def SetMetadata(self, request: pb.SetMetadataRequest, context: Context) -> pb.SetMetadataResponse:
        """See the proto."""
        problems = Problems()
        problems.violations.extend(filter(None, (key_problem(request.key), value_problem(request.value))))
        problems.settle()
        return pb.SetMetadataResponse(entry=_entry_to(await self._maintenance.set(request.key, request.value)))

    async def ListMetadata(self, request: pb.ListMetadataRequest, context: Context) -> pb.ListMetadataResponse:
        """See the proto."""
        problems = Problems()
        bound = binding(current().caller, request, "page_size", "page_token")
        size = problems.attempt(lambda: page_size(request.page_size, _DEFAULT_PAGE, _LARGEST_PAGE), 1)
        place = problems.attempt(lambda: self._tokens.take(request.page_token, bound), ())
        if len(request.prefix) > _LONGEST_PREFIX:
            text = Text(f"must not have more than {_LONGEST_PREFIX} characters", "Prefixo longo demais")
            problems.violations.append(Violation("prefix", text))
        problems.settle()
        after = str(place[0]) if place else ""
        found = map(_entry_to, self._maintenance.page(request.prefix, after, size + 1))
        entries, more = cut(found, size, self._page_bytes)
        token = self._tokens.give((entries[-1].key,), bound) if more else ""
        return pb.ListMetadataResponse(entries=entries, next_page_token=token)

    async def DeleteMetadata(self, request: pb.DeleteMetadataRequest, context: Context) -> pb.DeleteMetadataResponse:
        """See the proto."""
        required(key=request.key)
        await self._maintenance.delete(request.key)
        return pb.DeleteMetadataResponse()

    async def GetMetrics(self, request: pb.GetMetricsRequest, context: Context) -> pb.GetMetricsResponse:
        """See the proto."""
        return self._upkeep.metrics(await self._maintenance.stats())

    async def RunMaintenance(
        self, request: pb.RunMaintenanceRequest, context: Context
    ) -> AsyncGenerator[pb.RunMaintenanceResponse]:
        """See the proto."""
        async with aclosing(self._upkeep.run(request)) as steps:
            async for step in steps:
                yield step

    async def ClearCaches(self, request: pb.ClearCachesRequest, context: Context) -> pb.ClearCachesResponse:
        """See the proto."""
        return await self._upkeep.clear()

    async def ListAuditEvents(self, request: pb.ListAuditEventsRequest, context: Context) -> pb.ListAuditEventsResponse:
        """See the proto."""
        return await audit_events(request, self._maintenance, self._tokens, self._page_bytes)

    async def CreateBackup(self, request: pb.CreateBackupRequest, context: Context) -> pb.CreateBackupResponse:
        """See the proto."""
        return await self._backups.create()

    async def ListBackups(self, request: pb.ListBackupsRequest, context: Context) -> pb.ListBackupsResponse:
        """See the proto."""
        return await self._backups.page(request)

    async def VerifyBackup(self, request: pb.VerifyBackupRequest, context: Context) -> pb.VerifyBackupResponse:
        """See the proto."""
        return await self._backups.verify(request)

    async def DeleteBackup(self, request: pb.DeleteBackupRequest, context: Context) -> pb.DeleteBackupResponse:
        """See the proto."""
        return await self._backups.delete(request)

    async def DownloadBackup(
        self, request: pb.DownloadBackupRequest, context: Context
    ) -> AsyncGenerator[pb.DownloadBackupResponse]:
        """See the proto."""
        async with aclosing(self._backups.download(request)) as pieces:
            async for piece in pieces:
                yield piece

    async def UploadBackup(
        self, request_iterator: AsyncIterator[pb.UploadBackupRequest], context: Context
    ) -> pb.UploadBackupResponse:
        """See the proto."""
        return await self._backups.upload(request_iterator)

    async def RestoreBackup(self, request: pb.RestoreBackupRequest, context: Context) -> pb.RestoreBackupResponse:
        """See the proto."""
        return await self._backups.restore(request)


def _entry_to(metadata: Metadata) -> pb.MetadataEntry:
    return pb.MetadataEntry(
        key=metadata.key,
        value=metadata.value,
        read_only=is_own_key(metadata.key),
        create_time=timestamp_to(metadata.create_time),
        update_time=timestamp_to(metadata.update_time),
    )


def _stats_to(stats: Stats, sqlite_version: str) -> pb.GetStatsResponse:
    file = stats.file
    return pb.GetStatsResponse(
        connection_count=sum(stats.connections.values()),
        connection_counts=[
            pb.ConnectionCount(type=kind, status=status.upper(), count=count)
            for (kind, status), count in sorted(stats.connections.items())
        ],
        deleted_connection_count=stats.deleted,
        assignment_count=stats.assignments,
        branding_revision_count=stats.branding_revisions,
        metadata_count=stats.metadata,
        audit_event_count=stats.audit_events,
        remembered_request_count=stats.remembered_requests,
        file=pb.DatabaseFile(
            size_bytes=file.size,
            wal_size_bytes=file.wal_size,
            used_bytes=(file.pages - file.free_pages) * file.page_size,
            free_bytes=file.free_pages * file.page_size,
            page_size_bytes=file.page_size,
            update_time=timestamp_to(file.update_time),
        ),
        pragmas=stats.pragmas,
        sqlite_version=sqlite_version,
    )
