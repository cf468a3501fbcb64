"""Figures of this process, from the registry that Prometheus reads."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

PERCENTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Times:
    """Seconds; percentiles are interpolated within the buckets of a histogram."""

    average: float
    percentiles: tuple[float, ...]


@dataclass(frozen=True)
class Figures:
    """Statements on the own database by kind, and calls by status code."""

    queries: Mapping[str, int]
    query_times: Times
    slow: int
    errors: Mapping[str, int]
    calls: Mapping[str, int]
    call_times: Times


def figures_of(registry: CollectorRegistry) -> Figures:
    """The figures as they are now."""
    families = {family.name: family.samples for family in registry.collect()}
    queries = families.get("database_query_seconds", [])
    return Figures(
        queries=_counted(queries, "_count", "type"),
        query_times=_times(queries),
        slow=sum(_counted(families.get("database_slow_queries", []), "_total", "").values()),
        errors=_counted(families.get("database_query_errors", []), "_total", "type"),
        calls=_counted(families.get("grpc_server_handled", []), "_total", "grpc_code"),
        call_times=_times(families.get("grpc_server_handling_seconds", [])),
    )


def _counted(samples: Iterable[Sample], ending: str, label: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for sample in samples:
        if sample.name.endswith(ending):
            counts[sample.labels.get(label, "")] += int(sample.value)
    return dict(sorted(counts.items()))


def _times(samples: Iterable[Sample]) -> Times:
    """The times of a histogram, whatever its labels."""
    buckets: Counter[float] = Counter()
    total = 0.0
    for sample in samples:
        if sample.name.endswith("_bucket"):
            buckets[float(sample.labels["le"])] += int(sample.value)
        elif sample.name.endswith("_sum"):
            total += sample.value
    ordered = sorted(buckets.items())
    count = ordered[-1][1] if ordered else 0
    return Times(total / count if count else 0.0, tuple(_percentile(ordered, count * share) for share in PERCENTILES))


def _percentile(buckets: list[tuple[float, int]], rank: float) -> float:
    """The value of that rank: linear within its bucket; the lower bound of the last, which has no upper one."""
    below, bound = 0, 0.0
    for upper, upto in buckets:
        if upto >= rank and upto > below:
            if upper == float("inf"):
                return bound
            return bound + (upper - bound) * (rank - below) / (upto - below)
        below, bound = upto, upper
    return 0.0
