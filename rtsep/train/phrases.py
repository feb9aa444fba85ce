"""Many ways to say each label, embedded once, so that the masker hears meanings and not words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from rtsep.models.text import LONGEST_PROMPT, clean_prompt, embed
from rtsep.train.pool import Clip

TEMPLATES = ("{}", "the sound of {}", "a {} sound", "{} noise", "someone recorded {}", "{} nearby")
"""The bare label comes first: it is what most prompts look like."""


class Phrases:
    """Embeddings of every label in many phrasings.

    Args:
        clips: their labels and captions are the phrases.
        encoder: name of the text encoder.
        captions: at most so many distinct captions a label.
    """

    def __init__(self, clips: Sequence[Clip], encoder: str, captions: int = 12) -> None:
        self.labels = sorted({clip.label for clip in clips})
        said: dict[str, dict[str, None]] = defaultdict(dict)
        for clip in clips:
            if 0 < len(clip.caption) <= LONGEST_PROMPT and len(said[clip.label]) < captions:
                said[clip.label][clip.caption] = None
        phrases = [
            [template.format(label) for template in TEMPLATES] + list(said[label]) for label in self.labels
        ]
        flat = [clean_prompt(phrase) for row in phrases for phrase in row]
        self._embeddings = embed(encoder, flat)
        self._count = torch.tensor([len(row) for row in phrases])
        self._first = self._count.cumsum(0) - self._count

    def likeness(self) -> Tensor:
        """Cosine between the bare labels, (labels, labels)."""
        bare = self._embeddings[self._first]
        return bare @ bare.T

    def draw(self, labels: Tensor, generator: torch.Generator, noise: float) -> Tensor:
        """A random phrasing of each label, half the time the bare label.

        Args:
            labels: indices into ``labels``, any shape.
            generator: source of randomness.
            noise: length of a random vector added, so that neighbouring words mean nearly the same.

        Returns:
            Embeddings of unit length, (*labels.shape, dim).
        """
        count = self._count[labels]
        pick = (torch.rand(labels.shape, generator=generator) * count).long().clamp(max=count - 1)
        pick = pick * (torch.rand(labels.shape, generator=generator) < 0.5)
        embedding = self._embeddings[self._first[labels] + pick]
        jitter = torch.randn(embedding.shape, generator=generator) * noise / embedding.shape[-1] ** 0.5
        return torch.nn.functional.normalize(embedding + jitter, dim=-1)
