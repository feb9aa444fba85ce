"""Codes of our codec's latent: residual vector quantisation of what is new in a frame, adapted backward.

A latent of the lapped transform says most things three times: a frame sees 768 samples, of which 240 are
new. So it is first turned into as many coefficients (``models/critical.py``). A level and codebooks in a row
(Kumar et al. 2023, section 3.2) quantise those. The codebooks know no spectrum: encoder and decoder follow
from the codes so far how the sound spreads over frequency (``models/foresight.py``) and scale each codeword
by it, as speech coders do (ITU-T G.728). No bit is spent on what the past says.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

from rtsep.models.critical import critical_filters
from rtsep.models.foresight import foresee, grouping, mean_spectrum, plan
from rtsep.models.quantize import Quantized, Quantizer

LOWEST_DB, STEP_DB, LEVELS = -90.0, 1.5, 64
"""Levels of a frame's root mean square: 6 bits, up to 4.5 dB, more than a full tone has; 0 is silence."""

DecodingState: TypeAlias = tuple[Tensor, Tensor]
"""The spectrum foreseen (B, bins), and the coefficients of the frames before (B, bins, frames)."""


class AdaptiveQuantizer(Quantizer):
    """A level, then codebooks in a row, each quantising what those before it left over; streaming.

    Args:
        kernel, hop, overlap: of the lapped transform whose latent this is.
        beside: frames of the transform that a latent frame holds side by side, S; each has codes of its own.
        codebooks: at most so many codes a frame of the transform, beside the level.
        size: codewords of each.
        bins: coefficients that are coded, the lowest of ``hop``.
    """

    analysis: Tensor
    synthesis: Tensor
    mended: Tensor
    mean: Tensor
    grouping: Tensor
    table: Tensor

    def __init__(
        self, kernel: int, hop: int, overlap: int, beside: int, codebooks: int, size: int, bins: int
    ) -> None:
        super().__init__()
        self.beside, self.bins = beside, min(bins, hop)
        # At random they are a code for any spectrum already; learning makes them one for sounds.
        self.codebooks = nn.Parameter(torch.randn(codebooks, size, self.bins))
        buffers = critical_filters(kernel, hop, overlap, self.bins)._asdict()
        buffers |= {"mean": mean_spectrum(self.bins), "grouping": grouping(self.bins)}
        for name, tensor in buffers.items():
            self.register_buffer(name, tensor, persistent=False)
        self.register_buffer("table", self._table(), persistent=False)

    def train(self, mode: bool = True) -> AdaptiveQuantizer:
        """Between learning and use the lookup table is made anew."""
        super().train(mode)
        self.table = self._table()
        return self

    def sizes(self, codebooks: int | None = None) -> tuple[int, ...]:
        """The level's, then one a codebook."""
        return (LEVELS, *(words.shape[0] for words in self.codebooks[:codebooks]))

    def initial_state(self, batch: int) -> tuple[Tensor, DecodingState]:
        """States of encoding and of decoding."""
        spectrum = self.mean.expand(batch, -1)
        past = spectrum.new_zeros(batch, self.bins, self.synthesis.shape[-1] - 1)
        return spectrum, (spectrum, past)

    def follow(self, codes: Tensor, state: Tensor) -> Tensor:
        """The spectrum foreseen after codes that somebody else made."""
        for own in codes.unbind(2):
            spread, left = self._plan(state, codes.shape[1] - 1)
            _, state = self._rebuild(own, state, spread, left[:, -1])
        return state

    def encode(self, z: Tensor, state: Tensor, codebooks: int | None = None) -> tuple[Tensor, Tensor]:
        """Latent (B, D, T) to codes (B, 1 + codebooks, T * S); by default every codebook is used."""
        spectrum, codes = state, []
        count = len(self.codebooks) if codebooks is None else codebooks
        for coefficients in self._coefficients(z).unbind(2):
            spread, left = self._plan(spectrum, count)
            codes.append(self._search(coefficients, spread, self.table))
            _, spectrum = self._rebuild(codes[-1], spectrum, spread, left[:, -1])
        return torch.stack(codes, dim=2), spectrum

    def decode(
        self, codes: Tensor, state: DecodingState, *, mend: bool = False
    ) -> tuple[Tensor, DecodingState]:
        """Codes (B, 1 + up to codebooks, T * S) to a latent (B, D, T).

        Args:
            codes: at least the level and one codebook.
            state: from ``initial_state`` or the codes before.
            mend: for listening. The last samples of a frame, which the next one overlaps, come with their
                mirror image. A latent to be masked, or encoded again, keeps it: the spectrum is the one that
                was coded, and so are the codes. Where it is to be decoded to sound, the next frame makes up
                for it; ``Codec.hear`` does so.
        """
        (spectrum, past), rebuilt = state, []
        for own in codes.unbind(2):
            spread, left = self._plan(spectrum, codes.shape[1] - 1)
            coefficients, spectrum = self._rebuild(own, spectrum, spread, left[:, -1])
            rebuilt.append(coefficients)
        latent, past = self._latent(torch.stack(rebuilt, dim=2), past, mend)
        return latent, (spectrum, past)

    def forward(self, z: Tensor, keep: Tensor | None = None) -> Quantized:
        """Quantise (B, D, T) from the start, as learning does.

        The loss is the coefficients' error in dB. Its gradient is not: one step down it with a learning rate
        of 1 moves each codeword to the mean of what it was chosen for, as Lloyd's algorithm does, scaled by
        how often it is chosen. Adam on the error itself learned next to nothing in forty steps.

        Args:
            z: the latent.
            keep: number of codebooks in use for each item, (B,), for quantiser dropout; all by default.
        """
        spectrum, (_, past) = self.initial_state(len(z))
        count, item = len(self.codebooks), torch.arange(len(z), device=z.device)
        keep = torch.full_like(item, count) if keep is None else keep
        used = torch.arange(count, device=z.device) < keep[:, None]
        coefficients, table, codes, rebuilt = self._coefficients(z).detach(), self._table(), [], []
        misses, shares = [], []
        loudness = coefficients.square().sum(dim=1)
        weights = (loudness / loudness.mean(dim=1, keepdim=True).clamp(min=1e-9)).clamp(max=1)
        for wanted, weight in zip(coefficients.unbind(2), weights.unbind(1), strict=True):
            spread, left = self._plan(spectrum, count)
            spread = spread * used[..., None]
            codes.append(self._search(wanted, spread, table))
            with torch.no_grad():
                found, spectrum = self._rebuild(codes[-1], spectrum, spread, left[item, keep])
            rebuilt.append(found)
            misses.append(weight[:, None, None] * self._misses(wanted, codes[-1], spread).square())
            shares.append(weight[:, None, None] * spread.square())
        whole = torch.stack(rebuilt, dim=2)
        latent, _ = self._latent(whole, past, mend=True)
        error, power = (x.square().sum(dim=(1, 2)) for x in (whole - coefficients, coefficients))
        loss = 10 * (error / (power + 1e-6) + 1e-3).log10().mean()
        share = torch.stack(shares).sum(dim=(0, 1)) / self.codebooks.shape[1]
        scale = share + share.mean(dim=1, keepdim=True) + 1e-9  # bins that it hardly has learn slowly
        lloyd = (torch.stack(misses).sum(dim=(0, 1)) / (2 * scale)).sum()
        return Quantized(latent + z - z.detach(), torch.stack(codes, dim=2), (lloyd - lloyd.detach()) + loss)

    def _coefficients(self, z: Tensor) -> Tensor:
        """Latent (B, S * kernel, T) to coefficients (B, bins, T * S)."""
        frames: Tensor = z.unflatten(1, (self.beside, -1)).permute(0, 2, 3, 1).flatten(2)
        return self.analysis.matmul(frames)

    def _latent(self, coefficients: Tensor, past: Tensor, mend: bool) -> tuple[Tensor, Tensor]:
        """Coefficients (B, bins, T), behind those of the frames before, to a latent and the last of them."""
        stream = torch.cat([past, coefficients], dim=2)
        filters = self.mended if mend else self.synthesis
        if coefficients.shape[2] == 1:  # live: as a graph, a convolution takes three times as long
            frames = (stream.flatten(1) @ filters.flatten(1).T)[..., None]
        else:
            frames = conv1d(stream, filters)
        latent = frames.unflatten(2, (-1, self.beside)).permute(0, 3, 1, 2).flatten(1, 2)
        return latent, stream[..., coefficients.shape[-1] :]

    def _plan(self, spectrum: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """See ``plan``."""
        return plan(spectrum, self.mean, math.log2(self.codebooks.shape[1]), count)

    def _table(self) -> Tensor:
        """What a frame is multiplied by to find its nearest codeword, (codebooks, size, bins + groups)."""
        words = self.codebooks.detach()
        return torch.cat([2 * words, -words.square() @ self.grouping], dim=-1)

    def _search(self, coefficients: Tensor, spread: Tensor, table: Tensor) -> Tensor:
        """Codes (B, 1 + codebooks) of a frame (B, bins)."""
        level_db = 10 * (coefficients.square().mean(dim=1) + 1e-12).log10()
        level = ((level_db - LOWEST_DB) / STEP_DB).round().clamp(0, LEVELS - 1).long()
        gain = self._gain(level)
        residual, codes = coefficients / gain.clamp(min=1e-9) * (gain > 0), [level]
        mean = self.grouping / self.grouping.sum(dim=0)
        for number, scale in enumerate(spread.unbind(1)):
            question = torch.cat([residual * scale, scale.square() @ mean], dim=1)
            code = (question @ table[number].T).argmax(dim=1)
            residual = residual - scale * self.codebooks[number, code].detach()
            codes.append(code)
        return torch.stack(codes, dim=1)

    def _rebuild(
        self, codes: Tensor, spectrum: Tensor, spread: Tensor, left: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Codes (B, 1 + codebooks) to coefficients (B, bins), and the spectrum now foreseen."""
        number = torch.arange(spread.shape[1], device=codes.device)
        gain = self._gain(codes[:, 0])
        shape = (spread * self.codebooks[number, codes[:, 1:]]).sum(dim=1) * (gain > 0)
        return shape * gain, foresee(spectrum, shape.detach().square() + left)

    def _misses(self, coefficients: Tensor, codes: Tensor, spread: Tensor) -> Tensor:
        """What each codebook leaves over of what those before it left (B, codebooks, bins).

        Gradients reach each codebook for its own part alone.
        """
        number = torch.arange(spread.shape[1], device=codes.device)
        own = spread * self.codebooks[number, codes[:, 1:]]
        before = own.detach().cumsum(dim=1) - own.detach()
        gain = self._gain(codes[:, 0])
        return (coefficients / gain.clamp(min=1e-9) * (gain > 0))[:, None] - before - own

    def _gain(self, level: Tensor) -> Tensor:
        """Length (B, 1) of a frame at a level (B,)."""
        gain: Tensor = 10 ** ((LOWEST_DB + STEP_DB * level[:, None]) / 20) * math.sqrt(self.bins)
        return gain * (level[:, None] > 0)
