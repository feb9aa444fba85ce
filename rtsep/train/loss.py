"""Losses that fix the level as well as the shape."""

from __future__ import annotations

from torch import Tensor


def floored_error_db(estimate: Tensor, target: Tensor, mixture: Tensor, floor: float = 1e-3) -> Tensor:
    """Error energy in dB against the mixture, with a floor (after Wisdom et al. 2021, section 3.2).

    Level counts, unlike in SI-SDR; the floor, 30 dB below the mixture, keeps easy examples from
    taking over; and an absent target, which is zero, asks for silence by the same formula.

    Args:
        estimate: (..., T).
        target: (..., T).
        mixture: (..., T), broadcast against the others.
        floor: energy added, as a share of the mixture's.

    Returns:
        The mean, a scalar.
    """
    error = (estimate - target).square().sum(dim=-1)
    whole = mixture.square().sum(dim=-1) + 1e-6
    return 10 * ((error / whole) + floor).log10().mean()
