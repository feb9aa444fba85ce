"""What is learned: every loss of a batch, in one forward, so that it can be compiled and run on many GPUs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from rtsep.models.separator import Separator
from rtsep.train.loss import reconstruction_loss, separation_loss, si_sdr_loss, spectral_loss
from rtsep.train.recipe import LossConfig


class Objective(nn.Module):
    """A separator with the losses that it is to lower.

    Args:
        separator: what learns.
        config: the losses; those without a weight are not computed.
    """

    def __init__(self, separator: Separator, config: LossConfig) -> None:
        super().__init__()
        self.separator, self.config = separator, config

    def forward(
        self, mixture: Tensor, targets: Tensor, embeddings: Tensor, hidden: Tensor
    ) -> dict[str, Tensor]:
        """Every loss with a weight, unweighted, as float32 scalars.

        Args:
            mixture: (B, 1, T).
            targets: (B, P, T).
            embeddings: (B, P, text).
            hidden: (B, P, bank), phrases that must not help to understand a prompt.
        """
        separator, config = self.separator, self.config
        hop, lookahead, length = separator.hop, separator.lookahead, mixture.shape[-1]
        # Padding brings the last samples of the crop out of the separator, in whole hops.
        padded = pad(mixture, (0, lookahead + (-(length + lookahead)) % hop))
        found = {}
        if config.separation or config.si_sdr:
            prompts = targets.shape[1]
            film = separator.film_head(embeddings, hidden)[:, :, None]
            state = separator.initial_state(len(mixture), 1, prompts, prompts)
            separation, _ = separator(padded, film, state)
            estimate = separation.wave[:, :, 0, lookahead : lookahead + length].float()
            if config.separation:
                found["separation"] = separation_loss(estimate, targets, mixture, config.silence)
            if config.si_sdr:
                found["si_sdr"] = si_sdr_loss(estimate, targets)
        if config.reconstruction or config.spectrum or config.codes:
            # bfloat16 would add noise 45 dB down, where reconstruction is still counted.
            with torch.autocast(mixture.device.type, enabled=False):
                found |= self._codec(padded, mixture)
        return found

    def _codec(self, padded: Tensor, mixture: Tensor) -> dict[str, Tensor]:
        """Losses of the codec alone, on the mixture."""
        config, codec, found = self.config, self.separator.codec, {}
        size, length, lookahead = len(mixture), mixture.shape[-1], self.separator.lookahead
        encoder_state, decoder_state = codec.initial_state(size)
        latent, _ = codec.encode(padded, encoder_state)
        if config.codes:
            books = codec.config.codebooks
            keep = torch.randint(1, books + 1, (size,))  # on the CPU, whose generator a checkpoint holds
            keep[: size // 2] = books  # half of the items use every codebook (Kumar et al. 2023)
            quantized = codec.quantizer(latent, keep.to(latent.device))
            found["codes"] = quantized.loss
            if config.through_codes:
                coded = (torch.rand(size) < config.through_codes).to(latent.device)
                latent = torch.where(coded[:, None, None], quantized.latent, latent)
        if config.reconstruction or config.spectrum:
            wave, _ = codec.decode(latent, decoder_state)
            heard = wave[..., lookahead : lookahead + length]
            if config.reconstruction:
                found["reconstruction"] = reconstruction_loss(heard, mixture)
            if config.spectrum:
                found["spectrum"] = spectral_loss(heard, mixture)
        return found
