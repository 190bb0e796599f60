"""PNG, WAV and GIF of our own are what other readers take them for."""

import io
import itertools
import random
import wave

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwrap.inject.media import arrays, audio, gif, png

MANY = settings(max_examples=60, deadline=None)


@st.composite
def pictures(draw, channels=(1, 3, 4)):
    """Draw width, height, channels and pixels."""
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    count = draw(st.sampled_from(channels))
    size = width * height * count
    pattern = draw(st.binary(min_size=1, max_size=300))
    return width, height, count, (pattern * (size // len(pattern) + 1))[:size]


@MANY
@given(pictures((1, 2, 3, 4)))
def test_png_is_read_by_pillow(picture):
    image_of = pytest.importorskip("PIL.Image")
    width, height, channels, pixels = picture
    with image_of.open(io.BytesIO(png.encode(width, height, channels, pixels))) as image:
        image.load()
        assert image.size == (width, height)
        assert image.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
        assert image.tobytes() == pixels


@MANY
@given(pictures((1,)))
def test_png_with_a_palette_is_read_by_pillow(picture):
    image_of = pytest.importorskip("PIL.Image")
    width, height, _, pixels = picture
    colours = png.class_colours(max(pixels) + 1)
    with image_of.open(io.BytesIO(png.encode(width, height, 1, pixels, colours))) as image:
        assert (image.mode, image.tobytes()) == ("P", pixels)
        assert bytes(image.getpalette("RGB")[:3]) == b"\0\0\0"


def test_neighbouring_classes_have_other_colours():
    colours = png.class_colours()
    triples = [colours[n : n + 3] for n in range(0, 768, 3)]
    assert triples[0] == b"\0\0\0"
    assert len(set(triples)) == 256
    pairs = itertools.pairwise(triples)
    far = [sum(abs(a - b) for a, b in zip(*pair, strict=True)) for pair in pairs]
    assert min(far) > 60


@MANY
@given(st.lists(st.integers(-32768, 32767), max_size=200), st.integers(1, 3), st.integers(1, 200000))
def test_wav_is_what_was_given(samples, channels, rate):
    samples = samples[: len(samples) // channels * channels]
    content = audio.wave_file(
        audio.packed(arrays.Array((len(samples),), "int", samples), 1, 0), channels, rate
    )
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getframerate()) == (channels, rate)
        frames = file.readframes(len(samples))
    assert list(memoryview(frames).cast("h")) == samples


@MANY
@given(st.integers(1, 5), st.integers(0, 30), st.data())
def test_channels_are_woven(channels, count, data):
    lists = [data.draw(st.binary(min_size=2 * count, max_size=2 * count)) for _ in range(channels)]
    woven = audio.transposed(b"".join(lists), channels)
    pairs = [woven[n : n + 2] for n in range(0, len(woven), 2)]
    assert [b"".join(pairs[channel::channels]) for channel in range(channels)] == lists


def decoded(content, width, height):
    """Read the indices of a GIF's frames, as its specification says, each drawn over the one before."""
    assert content[:6] == b"GIF89a"
    offset, palette = 13 + 768, content[13 : 13 + 768]
    screen, frames = bytearray(width * height), []
    while content[offset] != 0x3B:
        if content[offset] == 0x21:
            offset += 2
            while content[offset]:
                offset += 1 + content[offset]
            offset += 1
            continue
        left, top, wide, high = (
            int.from_bytes(content[offset + n : offset + n + 2], "little") for n in (1, 3, 5, 7)
        )
        bits, offset, data = content[offset + 10], offset + 11, b""
        while content[offset]:
            data += content[offset + 1 : offset + 1 + content[offset]]
            offset += 1 + content[offset]
        offset += 1
        part = unpacked(data, bits)
        assert (left, wide, len(part)) == (0, width, wide * high)
        screen[top * width : (top + high) * width] = part
        frames.append(b"".join(palette[3 * index : 3 * index + 3] for index in screen))
    return frames


def unpacked(data, bits):
    """Undo the compression of a GIF."""
    clear, end = 1 << bits, (1 << bits) + 1
    stream, out, width, codes, last = int.from_bytes(data, "little"), b"", bits + 1, [], b""
    position = 0
    while True:
        code = stream >> position & (1 << width) - 1
        position += width
        if code == end:
            assert len(data) * 8 - position < 8
            return out
        if code == clear:
            codes, width, last = [bytes([n]) for n in range(clear)] + [b"", b""], bits + 1, b""
            continue
        word = codes[code] if code < len(codes) else last + last[:1]
        if last and len(codes) < 4096:
            codes.append(last + word[:1])
            if len(codes) == 1 << width and width < 12:
                width += 1
        out += word
        last = word


@st.composite
def films(draw):
    """Draw width, height and frames of RGB."""
    width, height = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    size = width * height * 3
    colours = draw(st.lists(st.binary(min_size=3, max_size=3), min_size=1, max_size=12))
    numbers = draw(st.lists(st.integers(0, 11), min_size=1, max_size=50))
    frames = []
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, 7))
        pixels = [colours[numbers[(start + n) % len(numbers)] % len(colours)] for n in range(width * height)]
        frames.append(b"".join(pixels)[:size])
    return width, height, frames


