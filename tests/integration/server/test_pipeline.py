"""What every call goes through, seen from outside."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import cast

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # stubs without py.typed

from tests.integration.server.app import ADMIN, USER, App
from wuzapi_manager.v1 import branding_pb2 as branding
from wuzapi_manager.v1 import record_pb2
from wuzapi_manager.v1.branding_pb2_grpc import BrandingServiceStub
from wuzapi_manager.v1.record_pb2_grpc import RecordServiceStub
from wuzapi_manager_server.main import running
from wuzapi_manager_server.settings import Settings

UPDATE = "/wuzapi_manager.v1.BrandingService/UpdateBranding"


def update(name: str) -> branding.UpdateBrandingRequest:
    return branding.UpdateBrandingRequest(branding=branding.Branding(app_name=name))


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    return status_pb2.Status.FromString(raw)


def details_of(error: grpc.aio.AioRpcError) -> dict[str, object]:
    """The details by the name of their type; each type may stand once."""
    status = status_of(error)
    found: dict[str, object] = {}
    for packed in status.details:
        name = packed.TypeName().rpartition(".")[2]
        assert name not in found
        detail = getattr(error_details_pb2, name)()
        packed.Unpack(detail)
        found[name] = detail
    return found


async def raw_call(
    channel: grpc.aio.Channel, method: str, raw: bytes, metadata: tuple[tuple[str, str], ...] = ()
) -> bytes:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    return await call(raw, metadata=metadata)


async def code_of(call: grpc.aio.Call) -> grpc.StatusCode:
    return await call.code()


async def refused(call: object) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call  # type: ignore[misc]  # any of grpcio's call objects
    return raised.value


async def test_call_is_known_to_the_servicer(channel: grpc.aio.Channel) -> None:
    """A public RPC needs no token; request id and language come from the metadata, and the id comes back."""
    call = BrandingServiceStub(channel).GetBranding(
        branding.GetBrandingRequest(), metadata=(("x-request-id", "abc-1"), ("accept-language", "en"))
    )
    assert (await call).branding.app_name == "Public en abc-1"
    assert dict(await call.trailing_metadata())["x-request-id"] == "abc-1"


@pytest.mark.parametrize("given", ["with space", "x" * 129, "a;b"])
async def test_bad_request_id_is_replaced(channel: grpc.aio.Channel, given: str) -> None:
    """A request id that is too long or has other characters is not echoed; a fresh one stands in for it."""
    call = BrandingServiceStub(channel).GetBranding(branding.GetBrandingRequest(), metadata=(("x-request-id", given),))
    await call
    made = dict(await call.trailing_metadata())["x-request-id"]
    assert made != given
    assert len(str(made)) == 32


async def test_public_rpc_ignores_a_bad_token(channel: grpc.aio.Channel) -> None:
    """What anyone may call is not refused for a token that is wrong."""
    answer = await BrandingServiceStub(channel).GetBranding(
        branding.GetBrandingRequest(), metadata=(("token", "wrong"),)
    )
    assert answer.branding.app_name.startswith("Public pt-BR")


@pytest.mark.parametrize(
    ("metadata", "code", "reason"),
    [
        ((), grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"),
        ((("token", "wrong"),), grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"),
        (USER, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR"),
    ],
)
async def test_administration_is_for_administrators(
    channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], code: grpc.StatusCode, reason: str
) -> None:
    """Nobody but an administrator passes, and a body that is no message at all is not looked at before that."""
    error = await refused(raw_call(channel, UPDATE, b"\xff\xff\xff", metadata))
    assert error.code() is code
    details = details_of(error)
    assert details["ErrorInfo"].reason == reason  # type: ignore[attr-defined]  # found by name
    assert details["ErrorInfo"].domain == "wuzapi-manager"  # type: ignore[attr-defined]  # found by name


async def test_bytes_and_messages_are_answers(channel: grpc.aio.Channel) -> None:
    """A servicer answers with a message or with one that is serialized already."""
    stub = BrandingServiceStub(channel)
    assert (await stub.UpdateBranding(update("bytes"), metadata=ADMIN)).branding.app_name == "from bytes"
    assert (await stub.UpdateBranding(update("plain"), metadata=ADMIN)).branding.app_name == "plain"


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x04\x0a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f"])
async def test_unreadable_message_is_invalid(channel: grpc.aio.Channel, raw: bytes) -> None:
    """Bytes that are no message of the RPC, or hold a text that is not UTF-8, are INVALID_ARGUMENT."""
    error = await refused(raw_call(channel, UPDATE, raw, ADMIN))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "UTF-8" in (error.details() or "")


async def test_large_message_is_invalid_with_an_explanation(channel: grpc.aio.Channel) -> None:
    """10 MB get an answer of ours that names the limit, also within a stream."""
    error = await refused(BrandingServiceStub(channel).UpdateBranding(update("x" * 10_000_000), metadata=ADMIN))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "at most 1048576" in (error.details() or "")
    chunks = iter([record_pb2.ImportRecordsRequest(chunk=b"x" * 2_000_000)])
    error = await refused(RecordServiceStub(channel).ImportRecords(chunks, metadata=USER))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_bug_is_internal_with_an_error_id(
    logged: Callable[[], list[dict[str, object]]], channel: grpc.aio.Channel
) -> None:
    """What a bug says stays in the log; the caller gets an id by which the log finds it."""
    error = await refused(BrandingServiceStub(channel).UpdateBranding(update("bug"), metadata=ADMIN))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "driver" not in repr(error)
    info = details_of(error)["ErrorInfo"]
    error_id = info.metadata["error_id"]  # type: ignore[attr-defined]  # found by name
    line = next(line for line in logged() if "error_id" in line)
    assert line["error_id"] == error_id
    assert "'secret driver text'" in json.dumps(line["exceptions"])
    assert "app.py" in json.dumps(line["exceptions"])


@pytest.mark.parametrize("how", ["timeout", "wrong"])
async def test_other_bugs_are_internal(channel: grpc.aio.Channel, how: str) -> None:
    """A stray TimeoutError and an answer of the wrong type are bugs, not deadlines."""
    error = await refused(BrandingServiceStub(channel).UpdateBranding(update(how), metadata=ADMIN))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert details_of(error)["ErrorInfo"].reason == "SYSTEM_ERROR"  # type: ignore[attr-defined]  # found by name


async def test_error_has_every_detail(channel: grpc.aio.Channel) -> None:
    """Reason, metadata, request id, the caller's language, suggestion and retry advice all arrive."""
    stub = BrandingServiceStub(channel)
    error = await refused(
        stub.UpdateBranding(update("absent"), metadata=(*ADMIN, ("x-request-id", "r1"), ("accept-language", "pt")))
    )
    details = details_of(error)
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert error.details() == "no such thing"
    assert details["ErrorInfo"].metadata == {"id": "3"}  # type: ignore[attr-defined]  # found by name
    assert details["RequestInfo"].request_id == "r1"  # type: ignore[attr-defined]  # found by name
    assert details["LocalizedMessage"].message == "não existe ã"  # type: ignore[attr-defined]  # found by name
    assert details["Help"].links[0].description == "olhe"  # type: ignore[attr-defined]  # found by name
    assert dict(error.trailing_metadata())["x-request-id"] == "r1"
    busy = details_of(await refused(stub.UpdateBranding(update("busy"), metadata=ADMIN)))
    assert busy["RetryInfo"].retry_delay.ToTimedelta().total_seconds() == 1.5  # type: ignore[attr-defined]  # found by name


