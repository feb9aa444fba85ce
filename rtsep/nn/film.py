"""Feature-wise linear modulation (Perez et al. 2018), with scale and shift."""

from __future__ import annotations

from torch import Tensor, addcmul


def film(x: Tensor, parameters: Tensor) -> Tensor:
    """``x * scale + shift``.

    Args:
        x: features (B, T, C).
        parameters: scale and shift side by side, (B, 1 or T, 2 C).
    """
    scale, shift = parameters.chunk(2, dim=-1)
    return addcmul(shift, x, scale)
