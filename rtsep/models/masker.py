"""The CodecSep masker, causal: a Transformer over latent frames, steered by FiLM.

After arXiv 2509.11717, section 3. Against the paper: causal windowed attention, scale as well as shift
in FiLM, level-compressed input, and a bounded mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias, cast

import torch
from pydantic import Field, PositiveInt, Tag, model_validator
from torch import Tensor, nn

from rtsep.models.film_head import FilmHeadConfig
from rtsep.models.kinds import kind_or, tag
from rtsep.models.paper_masker import PaperMaskerConfig
from rtsep.nn.attention import PERIOD, Context, Positions, WindowedAttention
from rtsep.nn.conv import CausalConv1d
from rtsep.nn.film import film
from rtsep.nn.streaming import State, Streaming

_LAYER_FILMS = 4
"""Vectors of FiLM parameters a layer: scale and shift before attention, and before the feed-forward."""


class MaskerConfig(FilmHeadConfig):
    """Shape of a masker."""

    kind: Literal["energies"] = "energies"
    width: PositiveInt = 192
    layers: PositiveInt = 4
    heads: PositiveInt = 4
    feed_forward: PositiveInt = 576
    window: PositiveInt = 128
    """Frames that one attention layer sees."""
    group: PositiveInt = 2
    """Neighbouring latent channels that share a mask value: 2 for cosine and sine of a lapped transform."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """In training, of both branches of a layer."""
    floor: float = Field(default=0.05, ge=0, lt=1)
    """The smallest mask value, -26 dB: where the model finds next to nothing, what is left is the mixture,
    quietly, rather than scraps of it (a spectral floor, Berouti et al. 1979)."""
    text_hidden: PositiveInt = 256

    @model_validator(mode="after")
    def _can_be_built(self) -> MaskerConfig:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of twice the heads ({self.heads})")
        if 2 * self.window > PERIOD:
            raise ValueError(f"window {self.window} must be at most {PERIOD // 2} frames")
        return self


AnyMaskerConfig: TypeAlias = Annotated[
    Annotated[MaskerConfig, Tag(tag("energies"))] | Annotated[PaperMaskerConfig, Tag(tag("paper"))],
    kind_or("energies"),
]
"""Shape of any masker; ``kind`` says which."""


class Masker(Streaming):
    """Latent and FiLM parameters to a mask from ``config.floor`` to 1.

    It reads the log energy of each channel group, averaged over the audio channels, so that a stereo
    pair gets one mask and neither phase nor the sign of a channel matters.
    """

    bounded = causal = True
    FLOOR = 1e-5
    """Energy added before the logarithm: about -85 dB below a full-scale signal."""

    def __init__(self, config: MaskerConfig, latent: int) -> None:
        super().__init__()
        if latent % config.group:
            raise ValueError(f"latent of {latent} channels cannot be cut into groups of {config.group}")
        self.config = config
        groups = latent // config.group
        self.register_buffer("feature_mean", torch.full((groups, 1), -1.5))
        self.register_buffer("feature_scale", torch.ones(groups, 1))
        self.positions = Positions(config.width // config.heads, config.window)
        self.enter = CausalConv1d(groups, config.width, 3)
        self.layers = nn.ModuleList(MaskerLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.leave = nn.Linear(config.width, groups)
        self.film_size = (_LAYER_FILMS * config.layers + 2) * config.width

    feature_mean: Tensor
    feature_scale: Tensor

    def neutral_film(self) -> Tensor:
        """FiLM parameters that change nothing, (``film_size``,)."""
        width = self.config.width
        return torch.cat([torch.ones(width), torch.zeros(width)]).repeat(self.film_size // (2 * width))

    @torch.no_grad()
    def standardise(self, features: Tensor) -> None:
        """Take mean and deviation of some features (B, groups, T) for those of all."""
        self.feature_mean.add_(features.mean(dim=(0, 2))[:, None])
        # A band in which the data has no sound must not be blown up.
        self.feature_scale.div_(features.std(dim=(0, 2)).clamp(min=0.1)[:, None])

    def initial_state(self, batch: int) -> State:
        """States of the positions, the input convolution and every layer, for ``batch`` masks."""
        layers = (layer.initial_state(batch) for layer in cast("Iterator[MaskerLayer]", iter(self.layers)))
        return self.positions.initial_state(batch), self.enter.initial_state(batch), *layers

    def features(self, latent: Tensor) -> Tensor:
        """Log energies (B, groups, T), standardised, of a latent (B, audio channels, D, T)."""
        group = self.config.group
        energy = (latent * latent).mean(dim=1)
        # As a graph, a mean over so short a dimension takes five times as long.
        energy = torch.stack([energy[:, offset::group] for offset in range(group)]).sum(dim=0) / group
        return (torch.log10(energy + self.FLOOR) - self.feature_mean) * self.feature_scale

    def forward(self, features: Tensor, parameters: Tensor, state: State) -> tuple[Tensor, State]:
        """Mask a chunk.

        Args:
            features: (B, groups, T), one row a mask wanted.
            parameters: FiLM parameters (B, 1 or T, ``film_size``).
            state: from ``initial_state(B)`` or the previous chunk.

        Returns:
            The mask (B, D, T), and the next state.
        """
        seen, enter_state, *layer_states = state
        context, seen = self.positions(features.shape[-1], seen)
        x, enter_state = self.enter(features, enter_state)
        x = x.transpose(1, 2)
        if one_frame := context.frames == 1:
            # Live: matrix products of rows take their bias along, and the graph is a third shorter.
            x, parameters = x.squeeze(1), parameters.squeeze(1)
        films = parameters.split(self.config.width, dim=-1)
        new_states = [seen, enter_state]
        for number, (layer, layer_state) in enumerate(zip(self.layers, layer_states, strict=True)):
            own = films[_LAYER_FILMS * number : _LAYER_FILMS * (number + 1)]
            x, new_state = layer(x, own, context, layer_state)
            new_states.append(new_state)
        x = film(self.norm(x), *films[-2:])
        x = self.leave(x)
        if one_frame:
            x = x[:, None]
        floor = self.config.floor
        mask = floor + (1 - floor) * torch.sigmoid(x)
        mask = mask.repeat_interleave(self.config.group, dim=-1)
        return mask.transpose(1, 2), tuple(new_states)


class MaskerLayer(Streaming):
    """One pre-norm Transformer layer with FiLM after each normalisation."""

    def __init__(self, config: MaskerConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = WindowedAttention(config.width, config.heads, config.window)
        self.feed_norm = nn.LayerNorm(config.width)
        self.feed = nn.Sequential(
            nn.Linear(config.width, config.feed_forward),
            nn.GELU(),
            nn.Linear(config.feed_forward, config.width),
        )
        self.dropout = nn.Dropout(config.dropout)

    @torch.no_grad()
    def silence(self) -> None:
        """Let both branches give nothing, so that what comes in goes out, until they learn."""
        for branch in (self.attention.out, self.feed[-1]):
            assert isinstance(branch, nn.Linear)
            branch.weight.zero_()
            branch.bias.zero_()

    def initial_state(self, batch: int) -> State:
        """The attention cache."""
        return self.attention.initial_state(batch)

    def forward(
        self, x: Tensor, films: tuple[Tensor, ...], context: Context, state: State
    ) -> tuple[Tensor, State]:
        """Transform (B, T, width), or (B, width) where T is 1.

        Args:
            x: the frames.
            films: scale and shift before attention, scale and shift before the feed-forward, each
                (B, 1 or T, width), or (B, width) as x.
            context: of these frames.
            state: the attention cache.
        """
        y, state = self.attention(film(self.attention_norm(x), *films[:2]), context, state)
        x = x + self.dropout(y)
        return x + self.dropout(self.feed(film(self.feed_norm(x), *films[2:]))), state
