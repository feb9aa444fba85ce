"""Weight normalisation (Salimans and Kingma 2016) as a layer of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class WeightNormLinear(nn.Module):
    """A linear layer without bias, each row of its matrix a direction and a length learnt by themselves."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.direction = nn.Parameter(nn.Linear(in_features, out_features, bias=False).weight.detach())
        self.length = nn.Parameter(self.direction.detach().norm(dim=1, keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        norm = torch.linalg.vector_norm(self.direction, dim=1, keepdim=True)
        return linear(x, self.direction * (self.length / norm))
