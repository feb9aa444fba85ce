"""Many ways to ask for each label, embedded once, so that the masker hears meanings and not words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rtsep.control import LONGEST_PROMPT
from rtsep.models.text import clean_prompt
from rtsep.train.pool import Clip
from rtsep.train.vocabulary import Vocabulary

TEMPLATES = ("the sound of {}", "a {} sound", "{} noise", "someone recorded {}", "{} nearby")

SHARES = (0.4, 0.3, 0.3)
"""How often a prompt is the bare label, another phrase that means the same, and a kind it belongs to."""


Embed = Callable[[Sequence[str]], Tensor]
"""Phrases to embeddings (N, text) of unit length."""


class Prompts(NamedTuple):
    """Drawn phrases, of any shape S."""

    embeddings: Tensor
    """(*S, text), unit length."""
    covers: Tensor
    """(*S, labels), 1 for every label that the phrase asks for, 0 for the others."""
    hidden: Tensor
    """(*S, bank), True for phrases of the bank that must not help to understand this one."""


class Phrases:
    """Embeddings of everything that labels and kinds are called.

    Args:
        clips: their labels, categories and captions.
        embed: the text encoder.
        vocabulary: synonyms and kinds.
        captions: at most so many distinct captions a label.
    """

    def __init__(
        self, clips: Sequence[Clip], embed: Embed, vocabulary: Vocabulary, captions: int = 12
    ) -> None:
        category = {clip.label: clip.category for clip in clips}
        self.labels = sorted(category)
        said: dict[str, dict[str, None]] = defaultdict(dict)
        for clip in clips:
            if 0 < len(clip.caption) <= LONGEST_PROMPT and len(said[clip.label]) < captions:
                said[clip.label][clip.caption] = None
        kinds_of = [vocabulary.kinds_of(label, category[label]) for label in self.labels]
        kinds = sorted({kind for row in kinds_of for kind in row})
        # One group of phrases for the bare label, one for what means the same, one for each kind.
        groups: list[list[str]] = []
        for label in self.labels:
            same = [*vocabulary.says(label), *said[label], *(form.format(label) for form in TEMPLATES)]
            groups += [[label], same]
        groups += [list(vocabulary.kinds[kind].says) or [kind] for kind in kinds]
        self._embeddings = embed([clean_prompt(phrase) for group in groups for phrase in group])
        # The bank, of which a prompt is blended, has every phrase but captions and templates.
        kept = [(group, phrase) for group, phrases in enumerate(groups) for phrase in phrases]
        own = [{label, *vocabulary.says(label)} for label in self.labels]
        labelled = 2 * len(self.labels)
        in_bank = [
            number
            for number, (group, phrase) in enumerate(kept)
            if group >= labelled or phrase in own[group // 2]
        ]
        self.bank = self._embeddings[in_bank]
        """(bank, text), what ``Neighbours`` is to hold."""
        groups_of = torch.tensor([kept[number][0] for number in in_bank])
        self._owner = torch.where(groups_of < labelled, groups_of // 2, len(self.labels))
        """(bank,), the label that a phrase is of; one past the last for kinds."""
        self._count = torch.tensor([len(group) for group in groups])
        self._first = self._count.cumsum(0) - self._count
        count = len(self.labels)
        self._covers = torch.zeros(len(groups), count)
        self._covers[: 2 * count] = torch.eye(count).repeat_interleave(2, dim=0)
        number = {kind: 2 * count + index for index, kind in enumerate(kinds)}
        for index, row in enumerate(kinds_of):
            self._covers[[number[kind] for kind in row], index] = 1
        # (labels, groups): the probability of asking for a label by each group.
        self._weight = torch.zeros(count, len(groups))
        bare, same_share, kind_share = SHARES
        for index, row in enumerate(kinds_of):
            self._weight[index, 2 * index] = bare
            self._weight[index, 2 * index + 1] = same_share
            for kind in row:
                self._weight[index, number[kind]] = kind_share / len(row)

    def likeness(self) -> Tensor:
        """Cosine between the bare labels, (labels, labels)."""
        bare = self._embeddings[self._first[: 2 * len(self.labels) : 2]]
        return bare @ bare.T

    def draw(
        self,
        labels: Tensor,
        generator: torch.Generator,
        noise: float,
        hide: float = 0.0,
        hide_others: float = 0.0,
    ) -> Prompts:
        """A random way of asking for each label.

        Args:
            labels: indices into ``labels``, any shape.
            generator: source of randomness.
            noise: length of a random vector added, so that neighbouring words mean nearly the same.
            hide: probability that a label's own phrases are hidden in the bank, as if it were a new word.
            hide_others: probability that each other label's are then hidden too: a new word's blend is never
                twice the same, and cannot be learned as one more name.
        """
        group = torch.multinomial(self._weight[labels.flatten()], 1, generator=generator).view(labels.shape)
        count = self._count[group]
        pick = (torch.rand(labels.shape, generator=generator) * count).long().minimum(count - 1)
        embedding = self._embeddings[self._first[group] + pick]
        jitter = torch.randn(embedding.shape, generator=generator) * noise / embedding.shape[-1] ** 0.5
        new = torch.rand(labels.shape, generator=generator) < hide
        away = torch.rand(*labels.shape, len(self.labels) + 1, generator=generator) < hide_others
        away[..., -1] = False
        away = new[..., None] & away.scatter(-1, labels[..., None], True)
        hidden = away[..., self._owner]
        noisy = torch.nn.functional.normalize(embedding + jitter, dim=-1)
        return Prompts(noisy, self._covers[group], hidden)
