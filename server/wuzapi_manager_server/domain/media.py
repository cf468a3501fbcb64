"""Pictures, sounds and files as they travel to WUZAPI: data URLs that it accepts."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from wuzapi_manager_server.errors import InvalidInput, Text, Violation

Kind = Literal["image", "audio", "video", "document", "sticker"]

_MIB = 1 << 20
LARGEST = 100 * _MIB
# Of WUZAPI's own limits for what it fetches; WhatsApp takes no more either.
_MOST: Mapping[Kind, int] = {
    "image": 16 * _MIB,
    "audio": 16 * _MIB,
    "sticker": 16 * _MIB,
    "video": LARGEST,
    "document": LARGEST,
}
_FILE = "application/octet-stream"
_LONGEST_URL = 2048
_SHORTEST_DOCUMENT = 29
_LONGEST_TYPE = 127
_SIGNS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    # Frames without a container: eleven bits or twelve, then version, layer and whether there is a checksum.
    *((0, bytes((0xFF, second)), "audio/mpeg") for second in (0xE2, 0xE3, 0xF2, 0xF3, 0xFA, 0xFB)),
    *((0, bytes((0xFF, second)), "audio/aac") for second in (0xF0, 0xF1, 0xF8, 0xF9)),
    (0, b"#!AMR", "audio/amr"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp3gp", "video/3gpp"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
)
_OF_BOTH = frozenset({"mp4", "webm", "3gpp", "ogg"})
"""Containers that sounds and films share."""
# Where nothing tells: what WhatsApp's own clients send.
_USUAL = {"image": "image/jpeg", "audio": "audio/ogg; codecs=opus", "video": "video/mp4", "sticker": "image/webp"}


def type_of(data: bytes) -> str:
    """The media type that the first bytes tell; empty where they tell none."""
    for at, sign, name in _SIGNS:
        if data[at : at + len(sign)] == sign:
            return name
    return ""


def check_size(kind: Kind | None, size: int, field: str) -> None:
    """InvalidInput where so many bytes are more than WhatsApp takes of a kind; None is any."""
    most = LARGEST if kind is None else _MOST[kind]
    if size > most:
        raise _bad(
            field,
            f"{size} bytes are too many: at most {most} are taken",
            f"{size} bytes excedem o máximo de {most}",
        )


def check_media_type(text: str) -> str:
    """The text in lower case, where it is a media type; InvalidInput on `mime_type` otherwise."""
    mime = text.strip().lower()
    main, slash, rest = mime.partition("/")
    shown = text[:50]
    if not slash or not main.isalpha() or not rest or not mime.isascii() or not mime.isprintable() or "," in mime:
        raise _bad("mime_type", f"{shown!r} is not a media type", f"{shown!r} não é um tipo de mídia")
    if len(mime) > _LONGEST_TYPE:
        raise _bad("mime_type", "is longer than 127 characters", "tem mais de 127 caracteres")
    return mime


def media_type(kind: Kind, told: str, given: str, field: str = "data") -> str:
    """The media type to send: the one given, else what the bytes of `field` told, else the usual one.

    InvalidInput where the type or the bytes are those of another kind. A document may be anything.
    """
    mime = check_media_type(given) if given else told or _USUAL.get(kind, _FILE)
    main = mime.partition("/")[0]
    if kind == "document":
        return mime
    wanted = "image" if kind == "sticker" else kind
    if told and not _alike(told, wanted):
        raise _bad(field, f"the bytes are {told}, not {wanted}/...", f"os bytes são {told}, não {wanted}/...")
    if given and main != wanted:
        raise _bad("mime_type", f"{mime[:50]} is not {wanted}/...", f"{mime[:50]} não é {wanted}/...")
    if main != wanted:
        mime = f"{wanted}/{mime.partition('/')[2]}"
    if not given and mime == "audio/ogg":
        mime = _USUAL["audio"]  # without the codec it is no voice message to WhatsApp, which takes no other in Ogg
    if kind == "sticker" and told not in {"", "image/webp"}:
        raise _bad(field, f"the bytes are {told}, a sticker is image/webp", f"os bytes são {told}, não image/webp")
    return mime


def data_url(kind: Kind, data: bytes, mime: str) -> str:
    """The bytes as a data URL without line breaks, with the media type that WUZAPI asks for in this place."""
    return url_head(kind, mime) + b64encode(data).decode()


def url_head(kind: Kind, mime: str) -> str:
    """How a data URL begins; the bytes in base64 follow."""
    label = _FILE if kind == "document" else mime.partition(";")[0].strip()
    return f"data:{label};base64,"


def check_url(url: str, field: str) -> str:
    """The URL, where it is http or https with a host and without credentials; InvalidInput otherwise."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        fits = False
    if not fits or len(url) > _LONGEST_URL or not url.isprintable() or " " in url:
        raise _bad(field, "must be an http or https URL", "deve ser uma URL http ou https")
    return url


def document_url(url: str) -> str:
    """The URL of a document, lengthened where it is so short that WUZAPI 1.0.5 breaks down at it.

    That compares the first 29 bytes without asking whether there are so many. A fragment is never sent to the host, so
    that the same file is fetched by versions that take URLs; 1.0.5 refuses it as it does longer ones.
    """
    short = _SHORTEST_DOCUMENT - len(url.encode())
    return url if short <= 0 else url + ("" if "#" in url else "#").ljust(short, "-")


def _alike(told: str, wanted: str) -> bool:
    """Whether bytes of that type may be what is wanted: sounds and films share some containers, nothing else does."""
    main, _, subtype = told.partition("/")
    return main == wanted or ({main, wanted} == {"audio", "video"} and subtype in _OF_BOTH)


def _bad(field: str, en: str, pt: str) -> InvalidInput:
    return InvalidInput([Violation(field, Text(en, pt))])
