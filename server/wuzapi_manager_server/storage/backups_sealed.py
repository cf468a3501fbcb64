"""The format of encrypted backups: AES-256-GCM in chunks, so that files of any size pass through little memory.

    header   8 bytes   `WZMGBAK1`
             8 bytes   the id of the secret key, in ASCII
            16 bytes   random salt
             4 bytes   bytes of plain text in a chunk, big-endian
    chunks   each the cipher text of so many bytes (the last of fewer, perhaps of none) and a tag of 16 bytes

The key is HKDF-SHA256 of the secret key with that salt. A chunk's nonce is its number (11 bytes, big-endian) and a byte
that is 1 for the last chunk alone; the header is authenticated with every chunk. So chunks that are changed, left out,
added or in another order, and a file cut short, are found.
"""

import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.frozen import Readable

MAGIC = b"WZMGBAK1"
_HEADER = struct.Struct(">8s8s16sI")
_CHUNK = 1 << 20
_LARGEST_CHUNK = 1 << 24
_TAG = 16
_PURPOSE = "backup"

Watch = Callable[[], None]


class Damaged(Exception):
    """The file is not what was written: the text says where it differs."""


class ReadOnce:
    """The bytes of a file, which the system need not keep in memory once they were read.

    A backup and its scratch file beside it would take the place of what calls read; and memory that has just become
    free is written to at four times the speed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        """See Readable."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file.fileno(), 0, self._file.tell(), os.POSIX_FADV_DONTNEED)
        return self._file.read(size)


class Digest(NamedTuple):
    """The size and SHA-256 of a file."""

    size: int
    sha256: str


def seal(plain: Readable, sealed: Path, box: SecretBox, watch: Watch) -> Digest:
    """Encrypts bytes with the first key of the box to a new one, which is on the disk when this returns.

    `watch` is called at every chunk, and may raise to end the work.
    """
    key_id, salt = box.key_ids[0], os.urandom(16)
    header = _HEADER.pack(MAGIC, key_id.encode(), salt, _CHUNK)
    cipher = AESGCM(box.derive(_PURPOSE, salt, key_id))
    return _write(sealed, _sealed(plain, cipher, header, watch))


def copy(plain: Readable, target: Path, watch: Watch) -> Digest:
    """Copies bytes to a new one, which is on the disk when this returns."""
    return _write(target, _plain(plain, watch))


def unseal(sealed: Readable, plain: Path, box: SecretBox, watch: Watch) -> Digest:
    """Decrypts bytes to a new file, and gives the digest of what was encrypted.

    Damaged where it is not what was written; Undecryptable where the box lacks the key.
    """
    with _new(plain) as target, _Tally() as tally:
        header = sealed.read(_HEADER.size)
        cipher, chunk = _opened(header, box)
        tally.add(header)
        for number, (piece, last) in enumerate(_pieces(sealed, chunk + _TAG)):
            watch()
            tally.add(piece)
            try:
                target.write(cipher.decrypt(_nonce(number, last=last), piece, header))
            except InvalidTag:
                raise Damaged(f"the part from byte {tally.size - len(piece)} to byte {tally.size}") from None
        return tally.digest()


def key_of(file: Path) -> str:
    """The id of the key that a file is encrypted with; empty for one that is not encrypted."""
    with file.open("rb") as opened:
        header = opened.read(_HEADER.size)
    if not header.startswith(MAGIC) or len(header) < _HEADER.size:
        return ""
    return bytes(_HEADER.unpack(header)[1]).decode("ascii", "replace")


def _opened(header: bytes, box: SecretBox) -> tuple[AESGCM, int]:
    if len(header) < _HEADER.size or not header.startswith(MAGIC):
        raise Damaged("its header")
    _, key_id, salt, chunk = _HEADER.unpack(header)
    if not 0 < chunk <= _LARGEST_CHUNK:
        raise Damaged("its header")
    return AESGCM(box.derive(_PURPOSE, salt, key_id.decode("ascii", "replace"))), chunk


def _sealed(plain: Readable, cipher: AESGCM, header: bytes, watch: Watch) -> Iterator[bytes]:
    yield header
    for number, (piece, last) in enumerate(_pieces(plain, _CHUNK)):
        watch()
        yield cipher.encrypt(_nonce(number, last=last), piece, header)


def _plain(plain: Readable, watch: Watch) -> Iterator[bytes]:
    for piece, _ in _pieces(plain, _CHUNK):
        watch()
        yield piece


def _pieces(source: Readable, size: int) -> Iterator[tuple[bytes, bool]]:
    """Pieces of a file, and of each whether it is the last; an empty file is one empty piece."""
    piece = source.read(size)
    while following := source.read(size):
        yield piece, False
        piece = following
    yield piece, True


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((last,))


def _write(target: Path, pieces: Iterator[bytes]) -> Digest:
    with closing(_new(target)) as opened, _Tally() as tally:
        for piece in pieces:
            tally.add(piece)
            opened.write(piece)
        opened.flush()
        os.fsync(opened.fileno())
        return tally.digest()


class _Tally:
    """The size and SHA-256 of what is added, taken by a thread of its own: they cost as much as the encryption."""

    def __init__(self) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def add(self, piece: bytes) -> None:
        """Adds a piece, at most one ahead of what the thread has done."""
        self._wait()
        self.size += len(piece)
        self._last = self._thread.submit(self._sha256.update, piece)

    def digest(self) -> Digest:
        """Of all that was added."""
        self._wait()
        return Digest(self.size, self._sha256.hexdigest())

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()


def _new(file: Path) -> BinaryIO:
    return os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
