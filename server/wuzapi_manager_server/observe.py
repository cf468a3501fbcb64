"""What operators see of a running server: log lines and metrics. Neither holds tokens, messages or record values."""

import asyncio
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal, Protocol, cast

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]


_LEVELS = {"info": logging.INFO, "error": logging.ERROR}
_MAX_MESSAGE = 1000
_MAX_FRAMES = 40
_QUERY_BUCKETS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0)
_KINDS = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA"}
)
_KEPT_TEXTS = 1_000
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class _Renderer:
    """Renders a line with its level and time, and takes every configured secret out of it, wherever it stands.

    One processor does it all: each of structlog's own costs a call several microseconds more.
    """

    def __init__(self, secrets: Iterable[str], *, console: bool) -> None:
        plain = [secret for secret in secrets if secret]
        spellings = {*plain, *(json.dumps(secret)[1:-1] for secret in plain)}
        self._secrets = sorted((each.encode() for each in spellings), key=len, reverse=True)
        self._console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if console else None

    def __call__(self, logger: object, name: str, event: MutableMapping[str, object]) -> bytes:
        event["level"] = name
        event["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        line = (
            self._console(logger, name, event).encode("utf-8", "replace")
            if self._console
            else orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
        )
        for secret in self._secrets:
            line = line.replace(secret, b"***")
        return line


class _Stderr:
    """Writes each line to stderr at once, whole. A log that cannot be written must not stop the service."""

    def write(self, line: bytes) -> None:
        with suppress(OSError):
            os.write(2, line + b"\n")

    debug = info = warning = error = critical = write


class _Forward(logging.Handler):
    """Sends what libraries log through the standard module into our log, tracebacks without their values."""

    def emit(self, record: logging.LogRecord) -> None:
        """Logs the record's message, and its exception as `failure` tells it."""
        error = record.exc_info[1] if record.exc_info else None
        details = failure(error) if error else {}
        structlog.get_logger().log(record.levelno, record.getMessage()[:_MAX_MESSAGE], library=record.name, **details)


def configure(level: LogLevel, form: LogFormat, secrets: Iterable[str]) -> None:
    """Sends all logging of this process to stderr: a JSON object a line, or coloured text on a terminal."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer = _Renderer(secrets, console=console)
    _calls.renderer, _calls.threshold = renderer, threshold
    structlog.configure(
        processors=[renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: _Stderr(),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=max(threshold, logging.WARNING), force=True)


class _Calls:
    """How the lines of calls are written: set by `configure`."""

    renderer: _Renderer | None = None
    threshold: int = logging.INFO


_calls = _Calls()


def log_call(level: Literal["info", "error"], event: dict[str, object]) -> None:
    """Writes the line of a call: what `logger()` writes, without the steps that cost every call some 15 µs more."""
    if _calls.renderer is not None and _LEVELS[level] >= _calls.threshold:
        _Stderr().write(_calls.renderer(None, level, event))


def failure(error: BaseException) -> dict[str, object]:
    """An exception for the log: types, messages and places, with its causes; never the values of variables."""
    chain: list[dict[str, object]] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 5:  # noqa: PLR2004 - deeper causes tell nothing more
        frames = traceback.extract_tb(seen.__traceback__)[-_MAX_FRAMES:]
        chain.append(
            {
                "type": f"{type(seen).__module__}.{type(seen).__qualname__}",
                "message": str(seen)[:_MAX_MESSAGE],
                "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            }
        )
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return {"exceptions": chain}


class MethodMetrics:
    """The metrics of one RPC, bound once. What a counter costs each call counts: calls begun are told by `sample`."""

    def __init__(self, metrics: "Metrics", service: str, method: str) -> None:
        self._handled = metrics.handled
        self._labels = (service, method)
        self._codes: dict[str, Counter] = {}
        self._begun = 0
        self._started = metrics.started.labels(service, method)
        self._seconds = metrics.seconds.labels(service, method)

    def begin(self) -> None:
        """A call began."""
        self._begun += 1

    def sample(self) -> None:
        """Tells the calls that began since it was last asked for."""
        begun, self._begun = self._begun, 0
        self._started.inc(begun)

    def end(self, code: str, seconds: float) -> None:
        """A call ended with a status code's name after so many seconds."""
        counter = self._codes.get(code)
        if counter is None:
            counter = self._codes[code] = self._handled.labels(*self._labels, code)
        counter.inc()
        self._seconds.observe(seconds)


