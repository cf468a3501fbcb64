"""What binds tokens and answers to requests, and messages put together from bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.domain.caller import Admin, Caller, Public, User
from wuzapi_manager_server.errors import InvalidInput, Text, Violation
from wuzapi_manager_server.rpc.requests import Problems, binding, missing, repeatable, required, without
from wuzapi_manager_server.rpc.wire import field, serialized

ANA = User("u1", "Ana", "", "ana-token")
CALLERS: list[Caller] = [Admin(), Public(), ANA, User("u1", "Ana", "", "ana-other-token")]


def page(token: str = "", search: str = "", order_by: str = "", as_user: str = "") -> pb.ListRecordsRequest:
    return pb.ListRecordsRequest(connection_id=5, page_token=token, search=search, order_by=order_by, as_user=as_user)


def test_problems_are_gathered() -> None:
    """Every check is made, and all that they found is told at once; what was right is given."""
    problems = Problems()

    def fails() -> int:
        raise InvalidInput([Violation("a", Text("x", "x")), Violation("b", Text("y", "y"))])

    assert problems.attempt(lambda: 5, None) == 5
    problems.settle()
    assert problems.attempt(fails, None) is None
    problems.require("c", "")
    problems.require("d", 1)
    with pytest.raises(InvalidInput) as error:
        problems.settle(Text("No", "Não"))
    assert [violation.field for violation in error.value.violations] == ["a", "b", "c"]
    assert error.value.text.en.startswith("No: ")


def test_only_invalid_input_is_gathered() -> None:
    """Any other error of a check is raised."""

    def fails() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        Problems().attempt(fails, None)


def test_required_fields() -> None:
    """Every empty one is told as missing."""
    required(a=1, b="x")
    with pytest.raises(InvalidInput) as error:
        required(a=0, b="x", c="")
    assert list(error.value.violations) == [missing("a"), missing("c")]
    assert error.value.reason == "MISSING_REQUIRED_FIELD"


def test_a_request_without_fields_is_a_copy() -> None:
    """The request itself stays as it is."""
    request = page("x", search="y")
    assert without(request, "page_token") == page(search="y")
    assert request.page_token == "x"


def test_a_binding_is_of_one_caller_and_request() -> None:
    """It is the same whatever the token, and another for any other request or caller."""
    assert binding(ANA, page("1"), "page_token") == binding(ANA, page("2"), "page_token")
    bindings = {binding(caller, page(), "page_token") for caller in CALLERS}
    others = [
        page(search="x"),
        page(order_by="x"),
        page(as_user="x"),
        pb.ExportRecordsRequest(connection_id=5),
        pb.ListRecordsRequest(),
    ]
    bindings |= {binding(ANA, request) for request in others}
    assert len(bindings) == len(CALLERS) + len(others)
    assert all(len(each) == 32 for each in bindings)


def test_the_order_of_values_does_not_matter() -> None:
    """A request whose values come in another order is the same request."""
    one, other = pb.CreateRecordRequest(connection_id=5), pb.CreateRecordRequest(connection_id=5)
    one.record.fields.update({f"f{at}": at for at in range(50)})
    other.record.fields.update({f"f{at}": at for at in reversed(range(50))})
    assert binding(ANA, one) == binding(ANA, other)
    assert repeatable(ANA, one, "r") == repeatable(ANA, other, "r")


def test_a_repeated_request_is_known() -> None:
    """The id is no part of what is compared; the scope is the caller and the RPC."""
    request = repeatable(ANA, pb.CreateRecordRequest(connection_id=5, request_id="r"), "r")
    assert request == repeatable(ANA, pb.CreateRecordRequest(connection_id=5), "r")
    assert request != repeatable(ANA, pb.CreateRecordRequest(connection_id=6, request_id="r"), "r")
    scopes = {repeatable(caller, pb.CreateRecordRequest(), "r")[1] for caller in CALLERS}
    scopes.add(repeatable(ANA, pb.BatchCreateRecordsRequest(), "r")[1])
    assert len(scopes) == len(CALLERS) + 1


@given(st.binary(max_size=40), st.sampled_from([0, 88, 89, 16_384, 2_097_152]))
def test_parts_become_a_message(data: bytes, more: int) -> None:
    """Length-delimited fields of any size are read as they were put together."""
    content = data + b"x" * more
    record = pb.Record(id="5", etag="e")
    message = field(1, record.SerializeToString()) + field(6, content) + field(1, b"") + field(2, "é".encode())
    read = pb.ListRecordsResponse.FromString(message)
    assert read == pb.ListRecordsResponse(records=[record, pb.Record()], records_json=content, next_page_token="é")


def test_bytes_stand_for_a_message() -> None:
    """What is serialized already is given as it is."""
    data = b"\x0a\x00"
    assert serialized(pb.ListRecordsResponse, data) is data  # type: ignore[comparison-overlap]  # that is the point
