"""A lapped transform as the starting point of a codec's first and last layer.

A codec that starts as a transform with perfect reconstruction lets the masker learn from the first
step; training bends it from there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def check_lapped(kernel: int, hop: int, overlap: int) -> None:
    """Whether these lengths make a lapped transform.

    Raises:
        ValueError: they do not.
    """
    if kernel % 2 or not 0 < overlap <= hop or kernel < hop + overlap:
        raise ValueError(
            f"no lapped transform of kernel {kernel}, hop {hop}, overlap {overlap}: the kernel must be even "
            "and at least hop + overlap, the overlap at most the hop"
        )


def lapped_transform(kernel: int, hop: int, overlap: int, gain: float = 4.0) -> tuple[Tensor, Tensor]:
    """Analysis and synthesis filters of an asymmetrically windowed odd-frequency DFT.

    The analysis window is long (``kernel`` samples, for frequency resolution), the synthesis window
    is the last ``hop + overlap`` samples of it (for latency), and their product rises over
    ``overlap`` samples as a squared sine, stays at one and falls likewise, so that frames ``hop``
    apart add up to the input delayed by ``overlap`` (after Mauler and Martin 2007, section 3).
    Frequencies are (k + 1/2) / kernel cycles a sample; filter 2 k is the cosine, 2 k + 1 the sine.

    Args:
        kernel: length of the analysis window in samples, even, at least ``hop + overlap``.
        hop: samples a frame.
        overlap: samples that two frames share in synthesis, at most ``hop``.
        gain: level of the latent: white noise of power 1 gives coefficients of about gain^2 / 4.

    Returns:
        Analysis filters (kernel, kernel) as correlated by ``conv1d``, and synthesis filters
        (kernel, hop + overlap) as added by ``conv_transpose1d``.
    """
    check_lapped(kernel, hop, overlap)
    n = torch.arange(kernel, dtype=torch.float64)
    slope = torch.sin(math.pi / 2 * (n[:overlap] + 0.5) / overlap)
    long_slope = torch.sin(math.pi / 2 * (n[: kernel - overlap] + 0.5) / (kernel - overlap))
    analysis = torch.cat([long_slope, slope.flip(0)])
    flat = torch.ones(hop - overlap, dtype=torch.float64)
    product = torch.cat([slope.square(), flat, slope.flip(0).square()])
    synthesis = product / analysis[-hop - overlap :]
    k = torch.arange(kernel // 2, dtype=torch.float64)[:, None] + 0.5
    phase = 2 * math.pi / kernel * k * n
    basis = torch.stack([phase.cos(), phase.sin()], dim=1).flatten(0, 1)
    scale = gain / math.sqrt(kernel)
    forward = basis * analysis * scale
    inverse = basis[:, -hop - overlap :] * synthesis * (2 / kernel / scale)
    return forward.float(), inverse.float()
