"""Which clips are another's recording: what is trained on must not be what is evaluated on.

Two clips are compared by how their energies in some bands rise and fall; that survives coding, filtering
and level, and tells recordings apart, not kinds of sound. A recording that was slowed down or pitched is
not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

FRAME_S = 0.02
BANDS = 24
LOWEST_HZ, HIGHEST_HZ = 150.0, 3600.0
"""What is left of a recording at 8 kHz."""

ALIKE = 0.65
"""Correlation from which two clips count as one recording.

Measured with dev's clips: of 40, resampled to 11 kHz and cut at both ends, 37 reach it with themselves, the
lowest is 0.49 and still the highest of all 633; of 60 training clips none reaches it, the highest is 0.61.
"""

SHORTEST_OVERLAP_S = 0.2


class Library:
    """Clips that others are compared with.

    Args:
        clips: int16 samples of each.
        sample_rate: samples a second.
    """

    def __init__(self, clips: Sequence[np.ndarray[Any, Any]], sample_rate: int) -> None:
        self._rate = sample_rate
        prints = [fingerprint(clip, sample_rate) for clip in clips]
        self._lengths = torch.tensor([each.shape[1] for each in prints])
        self._size = 2 * int(self._lengths.max())
        padded = torch.stack(
            [torch.nn.functional.pad(each, (0, self._size - each.shape[1])) for each in prints]
        )
        # (frequency, clips, bands): a product of matrices then adds up the bands.
        self._spectra = torch.fft.rfft(padded).permute(2, 0, 1).contiguous()
        self._energy = torch.fft.rfft(padded.square().sum(dim=1))

    def likeness(self, clip: np.ndarray[Any, Any]) -> Tensor:
        """The highest correlation of a clip with each of the library at any shift, (clips,).

        Only the part where both sound counts, and only if it is at least half of the shorter one.
        """
        own = fingerprint(clip, self._rate)[:, : self._size // 2]
        length = own.shape[1]
        padded = torch.nn.functional.pad(own, (0, self._size - length))
        spectrum = torch.fft.rfft(padded).conj().T[..., None]
        inner = torch.fft.irfft((self._spectra @ spectrum)[..., 0].T, n=self._size)
        box = torch.nn.functional.pad(torch.ones(length), (0, self._size - length))
        theirs = torch.fft.irfft(self._energy * torch.fft.rfft(box).conj(), n=self._size)
        # Shift s: this clip begins at the other's frame s; shifts from size / 2 on are negative.
        shift = torch.arange(self._size)
        shift = torch.where(shift < self._size // 2, shift, shift - self._size)
        begin = (-shift).clamp(min=0, max=length)
        end = (self._lengths[:, None] - shift).clamp(min=0, max=length)
        total = torch.nn.functional.pad(own.square().sum(dim=0).cumsum(0), (1, 0))
        ours = total[end] - total[begin]
        overlap = end - begin
        shorter = self._lengths.clamp(max=length)[:, None]
        needed = (shorter / 2).clamp(min=SHORTEST_OVERLAP_S / FRAME_S)
        likeness = inner / (ours.clamp(min=1e-6) * theirs.clamp(min=1e-6)).sqrt()
        highest: Tensor = torch.where(overlap >= needed, likeness, 0.0).amax(dim=1)
        return highest


def fingerprint(clip: np.ndarray[Any, Any], sample_rate: int) -> Tensor:
    """Changes of the bands' levels from frame to frame, (bands, frames), each frame less its mean."""
    hop = round(FRAME_S * sample_rate)
    wave = torch.from_numpy(np.asarray(clip, dtype=np.float32) / 32768)
    wave = torch.nn.functional.pad(wave, (0, max(0, 4 * hop - len(wave))))
    window = torch.hann_window(2 * hop)
    power = torch.stft(wave, 2 * hop, hop, window=window, return_complex=True).abs().square()
    bins = torch.arange(power.shape[0]) * sample_rate / (2 * hop)
    octave = torch.log2(bins.clamp(min=1) / LOWEST_HZ) / np.log2(HIGHEST_HZ / LOWEST_HZ) * BANDS
    member = (octave[None].floor() == torch.arange(BANDS)[:, None]).float()
    member = member[member.sum(dim=1) > 0]
    level = (member @ power + 1e-7 * power.sum(dim=0).mean()).log()
    level = level - level.mean(dim=0)
    changes: Tensor = level - level.mean(dim=1, keepdim=True)
    return changes
