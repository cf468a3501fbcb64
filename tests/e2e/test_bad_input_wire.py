"""What every RPC says to bytes that are no request, and to callers who may not call it."""

from typing import Any, cast

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode

from tests.contract.calls import refused
from tests.contract.server import ADMIN_TOKEN, World
from tests.e2e.refusals import METHODS, SERVICES
from tests.e2e.samples import connected, kept, new_file

PUBLIC = "/wuzapi_manager.v1.BrandingService/GetBranding"
USERS_ALONE = "/wuzapi_manager.v1.ConnectionService/ListUserConnections"
RECORDS = tuple(method for method in METHODS if ".RecordService/" in method)
ADMINS_ALONE = tuple(method for method in METHODS if method not in (PUBLIC, USERS_ALONE, *RECORDS))
BY_NAME: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method for service in SERVICES for method in service.methods
}
TOKEN = "token-of-the-wire"
SHORT = 6
SURROGATE = "é" * SHORT  # the placeholder that lone surrogates of as many bytes are put in place of


def send(world: World, method: str, raw: bytes, *metadata: tuple[str, str]) -> bytes:
    """Sends bytes as they are to an RPC."""
    sent = (*metadata, ("accept-language", "en"))
    known = BY_NAME.get(method)
    channel: Any = world.channel  # grpcio's stubs do not know that it takes and gives bytes as they are
    if known is not None and known.client_streaming:
        return bytes(channel.stream_unary(method)(iter([raw]), timeout=30, metadata=sent))
    if known is not None and known.server_streaming:
        return b"".join(channel.unary_stream(method)(raw, timeout=30, metadata=sent))
    return bytes(channel.unary_unary(method)(raw, timeout=30, metadata=sent))


def allowed(world: World, method: str) -> tuple[str, str]:
    """The metadata of a caller whom the RPC answers."""
    if method == USERS_ALONE:
        return ("token", world.user(TOKEN).token)
    return ("authorization", ADMIN_TOKEN)


def texts(message: Message) -> bool:
    """Sets the first text in a message, or in one within it, to the placeholder; whether there was one."""
    for field in message.DESCRIPTOR.fields:
        if field.cpp_type == field.CPPTYPE_STRING and field.type == field.TYPE_STRING:
            if field.is_repeated:
                getattr(message, field.name).append(SURROGATE)
            else:
                setattr(message, field.name, SURROGATE)
            return True
    for field in message.DESCRIPTOR.fields:
        if field.cpp_type == field.CPPTYPE_MESSAGE and not field.is_repeated and texts(getattr(message, field.name)):
            return True
    return False


