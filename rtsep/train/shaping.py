"""Sources cut from the pool and made to sound different every time: speed, filter, room, level."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from rtsep.train.mixture import MixingConfig
from rtsep.train.pool import Pool


def send(tensors: Iterable[Tensor], device: torch.device) -> list[Tensor]:
    """Tensors from the CPU to the device, without waiting for what is still running there."""
    if device.type == "cuda":
        return [tensor.pin_memory().to(device, non_blocking=True) for tensor in tensors]
    return [tensor.to(device) for tensor in tensors]


class Shaper:
    """Holds the pool's samples on a device and makes sources of them.

    Args:
        pool: the clips.
        config: crop length and how much everything varies.
        device: where the samples are kept, as int16, and the work is done.
    """

    def __init__(self, pool: Pool, config: MixingConfig, device: torch.device) -> None:
        self.config, self.device, self.sample_rate = config, device, pool.sample_rate
        self.length = round(config.seconds * pool.sample_rate)
        self._samples = torch.from_numpy(np.array(pool.samples)).to(device)
        self._starts = torch.tensor([clip.start for clip in pool.clips])
        self._lengths = torch.tensor([clip.length for clip in pool.clips])
        frequency = torch.linspace(0, pool.sample_rate / 2, self.length // 2 + 1)
        octave = (frequency.clamp(min=40) / 40).log2()
        self._frequency, self._knot, self._beyond = send(
            (frequency, octave.long().clamp(max=8), octave - octave.long().clamp(max=8)), device
        )
        # Noise for rooms is long: it is drawn on the device, from a seed that the CPU's generator gives.
        self._noise = torch.Generator(device)

    def __call__(
        self, clips: Tensor, present: Tensor, generator: torch.Generator, louder: Tensor | None = None
    ) -> Tensor:
        """Random, augmented crops at their levels.

        Args:
            clips: (B, S), indices into the pool's clips, on the CPU.
            present: (B, S), False where a source is to be silent, on the CPU.
            generator: the CPU's source of randomness.
            louder: linear gain (S,) of each place, beside the level that is drawn; none by default.

        Returns:
            (B, S, T) on the device; their sum has a loudness in the configured range.
        """
        config, shape, clip = self.config, clips.shape, clips.flatten()

        def uniform(*size: int) -> Tensor:
            return torch.rand(size, generator=generator)

        number = len(clip)
        speed = 1 + config.speed * (2 * uniform(number, 1) - 1)
        # A long clip starts anywhere inside; a short one is placed anywhere in the crop.
        offset = ((self._lengths[clip, None] - self.length * speed) * uniform(number, 1)).long()
        knots = config.equaliser_db * torch.randn(number, 10, generator=generator)
        cutoff = 3000 * (10 / 3) ** uniform(number, 1)
        cutoff = torch.where(uniform(number, 1) < config.band_limit, cutoff, float(self.sample_rate))
        roomy = torch.nonzero(uniform(number) < config.reverberation).flatten()
        decay, wetness = 0.15 + 0.6 * uniform(len(roomy), 1), 0.2 + 0.6 * uniform(len(roomy), 1)
        level = torch.randn(shape, generator=generator).clamp(-3, 3) * config.level_db
        gain = 10 ** (level / 20) * present
        if louder is not None:
            gain = gain * louder
        low, high = config.loudness_dbfs
        loudness = 10 ** ((low + (high - low) * uniform(len(clips), 1, 1)) / 20)
        self._noise.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
        start, last = self._starts[clip, None], self._lengths[clip, None] - 2
        start, last, offset, speed, knots, cutoff, roomy, decay, wetness, gain, loudness = send(
            (start, last, offset, speed, knots, cutoff, roomy, decay, wetness, gain, loudness), self.device
        )

        spectrum = torch.fft.rfft(self._cut(start, last, offset, speed))
        spectrum = spectrum * self._filter(knots, cutoff)
        if len(roomy):
            spectrum[roomy] *= torch.fft.rfft(self._rooms(decay, wetness), n=self.length)
        sources = torch.fft.irfft(spectrum, n=self.length).view(*shape, self.length)
        rms = sources.square().mean(dim=-1, keepdim=True).sqrt()
        # A clip that is all but silent here stays so, rather than being blown up to noise.
        sources = sources * gain[..., None] / (rms + 1e-4)
        mixture_rms = sources.sum(dim=1, keepdim=True).square().mean(dim=-1, keepdim=True).sqrt()
        levelled: Tensor = sources * loudness / (mixture_rms + 1e-4)
        return levelled

    def _cut(self, start: Tensor, last: Tensor, offset: Tensor, speed: Tensor) -> Tensor:
        """Crops (N, T), silent outside of their clips. All arguments (N, 1)."""
        at = torch.arange(self.length, device=self.device) * speed
        whole = at.floor()
        index = offset + whole.long()
        inside = (index >= 0) & (index <= last)
        index = start + index.clamp(min=0).minimum(last)
        left, right = self._samples[index].float(), self._samples[index + 1].float()
        wave: Tensor = torch.lerp(left, right, at - whole) * inside / 32768
        return wave

    def _filter(self, knots: Tensor, cutoff: Tensor) -> Tensor:
        """Amplitudes (N, bins) of an equaliser, gains (N, 10) an octave apart, and of a low-pass (N, 1)."""
        gain_db = torch.lerp(knots[:, self._knot], knots[:, self._knot + 1], self._beyond[None])
        amplitude: Tensor = 10 ** (gain_db / 20) / (1 + (self._frequency / cutoff) ** 16)
        return amplitude

    def _rooms(self, decay: Tensor, wetness: Tensor) -> Tensor:
        """Impulse responses (N, half a second): the direct sound and exponentially decaying noise.

        Args:
            decay: (N, 1), seconds in which the noise falls by 60 dB.
            wetness: (N, 1), length of the noise as a vector; the direct sound has 1.
        """
        time = torch.arange(self.sample_rate // 2, device=self.device) / self.sample_rate
        noise = torch.randn(len(decay), len(time), generator=self._noise, device=self.device)
        fading = noise * torch.exp(-3 * math.log(10) * time / decay)
        tail: Tensor = fading / fading.norm(dim=-1, keepdim=True) * wetness
        tail[:, 0] = 1
        return tail
