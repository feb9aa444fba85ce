"""The Snake activation (Ziyin et al. 2020, as used by Kumar et al. 2023, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Snake(nn.Module):
    """``x + sin(alpha x)^2 / alpha`` with one ``alpha`` a channel, for (B, C, T).

    A small ``alpha`` starts the activation near the identity, so that a codec initialised as a
    transform still reconstructs.
    """

    def __init__(self, channels: int, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((channels, 1), alpha))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to (B, C, T)."""
        wave = torch.sin(self.alpha * x)
        return x + wave * wave / (self.alpha + 1e-9)  # as a graph, a power takes ten times a product
