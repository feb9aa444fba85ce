"""Codes become bits and come back, bit for bit; what is no message is refused with the reason."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from rtsep.errors import CodeError
from rtsep.models.bundle import Bundle
from rtsep.models.codec import Codec, CodecConfig
from rtsep.serve.format import LAST_FRAME, CodeFormat, Codes, Frames, pack, unpack


def some_format(
    codebooks: int = 7, *, level_bits: int = 6, code_bits: int = 10, channels: int = 1
) -> CodeFormat:
    return CodeFormat(
        bundle="x",
        fingerprint="0",
        sample_rate=24_000,
        hop=240,
        lookahead=192,
        channels=channels,
        codebooks=codebooks,
        level_bits=level_bits,
        code_bits=code_bits,
    )


def some_codes(format: CodeFormat, frames: int, seed: int = 0) -> Codes:
    rng = np.random.default_rng(seed)
    high = 1 << np.array(format.widths)
    return rng.integers(0, high, (frames, format.channels, len(high)))


@pytest.mark.parametrize("seed", range(30))
def test_any_codes_come_back_bit_for_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    widths = {"level_bits": int(rng.integers(0, 17)), "code_bits": int(rng.integers(1, 17))}
    format = some_format(int(rng.integers(1, 33)), channels=int(rng.integers(1, 3)), **widths)
    codes = some_codes(format, int(rng.integers(1, 60)), seed)
    number = int(rng.integers(0, 2**31))
    message = pack(format, Frames(number, codes))
    found = unpack(format, message)
    assert found.number == number
    assert found.codes.shape == codes.shape
    assert np.array_equal(found.codes, codes)
    assert len(message) == 6 + -(-len(codes) * format.frame_bits // 8)


def test_the_bits_are_where_the_documentation_says() -> None:
    format = some_format(codebooks=1, level_bits=6, code_bits=10)
    message = pack(format, Frames(258, np.array([[[0b100001, 0b1000000001]]])))
    assert message == bytes([2, 1, 0, 0, 1, 0, 0b10000110, 0b00000001])


def test_the_default_codes_stay_within_eight_kilobits(shipped: Bundle) -> None:
    format = CodeFormat.of(shipped)
    assert format.kbps <= 8
    assert CodeFormat.of(shipped, format.codebooks + 1).kbps > 8
    second = pack(format, Frames(0, some_codes(format, 100)))
    assert 8 * len(second) <= 1000 * format.kbps + 8 * 6 + 7


def test_a_message_of_another_length_is_refused() -> None:
    format = some_format()
    message = pack(format, Frames(5, some_codes(format, 3)))
    for wrong in (b"", message[:5], message[:-1], message + b"\0"):
        with pytest.raises(CodeError, match="bytes"):
            unpack(format, wrong)


def test_filling_bits_that_are_not_zero_are_refused() -> None:
    format = some_format()  # 76 bits: 4 are left over
    message = bytearray(pack(format, Frames(0, some_codes(format, 1))))
    message[-1] |= 1
    with pytest.raises(CodeError, match="not zero"):
        unpack(format, bytes(message))


@pytest.mark.parametrize("count", [0, 513, 65_535])
def test_a_count_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(CodeError, match="1 to 512"):
        unpack(some_format(), bytes(4) + count.to_bytes(2, "little") + bytes(99))


def test_a_number_beyond_the_last_is_refused() -> None:
    format = some_format()
    message = pack(format, Frames(LAST_FRAME, some_codes(format, 1)))
    assert unpack(format, message).number == LAST_FRAME
    with pytest.raises(CodeError, match="beyond the last"):
        unpack(format, pack(format, Frames(LAST_FRAME, some_codes(format, 2))))


def test_noise_is_refused_or_read_but_nothing_else_happens() -> None:
    format, rng = some_format(), np.random.default_rng(0)
    for _ in range(500):
        message = rng.bytes(int(rng.integers(0, 200)))
        try:
            found = unpack(format, message)
        except CodeError:
            continue
        assert pack(format, found) == message


def test_codes_of_another_model_or_shape_are_refused(tiny: Bundle) -> None:
    format = CodeFormat.of(tiny)
    format.check(tiny)
    format.model_copy(update={"bundle": "as another machine calls it"}).check(tiny)
    with pytest.raises(CodeError, match="use the bundle"):
        format.model_copy(update={"fingerprint": "f" * 16}).check(tiny)
    for wrong in ({"hop": 17}, {"code_bits": 9}, {"level_bits": 0}, {"sample_rate": 16_000}):
        with pytest.raises(CodeError, match="does not fit"):
            format.model_copy(update=wrong).check(tiny)
    for codebooks in (0, 3):
        with pytest.raises(CodeError, match="has 1 to 2"):
            CodeFormat.of(tiny, codebooks)


def test_codes_of_a_codec_with_several_frames_of_them_for_one_of_its_latent_are_refused(tiny: Bundle) -> None:
    codec = tiny.separator.codec.config
    assert isinstance(codec, CodecConfig)
    strided = replace(tiny, separator=copy.deepcopy(tiny.separator))
    strided.separator.codec = Codec(codec.model_copy(update={"strides": (2,)}))
    with pytest.raises(CodeError, match="2 frames of codes for each of its latent"):
        CodeFormat.of(strided)
