"""Mixtures made on the fly from the pool: crop, speed, filter, reverberate, level, sum.

Everything is drawn from one seeded generator on the CPU; the samples themselves are cut and shaped
on the device that holds the pool, so that nothing is read from disk in the loop.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt
from torch import Tensor

from rtsep.errors import ConfigError
from rtsep.train.phrases import Phrases
from rtsep.train.pool import Pool


class MixingConfig(BaseModel):
    """What the mixtures are like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: PositiveFloat = 4.0
    batch: PositiveInt = 8
    """Mixtures a step."""
    prompts: PositiveInt = 2
    """Prompts, and so targets, a mixture."""
    sources: tuple[float, ...] = (0.1, 0.55, 0.25, 0.1)
    """Probability of 1, 2, ... sources."""
    absent: float = 0.2
    """Probability that a prompt after the first names nothing in the mixture."""
    categories: dict[str, float] = {"event": 0.45, "speech": 0.3, "music": 0.25}
    level_db: float = 5.0
    """Standard deviation of each source's level, cut off at three times this."""
    loudness_dbfs: tuple[float, float] = (-40.0, -12.0)
    """Range of the mixture's root mean square."""
    speed: float = 0.15
    """Speed and pitch vary by up to this fraction."""
    equaliser_db: float = 4.0
    """Standard deviation of the gain at each of eight octaves."""
    band_limit: float = 0.3
    """Probability of a low-pass at 3 to 10 kHz."""
    reverberation: float = 0.15
    """Probability of a synthetic room."""
    text_noise: float = 0.6
    """Length of the noise added to text embeddings of length 1: as far off as a paraphrase is."""
    likeness: float = 0.55
    """Labels whose embeddings have a higher cosine never meet in a mixture."""


class Batch(NamedTuple):
    """One training step's data. B mixtures, P prompts each, T samples."""

    mixture: Tensor
    """(B, 1, T)."""
    targets: Tensor
    """(B, P, T), zero where the prompt names nothing in the mixture."""
    embeddings: Tensor
    """(B, P, text)."""


