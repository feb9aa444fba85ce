"""A finished or interrupted run: its weights, and what it knows about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rtsep.models.bundle import load_bundle
from rtsep.models.separator import Separator
from rtsep.train.checkpoint import CHECKPOINT, load_average, read_checkpoint, understood
from rtsep.train.recipe import Recipe


@dataclass(frozen=True)
class Facts:
    """What a run knows about itself."""

    recipe: Recipe
    steps: int
    seconds: float
    """Time spent in steps."""
    data: Mapping[str, float]
    """``hours``, ``clips`` and ``labels`` of the pool; empty for a run older than this."""
    ranks: int = 1
    """Processes, each with a batch of its own at every step; 1 for a run older than this."""


def load_run(run: Path) -> tuple[Separator, Facts]:
    """The averaged weights of a run, ready to be used, and how they came about.

    Raises:
        ConfigError: there is no run, or its checkpoint is damaged.
    """
    parts = read_checkpoint(run)
    with understood(run):
        recipe = Recipe.model_validate(parts["recipe"])
        separator = Separator(recipe.codec, recipe.masker)
        load_average(parts, separator)
        facts = Facts(
            recipe, parts["step"], parts["seconds"], parts.get("data", {}), ranks=parts.get("ranks", 1)
        )
        return separator.eval(), facts


def load_weights(source: str) -> tuple[Separator, str]:
    """A run's averaged weights, by its folder, or a bundle's, by name or folder, and their text encoder.

    Raises:
        RtsepError: there is neither.
    """
    if (Path(source) / CHECKPOINT).is_file():
        separator, facts = load_run(Path(source))
        return separator, facts.recipe.text_encoder
    bundle = load_bundle(source)
    return bundle.separator, bundle.config.text_encoder