@MANY
@given(films())
def test_gif_of_few_colours_is_exact(film):
    width, height, frames = film
    content = gif.encode(width, height, frames, 10)
    assert decoded(content, width, height) == frames


@settings(max_examples=30, deadline=None)
@given(films())
def test_gif_is_read_by_pillow(film):
    image_of = pytest.importorskip("PIL.Image")
    width, height, frames = film
    with image_of.open(io.BytesIO(gif.encode(width, height, frames, 10))) as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            assert image.size == (width, height)
            found.append(image.convert("RGB").tobytes())
        if len(frames) > 1:
            assert image.info["duration"] == 100
    assert found == frames


@pytest.mark.parametrize("size", [1, 253, 254, 255, 3837, 3838, 3839, 3840, 3841, 70000])
def test_gif_of_noise_of_any_length(size):
    source = random.Random(size)
    width, height = (size, 1) if size < 65536 else (7000, 10)
    frame = bytes(part for _ in range(size) for part in [source.randrange(256)] * 3)
    assert decoded(gif.encode(width, height, [frame], 1), width, height) == [frame]


def test_gif_of_grey_is_exact():
    frames = [bytes(value for n in range(300) for value in [(n + shift) % 256] * 3) for shift in range(3)]
    assert decoded(gif.encode(30, 10, frames, 10), 30, 10) == frames


def test_gif_of_many_colours_is_close():
    side = 64
    frames = [
        bytes(
            value
            for y in range(side)
            for x in range(side)
            for value in (x * 4, y * 4, (x + y + shift) % 128 * 2)
        )
        for shift in range(3)
    ]
    found = decoded(gif.encode(side, side, frames, 10), side, side)
    for frame, exact in zip(found, frames, strict=True):
        errors = [abs(a - b) for a, b in zip(frame, exact, strict=True)]
        assert sum(errors) / len(errors) < 8
        assert max(errors) < 40


def test_gif_repeats_only_what_changed_and_keeps_time():
    frame = bytes(n * 7 % 256 for n in range(300 * 30)) + b"\1\2\3" * 3000
    one, two = gif.encode(100, 60, [frame], 3), gif.encode(100, 60, [frame, frame], 3)
    assert len(two) - len(one) < 150
    assert decoded(two, 100, 60) == [decoded(one, 100, 60)[0]] * 2
    assert gif.delays(3, 30) == [3, 4, 3]
    assert sum(gif.delays(300, 30)) == 1000
    assert gif.delays(2, 500) == [2, 2]


def test_the_same_film_is_the_same_file():
    noise = bytes(n * n * 31 % 251 for n in range(30 * 30 * 3))
    assert gif.encode(30, 30, [noise], 5) == gif.encode(30, 30, [noise], 5)
