"""Mixtures made on the fly from the pool: who is in them, how loud, and who is asked for.

Everything is drawn from one seeded generator on the CPU and sent at once; the samples themselves are cut,
shaped and mixed on the device that holds the pool, so that the loop reads no file and never waits for it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rtsep.errors import ConfigError
from rtsep.train.choice import choose
from rtsep.train.mixture import Batch, MixingConfig
from rtsep.train.phrases import Phrases
from rtsep.train.pool import Pool
from rtsep.train.shaping import Shaper, send


class Mixer:
    """Endless batches from a pool."""

    def __init__(
        self, pool: Pool, phrases: Phrases, config: MixingConfig, device: torch.device, seed: int
    ) -> None:
        self.config, self.phrases, self.device = config, phrases, device
        self.generator = torch.Generator().manual_seed(seed)
        self.data: dict[str, float] = {
            "hours": pool.hours,
            "clips": len(pool.clips),
            "labels": len(phrases.labels),
        }
        number = {label: index for index, label in enumerate(phrases.labels)}
        labels = torch.tensor([number[clip.label] for clip in pool.clips])
        self._clips = labels.argsort(stable=True)
        """Clips by label; those of one lie side by side."""
        self._count = labels.bincount(minlength=len(number))
        self._first = self._count.cumsum(0) - self._count
        category = {clip.label: clip.category for clip in pool.clips}
        categories = [category[label] for label in phrases.labels]
        self._label_weight = self._balance(pool, labels, categories)
        self._strange = torch.tensor([config.strange.get(each, 0.0) for each in categories])
        self._far = phrases.likeness() < config.likeness
        self._shaper = Shaper(pool, config, device)
        start = self.generator.get_state()
        self._labels(20)  # a data set too small or too much alike shows at once
        self.generator.set_state(start)

    def _balance(self, pool: Pool, labels: Tensor, categories: list[str]) -> Tensor:
        """Probability of each label: categories as configured, inside them the square root of seconds."""
        seconds = torch.zeros(len(self.phrases.labels))
        seconds.index_add_(0, labels, torch.tensor([clip.length / pool.sample_rate for clip in pool.clips]))
        weight = seconds.clamp(max=200).sqrt()
        if extra := set(categories) - self.config.categories.keys():
            raise ConfigError(
                f"the data has the category {min(extra)!r}: give it a share in mixing.categories"
            )
        total = torch.zeros_like(weight)
        for name, share in self.config.categories.items():
            member = torch.tensor([category == name for category in categories])
            if member.any():
                total += share * member * weight / (weight * member).sum()
        return total

    @property
    def bank(self) -> Tensor:
        """Phrases (bank, text) that prompts are blended of."""
        return self.phrases.bank

    def compile(self) -> None:
        """Have the arithmetic on samples compiled."""
        self._shaper.compile()

    def draw(self) -> Batch:
        """The next batch."""
        config, generator = self.config, self.generator
        slots = len(config.sources)
        count = 1 + torch.multinomial(
            torch.tensor(config.sources), config.batch, replacement=True, generator=generator
        )
        labels = self._labels(config.batch)
        present = torch.arange(slots) < count[:, None]
        strange = torch.rand(config.batch, slots, generator=generator) < self._strange[labels[:, :slots]]

        # Prompt p asks for source p, or, where it is absent or there are too few, for a label of its own;
        # one that names a kind ("animal") asks for every source of that kind.
        number = torch.arange(config.prompts).expand(config.batch, -1)
        absent = torch.rand(config.batch, config.prompts, generator=generator) < config.absent
        absent = absent & (number > 0) | (number >= count[:, None])
        asked = labels.gather(1, torch.where(absent, slots + number, number))
        sounding = torch.zeros(config.batch, self._count.numel())
        sounding = sounding.scatter_reduce(1, labels[:, :slots], present.float(), "amax")[:, None]
        of_source = (number[..., None] == torch.arange(slots)) & ~absent[..., None]
        new = (of_source & strange[:, None]).any(dim=-1)
        prompts = self.phrases.draw(
            asked, generator, config.text_noise, config.hide, config.hide_others, sounding, new
        )
        wanted = prompts.covers.gather(2, labels[:, None, :slots].expand(-1, config.prompts, -1))
        wanted = wanted * (of_source | ~strange[:, None])

        sources = labels[:, :slots].flatten()
        within = torch.rand(len(sources), generator=generator) * self._count[sources]
        clips = self._clips[self._first[sources] + within.long().minimum(self._count[sources] - 1)]
        wanted, embeddings, hidden = send((wanted, prompts.embeddings, prompts.hidden), self.device)
        waves = self._shaper(clips.view(config.batch, slots), present, generator, strange=strange)
        targets = torch.einsum("bps,bst->bpt", wanted, waves)
        return Batch(waves.sum(dim=1, keepdim=True), targets, embeddings, hidden)

    def _labels(self, batch: int) -> Tensor:
        """Labels that prompts can tell apart, (batch, sources + prompts)."""
        needed = len(self.config.sources) + self.config.prompts
        weight, chosen = self._label_weight.expand(batch, -1), []
        for number in range(needed):
            if not weight.any(dim=1).all():
                raise ConfigError(
                    f"a mixture needs {needed} labels that are unlike each other, but only {number} are "
                    "left: bring more, or shorten mixing.sources, lower mixing.prompts or raise likeness"
                )
            label = choose(weight, self.generator)
            chosen.append(label)
            weight = weight * self._far[label]
        return torch.stack(chosen, dim=1)
