"""Feature-wise linear modulation (Perez et al. 2018), with scale and shift."""

from __future__ import annotations

from torch import Tensor, addcmul


def film(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``x * scale + shift`` of features (B, T, C), with scale and shift (B, 1 or T, C)."""
    return addcmul(shift, x, scale)
