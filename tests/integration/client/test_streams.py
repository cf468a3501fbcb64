"""Exports and imports through the client."""

import io
from collections.abc import Iterator
from itertools import repeat

import grpc
import pytest

from tests.integration.client.service import Refusal, Service
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_client import WuzapiManager, eq, errors

AWAY = Refusal(grpc.StatusCode.UNAVAILABLE, "restarting")


def piece(chunk: bytes, token: str = "") -> pb.ExportRecordsResponse:
    return pb.ExportRecordsResponse(chunk=chunk, resume_token=token)


def test_an_export_is_its_pieces(service: Service, me: WuzapiManager) -> None:
    """The pieces come in order, and the request says what was asked for."""
    service.answers["ExportRecords"] = (piece(b"a\n", "1"), piece(b"b\n", "2"))
    pieces = me.export_records(3, format="CSV", filter=eq("city", "Recife"), search="x", fields=["a"], as_user="ana")
    assert b"".join(pieces) == b"a\nb\n"
    expected = pb.ExportRecordsRequest(
        connection_id=3,
        format=pb.FILE_FORMAT_CSV,
        filter=eq("city", "Recife").message,
        search="x",
        fields=["a"],
        as_user="ana",
    )
    assert service.requests("ExportRecords") == [expected]
    assert service.seen[0].time_remaining > 3000


def test_an_export_continues_where_it_broke_off(service: Service, me: WuzapiManager) -> None:
    """Each stretch starts behind the last piece that came, until the export is whole."""
    service.answers["ExportRecords"] = [
        (piece(b"a\n", "1"), piece(b"b\n", "2"), AWAY),
        AWAY,
        (piece(b"c\n", "3"), AWAY),
        (piece(b"d\n", "4"),),
    ]
    assert list(me.export_records(3)) == [b"a\n", b"b\n", b"c\n", b"d\n"]
    tokens = [seen.request.resume_token for seen in service.seen if isinstance(seen.request, pb.ExportRecordsRequest)]
    assert tokens == ["", "2", "2", "3"]


def test_an_export_that_gets_no_further_ends(service: Service, me: WuzapiManager) -> None:
    """When the service stays away the export ends with what it had given."""
    service.answers["ExportRecords"] = [(piece(b"a\n", "1"), AWAY), AWAY, AWAY, AWAY, AWAY]
    pieces = me.export_records(3)
    assert next(pieces) == b"a\n"
    with pytest.raises(errors.Unavailable, match="restarting"):
        next(pieces)


@pytest.mark.parametrize("before", [(), (piece(b"a\n", "1"),)])
def test_an_export_never_continues_in_the_middle_of_a_record(
    service: Service, me: WuzapiManager, before: tuple[pb.ExportRecordsResponse, ...]
) -> None:
    """After a piece without a token nobody can say where to continue: bytes are never given twice."""
    service.answers["ExportRecords"] = [(*before, piece(b"half a rec"), AWAY), (piece(b"again"),)]
    with pytest.raises(errors.Unavailable):
        list(me.export_records(3))
    assert len(service.seen) == 1


def test_other_failures_end_an_export(service: Service, me: WuzapiManager) -> None:
    """Only a service that went away is a reason to continue."""
    service.answers["ExportRecords"] = [
        (piece(b"a\n", "1"), Refusal(grpc.StatusCode.FAILED_PRECONDITION, "no table")),
        (),
    ]
    with pytest.raises(errors.FailedPrecondition):
        list(me.export_records(3))
    assert len(service.seen) == 1


def test_an_export_that_is_left_is_cancelled(service: Service, me: WuzapiManager) -> None:
    """Leaving the loop early ends the call on the server too."""
    service.answers["ExportRecords"] = repeat(piece(b"a\n" * 1000, "1"))
    pieces = me.export_records(3)
    assert next(pieces) == b"a\n" * 1000
    assert not service.stream_ended.is_set()
    del pieces
    assert service.stream_ended.wait(10)


def test_an_import_sends_what_it_is_given(service: Service, me: WuzapiManager) -> None:
    """The first message says what it is, the others carry the bytes in pieces of at most 64 KiB."""
    service.answers["ImportRecords"] = pb.ImportRecordsResponse(created_count=2)
    data = b"x" * 150_000
    report = me.import_records(3, data, format="CSV", on_error="SKIP", request_id="r", validate_only=True, as_user="a")
    assert report.created_count == 2
    first, *rest = sent(service)
    assert first == pb.ImportRecordsRequest(
        connection_id=3,
        format=pb.FILE_FORMAT_CSV,
        on_error=pb.ON_ERROR_SKIP,
        request_id="r",
        validate_only=True,
        as_user="a",
    )
    assert [len(request.chunk) for request in rest] == [65536, 65536, 18928]
    assert b"".join(request.chunk for request in rest) == data


@pytest.mark.parametrize(
    "data",
    [b"abc", bytearray(b"abc"), memoryview(b"abc"), io.BytesIO(b"abc"), [b"a", b"b", b"", b"c"], iter((b"ab", b"c"))],
    ids=["bytes", "bytearray", "memoryview", "file", "list", "iterator"],
)
def test_an_import_takes_bytes_files_and_pieces(service: Service, me: WuzapiManager, data: bytes) -> None:
    """Bytes, an open file and an iterable of bytes all arrive whole, under an id of the client's."""
    me.import_records(3, data)
    first, *rest = sent(service)
    assert b"".join(request.chunk for request in rest) == b"abc"
    assert len(first.request_id) == 36


def sent(service: Service) -> list[pb.ImportRecordsRequest]:
    return [request for request in service.requests("ImportRecords") if isinstance(request, pb.ImportRecordsRequest)]


def test_what_the_data_raises_is_raised(service: Service, me: WuzapiManager) -> None:
    """A failure to read the data ends the import with that failure, not with gRPC's."""

    def broken() -> Iterator[bytes]:
        yield b"a\n"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        me.import_records(3, broken())


@pytest.mark.parametrize("data", ["text", io.StringIO("text"), ["text"]], ids=["text", "text file", "list of texts"])
def test_an_import_refuses_text(me: WuzapiManager, data: bytes) -> None:
    """Text in place of bytes is a TypeError that says what to do."""
    with pytest.raises(TypeError, match=r"UTF-8|binary mode"):
        me.import_records(3, data)


def test_a_refused_import_is_its_error(service: Service, me: WuzapiManager) -> None:
    """The service's own failure arrives as any other."""
    service.answers["ImportRecords"] = Refusal(grpc.StatusCode.ABORTED, "in flight")
    with pytest.raises(errors.Conflict):
        me.import_records(3, b"a\n")
