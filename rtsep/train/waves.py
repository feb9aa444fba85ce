"""The arithmetic on samples that makes a source sound different: functions that can be compiled."""

from __future__ import annotations

import torch
from torch import Tensor

TAPS, FRACTIONS = 8, 512
"""Of the interpolation by which speed is changed. Of a tone played 7 % faster, what is something else is 55
dB down at 4 kHz and 30 at 8 kHz; with a line between two samples, 27 and 12."""


def interpolation() -> Tensor:
    """Weights (fractions, ``TAPS``) of the samples around a point so many ``FRACTIONS`` behind one of them.

    A sinc under a Hann window (Smith & Gossett 1984), each row of sum 1.
    """
    away = torch.arange(TAPS) - TAPS // 2 + 1 - torch.arange(FRACTIONS + 1)[:, None] / FRACTIONS
    weights = away.sinc() * (away * torch.pi / TAPS).cos().square()
    return weights / weights.sum(dim=1, keepdim=True)


def cut(
    samples: Tensor,
    weights: Tensor,
    length: int,
    start: Tensor,
    last: Tensor,
    offset: Tensor,
    speed: Tensor,
    backwards: Tensor,
) -> Tensor:
    """Crops (N, ``length``) of a pool's samples, silent outside of their clips.

    Args:
        samples: of all clips, int16.
        weights: see ``interpolation``.
        length: of a crop.
        start: (N, 1), where each clip begins.
        last: (N, 1), its last sample, counted from there.
        offset: (N, 1), where in the clip the crop begins, negative for before it.
        speed: (N, 1), samples of the clip a sample of the crop.
        backwards: (N, 1), True where the crop's end comes first.
    """
    step = torch.arange(length, device=samples.device)
    at = torch.where(backwards, length - 1 - step, step) * speed.double()  # single has 1/64 left there
    whole = at.floor()
    fraction = ((at - whole) * FRACTIONS).round().int()
    index = offset + whole.int()
    wave = torch.zeros_like(at, dtype=torch.float32)
    for tap in range(TAPS):
        here = index + (tap - TAPS // 2 + 1)
        inside = (here >= 0) & (here <= last)
        near = samples[start + here.clamp(min=0).minimum(last)]
        wave += near * (weights[fraction, tap] * inside)
    return wave / 32768


def swell(crops: Tensor, knots: Tensor, spacing: float) -> Tensor:
    """Crops (N, T) with gains (N, points) in dB at points so many samples apart, and lines between them."""
    at = torch.arange(crops.shape[-1], device=crops.device) / spacing
    below = at.int()
    gain_db = torch.lerp(knots[:, below], knots[:, below + 1], (at - below)[None])
    return crops * 10 ** (gain_db / 20)


def amplify(
    frequency: Tensor, knot: Tensor, beyond: Tensor, knots: Tensor, lowest: Tensor, cutoff: Tensor
) -> Tensor:
    """Amplitudes (N, bins) of an equaliser, a high-pass and a low-pass.

    Args:
        frequency: (bins,), Hz.
        knot: (bins,), the knot below each.
        beyond: (bins,), how far above it, in octaves.
        knots: (N, 10), gains an octave apart, dB.
        lowest: (N, 1), cutoff of the high-pass, Hz; 0 for none.
        cutoff: (N, 1), of the low-pass, Hz.
    """
    gain_db = torch.lerp(knots[:, knot], knots[:, knot + 1], beyond[None])
    low = 1 + (lowest / frequency.clamp(min=1)) ** 8
    amplitude: Tensor = 10 ** (gain_db / 20) / (low * (1 + (frequency / cutoff) ** 16))
    return amplitude


def level(sources: Tensor, gain: Tensor, loudness: Tensor) -> Tensor:
    """Sources (B, S, T) at their gains (B, S) to each other, their sum at a loudness (B, 1, 1)."""
    rms = sources.square().mean(dim=-1, keepdim=True).sqrt()
    # A clip that is all but silent here stays so, rather than being blown up to noise.
    sources = sources * gain[..., None] / (rms + 1e-4)
    mixture_rms = sources.sum(dim=1, keepdim=True).square().mean(dim=-1, keepdim=True).sqrt()
    levelled: Tensor = sources * loudness / (mixture_rms + 1e-4)
    return levelled
