"""The paper's own masker (arXiv 2509.11717, section 3, and its release), and the same made fit for streams.

Against ours (``models/masker.py``): it reads the latent itself, normalises after each branch, shifts with
FiLM after each normalisation and between its last layers, and its mask is a Snake, without bounds. As
published it sees the whole chunk it is given, forwards and backwards: a chunk is then all that it knows. With
a window it sees so many frames back and none ahead, and chunks are the same as the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from rtsep.models.film_head import FilmHeadConfig
from rtsep.nn.attention import PERIOD, Context, Positions, WholeAttention, WindowedAttention, sinusoids
from rtsep.nn.film import film
from rtsep.nn.snake import Snake
from rtsep.nn.streaming import State, Streaming
from rtsep.nn.weight_norm import WeightNormLinear


class PaperMaskerConfig(FilmHeadConfig):
    """Shape of the paper's masker, as published by default."""

    kind: Literal["paper"]
    width: PositiveInt = 256
    layers: PositiveInt = 16
    heads: PositiveInt = 8
    feed_forward: PositiveInt = 1024
    window: PositiveInt | None = None
    """Frames that one attention layer sees, none of them ahead, with rotary positions; without it all of the
    chunk, both ways, with sinusoidal positions."""
    film: Literal["shift", "scale and shift"] = "shift"
    mask: Literal["unbounded", "bounded"] = "unbounded"
    floor: float = Field(default=0.05, ge=0, lt=1)
    """The smallest value of a bounded mask."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """In training, of branches and, without a window, of attention weights."""
    text: PositiveInt = 512
    text_hidden: NonNegativeInt = 0

    @model_validator(mode="after")
    def _can_be_built(self) -> PaperMaskerConfig:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of twice the heads ({self.heads})")
        if self.window is not None and 2 * self.window > PERIOD:
            raise ValueError(f"window {self.window} must be at most {PERIOD // 2} frames")
        return self

    @property
    def group(self) -> int:
        """Every latent channel has a mask value of its own."""
        return 1


class PaperMasker(Streaming):
    """Latent and FiLM parameters to a mask, behind the same door as ``Masker``."""

    def __init__(self, config: PaperMaskerConfig, latent: int) -> None:
        super().__init__()
        self.config, self.bounded = config, config.mask == "bounded"
        self.causal = config.window is not None
        if config.window is not None:
            self.positions = Positions(config.width // config.heads, config.window)
        self.enter = nn.Linear(latent, config.width, bias=False)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.leave = nn.Linear(config.width, latent, bias=False)
        self.mix = WeightNormLinear(latent, latent)
        self.out = nn.Linear(latent, latent)
        if not self.bounded:
            self.snake = Snake(latent)
        self._films = [config.width] * (2 * config.layers) + [latent] * 2

    def neutral_film(self) -> Tensor:
        """FiLM parameters that change nothing: shifts of 0, and scales of 1 where there are any."""
        shifts = [torch.zeros(size) for size in self._films]
        if self.config.film == "shift":
            return torch.cat(shifts)
        return torch.cat([part for shift in shifts for part in (shift + 1, shift)])

    def initial_state(self, batch: int) -> State:
        """States of the positions and of every layer; none without a window."""
        if not self.causal:
            return ()
        layers = (layer.initial_state(batch) for layer in cast("Iterator[_Layer]", iter(self.layers)))
        return self.positions.initial_state(batch), *layers

    def features(self, latent: Tensor) -> Tensor:
        """The latent (B, audio channels, D, T), averaged over the audio channels, (B, D, T)."""
        return latent.mean(dim=1)

    def standardise(self, features: Tensor) -> None:
        """Nothing: it takes the latent as it is."""

    def forward(self, features: Tensor, parameters: Tensor, state: State) -> tuple[Tensor, State]:
        """Mask a chunk.

        Args:
            features: (B, D, T), one row a mask wanted.
            parameters: FiLM parameters (B, 1 or T, as many as ``neutral_film``).
            state: from ``initial_state(B)`` or the previous chunk.

        Returns:
            The mask (B, D, T), and the next state.
        """
        films = iter(self._split(parameters))
        x = self.enter(features.transpose(1, 2))
        context: Context | None = None
        layer_states: list[State] = [()] * len(self.layers)
        new_states: list[State] = []
        if self.causal:
            context, seen = self.positions(x.shape[1], state[0])
            layer_states, new_states = list(state[1:]), [seen]
        else:
            x = x + sinusoids(x.shape[1], x.shape[2]).to(x)
        for layer, layer_state in zip(self.layers, layer_states, strict=True):
            x, new_state = layer(x, next(films), next(films), context, layer_state)
            new_states.append(new_state)
        x = _modulated(self.leave(x), next(films))
        x = _modulated(self.mix(x), next(films))
        mask = self.out(x).transpose(1, 2)
        if self.bounded:
            mask = self.config.floor + (1 - self.config.floor) * torch.sigmoid(mask)
        else:
            mask = self.snake(mask)
        return mask, tuple(new_states) if self.causal else ()

    def _split(self, parameters: Tensor) -> list[tuple[Tensor, ...]]:
        """Each place's shift, or scale and shift."""
        if self.config.film == "shift":
            return [(shift,) for shift in parameters.split(self._films, dim=-1)]
        return [
            part.chunk(2, dim=-1) for part in parameters.split([2 * size for size in self._films], dim=-1)
        ]


class _Layer(Streaming):
    """One post-norm Transformer layer (Vaswani et al. 2017) with FiLM after each normalisation."""

    def __init__(self, config: PaperMaskerConfig) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.attention: WholeAttention | WindowedAttention
        if config.window is None:
            self.attention = WholeAttention(width, heads, config.dropout)
        else:
            self.attention = WindowedAttention(width, heads, config.window)
        self.attention_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)
        self.feed = nn.Sequential(
            nn.Linear(width, config.feed_forward),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.feed_forward, width),
        )

    def initial_state(self, batch: int) -> State:
        """That of the attention."""
        return self.attention.initial_state(batch)

    def forward(
        self,
        x: Tensor,
        after_attention: tuple[Tensor, ...],
        after_feed: tuple[Tensor, ...],
        context: Context | None,
        state: State,
    ) -> tuple[Tensor, State]:
        """Transform (B, T, width) under a shift, or scale and shift, (B, 1 or T, width) each."""
        if context is None:
            y = self.attention(x)
        elif context.frames == 1:
            y, state = self.attention(x.squeeze(1), context, state)
            y = y[:, None]
        else:
            y, state = self.attention(x, context, state)
        x = _modulated(self.attention_norm(x + self.dropout(y)), after_attention)
        x = _modulated(self.feed_norm(x + self.dropout(self.feed(x))), after_feed)
        return x, state


def _modulated(x: Tensor, films: tuple[Tensor, ...]) -> Tensor:
    """FiLM by a shift alone, or by scale and shift."""
    return x + films[0] if len(films) == 1 else film(x, *films)
