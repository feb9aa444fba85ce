"""New words as a blend of the words that were trained on.

A masker has seen a few thousand phrases. What it makes of an embedding between them is anybody's guess:
measured, it took most unknown sounds for speech. So a prompt is first replaced by the phrases nearest to
it, weighted by their likeness (a kernel smoother: Nadaraya 1964, Watson 1964). A known phrase stays
nearly what it is; an unknown one becomes something that the masker knows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Neighbours(nn.Module):
    """Embeddings to blends of a bank of phrases.

    Args:
        phrases: N, how many the bank holds.
        text: dimensions of an embedding.
        temperature: cosines that far apart weigh as 1 to e.
    """

    bank: Tensor
    """(N, text), unit length; set before training, kept with the weights."""

    def __init__(self, phrases: int, text: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.register_buffer("bank", torch.zeros(phrases, text))

    def forward(self, embedding: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Blend embeddings (..., text) of unit length; the result has unit length as well.

        Args:
            embedding: of prompts.
            hidden: (..., N), True for phrases that may not take part: training hides a label's own now and
                then, and so meets words that it does not know.
        """
        with torch.autocast(
            embedding.device.type, enabled=False
        ):  # cosines a twentieth apart must be told apart
            likeness = embedding.float() @ self.bank.T / self.temperature
            if hidden is not None:
                likeness = likeness.masked_fill(hidden, -1e4)  # finite, for a bank that is hidden altogether
            return nn.functional.normalize(likeness.softmax(dim=-1) @ self.bank, dim=-1)
