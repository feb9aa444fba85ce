"""``rtsep export``: from a run to a bundle with its model card."""

from __future__ import annotations

from pathlib import Path

from rtsep.errors import ConfigError
from rtsep.models.bundle import BundleConfig, save_bundle
from rtsep.train.card import PLOT, Additions, model_card
from rtsep.train.run import load_run


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
