"""Connections that are valid but for what is said."""

from typing import Any

from tests.e2e.samples import connection_of
from wuzapi_manager.v1 import connection_pb2 as pb

HUGE = "x" * 100_000
SQL = "'; DROP TABLE database_connections; --"


def altered(kind: str, **changes: Any) -> pb.Connection:
    """A valid connection of that kind with other values; `mysql__port` is the port within mysql."""
    connection = connection_of(kind, "sample")
    for path, value in changes.items():
        *parents, name = path.split("__")
        target: Any = connection
        for parent in parents:
            target = getattr(target, parent)
        if isinstance(value, list):
            getattr(target, name).extend(value)
        else:
            setattr(target, name, value)
    return connection


def sourceless(**changes: str) -> pb.Connection:
    """A connection without a source."""
    return pb.Connection(name=changes.get("name", "sample"), user_link_field="owner")


def with_id(connection: pb.Connection, identifier: int) -> pb.Connection:
    """The connection under an id."""
    made = pb.Connection()
    made.CopyFrom(connection)
    made.id = identifier
    return made
