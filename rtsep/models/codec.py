"""A neural audio codec of the DAC architecture (Kumar et al. 2023), streaming: our own causal one, or the
published one (``models/dac.py``), behind one door.

Ours has a strided first layer (the stem) over a few milliseconds, residual units with Snake activations and
strided stages, and a mirrored decoder. All of it starts as a transform that reconstructs: the stem
as a lapped transform, stages as space-to-depth, residual branches at zero.
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal, TypeAlias

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt, Tag, model_validator
from torch import Tensor, nn

from rtsep.models.adaptive import AdaptiveQuantizer
from rtsep.models.dac import DacConfig, build_dac
from rtsep.models.kinds import kind_or, tag
from rtsep.models.lapped import check_lapped, lapped_transform
from rtsep.models.quantize import Quantizer
from rtsep.nn.conv import CausalConv1d, CausalConvTranspose1d
from rtsep.nn.snake import Snake
from rtsep.nn.streaming import Residual, Sequential, State


class CodecConfig(BaseModel):
    """Shape of our own codec. Lengths are in samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["lapped"] = "lapped"
    sample_rate: PositiveInt = 24_000
    stem_kernel: PositiveInt = 768
    """Length of the analysis filters, and their number."""
    stem_hop: PositiveInt = 240
    """At 24 kHz 10 ms: a whole number of samples at 44.1, 48 and 96 kHz too."""
    stem_overlap: PositiveInt = 192
    """Samples that neighbouring frames share on their way out; the lookahead."""
    strides: tuple[PositiveInt, ...] = ()
    """Strided stages after the stem; the channels grow by the stride, so that no stage loses any."""
    residual_dilations: tuple[PositiveInt, ...] = (1,)
    """One residual unit each, in the stem's resolution and after every stage."""
    residual_width: PositiveInt = 48
    codebooks: PositiveInt = 12
    codebook_size: PositiveInt = 1024
    codebook_bins: PositiveInt = 200
    """Coefficients of a frame that are coded, the lowest of ``stem_hop``; 200 of 240 reach up to 10 kHz."""

    @model_validator(mode="after")
    def _can_be_built(self) -> CodecConfig:
        check_lapped(self.stem_kernel, self.stem_hop, self.stem_overlap)
        return self

    @property
    def hop(self) -> int:
        """Samples a latent frame."""
        return self.stem_hop * prod(self.strides)

    @property
    def lookahead(self) -> int:
        """Samples by which the decoder's output lags the encoder's input, beyond the hop itself."""
        return self.stem_overlap

    @property
    def latent(self) -> int:
        """Channels of the latent."""
        return self.stem_kernel * prod(self.strides)

    @property
    def rising(self) -> int | None:
        """So many neighbouring channels of the latent rise in frequency, the stem's filters."""
        return self.stem_kernel


AnyCodecConfig: TypeAlias = Annotated[
    Annotated[CodecConfig, Tag(tag("lapped"))] | Annotated[DacConfig, Tag(tag("dac"))], kind_or("lapped")
]
"""Shape of any codec; ``kind`` says which."""


