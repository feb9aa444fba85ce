"""What mixtures are like, and what a batch of them holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt
from torch import Generator, Tensor

from rtsep.models.neighbours import Bank


class MixingConfig(BaseModel):
    """What the mixtures are like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: PositiveFloat = 4.0
    batch: PositiveInt = 8
    """Mixtures a step."""
    prompts: PositiveInt = 2
    """Prompts, and so targets, a mixture."""
    sources: tuple[float, ...] = Field(default=(0.1, 0.55, 0.25, 0.1), min_length=1)
    """Probability of 1, 2, ... sources."""
    absent: float = 0.2
    """Probability that a prompt after the first names nothing in the mixture."""
    absent_akin: float = 0.0
    """How often such a prompt, then in words that are known, is for a sound of one kind with what sounds."""
    together: float = 0.0
    """How often a label of a mixture sounds twice in it, from two recordings: both are asked for as one."""
    balance: float = 0.5
    """Within a category, labels are drawn by this power of how many recordings they have."""
    categories: dict[str, float] = {"event": 0.45, "speech": 0.3, "music": 0.25}
    draw: Literal["labels", "captions"] = "labels"
    """labels: sources of different labels, asked for in many words. captions: any clips, each asked for by
    its own caption, or its label where it has none, and nothing else; as many prompts as sources."""
    one_of_each: bool = False
    """With captions: source k is of the k-th category of ``categories``, as DnR's mixtures are."""
    category_db: dict[str, float] = {}
    """With captions: how much louder each category is."""
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
    high_pass: float = 0.0
    """Probability of a high-pass at 60 to 600 Hz: what rumbles in a recording is not what it is of."""
    reverberation: float = 0.15
    """Probability of a synthetic room."""
    swell_db: float = 0.0
    """Standard deviation of each source's gain at points half a second apart."""
    strange: dict[str, float] = {}
    """By category, how often a source is made a sound that nobody knows: backwards, and far slower or faster
    than it was. A prompt for it is made a new word, and none for its kind asks for it."""
    text_noise: float = 0.6
    """Length, at most, of the noise added to text embeddings of length 1: as far off as a paraphrase is."""
    hide: float = 0.3
    """Probability that a prompt must be understood by others' phrases, as if it were a new word."""
    hide_partly: float = 0.0
    """Probability that it must be understood without its own phrase and half of those that mean the same, as
    if it were put in other words."""
    hide_others: tuple[float, float] = (0.0, 0.0)
    """Range of the share of all other labels and kinds whose phrases are then hidden as well."""
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
    hidden: Tensor
    """(B, P, bank), True for phrases that must not help to understand the prompt."""


class Batches(Protocol):
    """Where a training run's batches come from."""

    generator: Generator
    """On the CPU: everything that is drawn."""

    @property
    def data(self) -> Mapping[str, float]:
        """What the pool has: hours, clips, labels."""
        ...

    @property
    def bank(self) -> Bank:
        """Phrases that prompts are blended of."""
        ...

    def compile(self) -> None:
        """Have the arithmetic on samples compiled."""
        ...

    def draw(self) -> Batch:
        """The next batch."""
        ...
