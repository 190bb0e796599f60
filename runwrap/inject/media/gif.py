"""Animated GIF files, written with the standard library."""

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_COLOURS = 256
MOST_CODES = 4096
WIDEST_CODE = 12
WORD_BITS = 32
LONGEST_SIDE = 65535
CODE_BITS = 8
CLEAR = 1 << CODE_BITS
END = CLEAR + 1
SAMPLED_PIXELS = 2000000
# Which rows of bits a byte keeps: a colour of 15 bits lies in two bytes, RRRRRGG and GGGBBBBB.
RED_HIGH = bytes(value >> 3 << 2 for value in range(256))
GREEN_HIGH = bytes(value >> 6 for value in range(256))
GREEN_LOW = bytes(value >> 3 << 5 & 0xE0 for value in range(256))
BLUE_LOW = bytes(value >> 3 for value in range(256))
FULL = tuple(value << 3 | value >> 2 for value in range(32))


def encode(width: int, height: int, frames: "list[bytes]", fps: float, loop: int = 0) -> bytes:
    """Return a GIF of frames, each of RGB pixels; up to 256 colours are kept exactly."""
    stride = 3 * width
    spans = [changed_rows(before, frame, stride) for before, frame in zip([b"", *frames], frames)]
    changed = [frame[top * stride : bottom * stride] for frame, (top, bottom) in zip(frames, spans)]
    palette, indexed = indices(changed)
    header = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0)
    parts = [header, palette.ljust(MOST_COLOURS * 3, b"\0")]
    if len(frames) > 1:
        parts.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", loop, 0))
    for rows, (top, bottom), delay in zip(indexed, spans, delays(len(frames), fps)):
        parts.append(b"\x21\xf9\x04\x04" + struct.pack("<HBB", delay, 0, 0))
        parts.append(struct.pack("<BHHHHBB", 0x2C, 0, top, width, bottom - top, 0, CODE_BITS))
        parts.append(blocks(compressed(rows)))
    return b"".join(parts) + b"\x3b"


def delays(count: int, fps: float) -> "list[int]":
    """Return hundredths of a second for each frame, so that their sum fits; viewers take no less than 2."""
    ends = [round(100 * number / fps) for number in range(count + 1)]
    return [min(0xFFFF, max(2, ends[number + 1] - ends[number])) for number in range(count)]


def changed_rows(before: bytes, frame: bytes, stride: int) -> "tuple[int, int]":
    """Return from which row to which a frame differs from the one before: at least one row."""
    top, bottom = 0, len(frame) // stride
    if not before:
        return top, bottom
    while top < bottom - 1 and is_same_row(before, frame, top * stride, stride):
        top += 1
    while bottom > top + 1 and is_same_row(before, frame, (bottom - 1) * stride, stride):
        bottom -= 1
    return top, bottom


def is_same_row(before: bytes, frame: bytes, start: int, stride: int) -> bool:
    """Tell whether two frames have equal bytes in a row."""
    return before[start : start + stride] == frame[start : start + stride]


def indices(frames: "list[bytes]") -> "tuple[bytes, list[bytes]]":
    """Return a palette and the frames in its numbers."""
    colours = few_colours(frames)
    if colours is not None:
        number = {colour: index for index, colour in enumerate(colours)}
        palette = bytes(part for colour in colours for part in colour)
        return palette, [bytes([number[pixel] for pixel in pixels_of(frame)]) for frame in frames]
    if all(frame[0::3] == frame[1::3] == frame[2::3] for frame in frames):
        return bytes(value for value in range(256) for _ in range(3)), [frame[0::3] for frame in frames]
    palette, table = median_cut(counted(frames))
    return palette, [bytes([table[key] for key in keys_of(frame)]) for frame in frames]


def pixels_of(frame: bytes) -> "Any":
    """Return red, green and blue of each pixel."""
    return zip(frame[0::3], frame[1::3], frame[2::3])


def few_colours(frames: "list[bytes]") -> "list[tuple[int, int, int]] | None":
    """Return all colours, or None if they are more than a palette holds."""
    colours = set()  # type: set[tuple[int, int, int]]
    for frame in frames:
        colours.update(pixels_of(frame[: 1 << 14]))  # most pictures show at once that they have many
        if len(colours) <= MOST_COLOURS:
            colours.update(pixels_of(frame))
        if len(colours) > MOST_COLOURS:
            return None
    return sorted(colours)


