"""The published DAC (Kumar et al. 2023, descript-audio-codec), streamed exactly.

Its convolutions see both sides of a sample. In a stream each of them waits for what it is to see: its
output lags, the lags add up from layer to layer, and what a layer would see of the time before the first
sample is silenced, as the package's zero padding has it. So these are the causal codec's layers, with
delays; the lag of the last one is the lookahead.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator
from torch import nn

from rtsep.models.dac_quantize import DacQuantizer
from rtsep.nn.conv import CausalConv1d, CausalConvTranspose1d
from rtsep.nn.snake import Snake
from rtsep.nn.streaming import Delay, Onset, Residual, Sequential

DILATIONS = (1, 3, 9)
"""Of the three residual units of every stage."""


class DacConfig(BaseModel):
    """Shape of a published DAC; by default that of its 16 kHz weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["dac"]
    sample_rate: PositiveInt = 16_000
    encoder_width: PositiveInt = 64
    """Channels of the first layer; they double with every stage."""
    strides: tuple[PositiveInt, ...] = (2, 4, 5, 8)
    decoder_width: PositiveInt = 1536
    """Channels after the decoder's first layer; they halve with every stage."""
    decoder_strides: tuple[PositiveInt, ...] = (8, 5, 4, 2)
    decoder_padding: Literal["ceil", "floor"] = "ceil"
    """How half an odd stride is rounded in transposed convolutions: up by the package, down by SD-Codec. The
    wrong one shifts the output: by 8 samples at 16 kHz."""
    codebooks: PositiveInt = 12
    codebook_size: PositiveInt = 1024
    codebook_dim: PositiveInt = 8

    @model_validator(mode="after")
    def _can_be_built(self) -> DacConfig:
        if prod(self.strides) != prod(self.decoder_strides):
            raise ValueError(f"strides {self.strides} and {self.decoder_strides} have different products")
        if self.decoder_width % 2 ** len(self.decoder_strides):
            raise ValueError(
                f"a decoder width of {self.decoder_width} cannot be halved {len(self.decoder_strides)} times"
            )
        return self

    @property
    def hop(self) -> int:
        """Samples a latent frame."""
        return prod(self.strides)

    @property
    def lookahead(self) -> int:
        """Samples by which the decoder's output lags the encoder's input, beyond the hop itself."""
        return _lookahead(self)

    @property
    def latent(self) -> int:
        """Channels of the latent."""
        return self.encoder_width << len(self.strides)

    @property
    def rising(self) -> int | None:
        """No neighbouring channels of this latent rise in frequency."""
        return None


class DacParts(NamedTuple):
    """What a published DAC is made of."""

    encoder: Sequential
    decoder: Sequential
    quantizer: DacQuantizer
    lookahead: int


def build_dac(config: DacConfig) -> DacParts:
    """The layers of a published DAC, with random weights."""
    encoder = _Chain()
    channels = config.encoder_width
    encoder.conv(1, channels, 7)
    for stride in config.strides:
        encoder.residual_units(channels)
        encoder.layers.append(Snake(channels))
        encoder.down(channels, 2 * channels, stride)
        channels *= 2
    encoder.layers.append(Snake(channels))
    encoder.conv(channels, config.latent, 3)
    encoder.silence_before_0()

    decoder = _Chain(encoder.delay)
    channels = config.decoder_width
    decoder.conv(config.latent, channels, 7)
    for stride in config.decoder_strides:
        decoder.layers.append(Snake(channels))
        half = stride // 2 if config.decoder_padding == "floor" else -(-stride // 2)
        decoder.up(channels, channels // 2, stride, half)
        channels //= 2
        decoder.residual_units(channels)
    decoder.layers.append(Snake(channels))
    decoder.conv(channels, 1, 7)
    decoder.layers.append(nn.Tanh())
    quantizer = DacQuantizer(config.latent, config.codebooks, config.codebook_size, config.codebook_dim)
    return DacParts(Sequential(*encoder.layers), Sequential(*decoder.layers), quantizer, decoder.delay)


@lru_cache
def _lookahead(config: DacConfig) -> int:
    """What the layers add up to; without memory for their weights."""
    with torch.device("meta"):
        parts = build_dac(config)
    return parts.lookahead


class _Chain:
    """Layers one after the other, each knowing by how much its input lags.

    Args:
        delay: samples by which the first layer's input lags.
    """

    def __init__(self, delay: int = 0) -> None:
        self.layers: list[nn.Module] = []
        self.delay = delay
        """Samples, at the rate there, by which the output lags."""

    def silence_before_0(self) -> None:
        """What follows is to see zeros before the first sample."""
        if self.delay:
            self.layers.append(Onset(self.delay))

    def conv(self, in_channels: int, out_channels: int, kernel: int, dilation: int = 1) -> None:
        """A convolution that sees as far ahead as back."""
        self.silence_before_0()
        self.layers.append(CausalConv1d(in_channels, out_channels, kernel, dilation=dilation))
        self.delay += (kernel - 1) * dilation // 2

    def residual_units(self, channels: int) -> None:
        """The three units of a stage."""
        for dilation in DILATIONS:
            branch = _Chain(self.delay)
            branch.layers.append(Snake(channels))
            branch.conv(channels, channels, 7, dilation)
            branch.layers += [Snake(channels), CausalConv1d(channels, channels, 1)]
            wait = Delay(channels, branch.delay - self.delay)
            self.layers.append(Residual(Sequential(*branch.layers), wait))
            self.delay = branch.delay

    def down(self, in_channels: int, out_channels: int, stride: int) -> None:
        """A strided convolution of kernel 2 * stride, padded by half the stride, rounded up.

        Frame m sees inputs up to ``m * stride + ahead - 1``. Ours ends frames where a whole number of
        strides has come in, so that the input waits until both fall together.
        """
        ahead = 2 * stride - -(-stride // 2)
        wait = -(self.delay + ahead) % stride
        if wait:
            self.layers.append(Delay(in_channels, wait))
            self.delay += wait
        self.silence_before_0()
        self.layers.append(CausalConv1d(in_channels, out_channels, 2 * stride, stride=stride))
        self.delay = (self.delay + ahead) // stride - 1

    def up(self, in_channels: int, out_channels: int, stride: int, padding: int) -> None:
        """A transposed convolution of kernel 2 * stride; its first ``padding`` samples are before time 0."""
        self.silence_before_0()
        self.layers.append(CausalConvTranspose1d(in_channels, out_channels, 2 * stride, stride=stride))
        self.delay = self.delay * stride + padding