async def test_five_hundred_violations_fit_in_the_trailers(channel: grpc.aio.Channel) -> None:
    """An answer with far too many violations still arrives, and says how many it leaves out."""
    error = await refused(BrandingServiceStub(channel).UpdateBranding(update("missing"), metadata=ADMIN))
    details = details_of(error)
    shown = len(details["BadRequest"].field_violations)  # type: ignore[attr-defined]  # found by name
    omitted = int(details["ErrorInfo"].metadata["violations_omitted"])  # type: ignore[attr-defined]  # found by name
    assert shown + omitted == 500
    assert shown > 10
    assert details["ErrorInfo"].reason == "MISSING_REQUIRED_FIELD"  # type: ignore[attr-defined]  # found by name


async def test_too_many_calls_are_refused(channel: grpc.aio.Channel, app: App) -> None:
    """Above the limit calls are RESOURCE_EXHAUSTED with retry advice; health still answers; room comes back."""
    stub = BrandingServiceStub(channel)
    hanging = [asyncio.ensure_future(stub.UpdateBranding(update("hang"), metadata=ADMIN)) for _ in range(2)]
    await app.branding.hanging.wait()
    for _ in range(3):
        error = await refused(stub.GetBranding(branding.GetBrandingRequest()))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "RetryInfo" in details_of(error)
    assert await raw_call(channel, "/grpc.health.v1.Health/Check", b"") == b"\x08\x01"
    for each in hanging:
        each.cancel()
    await app.branding.ended.wait()
    async with asyncio.timeout(10):
        while await code_of(stub.GetBranding(branding.GetBrandingRequest())) is not grpc.StatusCode.OK:
            pass


