"""PNG files, written with the standard library: grey, grey and alpha, RGB, RGBA, or with a palette."""

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of bytes of a pixel
PALETTE = 3
LEVEL = 4  # the size of level 6 within a hundredth, in half its time


def encode(width: int, height: int, channels: int, pixels: bytes, palette: bytes = b"") -> bytes:
    """Return a PNG file of eight bits a channel, rows from the top; a palette is of RGB triples."""
    import zlib

    colour_type = PALETTE if palette else COLOUR_TYPES[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    rows = b"".join(filtered(pixels, width * channels))
    parts = [SIGNATURE, chunk(b"IHDR", header)]
    if palette:
        parts.append(chunk(b"PLTE", palette))
    parts += [chunk(b"IDAT", zlib.compress(rows, LEVEL)), chunk(b"IEND", b"")]
    return b"".join(parts)


def filtered(pixels: bytes, stride: int) -> "Iterator[bytes | memoryview]":
    """Put before each row that it is not filtered."""
    view = memoryview(pixels)
    for start in range(0, len(pixels), stride):
        yield b"\0"
        yield view[start : start + stride]


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk with its length and check."""
    import zlib

    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def class_colours(count: int = 256) -> bytes:
    """Return as many colours, that neighbours are told apart by; class 0 is black."""
    import colorsys

    palette = bytearray(3)
    for index in range(1, count):
        shade = colorsys.hsv_to_rgb(
            index * 0.618034 % 1, 1 - 0.6 * (index * 0.754878 % 1), 1 - 0.2 * (index % 4)
        )
        palette += bytes(int(part * 255 + 0.5) for part in shade)
    return bytes(palette)
