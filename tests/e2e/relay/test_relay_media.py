"""Media that is uploaded in a stream and sent by its id."""

import hashlib
import os
import threading
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from uuid import uuid4

import grpc
import pytest

from tests.contract.calls import Caller, channel_to, refused
from tests.contract.server import World
from tests.e2e.relay.conftest import until
from tests.e2e.relay.test_relay_drill import Service
from tests.e2e.relay.test_relay_sends import JPEG, MP4, OGG, PHONE, PNG, WEBP
from tests.fakes.wuzapi import FakeWuzapi, Lost
from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.rpc.relay_media import SENDS_AT_ONCE

MIB = 1 << 20
PIECE = 256 * 1024
LONG = b"%PDF-1.7" + os.urandom(5 * MIB + 1)


def pieces(data: bytes, **first: object) -> Iterator[pb.UploadMediaRequest]:
    """The messages of an upload."""
    yield pb.UploadMediaRequest(**{"size_bytes": len(data), **first})  # type: ignore[arg-type]  # fields by name
    for at in range(0, len(data), PIECE):
        yield pb.UploadMediaRequest(chunk=data[at : at + PIECE])


def uploaded(caller: Caller, data: bytes, **first: object) -> pb.UploadedMedia:
    """Media that is here now."""
    return caller.relay.UploadMedia(pieces(data, **first)).media


def files_of(world: World) -> list[Path]:
    """What lies in the folder of media."""
    folder = world.data / "media"
    return [path for path in folder.iterdir() if path.name != ".lock"] if folder.exists() else []


@pytest.fixture
def nothing_here(world: World) -> None:
    """The folder of media is empty at first."""
    for path in files_of(world):
        path.unlink()


def document(media: pb.UploadedMedia, **fields: object) -> pb.SendDocumentRequest:
    return pb.SendDocumentRequest(**{"phone": PHONE, "file_name": "a.pdf", "media_id": media.id, **fields})  # type: ignore[arg-type]  # fields by name


def test_long_media_is_sent_whole(ana: Caller, world: World, wuzapi: FakeWuzapi, nothing_here: None) -> None:
    """More than a message may hold arrives byte for byte, in one request that says its length."""
    media = uploaded(ana, LONG, sha256=hashlib.sha256(LONG).hexdigest())
    assert (media.size_bytes, media.sha256) == (len(LONG), hashlib.sha256(LONG).hexdigest())
    assert media.mime_type == "application/pdf"
    (file,) = files_of(world)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert ana.token not in file.name
    sent = ana.relay.SendDocument(document(media)).message
    body, request = wuzapi.sent[-1].body, wuzapi.requests[-1]
    head, _, data = str(body["document"]).partition(",")
    assert (head, b64decode(data) == LONG) == ("data:application/octet-stream;base64", True)
    assert (body["filename"], body["mimetype"], body["id"]) == ("a.pdf", "application/pdf", sent.id)
    assert (request.headers["content-length"], "transfer-encoding" in request.headers) == (
        str(len(request.body)),
        False,
    )


@pytest.mark.parametrize(
    ("rpc", "kind", "data", "mime"),
    [
        ("SendImage", "image", PNG, "image/png"),
        ("SendImage", "image", JPEG + b"x", "image/jpeg"),
        ("SendAudio", "audio", OGG + b"xy", "audio/ogg; codecs=opus"),
        ("SendVideo", "video", MP4, "video/mp4"),
        ("SendSticker", "sticker", WEBP, "image/webp"),
    ],
)
def test_every_kind_of_media_is_sent_by_its_id(
    ana: Caller, wuzapi: FakeWuzapi, rpc: str, kind: str, data: bytes, mime: str
) -> None:
    """Under the field and the type that WUZAPI asks of it, whatever is left over of three bytes."""
    media = uploaded(ana, data, kind=pb.MediaKind.Value(f"MEDIA_KIND_{kind.upper()}"))
    request = getattr(pb, f"{rpc}Request")(phone=PHONE, media_id=media.id)
    assert getattr(ana.relay, rpc)(request).message.id == wuzapi.sent[-1].id
    head, _, sent = str(wuzapi.sent[-1].body[kind]).partition(",")
    label = mime.partition(";")[0]
    assert (head, b64decode(sent), wuzapi.sent[-1].body["mimetype"]) == (f"data:{label};base64", data, mime)


