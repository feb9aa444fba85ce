"""Residual vector quantisation with factorised, L2-normalised codes (Kumar et al. 2023, section 3.2).

The latent of a linear transform carries level as length, which a lookup by direction does not see: each
frame's level is quantised by itself and divided out, and the codebooks see frames of one level.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, normalize


class Quantized(NamedTuple):
    """What the quantiser makes of a latent."""

    latent: Tensor
    """(B, D, T), gradients pass straight through to the input."""
    codes: Tensor
    """(B, 1 + codebooks, T), int64: the level's, then one a codebook."""
    loss: Tensor
    """Codebook loss plus 0.25 times the commitment loss, of frames at one level."""


LOWEST_DB, STEP_DB, LEVELS = -78.0, 1.5, 64
"""Levels of a frame's root mean square: 6 bits, up to 16.5 dB, which is more than a full-scale tone has."""


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


class ResidualQuantizer(nn.Module):
    """A level, then codebooks in a row, each quantising what those before it left over."""

    def __init__(self, latent: int, codebooks: int, size: int, dim: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(VectorQuantizer(latent, size, dim) for _ in range(codebooks))

    def sizes(self, codebooks: int | None = None) -> tuple[int, ...]:
        """How many values each code of a frame of so many codebooks has: the level, then each codebook's."""
        return (LEVELS, *(len(stage.codebook) for stage in islice(self, codebooks)))

    def __iter__(self) -> Iterator[VectorQuantizer]:
        """The codebooks, coarse to fine."""
        return cast("Iterator[VectorQuantizer]", iter(self.stages))

    def forward(self, z: Tensor, keep: Tensor | None = None) -> Quantized:
        """Quantise (B, D, T).

        Args:
            z: the latent.
            keep: number of codebooks in use for each item, (B,), for quantiser dropout; all by default.
        """
        level = encode_level(z)
        gain = decode_level(level)
        residual = z / gain
        total, loss, codes = torch.zeros_like(z), z.new_zeros(()), [level]
        for number, stage in enumerate(self):
            projected, stage_codes = stage.encode(residual)
            looked_up = embedding(stage_codes, stage.codebook).transpose(1, 2)
            share = stage.project_out(projected + (looked_up - projected).detach())
            error = (looked_up - projected.detach()).square() + 0.25 * (
                projected - looked_up.detach()
            ).square()
            if keep is not None:
                used = (keep > number)[:, None, None]
                share, error = share * used, error * used
            loss = loss + error.mean()
            total, residual = total + share, residual - share.detach()
            codes.append(stage_codes)
        return Quantized(total * gain, torch.stack(codes, dim=1), loss)

    def encode(self, z: Tensor, codebooks: int | None = None) -> Tensor:
        """Latent (B, D, T) to codes (B, 1 + codebooks, T), of the first so many codebooks, by default all."""
        level = encode_level(z)
        residual, codes = z / decode_level(level), [level]
        for stage in islice(self, codebooks):
            _, found = stage.encode(residual)
            residual = residual - stage.decode(found)
            codes.append(found)
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, 1 + up to codebooks, T), at least one of a codebook, to a latent (B, D, T)."""
        shares = [stage.decode(own) for stage, own in zip(self, codes[:, 1:].unbind(1), strict=False)]
        return torch.stack(shares).sum(dim=0) * decode_level(codes[:, 0])


def encode_level(z: Tensor) -> Tensor:
    """Number of the level, 0 to ``LEVELS - 1``, of each frame of (B, D, T), (B, T)."""
    level_db = 10 * (z.square().mean(dim=1) + 1e-10).log10()
    return ((level_db - LOWEST_DB) / STEP_DB).round().clamp(0, LEVELS - 1).long()


def decode_level(level: Tensor) -> Tensor:
    """Root mean square (B, 1, T) that a level (B, T) stands for."""
    gain: Tensor = 10 ** ((LOWEST_DB + STEP_DB * level[:, None]) / 20)
    return gain