class QueryMetrics:
    """The metrics of statements on the service's own database."""

    def __init__(self, registry: CollectorRegistry) -> None:
        names = ("type",)
        self._seconds = Histogram(
            "database_query_seconds", "How long statements took", names, registry=registry, buckets=_QUERY_BUCKETS
        )
        self._slow = Counter("database_slow_queries", "Statements above SLOW_QUERY_MS", registry=registry)
        self._errors = Counter("database_query_errors", "Statements that failed", names, registry=registry)
        self._by_text: dict[str, Histogram] = {}

    def observe(self, text: str, seconds: float, *, slow: bool) -> None:
        """A statement was run."""
        bound = self._by_text.get(text)
        if bound is None:
            bound = self._seconds.labels(_kind(text))
            if len(self._by_text) < _KEPT_TEXTS:
                self._by_text[text] = bound
        bound.observe(seconds)
        if slow:
            self._slow.inc()

    def failed(self, text: str) -> None:
        """A statement failed."""
        self._errors.labels(_kind(text)).inc()


class CacheMetrics:
    """The metrics of caches, read from them twice a second."""

    def __init__(self, registry: CollectorRegistry) -> None:
        names = ("cache",)
        mode: Literal["livesum"] = "livesum"
        self._entries = Gauge("cache_entries", "Entries of a cache", names, registry=registry, multiprocess_mode=mode)
        self._hits = Gauge(
            "cache_hits", "How often a cache had the answer", names, registry=registry, multiprocess_mode=mode
        )
        self._misses = Gauge("cache_misses", "How often it had not", names, registry=registry, multiprocess_mode=mode)
        self.caches: list[Cache] = []

    def sample(self) -> None:
        """Reads them."""
        for cache in self.caches:
            self._entries.labels(cache.name).set(len(cache))
            self._hits.labels(cache.name).set(cache.hits)
            self._misses.labels(cache.name).set(cache.misses)


class Cache(Protocol):
    """What is shown of a cache, and how it is cleared."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def hits(self) -> int:
        """How often the answer was there."""
        ...

    @property
    def misses(self) -> int:
        """How often it was not."""
        ...

    def __len__(self) -> int: ...

    def clear(self) -> None:
        """Forgets everything."""
        ...


def _kind(text: str) -> str:
    """The first word of a statement, as long as it is one of SQL's own."""
    word = text.lstrip().partition(" ")[0].partition("\n")[0].upper()
    return word if word in _KINDS else "OTHER"


class DatabaseMetrics:
    """Gauges of the service's own database, which every process reads for itself: the last one who did is right."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, about: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(name, about, labels, registry=registry, multiprocess_mode="livemostrecent")

        self.size = gauge("database_size_bytes", "Bytes of the database's file")
        self.free = gauge("database_free_bytes", "Bytes in it that hold nothing")
        self.wal = gauge("database_wal_bytes", "Bytes of the write-ahead log")
        self.disk_free = gauge("database_disk_free_bytes", "Bytes free on the disk that it lies on")
        self.disk = gauge("database_disk_bytes", "Bytes of the disk that it lies on")
        self.schema = gauge("database_schema_version", "How many migrations it has seen")
        self.audit = gauge("database_audit_entries", "Entries of the audit log")
        self.connections = gauge("database_connections", "Connections kept, without deleted ones", ("type", "status"))
        self.queued = Gauge(
            "database_writes_queued", "Writes that wait", registry=registry, multiprocess_mode="livesum"
        )


class BackupMetrics:
    """The metrics of backups. Times are seconds since 1970, 0 where there is no such backup."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, about: str) -> Gauge:
            return Gauge(name, about, registry=registry, multiprocess_mode="livemostrecent")

        self.verified = gauge("backup_verified", "Backups that are verified")
        self.newest = gauge("backup_newest_verified_timestamp_seconds", "When the newest verified one was made here")
        self.oldest = gauge("backup_oldest_verified_timestamp_seconds", "When the oldest verified one was made here")
        self.stale = gauge("backup_stale", "Whether the newest verified one is older than two turns of the schedule")
        self.failures = Counter("backup_failures", "Backups that were not made or not verified", registry=registry)


