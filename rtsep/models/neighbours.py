"""New words as a blend of the words that were trained on.

A masker has seen a few thousand phrases. What it makes of an embedding between them is anybody's guess:
measured, it took most unknown sounds for speech. So a prompt is first replaced by the phrases nearest to
it, weighted by their likeness (a kernel smoother: Nadaraya 1964, Watson 1964). A known phrase stays
nearly what it is; an unknown one becomes something that the masker knows. Of a sound that nobody recorded the
words are likened to those of sounds that were: a few phrases of the bank stand for others than themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Blend(NamedTuple):
    """What prompts of any shape S have become."""

    embedding: Tensor
    """(*S, text), unit length."""
    nearness: Tensor
    """(*S, 1), cosine between the prompt and the nearest phrase, at least 0: 1 for a phrase of the bank, less
    the newer a word is."""


class Bank(NamedTuple):
    """What prompts are blended of."""

    phrases: Tensor
    """(N, text), unit length: prompts are compared with these."""
    meant: Tensor
    """(M, text), unit length: what the last M of them stand for; the others stand for themselves."""


class Neighbours(nn.Module):
    """Embeddings to blends of a bank of phrases.

    Args:
        phrases: N, how many the bank holds.
        text: dimensions of an embedding.
        temperature: cosines that far apart weigh as 1 to e.
        unheard: M, how many of them, the last ones, stand for others than themselves.
    """

    bank: Tensor
    """(N, text), unit length; set before training, kept with the weights."""
    meant: Tensor | None
    """(M, text), likewise: what the last M stand for; None where there are none."""

    def __init__(self, phrases: int, text: int, temperature: float, unheard: int = 0) -> None:
        super().__init__()
        self.temperature = temperature
        self.register_buffer("bank", torch.zeros(phrases, text))
        self.register_buffer("meant", torch.zeros(unheard, text) if unheard else None)

    @torch.no_grad()
    def fill(self, bank: Bank) -> None:
        """Take over the phrases of a data set, of the numbers that this was made for."""
        self.bank.copy_(bank.phrases)
        if self.meant is not None:
            self.meant.copy_(bank.meant)

    def forward(self, embedding: Tensor, hidden: Tensor | None = None) -> Blend:
        """Blend embeddings (..., text) of unit length.

        Args:
            embedding: of prompts.
            hidden: (..., N), True for phrases that may not take part: training hides a label's own now and
                then, and so meets words that it does not know.
        """
        with torch.autocast(
            embedding.device.type, enabled=False
        ):  # cosines a twentieth apart must be told apart
            likeness = embedding.float() @ self.bank.T
            if hidden is not None:
                likeness = likeness.masked_fill(hidden, -1e3)  # finite, for a bank that is hidden altogether
            meant = (
                self.bank if self.meant is None else torch.cat([self.bank[: -len(self.meant)], self.meant])
            )
            blend = (likeness / self.temperature).softmax(dim=-1) @ meant
            nearness = likeness.amax(dim=-1, keepdim=True).clamp(min=0)
            return Blend(nn.functional.normalize(blend, dim=-1), nearness)
