"""The quantiser of the published DAC: codebooks alone, of a latent that carries its level as it is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from rtsep.models.quantize import Quantized, Quantizer, VectorQuantizer


class DacQuantizer(Quantizer):
    """Codebooks in a row, each quantising what those before it left over (Kumar et al. 2023, section 3.2)."""

    def __init__(self, latent: int, codebooks: int, size: int, dim: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(VectorQuantizer(latent, size, dim) for _ in range(codebooks))

    def __iter__(self) -> Iterator[VectorQuantizer]:
        """The codebooks, coarse to fine."""
        return cast("Iterator[VectorQuantizer]", iter(self.stages))

    def forward(self, z: Tensor, keep: Tensor | None = None) -> Quantized:
        """Quantise (B, D, T) to a latent, codes (B, codebooks, T), and the loss.

        Args:
            z: the latent.
            keep: number of codebooks in use for each item, (B,), for quantiser dropout; all by default.
        """
        residual, total, loss, codes = z, torch.zeros_like(z), z.new_zeros(()), []
        power = z.square().mean(dim=(1, 2)).detach() + 1e-6
        for number, stage in enumerate(self):
            projected, stage_codes = stage.encode(residual)
            looked_up = embedding(stage_codes, stage.codebook).transpose(1, 2)
            share = stage.project_out(projected + (looked_up - projected).detach())
            error = (looked_up - projected.detach()).square()
            error = error + 0.25 * (projected - looked_up.detach()).square()
            if keep is not None:
                used = (keep > number)[:, None, None]
                share, error = share * used, error * used
            loss = loss + error.mean()
            total, residual = total + share, residual - share.detach()
            codes.append(stage_codes)
        # Relative to each item's power, so that loud items do not own the codebooks.
        left_over = (total - z).square().mean(dim=(1, 2)) / power
        return Quantized(total, torch.stack(codes, dim=1), loss + left_over.mean())

    def sizes(self, codebooks: int | None = None) -> tuple[int, ...]:
        """How many values each code of a frame of so many codebooks has."""
        return tuple(len(stage.codebook) for stage in islice(self, codebooks))

    def initial_state(self, batch: int) -> tuple[tuple[()], tuple[()]]:
        """Nothing: every frame stands for itself."""
        return (), ()

    def follow(self, codes: Tensor, state: tuple[()]) -> tuple[()]:
        """Nothing."""
        return ()

    def encode(self, z: Tensor, state: tuple[()], codebooks: int | None = None) -> tuple[Tensor, tuple[()]]:
        """Latent (B, D, T) to codes (B, codebooks, T), of the first so many codebooks, by default all."""
        residual, codes = z, []
        for stage in islice(self, codebooks):
            _, found = stage.encode(residual)
            residual = residual - stage.decode(found)
            codes.append(found)
        return torch.stack(codes, dim=1), state

    def decode(self, codes: Tensor, state: tuple[()], *, mend: bool = False) -> tuple[Tensor, tuple[()]]:
        """Codes (B, up to codebooks, T) to a latent (B, D, T), the same to be masked or heard."""
        shares = [stage.decode(own) for stage, own in zip(self, codes.unbind(1), strict=False)]
        return torch.stack(shares).sum(dim=0), state