async def test_server_bounds_calls_without_a_deadline(app: App, settings: Settings) -> None:
    """Without a deadline, or with a later one, the server's own ends the call, and its `finally` runs."""
    short = settings.model_copy(update={"grpc_max_deadline": 0.2})
    async with running(short, app.wire) as where, grpc.aio.insecure_channel(where.address) as channel:
        stub = BrandingServiceStub(channel)
        for timeout in (None, 30.0):
            app.branding.ended.clear()
            error = await refused(stub.UpdateBranding(update("hang"), metadata=ADMIN, timeout=timeout))
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert details_of(error)["ErrorInfo"].reason == "TIMEOUT_ERROR"  # type: ignore[attr-defined]  # found by name
            await asyncio.wait_for(app.branding.ended.wait(), 5)


async def test_deadline_is_the_earlier_one(channel: grpc.aio.Channel) -> None:
    """A servicer sees the caller's deadline where that is earlier, else the server's."""
    stub = BrandingServiceStub(channel)
    for timeout, expected in ((5.0, 5.0), (None, 20.0), (500.0, 20.0)):
        answer = await stub.ResetBranding(branding.ResetBrandingRequest(), metadata=ADMIN, timeout=timeout)
        assert expected - 2 < float(answer.branding.app_name) <= expected + 0.1


async def test_callers_deadline_and_cancellation_end_the_work(
    logged: Callable[[], list[dict[str, object]]], channel: grpc.aio.Channel, app: App
) -> None:
    """A caller's deadline or cancellation stops the servicer, and the log says which it was."""
    stub = BrandingServiceStub(channel)
    error = await refused(stub.UpdateBranding(update("hang"), metadata=ADMIN, timeout=0.3))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(app.branding.ended.wait(), 5)
    app.branding.hanging.clear()
    app.branding.ended.clear()
    call = stub.UpdateBranding(update("hang"), metadata=ADMIN)
    waiting = asyncio.ensure_future(refused_or_cancelled(call))
    await app.branding.hanging.wait()
    call.cancel()
    await asyncio.wait_for(app.branding.ended.wait(), 5)
    await waiting
    await stub.GetBranding(branding.GetBrandingRequest())
    codes = [str(line["code"]) for line in logged() if "code" in line]
    assert sorted(codes) == ["CANCELLED", "DEADLINE_EXCEEDED", "OK"]


async def refused_or_cancelled(call: object) -> None:
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await call  # type: ignore[misc]  # any of grpcio's call objects


async def test_server_stream_arrives_whole(channel: grpc.aio.Channel, app: App) -> None:
    """A stream's messages arrive in order; its deadline does not pass; its generator is closed."""
    call = RecordServiceStub(channel).ExportRecords(record_pb2.ExportRecordsRequest(search="3"), metadata=USER)
    chunks = [message async for message in call]
    assert [message.chunk for message in chunks] == [b"first", b"next", b"next", b"next"]
    assert chunks[0].resume_token == "inf"
    assert app.records.closed.is_set()


async def test_error_within_a_stream_has_details(channel: grpc.aio.Channel, app: App) -> None:
    """What was sent before an error arrives, and the error with its details."""
    call = RecordServiceStub(channel).ExportRecords(record_pb2.ExportRecordsRequest(search="absent"), metadata=USER)
    assert cast("record_pb2.ExportRecordsResponse", await call.read()).chunk == b"first"
    error = await refused(call.read())
    assert details_of(error)["ErrorInfo"].reason == "NOT_FOUND"  # type: ignore[attr-defined]  # found by name
    assert app.records.closed.is_set()


async def test_idle_stream_ends(app: App, settings: Settings) -> None:
    """A stream that waits too long for its next message ends, whoever is silent."""
    short = settings.model_copy(update={"grpc_stream_idle": 0.2})
    async with running(short, app.wire) as where, grpc.aio.insecure_channel(where.address) as channel:
        stub = RecordServiceStub(channel)
        silent = stub.ExportRecords(record_pb2.ExportRecordsRequest(search="hang"), metadata=USER)
        await silent.read()
        error = await refused(silent.read())
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "idle" in (error.details() or "")
        call = stub.ImportRecords(metadata=USER)
        await call.write(record_pb2.ImportRecordsRequest())
        error = await refused(call)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_caller_who_does_not_read_is_idle(app: App, settings: Settings) -> None:
    """A caller that stops reading a stream loses it: its generator is closed, and draining does not wait for it."""
    short = settings.model_copy(update={"grpc_stream_idle": 0.2, "shutdown_grace": 20.0})
    async with contextlib.AsyncExitStack() as stack:
        server = running(short, app.wire)
        where = await server.__aenter__()
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(where.address))
        call = RecordServiceStub(channel).ExportRecords(record_pb2.ExportRecordsRequest(search="flood"), metadata=USER)
        await call.read()
        await asyncio.wait_for(app.records.closed.wait(), 5)
        begun = time.monotonic()
        await server.__aexit__(None, None, None)
        assert time.monotonic() - begun < 5


