"""Sources cut from the pool and made to sound different every time: speed, filter, room, level."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from rtsep.train.compiling import compiled
from rtsep.train.mixture import MixingConfig
from rtsep.train.pool import Pool
from rtsep.train.waves import amplify, cut, interpolation, level, swell

SWELL_S = 0.5
"""Between two points at which a source's gain is drawn."""

STRANGE_OCTAVES = (0.6, 1.3)
"""How far, up or down, a sound goes to be one that nobody knows."""


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
        self._weights = interpolation().to(device)
        frequency = torch.linspace(0, pool.sample_rate / 2, self.length // 2 + 1)
        octave = (frequency.clamp(min=40) / 40).log2()
        self._frequency, self._knot, self._beyond = send(
            (frequency, octave.long().clamp(max=8), octave - octave.long().clamp(max=8)), device
        )
        self._cut, self._swell, self._amplify, self._level = cut, swell, amplify, level
        # Noise for rooms is long: it is drawn on the device, from a seed that the CPU's generator gives.
        self._noise = torch.Generator(device)

    def compile(self) -> None:
        """Have what goes through every sample compiled: each a kernel or three, instead of dozens."""
        self._cut, self._swell = compiled(cut), compiled(swell)
        self._amplify, self._level = compiled(amplify), compiled(level)

    def __call__(
        self,
        clips: Tensor,
        present: Tensor,
        generator: torch.Generator,
        louder: Tensor | None = None,
        strange: Tensor | None = None,
    ) -> Tensor:
        """Random, augmented crops at their levels.

        Args:
            clips: (B, S), indices into the pool's clips, on the CPU.
            present: (B, S), False where a source is to be silent, on the CPU.
            generator: the CPU's source of randomness.
            louder: linear gain (S,) of each place, beside the level that is drawn; none by default.
            strange: (B, S), True for sources to be made a sound that nobody knows; none by default.

        Returns:
            (B, S, T) on the device; their sum has a loudness in the configured range.
        """
        config, shape, clip = self.config, clips.shape, clips.flatten()

        def uniform(*size: int) -> Tensor:
            return torch.rand(size, generator=generator)

        number = len(clip)
        speed = 1 + config.speed * (2 * uniform(number, 1) - 1)
        backwards = torch.zeros(number, 1, dtype=torch.bool)
        if strange is not None:
            backwards = strange.reshape(number, 1)
            octaves = STRANGE_OCTAVES[0] + (STRANGE_OCTAVES[1] - STRANGE_OCTAVES[0]) * uniform(number, 1)
            slower = uniform(number, 1) < 0.5
            speed = torch.where(backwards, 2 ** torch.where(slower, -octaves, octaves), speed)
        # A long clip starts anywhere inside; a short one is placed anywhere in the crop.
        offset = ((self._lengths[clip, None] - self.length * speed) * uniform(number, 1)).long()
        knots = config.equaliser_db * torch.randn(number, 10, generator=generator)
        swells = config.swell_db * torch.randn(number, int(config.seconds / SWELL_S) + 2, generator=generator)
        cutoff = 3000 * (10 / 3) ** uniform(number, 1)
        cutoff = torch.where(uniform(number, 1) < config.band_limit, cutoff, float(self.sample_rate))
        lowest = 60 * 10 ** uniform(number, 1)
        lowest = torch.where(uniform(number, 1) < config.high_pass, lowest, 0.0)
        roomy = torch.nonzero(uniform(number) < config.reverberation).flatten()
        decay, wetness = 0.15 + 0.6 * uniform(len(roomy), 1), 0.2 + 0.6 * uniform(len(roomy), 1)
        level = torch.randn(shape, generator=generator).clamp(-3, 3) * config.level_db
        gain = 10 ** (level / 20) * present
        if louder is not None:
            gain = gain * louder
        low, high = config.loudness_dbfs
        loudness = 10 ** ((low + (high - low) * uniform(len(clips), 1, 1)) / 20)
        self._noise.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
        start, last = self._starts[clip, None], self._lengths[clip, None] - 1
        start, last, offset, speed, backwards, swells = send(
            (start, last, offset, speed, backwards, swells), self.device
        )
        knots, lowest, cutoff, roomy, decay, wetness, gain, loudness = send(
            (knots, lowest, cutoff, roomy, decay, wetness, gain, loudness), self.device
        )

        crops = self._cut(self._samples, self._weights, self.length, start, last, offset, speed, backwards)
        spectrum = torch.fft.rfft(self._swell(crops, swells, SWELL_S * self.sample_rate))
        tone = self._amplify(self._frequency, self._knot, self._beyond, knots, lowest, cutoff)
        spectrum = spectrum * tone
        if len(roomy):
            spectrum[roomy] *= torch.fft.rfft(self._rooms(decay, wetness), n=self.length)
        sources = torch.fft.irfft(spectrum, n=self.length).view(*shape, self.length)
        return self._level(sources, gain, loudness)

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