@pytest.mark.parametrize("method", METHODS)
def test_bytes_that_are_no_request_are_refused(world: World, method: str) -> None:
    """Garbage, a cut message and lone surrogates are INVALID_ARGUMENT with a sentence, and change nothing."""
    before = kept(world)
    raws = [b"\xff" * 20, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05ab", b"\x0b", b"\x07"]
    request = GetMessageClass(BY_NAME[method].input_type)()
    if texts(request):
        raws += [
            request.SerializeToString().replace(SURROGATE.encode(), surrogate * (2 * SHORT // len(surrogate)))
            for surrogate in (b"\xed\xa0\x80", b"\xff", b"\xc0\xaf")
        ]
    for raw in raws:
        with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
            send(world, method, raw, allowed(world, method))
        assert "not of this RPC's type, or a text in it is not UTF-8" in refusal.message
    assert kept(world) == before


@pytest.mark.parametrize("method", METHODS)
def test_ten_megabytes_are_refused(world: World, method: str) -> None:
    """A message of 10 MB is INVALID_ARGUMENT with the bound, and changes nothing."""
    before = kept(world)
    request = GetMessageClass(BY_NAME[method].input_type)()
    size = 10_000_000
    large = b"\xca\x3e" + bytes((size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14 & 0x7F | 0x80, size >> 21))
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        send(world, method, request.SerializeToString() + large + b"x" * size, allowed(world, method))
    assert "at most 4194304 are taken" in refusal.message
    assert kept(world) == before


@pytest.mark.parametrize("method", METHODS)
def test_calls_without_a_right_token_are_unauthenticated(world: World, method: str) -> None:
    """No, short, long, unknown and swapped tokens, and a user's id, are refused before anything is read."""
    user = world.user(TOKEN)
    wrong = [
        (),
        (("token", ""),),
        (("token", "short67"),),
        (("token", "t" * 257),),
        (("token", "token of ana"),),
        (("token", "unknown-token"),),
        (("token", user.identity),),
        (("token", user.jid),),
        (("token", ADMIN_TOKEN),),
        (("token", f"Bearer {TOKEN}"),),
        (("token", TOKEN.upper()),),
        (("token", TOKEN + "x"),),
        (("authorization", ""),),
        (("authorization", "Bearer "),),
        (("authorization", TOKEN),),
        (("authorization", f"Bearer {TOKEN}"),),
        (("authorization", user.identity),),
        (("authorization", "fifteen-letters"),),
        (("authorization", "a" * 257),),
        (("authorization", ADMIN_TOKEN[:-1]),),
        (("authorization", ADMIN_TOKEN + "x"),),
        (("authorization", ADMIN_TOKEN.upper()),),
        (("authorization", f"Basic {ADMIN_TOKEN}"),),
        (("authorization", f"{ADMIN_TOKEN} {ADMIN_TOKEN}"),),
        (("authorization", TOKEN), ("token", TOKEN)),
    ]
    before = kept(world)
    for metadata in wrong:
        if method == PUBLIC:
            send(world, method, b"", *metadata)
            continue
        with refused(StatusCode.UNAUTHENTICATED, "INVALID_TOKEN") as refusal:
            send(world, method, b"\xff", *metadata)
        assert refusal.help
        for _, value in metadata:
            assert not value.strip() or value not in str(refusal.trailers) + refusal.message
    assert kept(world) == before


def test_tokens_of_the_other_kind_are_not_permitted(world: World) -> None:
    """A user where an administrator is asked for, and the reverse, is told which token to send."""
    world.user(TOKEN)
    for method in ADMINS_ALONE:
        with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR") as refusal:
            send(world, method, b"\xff", ("token", TOKEN))
        assert "for administrators" in refusal.message
        assert "`authorization`" in refusal.help
    with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR") as refusal:
        send(world, USERS_ALONE, b"", ("authorization", ADMIN_TOKEN))
    assert "`token`" in refusal.help


@pytest.mark.parametrize("method", RECORDS)
def test_a_connection_of_others_is_not_permitted(world: World, method: str) -> None:
    """A user hears the same of a connection that is not assigned, is deleted, or is not there at all."""
    world.user(TOKEN)
    other = connected(world, new_file(world.sources), world.user("token-of-ana"))
    kind = GetMessageClass(BY_NAME[method].input_type)
    told = set()
    for identifier in (other, 2**62, -1):
        request = kind()
        for field in request.DESCRIPTOR.fields:
            if field.name == "connection_id":
                setattr(request, field.name, identifier)
            elif field.name == "record_id":
                setattr(request, field.name, "1")
        with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR") as refusal:
            send(world, method, request.SerializeToString(), ("token", TOKEN))
        told.add(refusal.message.replace(str(identifier), "N"))
    assert told == {"Connection N is not assigned to this user"}


def test_fields_of_later_versions_are_passed_over(world: World) -> None:
    """A request with a field that this version does not know is answered."""
    for method in (PUBLIC, USERS_ALONE, "/wuzapi_manager.v1.ConnectionService/ListConnections"):
        send(world, method, b"\xc2\x3e\x03abc", allowed(world, method))


def test_an_rpc_that_is_not_there_is_unimplemented(world: World) -> None:
    """An unknown method or service is answered by gRPC itself."""
    for method in ("/wuzapi_manager.v1.ConnectionService/Nothing", "/wuzapi_manager.v1.Nothing/Nothing", "/x"):
        with pytest.raises(grpc.RpcError) as caught:
            send(world, method, b"")
        assert cast("grpc.Call", caught.value).code() is StatusCode.UNIMPLEMENTED
