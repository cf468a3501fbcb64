"""Takes media that is too long for one message, and finds it again where it is sent.

All that is known of a piece of media is in the id that its owner gets, sealed: any process can open it, also after a
restart, and nobody else's token does.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, TypeVar

import orjson

from wuzapi_manager_server.domain.caller import User
from wuzapi_manager_server.domain.media import Kind, check_media_type, check_size, type_of
from wuzapi_manager_server.domain.uploaded_media import UploadedMedia
from wuzapi_manager_server.duty import Duty, finished
from wuzapi_manager_server.errors import InvalidInput, NotFound, ServiceError, Text, Violation
from wuzapi_manager_server.observe import failure, logger
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.media_folder import Incoming, MediaFolder

T = TypeVar("T")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PURPOSE = "uploaded media"
_AT_ONCE = 1 << 20  # what is gathered before a thread writes it
_HEAD = 64
_SWEEP_SECONDS = 300.0


@dataclass(frozen=True)
class Announced:
    """What an upload says of itself. `sha256` and `mime_type` may be empty, `kind` None."""

    size: int
    sha256: str = ""
    mime_type: str = ""
    kind: Kind | None = None


class Kept(NamedTuple):
    """Media that is here, and the id that stands for it."""

    id: str
    media: UploadedMedia


class MediaUploads(Duty):
    """The media of all users. `start` and `stop` what removes it when it has had its time."""

    def __init__(self, folder: MediaFolder, box: SecretBox) -> None:
        self._folder = folder
        self._box = box

    async def take(self, user: User, announced: Announced, chunks: AsyncIterator[bytes]) -> Kept:
        """Keeps what comes. Nothing of it is left where that is not what was announced, or breaks off.

        InvalidInput for a bad announcement, before the first chunk is asked for, or for other bytes than announced;
        RateLimited and FileSystemError as `MediaFolder.receive`.
        """
        _check(announced)
        owner = self._box.fast_digest(_PURPOSE, user.token.encode())
        incoming = await _settled(partial(self._folder.receive, owner, announced.size), Incoming.close)
        try:
            digest, head, at = hashlib.sha256(), b"", 0

            def write(piece: bytes) -> None:
                digest.update(piece)
                incoming.write(piece, at)

            async with aclosing(_gathered(chunks, announced.size)) as pieces:
                async for piece in pieces:
                    head = head or piece[:_HEAD]
                    await _settled(partial(write, piece))
                    at += len(piece)
            if at != announced.size:
                raise _other_size(at, announced.size)
            sha256 = digest.hexdigest()
            if announced.sha256 not in {"", sha256}:
                raise _bad("sha256", "is not that of the bytes received", "não corresponde aos bytes recebidos")
            name, until = await _settled(incoming.keep)
        finally:
            await _settled(incoming.close)
        moment = datetime.fromtimestamp(int(until), UTC)
        media = UploadedMedia(name, at, sha256, type_of(head), announced.mime_type.strip().lower(), moment)
        return Kept(self._box.seal(_PURPOSE, _dumped(media), _context(user)), media)

    def find(self, user: User, identity: str) -> UploadedMedia:
        """What an id stands for, whether it is here still or not. InvalidInput for what is no id of this user's."""
        opened = self._box.unseal(_PURPOSE, identity, _context(user))
        if opened is None:
            raise _bad("media_id", "is not one that UploadMedia gave you", "não foi fornecido a você por UploadMedia")
        return _loaded(opened)

    @contextmanager
    def opened(self, media: UploadedMedia) -> Iterator[int]:
        """A descriptor to read the file by while the context is open. NotFound where it is no longer here."""
        descriptor = self._folder.open(media.name)
        if descriptor is None:
            raise NotFound(
                Text("This media is no longer here", "Esta mídia não está mais disponível"),
                suggestion=Text(
                    "Upload it again; a send may keep its request_id, as the bytes count, not their id",
                    "Envie-a novamente; o request_id pode ser mantido, pois contam os bytes e não o id",
                ),
            )
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def sent(self, media: UploadedMedia) -> None:
        """Notes that it was sent, and may go where room is needed."""
        self._folder.sent(media.name)

    async def _run(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._folder.sweep)
            except ServiceError as error:
                logger().warning("sweep of media failed", **failure(error))
            await asyncio.sleep(_SWEEP_SECONDS)


async def _gathered(chunks: AsyncIterator[bytes], size: int) -> AsyncGenerator[bytes]:
    """The chunks in larger pieces. InvalidInput as soon as they are more than `size`."""
    held, seen = bytearray(), 0
    async for chunk in chunks:
        seen += len(chunk)
        if seen > size:
            raise _other_size(seen, size)
        held += chunk
        if len(held) >= _AT_ONCE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


async def _settled(work: Callable[[], T], undo: Callable[[T], None] = lambda _: None) -> T:
    """The result of work on a thread. Who is cancelled waits until the thread is done with the file, and undoes it."""
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await finished(task)
    except asyncio.CancelledError:
        if task.exception() is None:
            undo(task.result())
        raise


def _check(announced: Announced) -> None:
    """InvalidInput with all that is wrong with an announcement."""
    violations: list[Violation] = []
    if announced.size <= 0:
        violations.append(Violation("size_bytes", Text("must be above 0", "size_bytes deve ser maior que 0")))
    if announced.sha256 and not _SHA256.fullmatch(announced.sha256):
        text = Text("must be 64 hexadecimal digits in lower case", "sha256 deve ter 64 dígitos hexadecimais minúsculos")
        violations.append(Violation("sha256", text))
    for check in (
        lambda: check_size(announced.kind, announced.size, "size_bytes"),
        lambda: check_media_type(announced.mime_type or "a/b"),
    ):
        try:
            check()
        except InvalidInput as error:
            violations.extend(error.violations)
    if violations:
        raise InvalidInput(violations)


def _context(user: User) -> bytes:
    return hashlib.sha256(user.token.encode()).digest()


def _dumped(media: UploadedMedia) -> bytes:
    until = int(media.expire_time.timestamp())
    return orjson.dumps([media.name, media.size, media.sha256, media.told, media.mime_type, until])


def _loaded(text: bytes) -> UploadedMedia:
    name, size, sha256, told, mime_type, until = orjson.loads(text)
    return UploadedMedia(name, size, sha256, told, mime_type, datetime.fromtimestamp(until, UTC))


def _other_size(came: int, size: int) -> InvalidInput:
    more = came > size
    return _bad(
        "size_bytes",
        f"is {size}, but {'more' if more else came} bytes came",
        f"é {size}, mas {'mais' if more else came} bytes foram recebidos",
    )


def _bad(field: str, en: str, pt: str) -> InvalidInput:
    return InvalidInput([Violation(field, Text(en, f"{field}: {pt}"))])
