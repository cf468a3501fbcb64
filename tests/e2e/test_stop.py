"""A stop has a bound, whatever is on its way to others."""

import signal
import time
from pathlib import Path
from threading import Event

import grpc
import pytest

from tests.contract.airtable_source import AirtableUnderTest
from tests.contract.sources import PEOPLE
from tests.e2e.killable import served
from tests.fakes.airtable import FakeAirtable
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.settings import Settings

SETTINGS = {"shutdown_grace": "1s", "request_timeout": "1s", "airtable_timeout": "60s"}
BOUND = Settings.model_construct(shutdown_grace=1.0, request_timeout=1.0).longest_stop


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_create_that_is_not_answered_is_cut_off(tmp_path: Path, workers: str) -> None:
    """The source is silent for longer than a stop may take: the create is given up, and the exit code is 0."""
    settings = {**SETTINGS, "grpc_workers": workers, "allowed_source_hosts": "127.0.0.0/8"}
    with FakeAirtable() as airtable, served(tmp_path, **settings) as server:
        source = AirtableUnderTest(airtable)
        connection = source.source_of(source.make(PEOPLE, [[1, "ana", "Ana", 30]]))
        connection.name, connection.row_scope = "silent", connections.ROW_SCOPE_SHARED
        made = server.admin.connections.CreateConnection(connections.CreateConnectionRequest(connection=connection))
        server.admin.records.DescribeTable(pb.DescribeTableRequest(connection_id=made.connection.id))
        with airtable.held():
            came = len(airtable.requests)
            request = pb.CreateRecordRequest(
                connection_id=made.connection.id, request_id="6f2f5a8e-4f0b-4a8e-9c62-1d1f5b0a7c12"
            )
            request.record.fields["name"] = "x"
            call = server.admin.records.CreateRecord.future(request, timeout=60)
            while len(airtable.requests) == came:
                Event().wait(0.02)
                assert not call.done(), call.exception()
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(60) == 0
            assert time.monotonic() - began < BOUND
            assert call.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
