"""Bad input that concerns every service: requests that say nothing, and hostile files that are only to be tried."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode

from tests.contract.calls import SECONDS, refused
from tests.contract.server import ADMIN_TOKEN, World
from wuzapi_manager.v1 import branding_pb2, connection_pb2, record_pb2
from wuzapi_manager.v1 import connection_pb2 as pb

ADMIN = (("authorization", ADMIN_TOKEN),)
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for module in (branding_pb2, connection_pb2, record_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
# What an empty request is no fault for.
WITHOUT_REQUEST = {"GetBranding", "ResetBranding", "ListBrandingRevisions", "ListConnections", "ListUserConnections"}


def send_nothing(world: World, path: str) -> None:
    """Sends an empty message to an RPC and reads its answer."""
    method = METHODS[path]
    metadata = (("token", world.user("token-of-ana").token),) if path.endswith("/ListUserConnections") else ADMIN
    if method.client_streaming:
        load: grpc.StreamUnaryMultiCallable[bytes, bytes] = world.channel.stream_unary(path)
        load(iter([b""]), timeout=SECONDS, metadata=metadata)
    elif method.server_streaming:
        export: grpc.UnaryStreamMultiCallable[bytes, bytes] = world.channel.unary_stream(path)
        list(export(b"", timeout=SECONDS, metadata=metadata))
    else:
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = world.channel.unary_unary(path)
        ask(b"", timeout=SECONDS, metadata=metadata)


@pytest.mark.parametrize("path", METHODS)
def test_an_empty_request_is_told_what_is_missing(world: World, path: str) -> None:
    """Every RPC that needs something says by name what, when it is given nothing."""
    if path.rpartition("/")[2] in WITHOUT_REQUEST:
        send_nothing(world, path)
        return
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        send_nothing(world, path)
    assert refusal.violations
    assert all(refusal.localized_violations.values())


def test_a_hostile_file_that_is_only_to_be_tried_fails_its_first_step(world: World, tmp_path: Path) -> None:
    """TestConnection tells in a step, not as an error, that a file lies where sources may not, and reads none of it."""
    outside = tmp_path / "outside.db"
    with closing(sqlite3.connect(outside)) as database, database:
        database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    for file in (str(outside), os.path.relpath(outside, world.sources), str(world.database), "/etc/passwd", ".."):
        connection = pb.Connection(sqlite=pb.SqliteSource(database=file, table_name="t"), row_scope=pb.ROW_SCOPE_SHARED)
        answer = world.admin.connections.TestConnection(pb.TestConnectionRequest(connection=connection))
        assert not answer.ok
        assert [(step.name, step.ok) for step in answer.steps] == [("resolve", False)]
        assert answer.steps[0].message
        assert str(world.sources) not in answer.steps[0].message