class UpstreamMetrics:
    """The metrics of outgoing HTTP to one kind of upstream, bound once."""

    def __init__(self, metrics: "Metrics", upstream: str) -> None:
        self._requests = metrics.upstream_requests
        self._refused = metrics.upstream_refused
        self._upstream = upstream
        self._outcomes: dict[str, Counter] = {}
        self.seconds = metrics.upstream_seconds.labels(upstream)
        self.retries = metrics.upstream_retries.labels(upstream)
        self.opened = metrics.upstream_opened.labels(upstream)

    def ended(self, outcome: str) -> None:
        """A request ended with a class of statuses (2xx), or with what kept it from an answer."""
        bound = self._outcomes.get(outcome)
        if bound is None:
            bound = self._outcomes[outcome] = self._requests.labels(self._upstream, outcome)
        bound.inc()

    def refused(self, why: Literal["breaker", "busy"]) -> None:
        """A request was not sent."""
        self._refused.labels(self._upstream, why).inc()


class Metrics:
    """The metrics of a process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names = ("grpc_service", "grpc_method")
        self.started = Counter("grpc_server_started", "Calls begun", names, registry=self.registry)
        self.handled = Counter(
            "grpc_server_handled", "Calls ended, by status code", (*names, "grpc_code"), registry=self.registry
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds", "How long calls took", names, registry=self.registry, buckets=_BUCKETS
        )
        self.loop_lag = Gauge(
            "event_loop_lag_seconds",
            "How late the event loop runs what is due",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.in_flight = Gauge(
            "grpc_server_in_flight", "Calls under way", registry=self.registry, multiprocess_mode="livesum"
        )
        self.ready = Gauge(
            "service_ready", "Whether the service can work", registry=self.registry, multiprocess_mode="livemin"
        )
        upstream = ("upstream",)
        self.upstream_requests = Counter(
            "upstream_requests", "HTTP requests sent", ("upstream", "outcome"), registry=self.registry
        )
        self.upstream_refused = Counter(
            "upstream_refused", "HTTP requests not sent", ("upstream", "reason"), registry=self.registry
        )
        self.upstream_seconds = Histogram(
            "upstream_request_seconds", "How long they took", upstream, registry=self.registry, buckets=_BUCKETS
        )
        self.upstream_retries = Counter("upstream_retries", "Sent again", upstream, registry=self.registry)
        self.upstream_opened = Counter(
            "upstream_breaker_opened", "How often an upstream was left alone", upstream, registry=self.registry
        )
        self.relay_sends = Counter(
            "relay_sends", "Messages, by what became of them", ("outcome",), registry=self.registry
        )
        self.audit_lost = Counter("audit_entries_lost", "Entries that could not be written", registry=self.registry)
        self.database = DatabaseMetrics(self.registry)
        self.backups = BackupMetrics(self.registry)
        self.queries = QueryMetrics(self.registry)
        self.caches = CacheMetrics(self.registry)
        self._methods: list[MethodMetrics] = []

    def upstream(self, kind: Literal["wuzapi", "nocodb", "airtable"]) -> UpstreamMetrics:
        """The metrics of that kind of upstream."""
        return UpstreamMetrics(self, kind)

    def method(self, full_name: str) -> MethodMetrics:
        """The metrics of `/package.Service/Method`."""
        service, _, method = full_name[1:].partition("/")
        made = MethodMetrics(self, service, method)
        self._methods.append(made)
        return made

    def sample(self, under_way: int) -> None:
        """Reads what is not told as it happens: calls begun and `under_way`, and the caches."""
        for method in self._methods:
            method.sample()
        self.in_flight.set(under_way)
        self.caches.sample()


class Sampling:
    """Measures how late the event loop runs what is due, twice a second, and has `Metrics.sample` read the rest."""

    def __init__(self, metrics: Metrics, under_way: Callable[[], int], interval: float = 0.5) -> None:
        self._metrics = metrics
        self._under_way = under_way
        self._interval = interval
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to measure the running loop."""
        self._arm(asyncio.get_running_loop())

    def stop(self) -> None:
        """Ends measuring."""
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + self._interval
        self._timer = loop.call_at(due, self._tick, loop, due)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._metrics.loop_lag.set(max(0.0, loop.time() - due))
        self._metrics.sample(self._under_way())
        self._arm(loop)


def logger() -> "structlog.typing.FilteringBoundLogger":
    """The log of this process: an event in a few words, all else as keywords."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())
