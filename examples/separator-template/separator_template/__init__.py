"""Low sounds and high ones: the smallest separator that has a lookahead, a state and words."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from rtsep.errors import CommandError
from rtsep.separators.protocol import LiveSeparator, Mix, Separation, SeparatorState

TAPS = 63
"""Samples that are averaged; at 48 kHz what lies below some 400 Hz passes."""


class LowHigh(LiveSeparator):
    """The average of the samples around each one is low; what is left is high."""

    name = "low-high"
    description = "low sounds and high ones, by a moving average"
    sample_rate = 48_000
    hop = 240
    lookahead = TAPS // 2  # half of the average lies in the future: the output waits for it
    condition_size = 1
    prompts = ("low", "high")

    def condition(self, prompt: str) -> Tensor:
        """0 is low, 1 is high; in between, while the host fades, both."""
        if prompt not in self.prompts:
            raise CommandError(f"{self.name} knows 'low' and 'high', not {prompt!r}")
        return torch.tensor([float(prompt == "high")])

    def initial_state(self, batch: int, channels: int, prompts: int, outputs: int) -> SeparatorState:
        """The last samples of the mixture. Nothing for each prompt, nothing for each output."""
        return torch.zeros(batch, channels, TAPS - 1, device=self.device), (), ()

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        """(B, C, T) to (B, O, C, T), and what the next chunk has to know."""
        past, _, _ = state
        sound = torch.cat([past, mixture], dim=-1)
        low = avg_pool1d(sound, TAPS, stride=1)
        now = sound[..., self.lookahead : self.lookahead + mixture.shape[-1]]
        stems = low[:, None] + condition * (now - 2 * low)[:, None]  # (B, P, C, T)
        # Whatever lies above this separator's band is high, and treated as each output treats that.
        upper = torch.einsum("op,bp->bo", mix.weights, condition[:, :, 0, 0])
        hops = mixture.shape[-1] // self.hop
        upper = upper[..., None].expand(-1, -1, hops)
        return Separation(mix.waves(stems), upper), (sound[..., 1 - TAPS :], (), ())
