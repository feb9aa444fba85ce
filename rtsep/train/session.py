"""``rtsep train`` and ``rtsep export``: from a table of clips to a run, from a run to a bundle."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from platformdirs import user_cache_path

from rtsep.compute import compute_device
from rtsep.config import Compute
from rtsep.errors import ConfigError
from rtsep.models.bundle import BundleConfig, load_bundle, save_bundle
from rtsep.models.separator import Separator
from rtsep.models.text import embed
from rtsep.train.card import PLOT, Additions, Facts, model_card
from rtsep.train.loop import CHECKPOINT, Trainer, Validate, load_average, progress_bar
from rtsep.train.mixing import Mixer
from rtsep.train.phrases import Phrases
from rtsep.train.pool import open_pool
from rtsep.train.recipe import Recipe, read_recipe
from rtsep.train.vocabulary import SHIPPED, read_vocabulary


def train_session(
    recipe_name: str,
    data: Path,
    out: Path,
    *,
    start: str | None = None,
    steps: int | None = None,
    compute: Compute = "auto",
    threads: int | None = None,
    validate: Path | None = None,
) -> None:
    """Train as a recipe says; a run found in ``out`` is resumed.

    Args:
        recipe_name: a shipped recipe or a path.
        data: table of clips or folder, see ``open_pool``.
        out: folder of the run.
        start: bundle, or folder of another run, whose weights to start from.
        steps: instead of the recipe's.
        compute: where to train.
        threads: processor threads, PyTorch's choice by default.
        validate: mixtures for ``rtsep eval``, looked at as often as the recipe says.
    """
    recipe = read_recipe(recipe_name)
    if steps is not None:
        recipe = recipe.model_copy(update={"steps": steps})
    if threads is not None:
        torch.set_num_threads(threads)
    device = compute_device(compute)
    pool = open_pool(data, user_cache_path("rtsep") / "pools", recipe.codec.sample_rate)
    vocabulary = read_vocabulary(recipe.vocabulary or SHIPPED)
    phrases = Phrases(pool.clips, partial(embed, recipe.text_encoder), vocabulary)
    mixer = Mixer(pool, phrases, recipe.mixing, device, recipe.seed)
    trainer = Trainer(recipe, mixer, out, device, None if start is None else _weights(start))
    with progress_bar() as progress:
        progress.console.print(
            f"{pool.hours:.2f} h, {len(pool.clips)} clips, {len(phrases.labels)} labels, {device}"
        )
        trainer.run(progress, None if validate is None else _validation(validate, recipe))


def export_run(
    run: Path, out: Path, description: str, *, card: Path | None = None, additions: Additions | None = None
) -> None:
    """Make a bundle of a run's averaged weights.

    Args:
        run: the run's folder.
        out: the bundle's folder.
        description: one line.
        card: a model card to take as it is, instead of one made from ``additions``.
        additions: what to write a model card from.

    Raises:
        ConfigError: there is no run, or a file for the card cannot be read.
    """
    separator, facts = load_run(run)
    recipe, additions = facts.recipe, additions or Additions()
    try:
        text = (
            model_card(description, separator, facts, additions) if card is None else card.read_text("utf-8")
        )
        plot = None if additions.plot is None else additions.plot.read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read what belongs to the model card: {error}") from error
    config = BundleConfig(
        description=description, text_encoder=recipe.text_encoder, codec=recipe.codec, masker=recipe.masker
    )
    save_bundle(out, config, separator, text)
    if plot is not None:
        (out / PLOT).write_bytes(plot)


def load_run(run: Path) -> tuple[Separator, Facts]:
    """The averaged weights of a run and how they came about.

    Raises:
        ConfigError: there is no run.
    """
    try:
        parts = torch.load(run / CHECKPOINT, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ConfigError(f"no training run in {run}: {CHECKPOINT} is missing") from error
    recipe = Recipe.model_validate(parts["recipe"])
    separator = Separator(recipe.codec, recipe.masker)
    load_average(parts, separator)
    return separator, Facts(recipe, parts["step"], parts["seconds"], parts.get("data", {}))


def _weights(start: str) -> Separator:
    """A run's or a bundle's separator."""
    if (Path(start) / CHECKPOINT).is_file():
        return load_run(Path(start))[0]
    return load_bundle(start).separator


def _validation(mixtures: Path, recipe: Recipe) -> Validate:
    """What the trainer calls: the figures of ``rtsep eval`` that fit in a log."""
    from rtsep.evaluate.report import evaluate_file

    def validate(separator: Separator) -> dict[str, float]:
        separator.eval()
        report = evaluate_file(separator, partial(embed, recipe.text_encoder), mixtures)
        return report.headline()

    return validate
