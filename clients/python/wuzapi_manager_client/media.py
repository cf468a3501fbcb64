"""The media of messages: bytes and URLs as they are, files and what is long in a stream."""

import os
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Literal, TypedDict

import grpc

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_client.calls import STREAM_TIMEOUT, Calls, translated
from wuzapi_manager_client.pieces import BinaryReader, Requests, pieces_of

Media = bytes | str | PathLike[str] | BinaryIO | pb.UploadedMedia
"""What to send: the bytes, an http or https URL as a text, a file as a Path or opened in binary mode, or what
`upload_media` gave."""
MediaKind = Literal["", "IMAGE", "AUDIO", "VIDEO", "DOCUMENT", "STICKER"]

_INLINE = 1 << 20  # bytes that go within the message: what a service takes of one is its own to say, 4 MiB where unset


class MediaFields(TypedDict, total=False):
    """The media as fields of a request."""

    data: bytes
    url: str
    media_id: str


class MediaCalls(Calls):
    """Uploads media."""

    def upload_media(
        self,
        media: bytes | PathLike[str] | BinaryIO,
        *,
        kind: MediaKind = "",
        mime_type: str = "",
        sha256: str = "",
        timeout: float = STREAM_TIMEOUT,
    ) -> pb.UploadedMedia:
        """Uploads up to 100 MiB to send, as often as wanted, until its `expire_time`. Memory stays constant.

        A file is read from where it stands, and must be one that can tell its size. With `kind` a size that this kind
        may not have is refused at once. What reading the file raises is raised here.
        """
        if isinstance(media, PathLike):
            with Path(media).open("rb") as file:
                return self._upload(file, os.fstat(file.fileno()).st_size, kind, mime_type, sha256, timeout)
        size = len(media) if isinstance(media, bytes) else _size_of(media)
        return self._upload(media, size, kind, mime_type, sha256, timeout)

    def _upload(
        self, media: bytes | BinaryReader, size: int, kind: MediaKind, mime_type: str, sha256: str, timeout: float
    ) -> pb.UploadedMedia:
        number = pb.MediaKind.Value(f"MEDIA_KIND_{kind}") if kind else pb.MEDIA_KIND_UNSPECIFIED
        first = pb.UploadMediaRequest(size_bytes=size, kind=number, mime_type=mime_type, sha256=sha256)
        requests = Requests(first, pieces_of(media, "An upload"), lambda piece: pb.UploadMediaRequest(chunk=piece))
        with translated():
            try:
                return self._relay.UploadMedia(iter(requests), timeout=timeout, metadata=self._metadata).media
            except grpc.RpcError:
                if requests.failure is not None:
                    raise requests.failure from None
                raise

    def _media(self, media: Media, kind: MediaKind) -> MediaFields:
        """The media as fields of a request; what is long is uploaded first."""
        if isinstance(media, str):
            return {"url": media}
        if isinstance(media, pb.UploadedMedia):
            return {"media_id": media.id}
        if isinstance(media, bytes):
            if len(media) <= _INLINE:
                return {"data": media}
        elif isinstance(media, PathLike):
            if Path(media).stat().st_size <= _INLINE:
                return {"data": Path(media).read_bytes()}
        elif _size_of(media) <= _INLINE:
            return {"data": media.read()}
        return {"media_id": self.upload_media(media, kind=kind).id}


def _size_of(file: BinaryIO) -> int:
    """How many bytes follow in a file. ValueError where it cannot tell."""
    if not file.seekable():
        raise ValueError("An upload must know its size: give a file that can seek, or the bytes")
    here = file.tell()
    size = file.seek(0, os.SEEK_END) - here
    file.seek(here)
    return size
