"""A classical separator without weights: steady noise on one side, what stands out of it on the other.

The noise in each bin is followed by minima controlled recursive averaging (I. Cohen and B. Berdugo, "Noise
estimation by minima controlled recursive averaging for robust speech enhancement", IEEE Signal Processing
Letters, 2002); the mask is a Wiener filter whose a priori ratio is decision-directed (Y. Ephraim and D.
Malah, 1984). A frame's mask depends on the frames up to it alone, and all that is remembered is in the state.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from rtsep.errors import CommandError
from rtsep.separators.protocol import LiveSeparator, Mix, Separation, SeparatorState

SOUND, NOISE = "sound", "noise"

OVERLAP = 4
"""Frames that cover each sample."""

_SMOOTH, _FORGET, _PRESENCE = 0.9, 0.97, 0.2
"""Of the power that minima are sought in, of the noise, of the presence of sound; for frames 5 ms apart."""
_MINIMA_FRAMES = 200
"""A minimum is at least a second old and at most two."""
_STANDS_OUT = 5.0
"""Times the minimum: above it a bin holds more than noise (Cohen and Berdugo's delta)."""
_PRIOR = 0.96
_FLOOR = 0.06
"""-24 dB: what is left of the noise hides the gate's mistakes."""
_NOTHING = 1e-10
"""Power below which there is digital silence; a sine at full scale has 5e4."""

_Tracked = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


class SpectralGate(LiveSeparator):
    """Steady noise, and what stands out of it."""

    name = "spectral-gate"
    description = "steady noise and what stands out of it, without a model"
    sample_rate, hop, lookahead = 48_000, 240, 240 * (OVERLAP - 1)
    prompts = (SOUND, NOISE)

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._window = torch.hann_window(OVERLAP * self.hop, device=device).sqrt()

    def condition(self, prompt: str) -> Tensor:
        """1 for what stands out, 0 for the noise; in between, both.

        Raises:
            CommandError: it knows these two words only.
        """
        words = prompt.strip().lower()
        if words not in self.prompts:
            raise CommandError(f"{self.name} knows {SOUND!r} and {NOISE!r}, not {prompt!r}")
        return torch.tensor([float(words == SOUND)])

    def initial_state(self, batch: int, channels: int, prompts: int, outputs: int) -> SeparatorState:
        """The last samples, what is known of the noise, and frames that are not complete."""
        bins = OVERLAP * self.hop // 2 + 1
        heard = torch.zeros(batch, channels, self.lookahead, device=self.device)
        tracked = tuple(torch.zeros(batch, bins, device=self.device) for _ in range(6))
        begun = torch.full((batch, 1), 1.0 - OVERLAP, device=self.device)
        halves = torch.zeros(batch, outputs, channels, OVERLAP - 1, self.hop, device=self.device)
        return (heard, (*tracked, begun)), (), halves

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        """Frames of 20 ms, a mask each that all channels share, and overlap-add."""
        (heard, tracked), _, halves = cast("tuple[tuple[Tensor, _Tracked], tuple[()], Tensor]", state)
        sound = torch.cat([heard, mixture], dim=-1)
        frames = sound.unfold(-1, OVERLAP * self.hop, self.hop) * self._window
        spectrum = torch.fft.rfft(frames)  # (B, C, frames, bins)
        power = (spectrum.real**2 + spectrum.imag**2).mean(dim=1)
        gains = []
        for each in power.unbind(dim=1):
            gain, tracked = _follow(each, tracked)
            gains.append(gain)
        gain = torch.stack(gains, dim=-1)[:, None]  # (B, 1, bins, frames)
        kept = mix(condition * gain + (1 - condition) * (1 - gain))
        made = spectrum[:, None] * kept.transpose(2, 3)[:, :, None]
        wave, halves = self._joined(torch.fft.irfft(made) * self._window, halves)
        upper = slice(power.shape[-1] // 2, None)
        energy = power.transpose(1, 2)[:, None, upper]
        share = (kept[:, :, upper] * energy).sum(dim=2) / energy.sum(dim=2).clamp(min=_NOTHING)
        return Separation(wave, share), ((sound[..., -self.lookahead :], tracked), (), halves)

    def _joined(self, frames: Tensor, halves: Tensor) -> tuple[Tensor, Tensor]:
        """Windowed frames (B, O, C, frames, samples) to complete samples, and what is not complete yet."""
        parts = frames.unflatten(-1, (OVERLAP, self.hop))
        count = parts.shape[3]
        slots = parts.new_zeros(*parts.shape[:3], count + OVERLAP - 1, self.hop)
        slots[..., : OVERLAP - 1, :] += halves
        for part in range(OVERLAP):
            slots[..., part : part + count, :] += parts[..., part, :]
        done = slots[..., :count, :].flatten(-2) * (2 / OVERLAP)  # Hann windows so far apart add up to that
        return done, slots[..., count:, :].clone()


def _follow(power: Tensor, tracked: _Tracked) -> tuple[Tensor, _Tracked]:
    """One frame's power (B, bins) to its mask, with what is known of the noise before and after."""
    smooth, least, recent, noise, presence, before, age = tracked
    first = age <= 0  # frames that reach back before the first sample
    smooth = torch.where(first, power, _SMOOTH * smooth + (1 - _SMOOTH) * power)
    over = age >= _MINIMA_FRAMES
    least = torch.where(first | over, torch.minimum(torch.where(first, smooth, recent), smooth), least)
    least = torch.minimum(least, smooth)
    recent = torch.where(first | over, smooth, torch.minimum(recent, smooth))
    stands_out = (smooth > _STANDS_OUT * least.clamp(min=_NOTHING)).to(power.dtype)
    presence = torch.where(first, 0.0, _PRESENCE * presence + (1 - _PRESENCE) * stands_out)
    keep = _FORGET + (1 - _FORGET) * presence
    noise = torch.where(first, power, keep * noise + (1 - keep) * power)
    ratio = power / noise.clamp(min=_NOTHING)
    prior = _PRIOR * before + (1 - _PRIOR) * (ratio - 1).clamp(min=0)
    gain = (prior / (1 + prior)).clamp(min=_FLOOR)
    age = torch.where(over, 1.0, age + 1)
    return gain, (smooth, least, recent, noise, presence, gain * gain * ratio, age)
