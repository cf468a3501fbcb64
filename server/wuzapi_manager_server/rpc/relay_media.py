"""RelayService's media that is uploaded before it is sent."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Protocol, cast

from google.protobuf.message import Message

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.domain.caller import User
from wuzapi_manager_server.domain.media import Kind, url_head
from wuzapi_manager_server.domain.uploaded_media import UploadedMedia
from wuzapi_manager_server.errors import InvalidInput, RateLimited, Text, Violation
from wuzapi_manager_server.rpc.access import users_alone
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.rpc.convert_common import timestamp_to
from wuzapi_manager_server.rpc.relay_bodies import media_key
from wuzapi_manager_server.rpc.requests import required, without
from wuzapi_manager_server.services.media import Announced, MediaUploads
from wuzapi_manager_server.upstreams.file_body import FileJson
from wuzapi_manager_server.upstreams.wuzapi_gateway import WuzapiCall

_KINDS: dict[int, Kind | None] = {
    pb.MEDIA_KIND_UNSPECIFIED: None,
    pb.MEDIA_KIND_IMAGE: "image",
    pb.MEDIA_KIND_AUDIO: "audio",
    pb.MEDIA_KIND_VIDEO: "video",
    pb.MEDIA_KIND_DOCUMENT: "document",
    pb.MEDIA_KIND_STICKER: "sticker",
}
SENDS_AT_ONCE = 16
"""How many sends may have an uploaded file in their body at once: each holds an open file and some MB of memory."""
_RETRY_AFTER = 1.0


class _WithMedia(Protocol):
    media_id: str


class RelayMedia:
    """Answers UploadMedia, and finds what was uploaded for the sends."""

    def __init__(self, uploads: MediaUploads) -> None:
        self._uploads = uploads
        self._sending = 0

    async def upload_media(self, requests: AsyncIterator[pb.UploadMediaRequest], _: object) -> pb.UploadMediaResponse:
        """See the proto."""
        user = current().caller
        if not isinstance(user, User):
            raise users_alone()
        first = await anext(aiter(requests), None)
        if first is None:
            raise InvalidInput([Violation("", Text("the stream was empty", "O fluxo estava vazio"))])
        required(size_bytes=first.size_bytes)
        if first.kind not in _KINDS:
            text = Text(f"{first.kind} is not one of its values", f"{first.kind} não é um valor permitido")
            raise InvalidInput([Violation("kind", text)])

        async def chunks() -> AsyncGenerator[bytes]:
            yield first.chunk
            async for message in requests:
                yield message.chunk

        announced = Announced(first.size_bytes, first.sha256, first.mime_type, _KINDS[first.kind])
        identity, media = await self._uploads.take(user, announced, chunks())
        return pb.UploadMediaResponse(
            media=pb.UploadedMedia(
                id=identity,
                size_bytes=media.size,
                sha256=media.sha256,
                mime_type=media.mime_type or media.told,
                expire_time=timestamp_to(media.expire_time),
            )
        )

    def of(self, user: User, request: Message) -> UploadedMedia | None:
        """What a request to send names by `media_id`, None where it does not. InvalidInput for an id that is none."""
        identity = cast("_WithMedia", request).media_id if "media_id" in request.DESCRIPTOR.fields_by_name else ""
        return self._uploads.find(user, identity) if identity else None

    @contextmanager
    def attached(self, call: WuzapiCall, media: UploadedMedia | None, kind: Kind | None) -> Iterator[WuzapiCall]:
        """The call with the file in its body; who leaves without an error has sent it.

        NotFound where it is gone, RateLimited where SENDS_AT_ONCE are on their way.
        """
        if media is None or kind is None:
            yield call
            return
        with self._a_turn(), self._uploads.opened(media) as descriptor:
            values = dict(call.body or {})
            head = url_head(kind, str(values["MimeType"]))
            yield call._replace(body=None, file=FileJson(values, media_key(kind), head, descriptor, media.size))
        self._uploads.sent(media)

    @contextmanager
    def _a_turn(self) -> Iterator[None]:
        if self._sending >= SENDS_AT_ONCE:
            raise _too_many()
        self._sending += 1
        try:
            yield
        finally:
            self._sending -= 1


def by_content(request: Message, media: UploadedMedia | None) -> Message:
    """The request with what the media is in place of its id: the same bytes uploaded again are the same request."""
    if media is None:
        return request
    copy = without(request, "media_id")
    cast("_WithMedia", copy).media_id = f"{media.sha256} {media.size} {media.mime_type}"
    return copy


def _too_many() -> RateLimited:
    return RateLimited(
        Text(
            f"{SENDS_AT_ONCE} sends of uploaded media are on their way already",
            f"{SENDS_AT_ONCE} envios de mídia carregada já estão em andamento",
        ),
        suggestion=Text("Ask again in a second", "Tente novamente em um segundo"),
        retry_after=_RETRY_AFTER,
    )