def test_one_upload_is_sent_to_several_chats(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """It is kept after it was sent."""
    media = uploaded(ana, PNG)
    ids = [
        ana.relay.SendImage(pb.SendImageRequest(phone=phone, media_id=media.id)).message.id
        for phone in (PHONE, "1203@g.us")
    ]
    assert [sent.id for sent in wuzapi.sent[-2:]] == ids


def test_a_repeat_is_one_message_whatever_its_upload(
    ana: Caller, world: World, wuzapi: FakeWuzapi, nothing_here: None
) -> None:
    """The bytes count, not their id: a repeat by another upload, or after the file is gone, gives the stored answer."""
    request_id, before = str(uuid4()), len(wuzapi.sent)
    first = ana.relay.SendDocument(document(uploaded(ana, LONG), request_id=request_id))
    assert ana.relay.SendDocument(document(uploaded(ana, LONG), request_id=request_id)) == first
    gone = uploaded(ana, LONG)
    for file in files_of(world):
        file.unlink()
    assert ana.relay.SendDocument(document(gone, request_id=request_id)) == first
    assert len(wuzapi.sent) == before + 1
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        ana.relay.SendDocument(document(uploaded(ana, LONG + b"x"), request_id=request_id))
    assert [*refusal.violations] == ["request_id"]


def test_a_lost_answer_is_repeated_from_the_file(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """What is kept serves the repeat, under the id that the message had."""
    request, before = document(uploaded(ana, LONG), request_id=str(uuid4())), len(wuzapi.sent)
    wuzapi.lose = lambda request: Lost.AFTER if request.path == "/chat/send/document" else None
    with refused(grpc.StatusCode.UNAVAILABLE, "SEND_UNKNOWN") as refusal:
        ana.relay.SendDocument(request)
    wuzapi.lose = None
    assert ana.relay.SendDocument(request).message.id == refusal.metadata["message_id"]
    assert {sent.id for sent in wuzapi.sent[before:]} == {refusal.metadata["message_id"]}
    assert len({str(sent.body["document"]) for sent in wuzapi.sent[before:]}) == 1


def test_media_that_is_gone_is_not_found(ana: Caller, world: World, nothing_here: None) -> None:
    """A send by an id that has had its time says so, and its request_id is free for the bytes uploaded again."""
    media, request_id = uploaded(ana, PNG), str(uuid4())
    old = files_of(world)[0].stat().st_mtime - 3_601
    os.utime(files_of(world)[0], (old, old))
    request = pb.SendImageRequest(phone=PHONE, media_id=media.id, request_id=request_id)
    with refused(grpc.StatusCode.NOT_FOUND, "NOT_FOUND"):
        ana.relay.SendImage(request)
    request.media_id = uploaded(ana, PNG).id
    assert len(files_of(world)) == 1, "an upload removes what has had its time"
    assert ana.relay.SendImage(request).message.request_id == request_id


@pytest.mark.parametrize("spoil", ["another user", "another byte", "nothing", "too long"])
def test_an_id_is_its_owners_alone(ana: Caller, world: World, wuzapi: FakeWuzapi, spoil: str) -> None:
    """Nobody else sends by it, and no text that was made up is taken for one."""
    media, caller, before = uploaded(ana, PNG), ana, len(wuzapi.sent)
    match spoil:
        case "another user":
            caller = world.user("token-of-the-thief")
        case "another byte":
            media.id = media.id[:-1] + ("A" if media.id[-1] != "A" else "B")
        case "nothing":
            media.id = "x"
        case _:
            media.id = "x" * 100_000
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        caller.relay.SendImage(pb.SendImageRequest(phone="no phone", media_id=media.id))
    assert {*refusal.violations} == {"phone", "media_id"}
    assert len(wuzapi.sent) == before


@pytest.mark.parametrize(
    ("first", "field"),
    [
        ({"size_bytes": 0}, "size_bytes"),
        ({"size_bytes": -1}, "size_bytes"),
        ({"size_bytes": 100 * MIB + 1}, "size_bytes"),
        ({"size_bytes": 16 * MIB + 1, "kind": pb.MEDIA_KIND_IMAGE}, "size_bytes"),
        ({"size_bytes": 16 * MIB + 1, "kind": pb.MEDIA_KIND_AUDIO}, "size_bytes"),
        ({"size_bytes": 16 * MIB + 1, "kind": pb.MEDIA_KIND_STICKER}, "size_bytes"),
        ({"size_bytes": 100 * MIB + 1, "kind": pb.MEDIA_KIND_DOCUMENT}, "size_bytes"),
        ({"size_bytes": 2**63 - 1}, "size_bytes"),
        ({"size_bytes": 1, "kind": 9}, "kind"),
        ({"size_bytes": 1, "sha256": "abc"}, "sha256"),
        ({"size_bytes": 1, "mime_type": "no type"}, "mime_type"),
    ],
)
def test_a_bad_announcement_is_refused_before_anything_is_read(
    ana: Caller, world: World, nothing_here: None, first: dict[str, object], field: str
) -> None:
    """The first message alone is answered, while nothing else comes."""
    never = threading.Event()

    def announced() -> Iterator[pb.UploadMediaRequest]:
        yield pb.UploadMediaRequest(**first)  # type: ignore[arg-type]  # fields by name
        never.wait(30)

    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        ana.relay.UploadMedia(announced(), timeout=10)
    never.set()
    assert [*refusal.violations] == [field]
    assert files_of(world) == []


@pytest.mark.parametrize(
    ("data", "first", "field"),
    [
        (b"12345", {"size_bytes": 4}, "size_bytes"),
        (b"12345", {"size_bytes": 6}, "size_bytes"),
        (LONG, {"size_bytes": PIECE}, "size_bytes"),
        (b"12345", {"sha256": "0" * 64}, "sha256"),
    ],
)
def test_other_bytes_than_announced_leave_nothing(
    ana: Caller, world: World, nothing_here: None, data: bytes, first: dict[str, object], field: str
) -> None:
    """More, fewer, or others."""
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        uploaded(ana, data, **first)
    assert [*refusal.violations] == [field]
    assert files_of(world) == []


def test_a_byte_too_many_is_refused_when_it_comes(ana: Caller, world: World, nothing_here: None) -> None:
    """Who announces little and sends on is not read to an end that may never come."""
    never = threading.Event()

    def endless() -> Iterator[pb.UploadMediaRequest]:
        yield pb.UploadMediaRequest(size_bytes=4, chunk=b"12345")
        never.wait(30)

    with refused(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        ana.relay.UploadMedia(endless(), timeout=10)
    never.set()
    assert [*refusal.violations] == ["size_bytes"]
    assert files_of(world) == []


def test_an_empty_stream_and_the_administrator_are_refused(ana: Caller, world: World) -> None:
    """There must be something, of a user."""
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        ana.relay.UploadMedia(iter(()))
    with refused(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR"):
        world.admin.relay.UploadMedia(pieces(PNG))
    with refused(grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"):
        world.public.relay.UploadMedia(pieces(PNG))


def test_a_stream_that_breaks_off_leaves_nothing(ana: Caller, world: World, nothing_here: None) -> None:
    """What came of it is removed when its sender leaves."""
    never = threading.Event()

    def broken() -> Iterator[pb.UploadMediaRequest]:
        yield pb.UploadMediaRequest(size_bytes=8 * MIB, chunk=bytes(2 * MIB))
        yield pb.UploadMediaRequest(chunk=bytes(2 * MIB))
        never.wait(30)

    call = ana.relay.UploadMedia.future(broken())
    until(lambda: any(file.stat().st_blocks for file in files_of(world)))
    call.cancel()
    never.set()
    until(lambda: files_of(world) == [])


def test_media_of_another_kind_or_too_long_for_it_is_refused(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """A sound is no image, and 17 MiB are a document, but no sticker."""
    before = len(wuzapi.sent)
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        ana.relay.SendImage(pb.SendImageRequest(phone=PHONE, media_id=uploaded(ana, OGG).id))
    assert [*refusal.violations] == ["media_id"]
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        ana.relay.SendSticker(pb.SendStickerRequest(phone=PHONE, media_id=uploaded(ana, WEBP + bytes(17 * MIB)).id))
    assert [*refusal.violations] == ["media_id"]
    assert len(wuzapi.sent) == before


def test_nobody_fills_the_disk(ana: Caller, world: World, nothing_here: None) -> None:
    """A user has 256 MiB at once: more is refused until some goes, and what was sent goes first."""
    media = uploaded(ana, PNG)
    owner = files_of(world)[0].name.partition("-")[0]
    for number in range(5):
        with (world.data / "media" / f"{owner}-{number:032x}").open("wb") as file:
            file.truncate(51 * MIB)
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMIT_ERROR") as refusal:
        uploaded(ana, PNG)
    assert cast("float", refusal.retry_after) > 3_000
    uploaded(world.user("token-of-the-modest"), PNG)
    ana.relay.SendImage(pb.SendImageRequest(phone=PHONE, media_id=media.id))
    uploaded(ana, PNG)


def test_no_content_is_in_the_log(ana: Caller, world: World, nothing_here: None) -> None:
    """Neither what was uploaded, nor its id, nor what tells whose it is."""
    secret = b"a secret that nobody logs " * 10
    media = uploaded(ana, secret)
    ana.relay.SendDocument(document(media))
    log = world.log.read_bytes()
    assert b"UploadMedia" in log
    assert not any(part in log for part in (b"a secret that", media.id.encode(), files_of(world)[0].name.encode()))


def test_media_outlives_a_kill(tmp_path: Path) -> None:
    """What was taken is sent by the service that was killed and started again; what was on its way is swept."""
    with FakeWuzapi() as fake:
        fake.add_user("ana", "token-of-ana")
        service = Service(tmp_path, fake.url)
        try:
            with channel_to(service.address) as channel:
                ana = Caller(channel, {"token": "token-of-ana"})
                media = uploaded(ana, LONG)
                never = threading.Event()

                def broken() -> Iterator[pb.UploadMediaRequest]:
                    yield pb.UploadMediaRequest(size_bytes=MIB, chunk=b"x")
                    never.wait(30)

                cut = ana.relay.UploadMedia.future(broken())
                until(lambda: any(tmp_path.glob("media/*.part")))
                service.kill()
                never.set()
                assert cut.exception()
            service.start()
            with channel_to(service.address) as channel:
                ana = Caller(channel, {"token": "token-of-ana"})
                sent = ana.relay.SendDocument(document(media)).message
            until(lambda: not any(tmp_path.glob("media/*.part")))
        finally:
            service.kill()
        assert b64decode(str(fake.sent[-1].body["document"]).partition(",")[2]) == LONG
        assert fake.sent[-1].id == sent.id


def test_few_sends_of_uploads_at_once(ana: Caller, wuzapi: FakeWuzapi) -> None:
    """While 16 wait for WUZAPI the next is refused, and goes out under its request_id once they are through."""
    media, before = uploaded(ana, PNG), len(wuzapi.sent)
    request = pb.SendImageRequest(phone=PHONE, media_id=media.id)
    again = pb.SendImageRequest(phone=PHONE, media_id=media.id, request_id=str(uuid4()))
    earlier = len(wuzapi.requests)
    with wuzapi.held():
        calls = [ana.relay.SendImage.future(request) for _ in range(SENDS_AT_ONCE)]
        until(lambda: len(wuzapi.requests) == earlier + SENDS_AT_ONCE)
        with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMIT_ERROR") as refusal:
            ana.relay.SendImage(again)
        assert refusal.retry_after == 1.0
    assert {call.result().message.id for call in calls} == {sent.id for sent in wuzapi.sent[before:]}
    assert ana.relay.SendImage(again).message.id == wuzapi.sent[-1].id
