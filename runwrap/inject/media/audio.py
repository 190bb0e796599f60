"""Sounds: a file, or samples that are written as WAV with 16 bits."""

import math
import sys

from runwrap.inject.media.arrays import array_of, interleaved
from runwrap.inject.media.storing import Media, Source, is_path, media_object, store_bytes, store_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runwrap.inject.media.arrays import Array

MOST_CHANNELS = 16
MOST_RATE = 0xFFFFFFFF // 2
LOUDEST = 32767


class Audio(Media):
    """A sound: a path, or an array of samples with `sample_rate`. Raises: TypeError, ValueError."""

    def __init__(
        self, data_or_path: "Any", sample_rate: "int | None" = None, caption: "str | None" = None
    ) -> None:
        self.caption = None if caption is None else str(caption)
        self.peak: float | None = None
        self.source: Source | None = None
        self.content = b""
        if is_path(data_or_path):
            self.source = Source(data_or_path, "data_or_path")
            self.facts = wave_facts(self.source) if self.source.extension == ".wav" else {}
            return
        rate = checked_rate(sample_rate)
        array = array_of(data_or_path, "data_or_path")
        count, channels, is_first = sound_layout(array)
        samples, self.peak = samples_of(array)
        if is_first:
            samples = transposed(samples, channels)
        self.content = wave_file(samples, channels, rate)
        self.facts = {"sample_rate": rate, "channels": channels, "duration_s": count / rate}

    def _store(self) -> "dict[str, Any] | None":
        stored = (
            store_copy("audio", self.source) if self.source else store_bytes("audio", ".wav", self.content)
        )
        return media_object("audio", stored, caption=self.caption, peak=self.peak, **self.facts)


def checked_rate(rate: "Any") -> int:
    """Return a sample rate. Raises: TypeError, ValueError."""
    if rate is None:
        raise ValueError("sample_rate: an array needs one; give it in samples a second, as 44100")
    try:
        found = int(rate)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f"sample_rate: {rate!r} is no whole number; give samples a second, as 44100"
        ) from None
    if not 0 < found <= MOST_RATE:
        raise ValueError(f"sample_rate: {rate!r} is not possible; give samples a second, as 44100")
    return found


def sound_layout(array: "Array") -> "tuple[int, int, bool]":
    """Return the number of samples, the channels, and whether those come first. Raises: ValueError."""
    shape = array.shape
    if len(shape) == 1:
        return shape[0], 1, False
    if (
        len(shape) == 2
        and 0 < shape[0] <= MOST_CHANNELS
        and (array.channels_first or shape[1] > MOST_CHANNELS)
    ):
        return shape[1], shape[0], True
    if len(shape) == 2 and 0 < shape[1] <= MOST_CHANNELS:
        return shape[0], shape[1], False
    raise ValueError(
        f"data_or_path has the shape {shape}; give samples, or samples x channels, of up to {MOST_CHANNELS}"
    )


def samples_of(array: "Array") -> "tuple[bytes, float | None]":
    """Return samples of 16 bits, and the peak that they were divided by. Raises: ValueError."""
    least, most = array.range()
    peak = max(abs(least), abs(most))
    scale, offset, divided_by = 1.0, 0.0, None
    if array.kind == "float":
        divided_by = peak if peak > 1 else None
        scale = LOUDEST / (divided_by or 1.0)
    elif array.is_numpy and array.values.dtype.name == "uint8":
        scale, offset = 256.0, -32768.0
    elif least < -(1 << 15) or most > LOUDEST:
        if peak > 1 << 31:
            raise ValueError(
                f"data_or_path goes from {least} to {most}; give fractions from -1 to 1, or 16 bits"
            )
        scale = 1 / 65536
    return packed(array, scale, offset), divided_by


def packed(array: "Array", scale: float, offset: float) -> bytes:
    """Return each number times `scale` plus `offset` as 16 bits; NaN is silence."""
    if array.is_numpy:
        numpy = sys.modules["numpy"]
        with numpy.errstate(all="ignore"):
            scaled = array.values * scale + offset
        scaled = numpy.where(numpy.isnan(scaled), 0, scaled)
        return numpy.rint(scaled).clip(-32768, LOUDEST).astype("<i2").tobytes()  # type: ignore[no-any-return]
    from array import array as packed_array

    values = (value * scale + offset for value in array.values)
    samples = packed_array(
        "h", [round(min(32767.0, max(-32768.0, 0 if math.isnan(value) else value))) for value in values]
    )
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def transposed(samples: bytes, channels: int) -> bytes:
    """Return sample by sample what lies channel by channel."""
    low, high = interleaved(samples[0::2], channels), interleaved(samples[1::2], channels)
    return interleaved(low + high, 2)


def wave_file(samples: bytes, channels: int, rate: int) -> bytes:
    """Write a WAV file."""
    import io
    import wave

    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return content.getvalue()


def wave_facts(source: Source) -> "dict[str, Any]":
    """Tell of a WAV file what its beginning says, as far as Python reads it."""
    import wave

    with source.opened() as opened:
        try:
            with wave.open(opened, "rb") as file:
                rate, channels, count = file.getframerate(), file.getnchannels(), file.getnframes()
        except (wave.Error, EOFError):
            return {}
    return {"sample_rate": rate, "channels": channels, "duration_s": count / rate if rate else None}
