"""The frames of a code stream: what a header says, and how codes become bits. See docs/codes.md.

A frame is, for each audio channel, its level and then its codebooks' codes, coarse to fine, most
significant bit first, without gaps; a message holds any number of frames that follow each other, and
only its last byte is filled up.
"""

from __future__ import annotations

import struct
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from rtsep.errors import CodeError
from rtsep.models.bundle import Bundle
from rtsep.models.code_path import codebooks_within

VERSION: Final = 1

MOST_FRAMES = 512
"""Frames in a message: five seconds at a hop of 10 ms."""

LAST_FRAME = 2**32 - 1
"""The highest frame number: a year and four months at a hop of 10 ms."""

_HEAD = struct.Struct("<IH")
"""Number of the first frame, number of frames."""

Codes = NDArray[np.int64]
"""(frames, channels, codes of a frame): a level and the codebooks' codes."""


class CodeFormat(BaseModel):
    """What both ends of a stream must agree on; its header."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = VERSION
    bundle: str = Field(max_length=200)
    """The model's name, for people."""
    fingerprint: str = Field(max_length=64)
    """Hash of its configuration and weights: codes of another model mean nothing to this one."""
    sample_rate: int = Field(gt=0, le=192_000)
    hop: int = Field(gt=0, le=65_536)
    """Samples a frame."""
    lookahead: int = Field(ge=0, le=1_000_000)
    """Samples by which what the decoder gives out lags what the encoder was given."""
    channels: int = Field(1, ge=1, le=2)
    codebooks: int = Field(gt=0, le=64)
    level_bits: int = Field(ge=0, le=16)
    """Of each frame's level; 0 for a codec without one."""
    code_bits: int = Field(gt=0, le=16)
    """Of each codebook's code."""

    @classmethod
    def of(cls, bundle: Bundle, codebooks: int | None = None, channels: int = 1) -> CodeFormat:
        """The codes of a bundle.

        Args:
            bundle: whose quantiser.
            codebooks: how many of its codebooks; by default as many as 8 kbit/s take.
            channels: audio channels.

        Raises:
            CodeError: it has not got so many codebooks, or several frames of codes for one of the latent.
        """
        codec = bundle.separator.codec
        if codec.quantizer.beside != 1:
            raise CodeError(
                f"{bundle.name} has {codec.quantizer.beside} frames of codes for each of its latent: "
                "codes can be sent of codecs without 'strides' only"
            )
        codebooks = codebooks_within(bundle.separator) if codebooks is None else codebooks
        if not 1 <= codebooks <= codec.config.codebooks:
            raise CodeError(f"{codebooks} codebooks: {bundle.name} has 1 to {codec.config.codebooks}")
        sizes = codec.quantizer.sizes(codebooks)
        levels = sizes[0] if len(sizes) > codebooks else 1  # 1: it has none
        return cls(
            bundle=bundle.name,
            fingerprint=bundle.fingerprint,
            sample_rate=codec.config.sample_rate,
            hop=codec.config.hop,
            lookahead=codec.config.lookahead,
            channels=channels,
            codebooks=codebooks,
            level_bits=(levels - 1).bit_length(),
            code_bits=(sizes[-1] - 1).bit_length(),
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Bits of each code of a channel's frame."""
        level = (self.level_bits,) if self.level_bits else ()
        return (*level, *(self.code_bits,) * self.codebooks)

    @property
    def frame_bits(self) -> int:
        """Bits of a frame, of all channels."""
        return self.channels * sum(self.widths)

    @property
    def kbps(self) -> float:
        """Thousand bits a second of one channel, without the messages' heads."""
        return sum(self.widths) * self.sample_rate / self.hop / 1000

    def check(self, bundle: Bundle) -> None:
        """Refuse the codes of another model.

        Raises:
            CodeError: they are, or are of more codebooks than there are, or of another shape.
        """
        if self.fingerprint != bundle.fingerprint:
            raise CodeError(
                f"codes of {self.bundle} ({self.fingerprint}), but this is {bundle.name} "
                f"({bundle.fingerprint}): use the bundle they were made with"
            )
        if self != CodeFormat.of(bundle, self.codebooks, self.channels).model_copy(
            update={"bundle": self.bundle}
        ):
            raise CodeError(f"codes whose header does not fit {bundle.name}: make them again")


class Frames(NamedTuple):
    """Frames that follow each other."""

    number: int
    """Of the first one; the first of a stream is 0."""
    codes: Codes


def pack(format: CodeFormat, frames: Frames) -> bytes:
    """Frames as a message."""
    codes = frames.codes
    flat = codes.reshape(len(codes) * format.channels, -1)
    bits = np.concatenate(
        [
            (flat[:, place, None] >> np.arange(width - 1, -1, -1)) & 1
            for place, width in enumerate(format.widths)
        ],
        axis=1,
    )
    return _HEAD.pack(frames.number, len(codes)) + np.packbits(bits.astype(np.uint8)).tobytes()


def unpack(format: CodeFormat, message: bytes, most: int = MOST_FRAMES) -> Frames:
    """A message as frames.

    Raises:
        CodeError: it is none, for what reason.
    """
    if len(message) < _HEAD.size:
        raise CodeError(f"a message of {len(message)} bytes, a head alone has {_HEAD.size}")
    number, count = _HEAD.unpack_from(message)
    if not 1 <= count <= most:
        raise CodeError(f"{count} frames in a message, but it must be 1 to {most}")
    if number + count - 1 > LAST_FRAME:
        raise CodeError(
            f"frame {number + count - 1} is beyond the last number {LAST_FRAME}: begin a new stream"
        )
    wanted = _HEAD.size + -(-count * format.frame_bits // 8)
    if len(message) != wanted:
        raise CodeError(f"a message of {len(message)} bytes, but {count} frames take {wanted}")
    bits = np.unpackbits(np.frombuffer(message, np.uint8, offset=_HEAD.size))
    if bits[count * format.frame_bits :].any():
        raise CodeError("bits behind the last frame that are not zero")
    rows = bits[: count * format.frame_bits].reshape(count * format.channels, -1).astype(np.int64)
    codes, at = [], 0
    for width in format.widths:
        codes.append(rows[:, at : at + width] @ (1 << np.arange(width - 1, -1, -1)))
        at += width
    return Frames(number, np.stack(codes, axis=1).reshape(count, format.channels, -1))
