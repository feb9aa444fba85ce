"""Parts that quantisers share: what they return, and a codebook of their own dimensions."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, normalize


class Quantized(NamedTuple):
    """What a quantiser makes of a latent."""

    latent: Tensor
    """(B, D, T), to be decoded to sound; gradients pass straight through to the input."""
    codes: Tensor
    """(B, codes a frame, T), int64."""
    loss: Tensor
    """What the codebooks learn from."""


class Quantizer(nn.Module):
    """Latent to codes and back, streaming: state is a value, chunks give what the whole gives."""

    beside: int = 1
    """Frames of codes that a latent frame has."""

    def sizes(self, codebooks: int | None = None) -> tuple[int, ...]:
        """How many values each code of a frame of so many codebooks has, in their order."""
        raise NotImplementedError

    def initial_state(self, batch: int) -> tuple[Any, Any]:
        """States of ``encode`` and of ``decode`` before the first frame, for so many streams side by side."""
        raise NotImplementedError

    def follow(self, codes: Tensor, state: Any) -> Any:
        """The state of ``encode`` after codes (B, codes a frame, T) that somebody else made."""
        raise NotImplementedError

    def encode(self, z: Tensor, state: Any, codebooks: int | None = None) -> tuple[Tensor, Any]:
        """Latent (B, D, T) to codes (B, codes a frame, T), of the first so many codebooks, all by default."""
        raise NotImplementedError

    def decode(self, codes: Tensor, state: Any, *, mend: bool = False) -> tuple[Tensor, Any]:
        """Codes, of all or of the first few codebooks, to a latent (B, D, T).

        Args:
            codes: (B, codes a frame, T).
            state: from ``initial_state`` or the codes before.
            mend: for a decoder to sound. A latent to be masked, or encoded again, is another where frames
                overlap; see ``AdaptiveQuantizer.decode``.
        """
        raise NotImplementedError


class VectorQuantizer(nn.Module):
    """One codebook, looked up by cosine in a few dimensions of its own."""

    def __init__(self, latent: int, size: int, dim: int) -> None:
        super().__init__()
        self.project_in = nn.Conv1d(latent, dim, 1)
        self.project_out = nn.Conv1d(dim, latent, 1)
        # At the scale of a projected frame of level 1, or learning it takes a thousand steps.
        self.codebook = nn.Parameter(0.5 * torch.randn(size, dim))

    def encode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Project (B, D, T); returns the projection (B, dim, T) and the nearest codes (B, T)."""
        projected: Tensor = self.project_in(z)
        cosine = normalize(self.codebook, dim=-1) @ normalize(projected, dim=1)
        return projected, cosine.argmax(dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, T) to their share of the latent (B, D, T)."""
        latent: Tensor = self.project_out(embedding(codes, self.codebook).transpose(1, 2))
        return latent
