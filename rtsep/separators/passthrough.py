"""Everything, for any words: what the way of the sound costs and does without a model."""

from __future__ import annotations

import torch
from torch import Tensor

from rtsep.separators.protocol import LiveSeparator, Mix, Separation, SeparatorState


class Passthrough(LiveSeparator):
    """Lets everything through, whatever the words."""

    name = "passthrough"
    description = "everything, for any words: to measure what lies around a separator"
    sample_rate, hop, lookahead = 48_000, 240, 0

    def condition(self, prompt: str) -> Tensor:
        """Nothing depends on the words."""
        return torch.zeros(1)

    def initial_state(self, batch: int, channels: int, prompts: int, outputs: int) -> SeparatorState:
        """Nothing is kept."""
        return (), (), ()

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        """Every prompt's mask is one; several share the sound."""
        batch, _, samples = mixture.shape
        masks = mixture.new_ones(batch, condition.shape[1], 1, samples // self.hop)
        gains = mix(masks)[:, :, 0]
        wave = mixture[:, None] * gains.repeat_interleave(self.hop, dim=-1)[:, :, None]
        return Separation(wave, gains), state
