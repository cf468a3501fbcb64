"""What the server is made of: everything is opened here, in order, and closed in the opposite one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from typing import NamedTuple

import grpc

from wuzapi_manager.v1 import branding_pb2_grpc, connection_pb2_grpc, maintenance_pb2_grpc, record_pb2_grpc
from wuzapi_manager_server.domain.connection import ConnectionType
from wuzapi_manager_server.duty import Duty
from wuzapi_manager_server.observe import Cache, Metrics, logger
from wuzapi_manager_server.opening import (
    beside_others,
    make_backup_folder,
    media_path,
    open_backups,
    open_database,
    open_secrets,
    sqlite_folder,
)
from wuzapi_manager_server.rpc.branding import BrandingServicer
from wuzapi_manager_server.rpc.connections import ConnectionServicer
from wuzapi_manager_server.rpc.maintenance import About, MaintenanceServicer
from wuzapi_manager_server.rpc.maintenance_backups import BackupCalls
from wuzapi_manager_server.rpc.maintenance_upkeep import UpkeepCalls
from wuzapi_manager_server.rpc.pipeline import Audits, Identifies
from wuzapi_manager_server.rpc.record_tables import RecordTables
from wuzapi_manager_server.rpc.records import RecordServicer
from wuzapi_manager_server.rpc.relay import RelayServicer
from wuzapi_manager_server.rpc.relay_admin import RelayAdmin
from wuzapi_manager_server.rpc.relay_calls import RelayCalls
from wuzapi_manager_server.rpc.relay_media import RelayMedia
from wuzapi_manager_server.rpc.relay_pages import RelayPages
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.audit import Audit
from wuzapi_manager_server.services.backups import Backups
from wuzapi_manager_server.services.backups_gauges import BackupGauges
from wuzapi_manager_server.services.backups_schedule import BackupSchedule
from wuzapi_manager_server.services.backups_upload import Uploads
from wuzapi_manager_server.services.branding import Brandings
from wuzapi_manager_server.services.callers import LONGEST_TTL, Callers
from wuzapi_manager_server.services.connections import Connections
from wuzapi_manager_server.services.figures import figures_of
from wuzapi_manager_server.services.maintenance import Maintenance
from wuzapi_manager_server.services.media import MediaUploads
from wuzapi_manager_server.services.once import Once
from wuzapi_manager_server.services.page_tokens import PageTokens
from wuzapi_manager_server.services.purge import Purge
from wuzapi_manager_server.services.readiness import Readiness
from wuzapi_manager_server.services.records import Records
from wuzapi_manager_server.services.relay import Relay
from wuzapi_manager_server.services.sends import Sends
from wuzapi_manager_server.services.sessions import Sessions
from wuzapi_manager_server.services.upkeep import Upkeep
from wuzapi_manager_server.services.upkeep_schedule import UpkeepSchedule
from wuzapi_manager_server.settings import Settings, table
from wuzapi_manager_server.sources.airtable import AirtableEngine
from wuzapi_manager_server.sources.airtable_rate import PER_SECOND, Rates
from wuzapi_manager_server.sources.mysql import MysqlEngine
from wuzapi_manager_server.sources.nocodb import NocodbEngine
from wuzapi_manager_server.sources.postgresql import PostgresqlEngine
from wuzapi_manager_server.sources.registry import Engine, Sources
from wuzapi_manager_server.sources.sql_pool import Limits
from wuzapi_manager_server.sources.sqlite import SqliteEngine
from wuzapi_manager_server.storage.audit import KEPT as AUDIT_KEPT
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.branding import BrandingStore
from wuzapi_manager_server.storage.connections import ConnectionStore
from wuzapi_manager_server.storage.contents import Contents
from wuzapi_manager_server.storage.database import SQLITE_VERSION, Database
from wuzapi_manager_server.storage.gauges import DatabaseGauges
from wuzapi_manager_server.storage.idempotency import KEPT as REQUESTS_KEPT
from wuzapi_manager_server.storage.idempotency import IdempotencyStore
from wuzapi_manager_server.storage.media_folder import MediaFolder
from wuzapi_manager_server.storage.metadata import MetadataStore
from wuzapi_manager_server.storage.models import now_utc
from wuzapi_manager_server.storage.secret_keys import load_admin_token
from wuzapi_manager_server.storage.sweeper import DELETED_KEPT, Kept, Sweeper
from wuzapi_manager_server.storage.user_changes import UserChangeStore
from wuzapi_manager_server.upstreams.addresses import AddressGuard
from wuzapi_manager_server.upstreams.http import HttpUpstream
from wuzapi_manager_server.upstreams.wuzapi import Wuzapi
from wuzapi_manager_server.upstreams.wuzapi_gateway import WuzapiGateway

# What an answer may hold below the message limit, which is the callers' own too: room for what stands beside records.
_PAGE_SHARE = 0.9
_WUZAPI_IDLE = 60.0  # it closes an idle connection after 180 s: ours must give it up first


class Service(NamedTuple):
    """A service to serve: its full name, and what adds its servicer to a server."""

    name: str
    add: Callable[[grpc.aio.Server], None]


@dataclass(frozen=True)
class Parts:
    """What the server serves, and with what.

    `ready` tells whether the service can work; it is asked at once when `changed` is set. `details` are more names for
    health checks, with what tells whether all is well.
    """

    callers: Identifies
    audit: Audits
    services: Sequence[Service]
    ready: Callable[[], Awaitable[bool]]
    changed: asyncio.Event | None = None
    details: Mapping[str, Callable[[], bool]] = field(default_factory=dict)


@asynccontextmanager
async def wire(settings: Settings, metrics: Metrics) -> AsyncIterator[Parts]:
    """Opens everything that the server needs, and closes it afterwards in the opposite order.

    CannotStart while a command has the database to itself; none can have it meanwhile.
    """
    with beside_others(settings):
        async with _wired(settings, metrics) as parts:
            yield parts


@asynccontextmanager
async def _wired(settings: Settings, metrics: Metrics) -> AsyncIterator[Parts]:
    database = open_database(settings)
    database.metrics = metrics.queries
    pool = ThreadPoolExecutor(settings.work_threads, thread_name_prefix="work")
    wuzapi = _wuzapi(settings, metrics)
    try:
        box = open_secrets(settings, database)
        given = settings.wuzapi_admin_token
        token, file = load_admin_token(given.get_secret_value() if given else None, database.path.parent)
        logger().info(
            "database open", sqlite=SQLITE_VERSION, schema=database.schema_version, admin_token=str(file or "set")
        )
        store = ConnectionStore(database, box, now_utc)
        requests = IdempotencyStore(database, box, now_utc)
        once = Once(database, requests)
        guard = AddressGuard(settings.allowed_source_hosts, settings.denied_source_hosts)
        sources = Sources(_engines(settings, pool, guard, metrics), partial(store.get, secrets=True), guard)
        audits, changes = AuditStore(database, box, now_utc), UserChangeStore(database, now_utc)
        audit = Audit(database, audits, metrics.audit_lost)
        kept = [
            Kept(DELETED_KEPT, Purge(store, audits).connections),
            Kept(REQUESTS_KEPT, requests.purge),
            Kept(AUDIT_KEPT, audits.purge),
            Kept(LONGEST_TTL, changes.purge),
        ]
        callers = Callers(token, wuzapi, settings.user_cache_ttl, changes=changes)
        relay = Relay(_gateway(settings, token, metrics), callers)
        sends = _sends(settings, database, box, metrics)
        media = MediaUploads(MediaFolder(media_path(settings)), box)
        sweeper = Sweeper(database, kept, now_utc)
        sweeper.start()
        readiness = Readiness(database.writable)
        make_backup_folder(settings)
        backups = open_backups(settings, database, box, readiness)
        backups.failures = metrics.backups.failures
        schedule = _backup_schedule(settings, backups, audit)
        gauges = BackupGauges(backups, schedule, metrics.backups)
        upkeep = Upkeep(database, metrics.caches.caches, backups.folder, callers.changed_all)
        scheduled = filter(None, (schedule, _upkeep_schedule(settings, upkeep, database, audit)))
        shared = _Shared(
            settings, database, box, store, once, sources, audits, audit, callers, metrics, backups, upkeep
        )
        try:
            async with _at_work(DatabaseGauges(database, metrics.database), media, gauges, *scheduled):
                yield Parts(
                    callers,
                    audit,
                    [
                        *_services(shared),
                        _relay_service(settings, relay, sends, once, PageTokens(box), media),
                    ],
                    readiness,
                    readiness.changed,
                    {"backups": lambda: gauges.fresh},
                )
        finally:
            await asyncio.gather(backups.close(), sends.drain(settings.longest_send), once.drain(settings.longest_send))
            await sweeper.stop()
            await relay.close()
            await audit.drain()
            await sources.close()
    finally:
        if wuzapi is not None:
            await wuzapi.close()
        pool.shutdown(cancel_futures=True)
        await database.close()


def _backup_schedule(settings: Settings, backups: Backups, audit: Audit) -> BackupSchedule | None:
    if settings.backup_schedule is None:
        return None
    return BackupSchedule(backups, audit, settings.backup_schedule, now_utc)


def _upkeep_schedule(settings: Settings, upkeep: Upkeep, database: Database, audit: Audit) -> UpkeepSchedule | None:
    if settings.maintenance_schedule is None:
        return None
    metadata = MetadataStore(database, now_utc)
    return UpkeepSchedule(upkeep, database, metadata, audit, settings.maintenance_schedule, now_utc)


@asynccontextmanager
async def _at_work(*duties: Duty) -> AsyncIterator[None]:
    """Duties, which go on while the context is open."""
    for duty in duties:
        duty.start()
    try:
        yield
    finally:
        for duty in duties:
            await duty.stop()


def _wuzapi(settings: Settings, metrics: Metrics) -> Wuzapi | None:
    """The one who knows callers."""
    if not settings.wuzapi_base_url:
        return None
    return Wuzapi(settings.wuzapi_base_url, settings.request_timeout, metrics.upstream("wuzapi"))


def _sends(settings: Settings, database: Database, box: SecretBox, metrics: Metrics) -> Sends:
    # After its longest a send of a process that was killed counts as cut off.
    store = IdempotencyStore(database, box, now_utc, timedelta(seconds=settings.longest_send))
    return Sends(database, store, metrics.relay_sends)


def _engines(settings: Settings, pool: Executor, guard: AddressGuard, metrics: Metrics) -> dict[ConnectionType, Engine]:
    """What reads and writes the tables of each type of connection."""
    limits = Limits(settings.sql_timeout, settings.slow_query_ms / 1000)
    # Airtable counts the requests of all processes, and each counts its own.
    rates = Rates(max(1, PER_SECOND // settings.grpc_workers))
    return {
        ConnectionType.SQLITE: SqliteEngine(sqlite_folder(settings, pool)),
        ConnectionType.MYSQL: MysqlEngine(guard, pool, limits),
        ConnectionType.POSTGRESQL: PostgresqlEngine(guard, pool, limits),
        ConnectionType.NOCODB: NocodbEngine(guard, settings.nocodb_timeout, metrics.upstream("nocodb")),
        ConnectionType.AIRTABLE: AirtableEngine(guard, settings.airtable_timeout, rates, metrics.upstream("airtable")),
    }


@dataclass(frozen=True)
class _Shared:
    """What several services are made of."""

    settings: Settings
    database: Database
    box: SecretBox
    store: ConnectionStore
    once: Once
    sources: Sources
    audits: AuditStore
    audit: Audit
    callers: Callers
    metrics: Metrics
    backups: Backups
    upkeep: Upkeep


def _services(shared: _Shared) -> list[Service]:
    settings, database = shared.settings, shared.database
    tokens = PageTokens(shared.box)
    page_bytes = int(settings.grpc_max_message_bytes * _PAGE_SHARE)
    connections = ConnectionServicer(
        Connections(database, shared.store, shared.once, shared.sources, shared.audits), tokens, page_bytes
    )
    brandings = BrandingServicer(
        Brandings(database, BrandingStore(database, now_utc), shared.audits), tokens, page_bytes
    )
    rows = Records(shared.store, shared.sources, shared.box, shared.audit)
    records = RecordServicer(
        RecordTables(rows),
        shared.once,
        tokens,
        page_bytes=page_bytes,
        default_page=settings.default_records_limit,
        largest_page=settings.max_records_per_request,
    )
    caches: list[Cache] = [shared.callers, *connections.caches, rows]
    shared.metrics.caches.caches.extend(caches)  # those of the upkeep too
    maintenance = MaintenanceServicer(
        Maintenance(database, MetadataStore(database, now_utc), shared.audits, Contents(database, shared.box, now_utc)),
        UpkeepCalls(shared.upkeep, partial(figures_of, shared.metrics.registry)),
        BackupCalls(shared.backups, Uploads(shared.backups), tokens),
        _about(settings),
        tokens,
        page_bytes,
    )
    add_connections = partial(connection_pb2_grpc.add_ConnectionServiceServicer_to_server, connections)
    add_branding = partial(branding_pb2_grpc.add_BrandingServiceServicer_to_server, brandings)
    add_records = partial(record_pb2_grpc.add_RecordServiceServicer_to_server, records)
    add_maintenance = partial(maintenance_pb2_grpc.add_MaintenanceServiceServicer_to_server, maintenance)
    return [
        Service("wuzapi_manager.v1.ConnectionService", add_connections),
        Service("wuzapi_manager.v1.BrandingService", add_branding),
        Service("wuzapi_manager.v1.RecordService", add_records),
        Service("wuzapi_manager.v1.MaintenanceService", add_maintenance),
    ]


def _gateway(settings: Settings, admin_token: str, metrics: Metrics) -> WuzapiGateway | None:
    """The way to WUZAPI for what callers ask of it: apart from the one for who they are, so that neither fills it."""
    if not settings.wuzapi_base_url:
        return None
    upstream = HttpUpstream(
        settings.wuzapi_base_url,
        timeout=settings.request_timeout,
        idle=_WUZAPI_IDLE,
        metrics=metrics.upstream("wuzapi"),
    )
    return WuzapiGateway(upstream, admin_token)


def _relay_service(
    settings: Settings, relay: Relay, sends: Sends, once: Once, tokens: PageTokens, media: MediaUploads
) -> Service:
    answer_bytes = int(settings.grpc_max_message_bytes * _PAGE_SHARE)
    parts = (
        RelayCalls(relay, sends, settings.request_timeout, answer_bytes),
        RelayAdmin(relay, once),
        RelayPages(relay, tokens, answer_bytes),
        RelayMedia(media),
    )
    servicer = RelayServicer(
        relay,
        sends,
        Sessions(relay),
        parts,
        timeout=settings.request_timeout,
        base_url=settings.wuzapi_base_url or "",
        answer_bytes=answer_bytes,
    )
    return Service("wuzapi_manager.v1.RelayService", servicer.add)


def _about(settings: Settings) -> About:
    shown = [(row.variable, row.value, row.origin) for row in table(settings)]
    return About(version("wuzapi-manager"), SQLITE_VERSION, now_utc, shown)
