"""A QR code as a picture and as text: what a terminal needs to show it."""

import binascii
import struct
import zlib
from base64 import b64decode
from collections.abc import Iterator, Sequence

_SIGN = b"\x89PNG\r\n\x1a\n"
_MOST_BYTES = 1 << 18
_MOST_SIDE = 2_048
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_BYTE = 8
_DARK = 128
_SMALLEST, _LARGEST = 21, 177  # modules a side, versions 1 to 40
_QUIET = 2
# By the darkness of the upper and of the lower half: light is drawn, so that a dark terminal shows dark on light.
_BLOCKS = {(False, False): "\u2588", (False, True): "\u2580", (True, False): "\u2584", (True, True): " "}

Dark = Sequence[bool]


def png_of(data_url: str) -> bytes:
    """The picture in a data URL; empty where it is none, or larger than 256 KiB."""
    head, comma, encoded = data_url.partition(",")
    if not comma or not head.startswith("data:image/png") or len(encoded) > _MOST_BYTES * 2:
        return b""
    try:
        png = b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return png if png.startswith(_SIGN) and len(png) <= _MOST_BYTES else b""


def drawn(png: bytes) -> str:
    """The QR code of the picture, two rows of modules a line; empty where it has none that can be read."""
    try:
        rows = [*_pixels(png)]
    except (ValueError, IndexError, struct.error, zlib.error):
        return ""
    modules = _modules(rows)
    if not modules:
        return ""
    side = len(modules) + 2 * _QUIET
    light = [False] * side
    framed = [light] * _QUIET + [[False] * _QUIET + [*row] + [False] * _QUIET for row in modules] + [light] * _QUIET
    if len(framed) % 2:
        framed.append(light)
    pairs = zip(framed[::2], framed[1::2], strict=True)
    return "".join("".join(_BLOCKS[half] for half in zip(above, below, strict=True)) + "\n" for above, below in pairs)


def _modules(rows: Sequence[Dark]) -> list[list[bool]]:
    """The dark and light modules within the quiet zone; empty where the picture is no QR code's."""
    tall = [at for at, row in enumerate(rows) if any(row)]
    if not tall:
        return []
    top, bottom = tall[0], tall[-1]
    left = rows[top].index(True)
    right = max(len(row) - 1 - row[::-1].index(True) for row in rows[top : bottom + 1] if any(row))
    run = next((at for at in range(left, len(rows[top])) if not rows[top][at]), len(rows[top])) - left
    size = run / 7  # a finder pattern is seven modules wide
    side = round((right - left + 1) / size)
    if not _SMALLEST <= side <= _LARGEST or side != round((bottom - top + 1) / size) or side % 4 != 1:
        return []
    step = (right - left + 1) / side
    return [[rows[top + int((y + 0.5) * step)][left + int((x + 0.5) * step)] for x in range(side)] for y in range(side)]


def _pixels(png: bytes) -> Iterator[list[bool]]:
    """The rows of a PNG that is not interlaced, dark or not. ValueError for anything else."""
    chunks = dict.fromkeys((b"IHDR", b"PLTE", b"tRNS", b"IDAT"), b"")
    for kind, content in _chunks(png):
        if kind in chunks:
            chunks[kind] += content
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if interlaced or colour not in _CHANNELS or depth not in {1, 2, 4, 8} or not 0 < max(width, height) <= _MOST_SIDE:
        raise ValueError("not a picture of this kind")
    channels = _CHANNELS[colour]
    stride = (width * channels * depth + 7) // _BYTE
    raw = zlib.decompressobj().decompress(chunks[b"IDAT"], (stride + 1) * height)
    if len(raw) != (stride + 1) * height:
        raise ValueError("cut short")
    palette = [sum(chunks[b"PLTE"][at : at + 3]) < 3 * _DARK for at in range(0, len(chunks[b"PLTE"]), 3)]
    above = bytes(stride)
    for at in range(0, len(raw), stride + 1):
        line = _unfiltered(raw[at], raw[at + 1 : at + 1 + stride], above, max(1, channels * depth // _BYTE))
        samples = [*_samples(line, depth)][: width * channels]
        full = (1 << depth) - 1
        if colour == 3:  # noqa: PLR2004 - PNG's number for a palette
            yield [palette[sample] for sample in samples]
        else:
            yield [samples[x] * 2 < full for x in range(0, len(samples), channels)]
        above = line


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGN)
    while at + 12 <= len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        yield kind, png[at + 8 : at + 8 + length]
        at += 12 + length


def _samples(line: bytes, depth: int) -> Iterator[int]:
    full = (1 << depth) - 1
    for byte in line:
        for shift in range(_BYTE - depth, -1, -depth):
            yield byte >> shift & full


def _unfiltered(kind: int, line: bytes, above: bytes, width: int) -> bytes:
    """A row without its filter (PNG, 9.2)."""
    made = bytearray(line)
    for at in range(len(made)):
        left = made[at - width] if at >= width else 0
        up = above[at]
        corner = above[at - width] if at >= width else 0
        match kind:
            case 0:
                return line
            case 1:
                base = left
            case 2:
                base = up
            case 3:
                base = (left + up) // 2
            case 4:
                guess = left + up - corner
                base = min((abs(guess - value), order, value) for order, value in enumerate((left, up, corner)))[2]
            case _:
                raise ValueError("no such filter")
        made[at] = made[at] + base & 0xFF
    return bytes(made)