async def test_streams_have_their_own_limit(channel: grpc.aio.Channel) -> None:
    """Streams above their limit are refused, unary calls pass meanwhile."""
    stub = RecordServiceStub(channel)
    calls = [stub.ExportRecords(record_pb2.ExportRecordsRequest(search="hang"), metadata=USER) for _ in range(2)]
    for call in calls:
        await call.read()
    error = await refused(stub.ExportRecords(record_pb2.ExportRecordsRequest(search="1"), metadata=USER).read())
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await BrandingServiceStub(channel).GetBranding(branding.GetBrandingRequest())
    for call in calls:
        call.cancel()


async def test_client_stream_is_counted(channel: grpc.aio.Channel) -> None:
    """A client stream's messages reach the servicer, one that cannot be read ends it as INVALID_ARGUMENT."""

    async def messages() -> AsyncIterator[record_pb2.ImportRecordsRequest]:
        for _ in range(5):
            yield record_pb2.ImportRecordsRequest(chunk=b"x")

    answer = await RecordServiceStub(channel).ImportRecords(messages(), metadata=USER)
    assert answer.created_count == 5
    raw: grpc.aio.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(
        "/wuzapi_manager.v1.RecordService/ImportRecords"
    )
    error = await refused(raw(iter([b"", b"\xff\xff"]), metadata=USER))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", ["/wuzapi_manager.v1.BrandingService/Nope", "/a.B/C", "/stray.Service/Call"])
async def test_unknown_method_is_unimplemented(channel: grpc.aio.Channel, method: str) -> None:
    """A method that does not exist, or that the access table does not know, is UNIMPLEMENTED."""
    error = await refused(raw_call(channel, method, b"", ADMIN))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_log_tells_the_call_and_no_secret(
    logged: Callable[[], list[dict[str, object]]], channel: grpc.aio.Channel
) -> None:
    """One line a call with method, code, duration, ids and reason; neither tokens nor the message are in it."""
    stub = RecordServiceStub(channel)
    call = stub.ExportRecords(record_pb2.ExportRecordsRequest(search="absent"), metadata=(*USER, ("x-request-id", "q")))
    with pytest.raises(grpc.aio.AioRpcError):
        assert [message async for message in call]
    await refused(BrandingServiceStub(channel).UpdateBranding(update("invalid"), metadata=ADMIN))
    everything = logged()
    lines = [line for line in everything if line["event"] == "call"]
    assert len(lines) == 2
    assert lines[0]["method"] == "/wuzapi_manager.v1.RecordService/ExportRecords"
    assert (lines[0]["code"], lines[0]["reason"]) == ("NOT_FOUND", "NOT_FOUND")
    assert (lines[0]["caller"], lines[0]["user_id"], lines[0]["request_id"]) == ("user", "7", "q")
    assert cast("float", lines[0]["duration_ms"]) > 0
    assert lines[1]["caller"] == "admin"
    assert lines[1]["reason"] == "VALIDATION_ERROR"
    for secret in (USER[0][1], ADMIN[0][1], "absent"):
        assert secret not in json.dumps(everything)


async def test_library_logs_come_as_lines_of_ours(
    logged: Callable[[], list[dict[str, object]]], channel: grpc.aio.Channel
) -> None:
    """What a library logs is a JSON line too, its exception without values of variables."""
    await BrandingServiceStub(channel).UpdateBranding(update("library"), metadata=ADMIN)
    told = [line for line in logged() if line.get("library") == "lib"]
    assert told[0]["event"] == "a library says something"
    assert "builtins.ValueError" in json.dumps(told[0]["exceptions"])


async def test_metrics_count_calls(channel: grpc.aio.Channel, app: App) -> None:
    """Started, handled by code, seconds and in-flight are counted for each method."""
    stub = BrandingServiceStub(channel)
    for _ in range(2):
        await stub.GetBranding(branding.GetBrandingRequest())
    await refused(stub.UpdateBranding(update("absent"), metadata=ADMIN))
    assert app.metrics is not None
    app.metrics.sample(under_way=0)
    value = app.metrics.registry.get_sample_value
    get = {"grpc_service": "wuzapi_manager.v1.BrandingService", "grpc_method": "GetBranding"}
    failed = get | {"grpc_method": "UpdateBranding", "grpc_code": "NOT_FOUND"}
    assert value("grpc_server_started_total", get) == 2
    assert value("grpc_server_handled_total", get | {"grpc_code": "OK"}) == 2
    assert value("grpc_server_handling_seconds_count", get) == 2
    assert value("grpc_server_handled_total", failed) == 1
