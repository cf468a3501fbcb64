"""QR codes are read from pictures of every kind that a library may draw."""

import io
import struct
import zlib
from base64 import b64encode

import pytest
import segno

from wuzapi_manager_server.domain.qr_picture import drawn, png_of

TEXT = "2@abcdefghijklmnopqrstuvwxyz,0123456789"


def picture(**how: object) -> bytes:
    """A QR code as segno draws it."""
    out = io.BytesIO()
    segno.make_qr(TEXT).save(out, kind="png", **how)
    return out.getvalue()


def made(rows: list[bytes], colour: int, filters: list[int], width: int) -> bytes:
    """A PNG of rows of 8-bit samples, each row filtered as said."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    raw, above = b"", bytes(len(rows[0]))
    for row, kind in zip(rows, filters, strict=True):
        raw += bytes([kind]) + _filtered(row, above, kind, channels)
        above = row
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), 8, colour, 0, 0, 0)), (b"IDAT", zlib.compress(raw))]
    chunks = [struct.pack(">I", len(data)) + kind + data + bytes(4) for kind, data in (*parts, (b"IEND", b""))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _filtered(row: bytes, above: bytes, kind: int, width: int) -> bytes:
    out = bytearray()
    for at, value in enumerate(row):
        left = row[at - width] if at >= width else 0
        corner = above[at - width] if at >= width else 0
        up = above[at]
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda other: abs(guess - other))
        out.append((value - (0, left, up, (left + up) // 2, nearest)[kind]) & 0xFF)
    return bytes(out)


@pytest.mark.parametrize("scale", [1, 3, 8])
@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("colours", [{}, {"dark": "darkblue", "light": "#eeeeee"}, {"light": None}])
def test_scale_border_and_colours_do_not_matter(scale: int, border: int, colours: dict[str, object]) -> None:
    """The drawing is the same, whatever the picture."""
    assert drawn(picture(scale=scale, border=border, **colours)) == drawn(picture())
    assert drawn(picture()).count("\n") > 10


@pytest.mark.parametrize("colour", [0, 2, 6])
@pytest.mark.parametrize("kind", range(5))
def test_every_filter_is_undone(colour: int, kind: int) -> None:
    """Grey and coloured pictures, each row filtered in each way that PNG has."""
    matrix = [[bool(module) for module in row] for row in segno.make_qr(TEXT).matrix]
    dark, light = {0: (b"\0", b"\xff"), 2: (b"\0\0\0", b"\xff\xff\xff"), 6: (b"\0\0\0\xff", b"\xff\xff\xff\xff")}[
        colour
    ]
    rows = [b"".join(dark if module else light for module in row) for row in matrix]
    assert drawn(made(rows, colour, [kind] * len(rows), len(matrix))) == drawn(picture())


@pytest.mark.parametrize(
    "png",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        picture()[:60],
        made([b"\xff" * 30] * 30, 0, [0] * 30, 30),
        made([b"\0" * 30] * 30, 0, [0] * 30, 30),
        made([b"\0\xff" * 15] * 30, 0, [0] * 30, 30),
        picture().replace(b"IDAT", b"IDAX"),
    ],
)
def test_what_is_no_qr_code_is_not_drawn(png: bytes) -> None:
    """Broken, empty and other pictures give nothing."""
    assert drawn(png) == ""


def test_only_pictures_come_out_of_data_urls() -> None:
    """A PNG in base64, also with line breaks; nothing else, and nothing large."""
    encoded = b64encode(picture()).decode()
    assert png_of(f"data:image/png;base64,{encoded}") == picture()
    assert png_of(f"data:image/png;base64,{encoded[:40]}\n{encoded[40:]}") == picture()
    for other in ("", encoded, "data:image/png;base64,x", "data:image/png;base64,eHh4", f"data:text/html,{encoded}"):
        assert png_of(other) == b""
    assert png_of("data:image/png;base64," + "A" * (1 << 20)) == b""
