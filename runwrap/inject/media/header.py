"""How large a picture is, read from how its file begins."""

import struct

TYPE_CHECKING = False

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
# Markers of JPEG that begin a frame: SOF0 to SOF15 but for DHT, JPG and DAC.
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def size_of(head: bytes) -> "tuple[int, int] | tuple[None, None]":
    """Return width and height in pixels, as far as the kind of file is known."""
    try:
        if head.startswith(PNG):
            return struct.unpack(">II", head[16:24])
        if head[:6] in (b"GIF87a", b"GIF89a"):
            return struct.unpack("<HH", head[6:10])
        if head.startswith(b"BM"):
            width, height = struct.unpack("<ii", head[18:26])
            return width, abs(height)
        if head.startswith(JPEG):
            return size_of_jpeg(head)
    except struct.error:
        pass  # the file is shorter than its header
    return None, None


def size_of_jpeg(head: bytes) -> "tuple[int, int] | tuple[None, None]":
    """Walk over the segments of a JPEG to the first frame. Raises: struct.error."""
    offset = 2
    while head[offset : offset + 1] == b"\xff":
        marker, length = struct.unpack(">BH", head[offset + 1 : offset + 4])
        if marker in FRAMES:
            height, width = struct.unpack(">HH", head[offset + 5 : offset + 9])
            return width, height
        offset += 2 + length
    return None, None
