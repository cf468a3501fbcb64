"""The types of media: what the bytes tell, and what is sent."""

import pytest

from wuzapi_manager_server.domain.media import Kind, media_type, type_of
from wuzapi_manager_server.errors import InvalidInput

OPUS = "audio/ogg; codecs=opus"
MP3 = b"\xff\xfb\x90\x00"
MP4, WEBM, GPP = b"\0\0\0\x18ftypmp42", b"\x1aE\xdf\xa3", b"\0\0\0\x18ftyp3gp4"


@pytest.mark.parametrize(
    ("head", "told"),
    [
        *((bytes((0xFF, second, 0x90)), "audio/mpeg") for second in (0xE2, 0xE3, 0xF2, 0xF3, 0xFA, 0xFB)),
        *((bytes((0xFF, second, 0x50)), "audio/aac") for second in (0xF0, 0xF1, 0xF8, 0xF9)),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfeT\0e\0x\0t\0", ""),  # the byte order mark of UTF-16
        (b"\xff\xff\xff", ""),
        (b"\xff", ""),
        (b"", ""),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
    ],
)
def test_the_first_bytes_tell_the_type(head: bytes, told: str) -> None:
    """Sounds without a container are known by the first two bytes of their first frame."""
    assert type_of(head) == told


@pytest.mark.parametrize(
    ("kind", "head", "given", "sent"),
    [
        ("audio", b"OggS", "", OPUS),
        ("audio", b"OggS", "audio/ogg", "audio/ogg"),
        ("audio", MP3, "", "audio/mpeg"),
        ("audio", MP4, "", "audio/mp4"),
        ("audio", WEBM, "", "audio/webm"),
        ("audio", GPP, "", "audio/3gpp"),
        ("audio", b"\0\0\0\x18ftypM4A ", "", "audio/mp4"),
        ("audio", b"#!AMR\n", "", "audio/amr"),
        ("audio", b"unknown", "", OPUS),
        ("audio", MP4, "audio/aac", "audio/aac"),
        ("video", b"\0\0\0\x18ftypM4A ", "", "video/mp4"),
        ("video", MP4, "", "video/mp4"),
        ("video", b"unknown", "", "video/mp4"),
        ("document", b"OggS", "", "audio/ogg"),
        ("document", MP3, "", "audio/mpeg"),
    ],
)
def test_what_is_sent_is_what_the_bytes_are(kind: Kind, head: bytes, given: str, sent: str) -> None:
    """A container that films share with sounds is named as what it is sent as; a type that is given stays."""
    assert media_type(kind, type_of(head), given) == sent


@pytest.mark.parametrize("head", [MP3, b"ID3", b"\xff\xf1", b"#!AMR", b"RIFF\0\0\0\0WAVE"])
def test_a_sound_is_no_film(head: bytes) -> None:
    """No film lies in what holds sounds alone."""
    with pytest.raises(InvalidInput):
        media_type("video", type_of(head), "")