class Codec(nn.Module):
    """Wave to latent to wave, with codes beside it.

    ``encode`` and ``decode`` follow the streaming protocol; the reconstruction lags the input by
    ``config.lookahead`` samples.
    """

    def __init__(self, config: CodecConfig | DacConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder: Sequential
        self.decoder: Sequential
        self.quantizer: Quantizer
        if isinstance(config, DacConfig):
            self.encoder, self.decoder, self.quantizer, _ = build_dac(config)
        else:
            self.encoder, self.decoder = _lapped(config)
            self.quantizer = AdaptiveQuantizer(
                config.stem_kernel,
                config.stem_hop,
                config.stem_overlap,
                prod(config.strides),
                config.codebooks,
                config.codebook_size,
                config.codebook_bins,
            )

    def initial_state(self, batch: int) -> tuple[State, State]:
        """States of the encoder and of the decoder."""
        return self.encoder.initial_state(batch), self.decoder.initial_state(batch)

    def encode(self, wave: Tensor, state: State) -> tuple[Tensor, State]:
        """Wave (B, 1, T), T a multiple of the hop, to latent (B, D, T / hop)."""
        latent, state = self.encoder(wave, state)
        return latent, state

    def decode(self, latent: Tensor, state: State) -> tuple[Tensor, State]:
        """Latent (B, D, frames) to wave (B, 1, frames * hop)."""
        wave, state = self.decoder(latent, state)
        return wave, state

    def initial_hearing(self, batch: int) -> tuple[State, State]:
        """State of ``hear`` before the first codes."""
        return self.quantizer.initial_state(batch)[1], self.decoder.initial_state(batch)

    def hear(self, codes: Tensor, state: tuple[State, State]) -> tuple[Tensor, tuple[State, State]]:
        """Codes (B, 1 + up to codebooks, frames) to wave (B, 1, frames * hop)."""
        quantizer_state, decoder_state = state
        latent, quantizer_state = self.quantizer.decode(codes, quantizer_state, mend=True)
        wave, decoder_state = self.decode(latent, decoder_state)
        return wave, (quantizer_state, decoder_state)


def _lapped(config: CodecConfig) -> tuple[Sequential, Sequential]:
    """Encoder and decoder of our own codec, reconstructing."""
    channels, hop, overlap = config.stem_kernel, config.stem_hop, config.stem_overlap
    stem = CausalConv1d(1, channels, config.stem_kernel, stride=hop, bias=False)
    mirrored_stem = CausalConvTranspose1d(channels, 1, hop + overlap, stride=hop, bias=False)
    analysis, synthesis = lapped_transform(config.stem_kernel, hop, overlap)
    with torch.no_grad():
        stem.conv.weight.copy_(analysis[:, None])
        mirrored_stem.conv.weight.copy_(synthesis[:, None])
    encoder: list[nn.Module] = [stem, *_residual_units(channels, config)]
    decoder: list[nn.Module] = [mirrored_stem, *reversed(_residual_units(channels, config))]
    for stride in config.strides:
        encoder += [Snake(channels, alpha=NEAR_IDENTITY), _down(channels, stride)]
        decoder += [_up(channels, stride), Snake(channels * stride, alpha=NEAR_IDENTITY)]
        channels *= stride
        encoder += _residual_units(channels, config)
        decoder += reversed(_residual_units(channels, config))
    return Sequential(*encoder), Sequential(*reversed(decoder))


NEAR_IDENTITY = 1e-3
"""Snake's alpha where the signal itself, not a branch beside it, passes through."""


def _residual_units(channels: int, config: CodecConfig) -> list[nn.Module]:
    """Residual units with a bottleneck, whose branches start at zero."""
    units: list[nn.Module] = []
    for dilation in config.residual_dilations:
        last = CausalConv1d(config.residual_width, channels, 1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        branch = Sequential(
            Snake(channels),
            CausalConv1d(channels, config.residual_width, 3, dilation=dilation),
            Snake(config.residual_width),
            last,
        )
        units.append(Residual(branch))
    return units


def _down(channels: int, stride: int) -> CausalConv1d:
    """A strided convolution that starts as space-to-depth: channel c at offset i becomes i * channels + c."""
    layer = CausalConv1d(channels, channels * stride, 2 * stride, stride=stride)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        for offset in range(stride):
            rows = slice(offset * channels, (offset + 1) * channels)
            layer.conv.weight[rows, :, stride + offset] += torch.eye(channels)
    return layer


def _up(channels: int, stride: int) -> CausalConvTranspose1d:
    """The mirror of ``_down``: starts as depth-to-space."""
    layer = CausalConvTranspose1d(channels * stride, channels, 2 * stride, stride=stride)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        for offset in range(stride):
            rows = slice(offset * channels, (offset + 1) * channels)
            layer.conv.weight[rows, :, offset] += torch.eye(channels)
    return layer
