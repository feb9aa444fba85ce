"""Mixtures of captioned clips: every clip is asked for by its own words, however many there are.

Beside ``Mixer``, which knows what labels mean and never mixes two that prompts cannot tell apart, this needs
neither labels nor a table of all against all, so that a hundred thousand captions fit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rtsep.control import LONGEST_PROMPT
from rtsep.errors import ConfigError
from rtsep.models.neighbours import Bank
from rtsep.models.text import clean_prompt
from rtsep.train.mixture import Batch, MixingConfig
from rtsep.train.phrases import Embed, blur
from rtsep.train.pool import Pool
from rtsep.train.shaping import Shaper, send


class CaptionMixer:
    """Endless batches from a pool.

    Args:
        pool: the clips, with captions.
        embed: the text encoder.
        config: what the mixtures are like.
        device: where they are made.
        seed: of everything that is drawn.

    Raises:
        ConfigError: there are too few clips, or none of a category that is wanted.
    """

    def __init__(
        self, pool: Pool, embed: Embed, config: MixingConfig, device: torch.device, seed: int
    ) -> None:
        self.config, self.device = config, device
        self.generator = torch.Generator().manual_seed(seed)
        words = [clean_prompt((clip.caption or clip.label)[:LONGEST_PROMPT]) for clip in pool.clips]
        rows = {phrase: row for row, phrase in enumerate(dict.fromkeys(words))}
        self._embeddings = embed(list(rows))
        self._phrase = torch.tensor([rows[phrase] for phrase in words])
        self.data: dict[str, float] = {"hours": pool.hours, "clips": len(pool.clips), "labels": len(rows)}
        self._shaper = Shaper(pool, config, device)
        self._slots = len(config.sources)
        everything = torch.arange(len(pool.clips))
        if not config.one_of_each:
            self._choices = [everything] * self._slots
            self._gain = torch.ones(self._slots)
        else:
            kinds = list(config.categories)[: self._slots]
            self._choices = [
                everything[torch.tensor([clip.category == kind for clip in pool.clips])] for kind in kinds
            ]
            self._gain = 10 ** (torch.tensor([config.category_db.get(kind, 0.0) for kind in kinds]) / 20)
        if len(self._choices) < self._slots or any(len(choice) == 0 for choice in self._choices):
            raise ConfigError(
                f"a mixture has {self._slots} sources, one of each category, but the data lacks some of "
                f"{', '.join(config.categories)}"
            )

    @property
    def bank(self) -> Bank:
        """No phrases: prompts are taken as they are."""
        return Bank(self._embeddings[:0], self._embeddings[:0])

    def compile(self) -> None:
        """Have the arithmetic on samples compiled."""
        self._shaper.compile()

    def draw(self) -> Batch:
        """The next batch; a source that is not in its mixture is asked for as well, and its target silent."""
        config, generator = self.config, self.generator
        size = config.batch
        clips = torch.stack(
            [choice[torch.randint(len(choice), (size,), generator=generator)] for choice in self._choices],
            dim=1,
        )
        count = 1 + torch.multinomial(
            torch.tensor(config.sources), size, replacement=True, generator=generator
        )
        order = torch.rand(size, self._slots, generator=generator).argsort(dim=1)
        present = order < count[:, None]
        embeddings, asked = self._ask(clips, present)
        sources = self._shaper(clips, present, generator, self._gain)
        embeddings, asked = send((embeddings, asked), self.device)
        targets = torch.einsum("bps,bst->bpt", asked, sources)
        hidden = torch.zeros(size, self._slots, 0, dtype=torch.bool, device=self.device)
        return Batch(sources.sum(dim=1, keepdim=True), targets, embeddings, hidden)

    def _ask(self, clips: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Prompts (B, S, text) and what of the sources each asks for (B, S, S).

        Sources with words too much alike are one thing asked for, present or not.
        """
        exact = self._embeddings[self._phrase[clips]]
        alike = (exact @ exact.transpose(1, 2) >= self.config.likeness).float()
        asked = torch.maximum(alike, torch.eye(self._slots)) * present[:, None]
        return blur(exact, self.config.text_noise, self.generator), asked
