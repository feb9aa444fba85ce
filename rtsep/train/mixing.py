"""Mixtures made on the fly from the pool: who is in them, how loud, and who is asked for.

Everything is drawn from one seeded generator on the CPU and sent at once; the samples themselves are cut,
shaped and mixed on the device that holds the pool, so that the loop reads no file and never waits for it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rtsep.errors import ConfigError
from rtsep.models.neighbours import Bank
from rtsep.train.choice import choose
from rtsep.train.mixture import Batch, MixingConfig
from rtsep.train.phrases import Phrases
from rtsep.train.pool import Pool, recordings
from rtsep.train.shaping import Shaper, send

MOST_RECORDINGS = 50
"""Of a label, for how often it is drawn."""


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
        self._recording, worth = recordings(pool.clips)
        self._worth = worth[self._clips].cumsum(0)
        """Of all clips up to each one, in that order."""
        self._last = labels.bincount(minlength=len(number)).cumsum(0) - 1
        """The last clip of each label, in that order."""
        worths = self._worth[self._last]
        self._before = torch.cat([worths.new_zeros(1), worths[:-1]])
        """What the clips of all labels before each are worth."""
        self._size = worths - self._before
        """What those of the label are worth: about as many as it has recordings."""
        category = {clip.label: clip.category for clip in pool.clips}
        categories = [category[label] for label in phrases.labels]
        self._label_weight = self._balance(categories)
        self._strange = torch.tensor([config.strange.get(each, 0.0) for each in categories])
        self._far = phrases.likeness() < config.likeness
        self._akin = phrases.akin()
        self._shaper = Shaper(pool, config, device)
        start = self.generator.get_state()
        labels = self._labels(20)  # a data set too small or too much alike shows at once
        self._absent(self._sounding(labels, torch.ones_like(labels, dtype=torch.bool)))
        self.generator.set_state(start)

    def _balance(self, categories: list[str]) -> Tensor:
        """Probability of each label: categories as configured, inside them a power of its recordings."""
        weight = self._size.float().clamp(max=MOST_RECORDINGS) ** self.config.balance
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
    def bank(self) -> Bank:
        """Phrases that prompts are blended of."""
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
        strange = torch.rand(config.batch, slots, generator=generator) < self._strange[labels]
        clips = self._draw_clips(labels)
        self._sound_twice(labels, clips, present, strange, count)

        # Prompt p asks for source p, or, where it is absent or there are too few, for a label of its own;
        # one that names a kind ("animal") asks for every source of that kind.
        number = torch.arange(config.prompts).expand(config.batch, -1)
        absent = torch.rand(config.batch, config.prompts, generator=generator) < config.absent
        absent = absent & (number > 0) | (number >= count[:, None])
        akin = absent & (torch.rand(config.batch, config.prompts, generator=generator) < config.absent_akin)
        sounding = self._sounding(labels, present)
        others = torch.stack([self._absent(sounding, akin[:, each]) for each in range(config.prompts)], dim=1)
        asked = torch.where(absent, others, labels.gather(1, number.clamp(max=slots - 1)))
        of_source = (number[..., None] == torch.arange(slots)) & ~absent[..., None]
        new = (of_source & strange[:, None]).any(dim=-1)
        prompts = self.phrases.draw(
            asked,
            generator,
            config.text_noise,
            config.hide,
            config.hide_others,
            sounding[:, None],
            new,
            hide_partly=config.hide_partly,
            known=akin,
        )
        wanted = prompts.covers.gather(2, labels[:, None].expand(-1, config.prompts, -1))
        wanted = wanted * (of_source | ~strange[:, None] | prompts.broad[..., None])

        wanted, embeddings, hidden = send((wanted, prompts.embeddings, prompts.hidden), self.device)
        waves = self._shaper(clips, present, generator, strange=strange)
        targets = torch.einsum("bps,bst->bpt", wanted, waves)
        return Batch(waves.sum(dim=1, keepdim=True), targets, embeddings, hidden)

    def _draw_clips(self, labels: Tensor) -> Tensor:
        """A clip of each label, of any shape, as often as it is worth."""
        within = torch.rand(labels.shape, generator=self.generator, dtype=torch.float64)
        at = torch.searchsorted(self._worth, self._before[labels] + within * self._size[labels], right=True)
        return self._clips[at.minimum(self._last[labels])]

    def _sound_twice(
        self, labels: Tensor, clips: Tensor, present: Tensor, strange: Tensor, count: Tensor
    ) -> None:
        """Now and then, where a place is free, a label of the mixture sounds there as well, from another
        recording; (batch, sources) are changed in place. ``count`` (batch,) says how many are not free."""
        rows, slots = torch.arange(len(labels)), labels.shape[1]
        chance = torch.rand(2, len(labels), generator=self.generator)
        first = (chance[0] * count).long().minimum(count - 1)
        label, heard = labels[rows, first], clips[rows, first]
        again = self._draw_clips(label)
        other = self._recording[again] != self._recording[heard]
        twice = (chance[1] < self.config.together) & other & (count < slots) & ~strange[rows, first]
        place = rows[twice], count[twice]
        labels[place], clips[place] = label[twice], again[twice]
        present[place], strange[place] = True, False

    def _sounding(self, labels: Tensor, present: Tensor) -> Tensor:
        """Which labels are in each mixture, (batch, labels), 1 or 0."""
        nothing = torch.zeros(len(labels), self._size.numel())
        return nothing.scatter_reduce(1, labels, present.float(), "amax")

    def _absent(self, sounding: Tensor, akin: Tensor | None = None) -> Tensor:
        """A label for each mixture, unlike what sounds; where it is to be, of one kind with some of it."""
        weight = self._label_weight * (sounding @ (~self._far).float() == 0)
        if not weight.any(dim=1).all():
            raise ConfigError(
                "a mixture needs a label that is unlike all that sounds: bring more, or shorten "
                "mixing.sources or raise likeness"
            )
        if akin is not None:
            of_one_kind = weight * (sounding @ self._akin.float() > 0)
            weight = torch.where((akin & of_one_kind.any(dim=1))[:, None], of_one_kind, weight)
        return choose(weight, self.generator)

    def _labels(self, batch: int) -> Tensor:
        """Labels that prompts can tell apart, (batch, sources)."""
        needed = len(self.config.sources)
        weight, chosen = self._label_weight.expand(batch, -1), []
        for number in range(needed):
            if not weight.any(dim=1).all():
                raise ConfigError(
                    f"a mixture needs {needed} labels that are unlike each other, but only {number} are "
                    "left: bring more, or shorten mixing.sources or raise likeness"
                )
            label = choose(weight, self.generator)
            chosen.append(label)
            weight = weight * self._far[label]
        return torch.stack(chosen, dim=1)
