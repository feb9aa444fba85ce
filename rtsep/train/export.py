"""``rtsep export``: from a run to a bundle with its model card."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from rtsep.errors import ConfigError
from rtsep.models.bundle import BundleConfig, save_bundle
from rtsep.models.separator import Separator
from rtsep.models.text import embed
from rtsep.train.calibrate import Calibration, calibrate
from rtsep.train.card import PLOT, Additions, model_card
from rtsep.train.checkpoint import BANK
from rtsep.train.run import load_run, load_weights
from rtsep.train.start import start_from


def export_run(
    run: Path,
    out: Path,
    description: str,
    *,
    halfway: str | None = None,
    mixtures: Path | None = None,
    root: Path | None = None,
    card: Path | None = None,
    additions: Additions | None = None,
) -> None:
    """Make a bundle of a run's averaged weights, or of the weights between them and those it started from.

    What fine-tuning gains on what it was tuned on, and loses on what it was not, is often had and kept
    halfway (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").

    Args:
        run: the run's folder.
        out: the bundle's folder.
        description: one line.
        halfway: bundle, or folder of another run, to meet in the middle; whatever a run may start from.
        mixtures, root: to calibrate the masks on, as for ``evaluate_file``; None leaves them as trained.
        card: a model card to take as it is, instead of one made from ``additions``.
        additions: what to write a model card from.

    Raises:
        ConfigError: there is no run, or a file for the card, or what to calibrate on, cannot be read.
    """
    separator, facts = load_run(run)
    if halfway is not None:
        other, encoder = load_weights(halfway)
        own = facts.recipe.text_encoder
        if encoder != own:
            raise ConfigError(f"there is no halfway: {halfway} has the text encoder {encoder}, the run {own}")
        _meet(separator, other)
    recipe, additions = facts.recipe, additions or Additions()

    def read_card(calibration: Calibration | None = None) -> tuple[str, bytes | None]:
        try:
            text = (
                model_card(description, separator, facts, additions, calibration)
                if card is None
                else card.read_text("utf-8")
            )
            return text, None if additions.plot is None else additions.plot.read_bytes()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read what belongs to the model card: {error}") from error

    text, plot = read_card()  # what cannot be read is said before the minutes that calibrating takes
    if mixtures is not None:
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("calibrating", total=None)

            def progress(temperature: float, done: int, total: int) -> None:
                text = f"calibrating, temperature {temperature:g}"
                bar.update(task, description=text, completed=done, total=total)

            encode = partial(embed, recipe.text_encoder)
            text, plot = read_card(calibrate(separator, encode, mixtures, root, progress=progress))
    config = BundleConfig(
        description=description, text_encoder=recipe.text_encoder, codec=recipe.codec, masker=recipe.masker
    )
    save_bundle(out, config, separator, text)
    if plot is not None:
        (out / PLOT).write_bytes(plot)


def _meet(separator: Separator, other: Separator) -> None:
    """Move a separator's weights halfway to those of what a run may have started from; a bank of phrases,
    which is data, stays.

    Raises:
        ConfigError: a run of this separator's shape cannot start from the other.
    """
    start = copy.deepcopy(separator)
    try:
        start_from(other, start)
    except ConfigError as error:
        raise ConfigError(f"there is no halfway to a model of another shape: {error}") from error
    theirs = start.state_dict()
    for name, mine in separator.state_dict().items():
        if name not in BANK:
            mine.lerp_(theirs[name], 0.5)
