"""WAV through a pipe: reading a header without seeking, and writing one of unknown length.

Only what a stream needs; files go through libsndfile (file.py). The layout is that of "Multimedia
Programming Interface and Data Specifications 1.0" (IBM and Microsoft, 1991); a data size of
0xFFFFFFFF or 0 means "until the stream ends", as ffmpeg writes it, and so does 0x7FFFF000 in whole samples,
which is what sox says to a pipe.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from rtsep.errors import AudioFileError

Encoding = Literal["f32", "f64", "s16", "s24", "s32", "u8"]

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_UNKNOWN, _UNKNOWN_TO_SOX = 0xFFFFFFFF, 0x7FFFF000
_ENCODINGS: dict[tuple[int, int], Encoding] = {
    (_PCM, 8): "u8",
    (_PCM, 16): "s16",
    (_PCM, 24): "s24",
    (_PCM, 32): "s32",
    (_FLOAT, 32): "f32",
    (_FLOAT, 64): "f64",
}
_WIDTHS: dict[Encoding, int] = {"u8": 1, "s16": 2, "s24": 3, "s32": 4, "f32": 4, "f64": 8}


@dataclass(frozen=True)
class StreamFormat:
    """What the bytes of a stream are; ``length`` in samples of all channels, None until the end."""

    sample_rate: int
    channels: int
    encoding: Encoding
    length: int | None = None

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * _WIDTHS[self.encoding]


def read_header(stream: BinaryIO) -> StreamFormat:
    """Read a WAV header after its first four bytes (RIFF or RF64), up to the first sample.

    Raises:
        AudioFileError: when it is not WAV, ends too soon, or holds an encoding other than PCM or float.
    """
    take_exactly(stream, 4)
    if take_exactly(stream, 4) != b"WAVE":
        raise AudioFileError("stdin begins with RIFF but is not WAV: send WAV or raw samples")
    fields: tuple[int, int, int, int] | None = None
    while True:
        name, size = struct.unpack("<4sI", take_exactly(stream, 8))
        if name == b"data":
            break
        body = take_exactly(stream, size + size % 2)
        if name == b"fmt ":
            if size < 16:
                raise AudioFileError(
                    f"the WAV header on stdin has a format of {size} bytes: at least 16 needed"
                )
            tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
            # The extensible form keeps the old tag in the first two bytes of its subformat.
            fields = (
                int.from_bytes(body[24:26], "little") if tag == _EXTENSIBLE else tag,
                channels,
                rate,
                bits,
            )
    if fields is None:
        raise AudioFileError("the WAV header on stdin has no format before its data")
    tag, channels, rate, bits = fields
    encoding = _ENCODINGS.get((tag, bits))
    if encoding is None or channels < 1 or rate < 1:
        raise AudioFileError(
            f"WAV on stdin of format {tag}, {bits} bits, {channels} channels, {rate} Hz: send PCM or float"
        )
    width = channels * _WIDTHS[encoding]
    unknown = size in (0, _UNKNOWN) or _UNKNOWN_TO_SOX - width < size <= _UNKNOWN_TO_SOX
    return StreamFormat(rate, channels, encoding, None if unknown else size // width)


def header(sample_rate: int, channels: int, length: int | None = None) -> bytes:
    """A WAV header for 32-bit float samples; a ``length`` of None, or above 4 GiB, means a stream."""
    size = _UNKNOWN if length is None else min(_UNKNOWN, length * channels * 4)
    form = struct.pack(
        "<HHIIHHH", _FLOAT, channels, sample_rate, sample_rate * channels * 4, channels * 4, 32, 0
    )
    fact = struct.pack("<I", _UNKNOWN if length is None else min(_UNKNOWN, length))
    chunks = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"fact", fact) + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", min(_UNKNOWN, len(chunks) + size)) + chunks


def decode(data: bytes, form: StreamFormat) -> NDArray[np.float32]:
    """Bytes of whole samples as (n, channels) float32, integers scaled to below 1.0."""
    if form.encoding == "f32":
        flat = np.frombuffer(data, "<f4").astype(np.float32)
    elif form.encoding == "f64":
        flat = np.frombuffer(data, "<f8").astype(np.float32)
    elif form.encoding == "u8":
        flat = (np.frombuffer(data, np.uint8).astype(np.float32) - 128.0) / 128.0
    elif form.encoding == "s24":
        # Three bytes become the upper three of four, which keeps the sign.
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        flat = wide.view("<i4")[:, 0].astype(np.float32) / 2.0**31
    else:
        bits = 8 * _WIDTHS[form.encoding]
        flat = np.frombuffer(data, f"<i{bits // 8}").astype(np.float32) / 2.0 ** (bits - 1)
    return flat.reshape(-1, form.channels)


def take(stream: BinaryIO, count: int) -> bytes:
    """``count`` bytes, or what there is before the end; a pipe hands over less at a time."""
    parts = []
    while count > 0:
        part = stream.read(count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def take_exactly(stream: BinaryIO, count: int) -> bytes:
    """``count`` bytes.

    Raises:
        AudioFileError: when the stream ends before.
    """
    data = take(stream, count)
    if len(data) < count:
        raise AudioFileError("stdin ended within the WAV header: nothing to read")
    return data


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body
