"""Words for sounds that nobody recorded, and the labels of a data set in whose place they stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from rtsep.models.text import clean_prompt
from rtsep.train.vocabulary import Vocabulary


class UnheardPhrases(NamedTuple):
    """Of a vocabulary, what says something beside the labels of a data set."""

    phrases: list[str]
    """M of them."""
    sound: Tensor
    """(M,), which of the sounds a phrase is for."""
    like: Tensor
    """(sounds, labels), 1 for labels that sound like it."""

    def meant(self, labels: Tensor) -> Tensor:
        """What each phrase stands for, (M, text), from embeddings of the bare labels, (labels, text)."""
        return normalize(self.like @ labels, dim=-1)[self.sound]


def find_unheard(vocabulary: Vocabulary, labels: Sequence[str], heard: Collection[str]) -> UnheardPhrases:
    """The sounds of a vocabulary that are like one of the labels at least, by words that are not heard."""
    number = {label: index for index, label in enumerate(labels)}
    phrases: list[str] = []
    sound: list[int] = []
    like: list[Tensor] = []
    for name, entry in vocabulary.unheard.items():
        alike = [number[label] for label in entry.like if label in number]
        says = [phrase for phrase in map(clean_prompt, (name, *entry.says)) if phrase not in heard]
        if alike and says:
            phrases += says
            sound += [len(like)] * len(says)
            like.append(torch.zeros(len(labels)).index_fill(0, torch.tensor(alike), 1))
    none = torch.zeros(0, len(labels))
    return UnheardPhrases(phrases, torch.tensor(sound, dtype=torch.long), torch.stack(like) if like else none)
