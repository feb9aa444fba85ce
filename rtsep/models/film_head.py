"""From words to FiLM parameters: what every masker is steered by (arXiv 2509.11717, section 3)."""

from __future__ import annotations

from typing import Self

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from torch import Tensor, nn

from rtsep.models.neighbours import Neighbours


class FilmHeadConfig(BaseModel):
    """Shape of the head; every masker's configuration has these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: PositiveInt = 384
    """Dimensions of the text embedding."""
    text_hidden: NonNegativeInt = 256
    """Width of the layer between; 0 for a single layer."""
    phrases: NonNegativeInt = 0
    """Phrases that a prompt is blended of, see ``Neighbours``; 0 takes its embedding as it is."""
    unheard: NonNegativeInt = 0
    """Of these the last so many are words for sounds that nobody recorded, and stand for others."""
    temperature: PositiveFloat = 0.05
    """Of that blend."""
    nearness: NonNegativeFloat = 0.0
    """With phrases: the head is also told, so loudly, how far the nearest of them is, so that it can go by
    the blend less the newer the word is. 0 tells nothing; cosines vary by 0.2, what is beside them by 1."""

    @model_validator(mode="after")
    def _unheard_are_phrases(self) -> Self:
        if self.unheard > self.phrases:
            raise ValueError(f"unheard ({self.unheard}) is more than phrases ({self.phrases}) has")
        return self


class FilmHead(nn.Module):
    """Text embedding to the FiLM parameters of a whole masker; computed once a prompt, off the audio path.

    Args:
        config: the masker's.
        neutral: parameters that change nothing, to start near.
    """

    def __init__(self, config: FilmHeadConfig, neutral: Tensor) -> None:
        super().__init__()
        self.neighbours = (
            Neighbours(config.phrases, config.text, config.temperature, config.unheard)
            if config.phrases
            else None
        )
        self.nearness = 0.0 if self.neighbours is None else float(config.nearness)
        inputs = config.text + bool(self.nearness)
        self.hidden = nn.Linear(inputs, config.text_hidden) if config.text_hidden else None
        self.out = nn.Linear(config.text_hidden or inputs, len(neutral))
        with torch.no_grad():
            if self.hidden is not None:
                self.out.weight.mul_(0.3)
            self.out.bias.copy_(neutral)

    def forward(self, embedding: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Embeddings (..., text), of unit length, to parameters (..., parameters).

        Args:
            embedding: of prompts.
            hidden: (..., phrases), phrases of the bank that may not take part.
        """
        told = []
        if self.neighbours is not None:
            embedding, nearness = self.neighbours(embedding, hidden)
            if self.nearness:
                told = [self.nearness * (nearness - 1)]  # 0 for a phrase of the bank
        if self.hidden is not None:
            # A unit vector in 384 dimensions has entries of 0.05: bring them to 1, for which layers start.
            embedding = embedding * embedding.shape[-1] ** 0.5
        x = torch.cat([embedding, *told], dim=-1)
        if self.hidden is not None:
            x = nn.functional.silu(self.hidden(x))
        parameters: Tensor = self.out(x)
        return parameters
