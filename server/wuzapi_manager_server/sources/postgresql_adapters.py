"""How psycopg loads values here: what Python holds exactly as Python has it, everything else as PostgreSQL's text."""

from datetime import UTC, date, datetime, time

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.string import TextLoader

from wuzapi_manager_server.sources import postgresql_values

_AS_PYTHON = frozenset(
    [
        "bool",
        "bytea",
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "numeric",
        "uuid",
        "text",
        "varchar",
        "bpchar",
        "name",
    ]
)


class _Date(Loader):
    def load(self, data: Buffer) -> date | str:
        return postgresql_values.day(str(data, "ascii"))


class _Time(Loader):
    def load(self, data: Buffer) -> time | str:
        return postgresql_values.clock(str(data, "ascii"))


class _Moment(Loader):
    def load(self, data: Buffer) -> datetime | str:
        text = str(data, "ascii")
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return text


class _ZonedMoment(Loader):
    def load(self, data: Buffer) -> datetime | str:
        text = str(data, "ascii")
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            return text


_LOADERS: dict[str, type[Loader]] = {"date": _Date, "time": _Time, "timestamp": _Moment, "timestamptz": _ZonedMoment}


def _adapters() -> AdaptersMap:
    adapters = AdaptersMap(psycopg.adapters)
    for info in psycopg.adapters.types:
        if info.name not in _AS_PYTHON:
            adapters.register_loader(info.oid, _LOADERS.get(info.name, TextLoader))
        if info.array_oid:
            adapters.register_loader(info.array_oid, TextLoader)
    return adapters


ADAPTERS = _adapters()
"""What every connection uses."""
