"""The separator: codec, masker and FiLM head, one forward for training, files and live."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rtsep.models.codec import Codec, CodecConfig
from rtsep.models.masker import FilmHead, Masker, MaskerConfig
from rtsep.nn.streaming import State


class Mix(NamedTuple):
    """How the masks of several prompts make one mask: what is kept, less what is removed.

    ``min(1, base + sum(keep_p * mask_p)) * product(1 - remove_p * mask_p)``
    """

    base: Tensor
    """(), 1 to start from everything, 0 to start from nothing."""
    keep: Tensor
    """(P,), linear gain of each prompt that is kept, 0 otherwise."""
    remove: Tensor
    """(P,), 1 for each prompt that is removed, 0 otherwise."""

    def __call__(self, masks: Tensor) -> Tensor:
        """Masks (B, P, D, T) to one (B, 1, D, T)."""
        kept = self.base + torch.einsum("p,bpdt->bdt", self.keep, masks)
        left = (1 - self.remove[:, None, None] * masks).prod(dim=1)
        return (kept.clamp(max=1) * left)[:, None]


class Separation(NamedTuple):
    """What one chunk of mixture becomes."""

    wave: Tensor
    """(B, O, audio channels, T), lagging the mixture by ``Separator.lookahead`` samples."""
    upper_gain: Tensor
    """(B, O, frames), amplitude of the masked against the unmasked latent in the upper half of the band."""


class Separator(nn.Module):
    """Mixture and FiLM parameters to separated sound.

    B mixtures, P prompts each, and O outputs: O = P stems, or O = 1 where a ``Mix`` joins the masks
    in the latent, so that the decoder runs once however many prompts there are.
    """

    def __init__(self, codec: CodecConfig, masker: MaskerConfig) -> None:
        super().__init__()
        self.codec = Codec(codec)
        self.masker = Masker(masker, codec.latent)
        self.film_head = FilmHead(masker, self.masker.film_sizes)

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
            mix: joins the prompts' masks into one output; without it every prompt is an output.
        """
        encoder_state, masker_state, decoder_state = state
        batch, channels, _ = mixture.shape
        latent, encoder_state = self.codec.encode(mixture.flatten(0, 1)[:, None], encoder_state)
        latent = latent.unflatten(0, (batch, channels))
        features = self.masker.features(latent).repeat_interleave(film.shape[1], dim=0)
        masks, masker_state = self.masker(features, film.flatten(0, 1), masker_state)
        masks = masks.unflatten(0, (batch, -1))
        if mix is not None:
            masks = mix(masks)
        masked = masks[:, :, None] * latent[:, None]
        wave, decoder_state = self.codec.decode(masked.flatten(0, 2), decoder_state)
        wave = wave.unflatten(0, (batch, -1, channels)).squeeze(3)
        separation = Separation(wave, self._upper_gain(masked, latent[:, None]))
        return separation, (encoder_state, masker_state, decoder_state)

    def _upper_gain(self, masked: Tensor, latent: Tensor) -> Tensor:
        """Amplitude ratio, 0..1, over the upper half of the stem's filters, which rise in frequency."""
        stem = self.codec.config.stem_kernel

        def energy(z: Tensor) -> Tensor:
            upper: Tensor = z.unflatten(3, (-1, stem))[..., stem // 2 :, :]
            return upper.square().sum(dim=(2, 3, 4))

        # The added floor lets digital silence above the band read as "nothing kept", not 0 / 0.
        ratio = energy(masked) / (energy(latent) + 1e-9)
        return ratio.sqrt()