class Mixer:
    """Endless batches from a pool."""

    def __init__(
        self, pool: Pool, phrases: Phrases, config: MixingConfig, device: torch.device, seed: int
    ) -> None:
        self.config, self.phrases, self.device = config, phrases, device
        self.length = round(config.seconds * pool.sample_rate)
        self.sample_rate = pool.sample_rate
        self.generator = torch.Generator().manual_seed(seed)
        self.data: dict[str, float] = {
            "hours": pool.hours, "clips": len(pool.clips), "labels": len(phrases.labels)
        }  # fmt: skip
        self._samples = torch.from_numpy(np.array(pool.samples)).to(device)
        number = {label: index for index, label in enumerate(phrases.labels)}
        self._starts = torch.tensor([clip.start for clip in pool.clips])
        self._lengths = torch.tensor([clip.length for clip in pool.clips])
        labels = torch.tensor([number[clip.label] for clip in pool.clips])
        self._clips_of = [torch.nonzero(labels == index).flatten() for index in range(len(number))]
        self._label_weight = self._balance(pool, labels)
        self._far = phrases.likeness() < config.likeness
        start = self.generator.get_state()
        for _ in range(20):  # a data set too small or too much alike shows at once
            self._labels(len(config.sources) + config.prompts)
        self.generator.set_state(start)

    def _balance(self, pool: Pool, labels: Tensor) -> Tensor:
        """Probability of each label: categories as configured, inside them the square root of seconds."""
        seconds = torch.zeros(len(self.phrases.labels))
        seconds.index_add_(0, labels, self._lengths / pool.sample_rate)
        weight = seconds.clamp(max=200).sqrt()
        category = {clip.label: clip.category for clip in pool.clips}
        if extra := set(category.values()) - self.config.categories.keys():
            raise ConfigError(
                f"the data has the category {min(extra)!r}: give it a share in mixing.categories"
            )
        total = torch.zeros_like(weight)
        for name, share in self.config.categories.items():
            member = torch.tensor([category[label] == name for label in self.phrases.labels])
            if member.any():
                total += share * member * weight / (weight * member).sum()
        return total

    def draw(self) -> Batch:
        """The next batch."""
        config = self.config
        slots = len(config.sources)
        count = 1 + self._choose(torch.tensor(config.sources), config.batch)
        labels = torch.stack([self._labels(slots + config.prompts) for _ in range(config.batch)])
        present = torch.arange(slots) < count[:, None]
        sources = self._sources(labels[:, :slots].flatten()).unflatten(0, (config.batch, slots))
        sources = self._levels(sources, present)

        # Prompt p asks for source p, or, where it is absent or there are too few, for a label of its own;
        # one that names a kind ("animal") asks for every source of that kind.
        number = torch.arange(config.prompts).expand(config.batch, -1)
        absent = (self._uniform(config.batch, config.prompts) < config.absent) & (number > 0)
        absent |= number >= count[:, None]
        asked = labels.gather(1, torch.where(absent, slots + number, number))
        prompts = self.phrases.draw(asked, self.generator, config.text_noise)
        wanted = prompts.covers.gather(2, labels[:, None, :slots].expand(-1, config.prompts, -1))
        targets = torch.einsum("bps,bst->bpt", wanted.to(self.device), sources)
        return Batch(sources.sum(dim=1, keepdim=True), targets, prompts.embeddings.to(self.device))

    def _labels(self, count: int) -> Tensor:
        """Labels that prompts can tell apart, (count,)."""
        weight, chosen = self._label_weight.clone(), []
        for number in range(count):
            if not weight.any():
                raise ConfigError(
                    f"a mixture needs {count} labels that are unlike each other, but only {number} are left: "
                    "bring more, or shorten mixing.sources, lower mixing.prompts, raise mixing.likeness"
                )
            label = self._choose(weight, 1)[0]
            chosen.append(label)
            weight = weight * self._far[label]
        return torch.stack(chosen)

    def _sources(self, labels: Tensor) -> Tensor:
        """One random, augmented clip of each label, (N, T)."""
        config, length = self.config, self.length
        clip = torch.stack([of[self._integers(len(of), 1)[0]] for of in (self._clips_of[i] for i in labels)])
        speed = 1 + config.speed * (2 * self._uniform(len(labels)) - 1)
        spare = self._lengths[clip] - length * speed
        # A long clip starts anywhere inside; a short one is placed anywhere in the crop.
        offset = (spare * self._uniform(len(labels))).to(self.device)[:, None]
        at = offset + torch.arange(length, device=self.device) * speed.to(self.device)[:, None]
        whole = at.floor().long()
        last = (self._lengths[clip] - 2).to(self.device)[:, None]
        inside = (whole >= 0) & (whole <= last)
        index = self._starts[clip].to(self.device)[:, None] + whole.clamp(min=0).minimum(last)
        left, right = self._samples[index].float(), self._samples[index + 1].float()
        wave = torch.lerp(left, right, at - whole) * inside / 32768
        return self._shape(wave)

    def _shape(self, wave: Tensor) -> Tensor:
        """Equalise, band-limit and reverberate (N, T) in the frequency domain."""
        config, number = self.config, len(wave)
        spectrum = torch.fft.rfft(wave)
        bins = spectrum.shape[-1]
        frequency = torch.linspace(0, self.sample_rate / 2, bins)
        octave = (frequency.clamp(min=40) / 40).log2()
        knots = config.equaliser_db * torch.randn(number, 10, generator=self.generator)
        low = octave.long().clamp(max=8)
        gain_db = torch.lerp(knots[:, low], knots[:, low + 1], (octave - low)[None])
        gain = 10 ** (gain_db / 20)
        cutoff = 3000 * (10 / 3) ** self._uniform(number, 1)
        limited = self._uniform(number, 1) < config.band_limit
        cutoff = torch.where(limited, cutoff, torch.full_like(cutoff, self.sample_rate))
        gain = gain / (1 + (frequency / cutoff) ** 16)
        spectrum = spectrum * gain.to(self.device)
        roomy = torch.nonzero(self._uniform(number) < config.reverberation).flatten()
        if len(roomy):
            spectrum[roomy.to(self.device)] *= torch.fft.rfft(self._rooms(len(roomy)), n=wave.shape[-1])
        shaped: Tensor = torch.fft.irfft(spectrum, n=wave.shape[-1])
        return shaped

    def _rooms(self, number: int) -> Tensor:
        """Impulse responses (number, half a second): the direct sound and exponentially decaying noise."""
        time = torch.arange(self.sample_rate // 2) / self.sample_rate
        decay = torch.exp(-3 * math.log(10) * time / (0.15 + 0.6 * self._uniform(number, 1)))
        tail = torch.randn(number, len(time), generator=self.generator) * decay
        tail = tail / tail.norm(dim=-1, keepdim=True) * (0.2 + 0.6 * self._uniform(number, 1))
        tail[:, 0] = 1
        rooms: Tensor = tail.to(self.device)
        return rooms

    def _levels(self, sources: Tensor, present: Tensor) -> Tensor:
        """Give sources (B, S, T) their levels, silence those not present, and set the mixture's loudness."""
        config = self.config
        rms = sources.square().mean(dim=-1, keepdim=True).sqrt()
        level = torch.randn(present.shape, generator=self.generator).clamp(-3, 3) * config.level_db
        gain = (10 ** (level / 20) * present)[..., None].to(self.device)
        # A clip that is all but silent here stays so, rather than being blown up to noise.
        sources = sources * gain / (rms + 1e-4)
        low, high = config.loudness_dbfs
        loudness = 10 ** ((low + (high - low) * self._uniform(len(sources), 1, 1)) / 20)
        mixture_rms = sources.sum(dim=1, keepdim=True).square().mean(dim=-1, keepdim=True).sqrt()
        return sources * loudness.to(self.device) / (mixture_rms + 1e-4)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator)

    def _integers(self, below: int, count: int) -> Tensor:
        return torch.randint(below, (count,), generator=self.generator)

    def _choose(self, weight: Tensor, count: int) -> Tensor:
        return torch.multinomial(weight, count, replacement=True, generator=self.generator)
