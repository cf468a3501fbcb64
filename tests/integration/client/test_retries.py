"""What is tried again, and what is not."""

import grpc
import pytest

from tests.integration.client.service import Refusal, Service
from wuzapi_manager.v1 import connection_pb2, record_pb2
from wuzapi_manager_client import WuzapiManager, errors

AWAY = Refusal(grpc.StatusCode.UNAVAILABLE, "busy")


def test_a_read_is_tried_again(service: Service, admin: WuzapiManager) -> None:
    """A read that finds the service away twice succeeds the third time."""
    found = connection_pb2.GetConnectionResponse(connection=connection_pb2.Connection(id=7))
    service.answers["GetConnection"] = [AWAY, AWAY, found]
    assert admin.get_connection(7).id == 7
    assert len(service.seen) == 3


def test_a_read_is_tried_four_times_at_most(service: Service, admin: WuzapiManager) -> None:
    """A service that stays away is told after four tries."""
    service.answers["GetConnection"] = AWAY
    with pytest.raises(errors.Unavailable, match="busy"):
        admin.get_connection(7)
    assert len(service.seen) == 4


def test_a_create_is_tried_again_under_the_same_id(service: Service, me: WuzapiManager) -> None:
    """Each try of a create carries the same request_id, which the client made itself."""
    made = record_pb2.CreateRecordResponse(record=record_pb2.Record(id="1"))
    service.answers["CreateRecord"] = [AWAY, made]
    assert me.create_record(1, {"name": "x"}).id == "1"
    first, second = service.requests("CreateRecord")
    assert first == second
    assert isinstance(first, record_pb2.CreateRecordRequest)
    assert len(first.request_id) == 36


def test_two_creates_have_two_ids(service: Service, me: WuzapiManager) -> None:
    """Two creates of the same are two, unless the caller says that they are one."""
    ids = set()
    for request_id in (None, None, "0b0e2e9e-6f6f-4d5c-9f0a-000000000001"):
        me.create_record(1, {"name": "x"}, request_id=request_id)
    for request in service.requests("CreateRecord"):
        assert isinstance(request, record_pb2.CreateRecordRequest)
        ids.add(request.request_id)
    assert len(ids) == 3
    assert "0b0e2e9e-6f6f-4d5c-9f0a-000000000001" in ids


def test_other_writes_are_not_tried_again(service: Service, admin: WuzapiManager) -> None:
    """A write whose first try may have happened is left to the caller."""
    for method in ("UpdateRecord", "DeleteRecord", "UpdateConnection", "AssignUsers", "CreateBackup", "RunMaintenance"):
        service.answers[method] = AWAY
    with pytest.raises(errors.Unavailable):
        admin.update_record(1, "2", {"name": "x"})
    with pytest.raises(errors.Unavailable):
        admin.delete_record(1, "2")
    with pytest.raises(errors.Unavailable):
        admin.update_connection(1, name="x")
    with pytest.raises(errors.Unavailable):
        admin.assign_users(1, ["ana"])
    with pytest.raises(errors.Unavailable):
        admin.create_backup()
    with pytest.raises(errors.Unavailable):
        list(admin.run_maintenance())
    assert [seen.method for seen in service.seen] == list(service.answers)


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.ABORTED, grpc.StatusCode.NOT_FOUND])
def test_other_failures_are_not_tried_again(service: Service, admin: WuzapiManager, code: grpc.StatusCode) -> None:
    """Only a service that cannot be reached is tried again."""
    service.answers["GetConnection"] = Refusal(code, "no")
    with pytest.raises(errors.ManagerError):
        admin.get_connection(7)
    assert len(service.seen) == 1


def test_the_timeout_holds_for_all_tries_together(service: Service, admin: WuzapiManager) -> None:
    """Tries do not go on past the timeout of the call."""
    service.answers["GetConnection"] = AWAY
    with pytest.raises((errors.Unavailable, errors.DeadlineExceeded)):
        admin.get_connection(7, timeout=0.05)
    assert len(service.seen) < 4
