"""The separator: codec, masker and FiLM head, one forward for training, files and live."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rtsep.models.codec import Codec, CodecConfig
from rtsep.models.dac import DacConfig
from rtsep.models.film_head import FilmHead
from rtsep.models.masker import Masker, MaskerConfig
from rtsep.models.paper_masker import PaperMasker, PaperMaskerConfig
from rtsep.nn.streaming import State


class Mix(NamedTuple):
    """How the masks of P prompts become the masks of O outputs, and how much of the input each gets beside.

    Every prompt that is heard gets a share of what no removed prompt takes, so that the stems and what
    none of them names, the residual, add up to the mixture exactly. An output is a sum of stems, and of
    the untouched, delayed input: the residual is the input less all stems. One for all mixtures of a
    batch, or with a first dimension for each its own.
    """

    wanted: Tensor
    """(..., P), 1 for a prompt that is heard, 0 for one that is not."""
    removed: Tensor
    """(..., P), 1 for a prompt that is taken away from the others, 0 otherwise."""
    weights: Tensor
    """(..., O, P), linear gain of each stem in each output."""
    dry: Tensor
    """(..., O), linear gain of the untouched input in each output; added after decoding."""

    def waves(self, stems: Tensor) -> Tensor:
        """Finished sounds (B, P, C, T) to what each output holds of them, (B, O, C, T)."""
        return torch.einsum("op,bpct->boct", self.weights, stems)

    def stems(self, masks: Tensor, bounded: bool = True) -> Tensor:
        """Masks (B, P, D, T), each 0..1 by itself, to shares (B, P, D, T) that add up to at most 1.

        Masks without bounds stay what they are: there is nothing to share.
        """
        taken = self.removed[..., None, None] * masks
        heard = self.wanted[..., None, None] * masks
        if bounded:
            taken = taken / taken.sum(dim=1, keepdim=True).clamp(min=1.0)
            heard = heard / heard.sum(dim=1, keepdim=True).clamp(min=1.0)
        return taken + heard - heard * taken.sum(dim=1, keepdim=True)

    def __call__(self, masks: Tensor, bounded: bool = True) -> Tensor:
        """Masks (B, P, D, T) to what each output takes of the latent, (B, O, D, T); may be negative."""
        # In a graph, a product of matrices takes a tenth of the time of an einsum.
        taken: Tensor = (self.weights @ self.stems(masks, bounded).flatten(2)).unflatten(2, masks.shape[2:])
        return taken


class Separation(NamedTuple):
    """What one chunk of mixture becomes."""

    wave: Tensor
    """(B, O, audio channels, T), lagging the mixture by ``Separator.lookahead`` samples."""
    upper_gain: Tensor
    """(B, O, frames), mean of the mask over the upper half of the band, weighted by the mixture's energy."""


class Separator(nn.Module):
    """Mixture and FiLM parameters to separated sound.

    B mixtures, P prompts each, and O outputs: O = P, or as many as a ``Mix`` makes of the masks in the
    latent, where the decoder runs once an output, however many prompts there are.
    """

    def __init__(self, codec: CodecConfig | DacConfig, masker: MaskerConfig | PaperMaskerConfig) -> None:
        super().__init__()
        self.codec = Codec(codec)
        self.masker: Masker | PaperMasker
        if isinstance(masker, PaperMaskerConfig):
            self.masker = PaperMasker(masker, codec.latent)
        else:
            self.masker = Masker(masker, codec.latent)
        self.film_head = FilmHead(masker, self.masker.neutral_film())

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        return self.codec.config.sample_rate

    @property
    def hop(self) -> int:
        """Samples a frame; chunks are whole numbers of hops."""
        return self.codec.config.hop

    @property
    def lookahead(self) -> int:
        """Samples by which the output lags the input."""
        return self.codec.config.lookahead

    @property
    def network(self) -> int:
        """None of these are a network's."""
        return 0

    @property
    def condition_size(self) -> int:
        """FiLM parameters of a prompt."""
        return self.film_head.out.out_features

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def initial_state(
        self, batch: int, channels: int, prompts: int, outputs: int
    ) -> tuple[State, State, State]:
        """States of encoder, masker and decoder before the first sample."""
        return (
            self.codec.encoder.initial_state(batch * channels),
            self.masker.initial_state(batch * prompts),
            self.codec.decoder.initial_state(batch * outputs * channels),
        )

    def forward(
        self, mixture: Tensor, film: Tensor, state: tuple[State, State, State], mix: Mix | None = None
    ) -> tuple[Separation, tuple[State, State, State]]:
        """Separate a chunk.

        Args:
            mixture: (B, audio channels, T), T a multiple of the hop.
            film: FiLM parameters (B, P, 1 or frames, parameters), from ``film_head``.
            state: from ``initial_state`` or the previous chunk.
            mix: makes the outputs' masks of the prompts'; without it every prompt is an output.
        """
        encoder_state, masker_state, decoder_state = state
        batch, channels, _ = mixture.shape
        latent, encoder_state = self.codec.encode(mixture.flatten(0, 1)[:, None], encoder_state)
        latent = latent.unflatten(0, (batch, channels))
        features = self.masker.features(latent).repeat_interleave(film.shape[1], dim=0)
        masks, masker_state = self.masker(features, film.flatten(0, 1), masker_state)
        masks = masks.unflatten(0, (batch, -1))
        if mix is not None:
            masks = mix(masks, self.masker.bounded)
        masked = masks[:, :, None] * latent[:, None]
        wave, decoder_state = self.codec.decode(masked.flatten(0, 2), decoder_state)
        wave = wave.unflatten(0, (batch, -1, channels)).squeeze(3)
        separation = Separation(wave, self._upper_gain(masks, latent))
        return separation, (encoder_state, masker_state, decoder_state)

    def step(
        self, mixture: Tensor, film: Tensor, state: tuple[State, State, State], mix: Mix
    ) -> tuple[Separation, tuple[State, State, State]]:
        """The forward, as a pipeline calls it."""
        separation, state = self(mixture, film, state, mix)
        return separation, state

    def _upper_gain(self, masks: Tensor, latent: Tensor) -> Tensor:
        """Masks (B, O, D, T) averaged over the upper half of the stem's filters, which rise in frequency.

        Over all channels, where no channels do.
        """
        rising = self.codec.config.rising

        def upper(z: Tensor) -> Tensor:
            if rising is None:
                return z[..., None, :, :]
            half: Tensor = z.unflatten(-2, (-1, rising))[..., rising // 2 :, :]
            return half

        energy = upper((latent * latent).sum(dim=1, keepdim=True))
        kept = (upper(masks) * energy).sum(dim=(-3, -2))
        # Digital silence reads as "nothing kept", not 0 / 0. A small number added would not do: the exporter
        # of graphs takes it for nothing.
        mean: Tensor = kept / energy.sum(dim=(-3, -2)).clamp(min=1e-12)
        return mean
