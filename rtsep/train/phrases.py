"""Many ways to ask for each label, embedded once, so that the masker hears meanings and not words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rtsep.control import LONGEST_PROMPT
from rtsep.models.neighbours import Bank
from rtsep.models.text import clean_prompt
from rtsep.train.choice import choose
from rtsep.train.pool import Clip
from rtsep.train.unheard import find_unheard
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
    broad: Tensor
    """(*S,), True for phrases that name a whole category."""


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
        calls = [clean_prompt(phrase) for group in groups for phrase in group]
        unheard = find_unheard(vocabulary, self.labels, set(calls))
        self._embeddings = embed([*calls, *unheard.phrases])
        # The bank, of which a prompt is blended, has every phrase but captions and templates.
        kept = [(group, phrase) for group, phrases in enumerate(groups) for phrase in phrases]
        own = [{label, *vocabulary.says(label)} for label in self.labels]
        labelled = 2 * len(self.labels)
        in_bank = [
            number
            for number, (group, phrase) in enumerate(kept)
            if group >= labelled or phrase in own[group // 2]
        ]
        self._count = torch.tensor([len(group) for group in groups])
        self._first = self._count.cumsum(0) - self._count
        count = len(self.labels)
        self.bank = Bank(
            torch.cat([self._embeddings[in_bank], self._embeddings[len(calls) :]]),
            unheard.meant(self._bare()),
        )
        """What ``Neighbours`` is to hold; the words for what is not recorded come last."""
        own_groups = torch.tensor([kept[number][0] for number in in_bank])
        self._recorded = count + len(kinds)
        """Owners before those that nobody recorded."""
        self._owner = torch.cat([self._owner_of(own_groups), self._recorded + unheard.sound])
        """(bank,), the label that a phrase is of, the kind, counted on from the labels, or the sound that is
        not recorded, counted on from there."""
        self._covers = torch.zeros(len(groups), count)
        self._covers[: 2 * count] = torch.eye(count).repeat_interleave(2, dim=0)
        number = {kind: 2 * count + index for index, kind in enumerate(kinds)}
        for index, row in enumerate(kinds_of):
            self._covers[[number[kind] for kind in row], index] = 1
        self._broad = torch.zeros(len(groups), dtype=torch.bool)
        self._broad[[number[kind] for kind in kinds if kind in category.values()]] = True
        self._place = torch.full((len(kept),), -1)
        self._place[in_bank] = torch.arange(len(in_bank))
        """Where in the bank a phrase is, -1 where it is not."""
        self._asks = torch.cat([torch.eye(count), self._covers[labelled:], unheard.like])
        """(owners, labels), 1 for every label that an owner's phrases ask for, or stand for."""
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
        bare = self._bare()
        return bare @ bare.T

    def _bare(self) -> Tensor:
        """Embeddings of the bare labels, (labels, text)."""
        return self._embeddings[self._first[: 2 * len(self.labels) : 2]]

    def akin(self) -> Tensor:
        """Whether two labels are of one kind, their category left aside, (labels, labels)."""
        fine = self._covers[2 * len(self.labels) :][~self._broad[2 * len(self.labels) :]]
        return fine.T @ fine > 0

    def draw(
        self,
        labels: Tensor,
        generator: torch.Generator,
        noise: float,
        hide: float = 0.0,
        hide_others: tuple[float, float] = (0.0, 0.0),
        sounding: Tensor | None = None,
        new: Tensor | None = None,
        *,
        hide_partly: float = 0.0,
        known: Tensor | None = None,
    ) -> Prompts:
        """A random way of asking for each label.

        Args:
            labels: indices into ``labels``, any shape.
            generator: source of randomness.
            noise: see ``blur``.
            hide: probability that a prompt is made a new word: in the bank, its label's own phrases are
                hidden, and those of the kind that it names.
            hide_others: range from which the share of all other labels and kinds that are then hidden too is
                drawn, for each prompt: a new word's blend is never twice the same, and cannot be learned as
                one more name.
            sounding: (*S, labels), True for what is in the mixture. Of phrases that ask for any of it that
                the prompt does not ask for, no new word is blended: it would name something else.
            new: of the shape of labels, True for prompts that are made new words in any case.
            hide_partly: probability that the phrase itself is hidden and half of its label's own, or of its
                kind's: what it is to be put in other words.
            known: of the shape of labels, True for prompts of which nothing is hidden.
        """
        group = choose(self._weight[labels.flatten()], generator).view(labels.shape)
        count = self._count[group]
        pick = (torch.rand(labels.shape, generator=generator) * count).long().minimum(count - 1)
        embedding = self._embeddings[self._first[group] + pick]
        covers = self._covers[group]
        chance = torch.rand(labels.shape, generator=generator)
        hidden, partly = chance < hide, (hide <= chance) & (chance < hide + hide_partly)
        new = hidden if new is None else hidden | new
        if known is not None:
            new, partly = new & ~known, partly & ~known
        low, high = hide_others
        share = low + (high - low) * torch.rand(labels.shape, generator=generator)
        away = torch.rand(*labels.shape, len(self._asks), generator=generator) < share[..., None]
        owners = labels, self._owner_of(group)
        for own in owners:
            away = away.scatter(-1, own[..., None], True)
        away[..., self._recorded :] |= covers @ self._asks[self._recorded :].T > 0  # these stand for it
        if sounding is not None:
            away |= (sounding * (1 - covers)) @ self._asks.T > 0
        away &= new[..., None]
        in_bank = away.index_select(-1, self._owner)
        if hide_partly:
            mine = (self._owner == owners[0][..., None]) | (self._owner == owners[1][..., None])
            itself = torch.arange(len(self._owner)) == self._place[self._first[group] + pick][..., None]
            half = torch.rand(in_bank.shape, generator=generator) < 0.5
            in_bank |= (partly & ~new)[..., None] & mine & (half | itself)
        return Prompts(blur(embedding, noise, generator), covers, in_bank, self._broad[group])

    def _owner_of(self, group: Tensor) -> Tensor:
        """Groups to the labels or kinds that they belong to: a label has two, a kind one."""
        count = len(self.labels)
        return torch.where(group < 2 * count, group // 2, group - count)


def blur(embeddings: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """Embeddings (..., text) of unit length, each moved by a random vector of a length from 0 to ``noise``.

    So neighbouring words mean nearly the same, and a phrase is at no one distance from itself.
    """
    length = noise * torch.rand(*embeddings.shape[:-1], 1, generator=generator)
    jitter = length * torch.randn(embeddings.shape, generator=generator) / embeddings.shape[-1] ** 0.5
    return torch.nn.functional.normalize(embeddings + jitter, dim=-1)