def keys_of(frame: bytes) -> "Any":
    """Return each pixel as a number of 15 bits."""
    import sys
    from array import array

    red, green, blue = frame[0::3], frame[1::3], frame[2::3]
    both = bytearray(2 * len(red))
    is_little = sys.byteorder == "little"
    both[is_little::2] = either(red.translate(RED_HIGH), green.translate(GREEN_HIGH))
    both[not is_little :: 2] = either(green.translate(GREEN_LOW), blue.translate(BLUE_LOW))
    return array("H", bytes(both))


def either(one: bytes, other: bytes) -> bytes:
    """Return the bits of both, byte by byte."""
    joint = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return joint.to_bytes(len(one), "little")


def counted(frames: "list[bytes]") -> "dict[int, int]":
    """Count the colours of frames, at least of enough of them."""
    from collections import Counter

    each = max(1, sum(map(len, frames)) // 3 // SAMPLED_PIXELS)
    counts = Counter()  # type: Counter[int]
    for number, frame in enumerate(frames):
        keys = keys_of(frame)
        counts.update(keys if number % each == 0 else set(keys))
    return counts


def median_cut(counts: "dict[int, int]") -> "tuple[bytes, list[int]]":
    """Return a palette, and the number in it of each colour of 15 bits. Splits the box that errs most."""
    import heapq

    points = [((key >> 10, key >> 5 & 31, key & 31), count, key) for key, count in sorted(counts.items())]
    ties = iter(range(2 * MOST_COLOURS))
    boxes = [ranked(points, next(ties))]
    while len(boxes) < MOST_COLOURS and boxes[0][0] < 0:
        _, _, axis, box = heapq.heappop(boxes)
        for half in split(box, axis):
            heapq.heappush(boxes, ranked(half, next(ties)))
    palette = bytearray()
    table = [0] * (1 << 15)
    for index, (_, _, _, box) in enumerate(boxes):
        total = sum(count for _, count, _ in box)
        for axis in range(3):
            palette.append(round(sum(FULL[point[axis]] * count for point, count, _ in box) / total))
        for _, _, key in box:
            table[key] = index
    return bytes(palette), table


def ranked(box: "list[Any]", tie: int) -> "tuple[float, int, int, list[Any]]":
    """Return a box with how badly it wants to be split, and along which axis; 0 is not at all."""
    total = sum(count for _, count, _ in box)
    errors = []
    for axis in range(3):
        mean = sum(point[axis] * count for point, count, _ in box) / total
        errors.append(sum((point[axis] - mean) ** 2 * count for point, count, _ in box))
    axis = errors.index(max(errors))
    return (-errors[axis] if len(box) > 1 else 0.0), tie, axis, box


def split(box: "list[Any]", axis: int) -> "tuple[list[Any], list[Any]]":
    """Cut a box into two, at the mean of an axis; neither is empty."""
    total = sum(count for _, count, _ in box)
    mean = sum(point[axis] * count for point, count, _ in box) / total
    return [item for item in box if item[0][axis] <= mean], [item for item in box if item[0][axis] > mean]


def compressed(indexed: bytes) -> bytes:
    """Compress numbers of colours the way that GIF wants (LZW)."""
    out = bytearray()
    codes = {}  # type: dict[int, int]
    free, width, bits, waiting = END + 1, CODE_BITS + 1, CLEAR, CODE_BITS + 1
    prefix = indexed[0]
    for value in memoryview(indexed)[1:]:
        key = prefix << 8 | value
        if key in codes:
            prefix = codes[key]
            continue
        bits |= prefix << waiting
        waiting += width
        if waiting >= WORD_BITS:
            out += (bits & 0xFFFFFFFF).to_bytes(4, "little")
            bits >>= WORD_BITS
            waiting -= WORD_BITS
        codes[key] = free
        width += free == 1 << width
        free += 1
        if free == MOST_CODES:
            bits |= CLEAR << waiting
            waiting += width
            codes, free, width = {}, END + 1, CODE_BITS + 1
        prefix = value
    bits |= prefix << waiting
    waiting += width
    width += free == 1 << width and width < WIDEST_CODE
    bits |= END << waiting
    waiting += width
    return bytes(out) + bits.to_bytes((waiting + 7) // 8, "little")


def blocks(content: bytes) -> bytes:
    """Cut content into blocks with their lengths before them."""
    parts = [content[start : start + 255] for start in range(0, len(content), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"
