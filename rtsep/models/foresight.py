"""What a frame's spectrum will be like, from the codes of those before, and how codebooks share it out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d

NEW, SMOOTHING = 0.8, 5
"""Share of the last frame in the spectrum foreseen, and the bins over which it is averaged."""

LEAK, FLOOR = 0.9, 1e-3
"""Power to which what was foreseen is taken, the rest being the mean spectrum of sounds, so that a lost frame
is forgotten; and the share of every spectrum that is flat."""

EFFICIENCY = 0.65
"""Share of a codebook's bits that the plan counts on: a spectrum foreseen is never quite right."""


def mean_spectrum(bins: int) -> Tensor:
    """How power spreads over frequency before anything is known, (bins,): falling by 4.5 dB an octave."""
    return _unit((torch.arange(bins) / bins + 0.02) ** -1.5)


def foresee(spectrum: Tensor, known: Tensor) -> Tensor:
    """The spectrum foreseen (B, bins) after a frame of which ``known`` power (B, bins) was found."""
    known = avg_pool1d(known[:, None], SMOOTHING, 1, SMOOTHING // 2, count_include_pad=False)[:, 0]
    return NEW * _unit(known) + (1 - NEW) * spectrum


def plan(spectrum: Tensor, mean: Tensor, bits: float, count: int) -> tuple[Tensor, Tensor]:
    """How ``count`` codebooks of so many bits share a spectrum.

    Each takes most where most is left (reverse water-filling: Cover and Thomas, "Elements of information
    theory", section 10.3.3).

    Args:
        spectrum: power foreseen, (B, bins).
        mean: of all sounds, (bins,).
        bits: of one codebook.
        count: number of codebooks.

    Returns:
        The scale of each codebook's words, (B, count, bins), and the power left before the first and after
        each of them, (B, 1 + count, bins), of 1 in all.
    """
    bins = spectrum.shape[-1]
    foreseen = _unit(spectrum**LEAK * mean ** (1 - LEAK)) * (1 - FLOOR) + FLOOR / bins
    spent = EFFICIENCY * bits * torch.arange(count + 1, device=spectrum.device)
    left = torch.minimum(foreseen[:, None], _water_level(foreseen, spent)[..., None])
    return (left[:, :-1] - left[:, 1:]).clamp(min=0).sqrt(), left


def grouping(bins: int, fine: int = 5, coarse: int = 8) -> Tensor:
    """Which bins (bins, groups) are taken together in a codeword's energy.

    The lowest one in ``fine`` of them count one by one, the others by ``coarse``: two thirds of the
    arithmetic of counting them all, and the same figures.
    """
    lowest = math.ceil(bins / fine)
    number = torch.arange(bins)
    number = torch.where(number < lowest, number, lowest + (number - lowest) // coarse)
    return nn.functional.one_hot(number).float()


def _unit(power: Tensor) -> Tensor:
    """(..., bins) so that each row adds up to 1."""
    return power / power.sum(dim=-1, keepdim=True)


def _water_level(power: Tensor, bits: Tensor) -> Tensor:
    """Level (B, N) down to which so many bits (N,) bring what of powers (B, bins) lies above it."""
    high = power.sort(dim=-1, descending=True)[0].log2()
    number = torch.arange(1, power.shape[-1] + 1, device=power.device)
    level = (high.cumsum(dim=-1)[:, None] - 2 * bits[:, None]) / number
    # Of the m highest alone the level is right if the m-th of them still reaches above it.
    most = ((level <= high[:, None]) * number).amax(dim=-1, keepdim=True).clamp(min=1)
    return 2 ** level.gather(-1, most - 1).squeeze(-1)
