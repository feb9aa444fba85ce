"""From the latent of a lapped transform to as many coefficients as a frame has new samples, and back."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from rtsep.models.lapped import lapped_transform

MEND = 3e-3
"""Bounds how strongly an overlap is mended where it fades in; 28 dB of the mirrored sound are taken back."""


class CriticalFilters(NamedTuple):
    """Both ways between latent and coefficients; a latent depends on the frames before as well."""

    analysis: Tensor
    """(bins, D)."""
    synthesis: Tensor
    """(D, bins, frames), as ``conv1d`` takes them, for masking and for encoding again."""
    mended: Tensor
    """The same for listening: a frame makes up for what the one before mirrored in their overlap."""


def critical_transform(hop: int, overlap: int) -> Tensor:
    """Filters of a critically sampled lapped transform (Princen, Johnson and Bradley 1987), orthonormal.

    ``hop`` cosines over ``hop + overlap`` samples, the reach of ``lapped_transform``'s synthesis, under a
    window whose square is that one's product of windows. Frames ``hop`` apart add up to the input: what one
    frame mirrors in its overlap the next one takes back.

    Returns:
        (hop, hop + overlap), for both ways, rising in frequency, float64.
    """
    n = torch.arange(hop + overlap, dtype=torch.float64) + 0.5
    k = torch.arange(hop, dtype=torch.float64)[:, None] + 0.5
    # The mirrors stand in the middle of the overlaps.
    basis = torch.cos(math.pi / hop * k * (n + hop - overlap / 2))
    return math.sqrt(2 / hop) * basis * _window(hop, overlap)


@lru_cache(maxsize=8)
def critical_filters(kernel: int, hop: int, overlap: int, bins: int) -> CriticalFilters:
    """Filters for the latent of ``lapped_transform`` with these lengths and its lowest ``bins`` coefficients.

    The latent keeps every sample of its window, so both ways are linear and exact, but for the last
    ``overlap`` samples, which coefficients hold together with their mirror image until the next frame.
    """
    analysis, synthesis = (filters.double() for filters in lapped_transform(kernel, hop, overlap))
    critical = critical_transform(hop, overlap)[:bins]
    # Synthesis leaves the window's square on a frame's samples.
    to_coefficients = critical @ (synthesis.T / _window(hop, overlap)[:, None] ** 2)
    reach, frames = hop + overlap, math.ceil(kernel / hop)
    samples = torch.zeros(frames, bins, hop * frames + reach, dtype=torch.float64)
    for age in range(frames):
        end = samples.shape[-1] - hop * age
        samples[age, :, end - reach : end] = critical
    rising = _window(hop, overlap)[:overlap] ** 2
    start = samples.shape[-1] - reach
    newest = samples[0].clone()
    newest[:, start : start + overlap] *= 1 + (1 - rising) * rising / (rising**2 + MEND)
    to_latent = torch.einsum("dk,abk->dba", analysis, samples[..., -kernel:]).flip(-1)
    to_latent_mended = to_latent.clone()
    to_latent_mended[..., -1] = analysis @ newest[:, -kernel:].T
    return CriticalFilters(to_coefficients.float(), to_latent.float(), to_latent_mended.float())


def _window(hop: int, overlap: int) -> Tensor:
    """Of the critical transform, (hop + overlap,)."""
    slope = torch.sin(math.pi / 2 * (torch.arange(overlap, dtype=torch.float64) + 0.5) / overlap)
    return torch.cat([slope, torch.ones(hop - overlap, dtype=torch.float64), slope.flip(0)])
