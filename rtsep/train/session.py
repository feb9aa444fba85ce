"""``rtsep train``: from a data set to a run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from zlib import crc32

import torch
from platformdirs import user_cache_path

from rtsep.compute import compute_device
from rtsep.config import Compute
from rtsep.models.neighbours import Bank
from rtsep.models.separator import Separator
from rtsep.models.text import embed
from rtsep.train.captioned import CaptionMixer
from rtsep.train.checkpoint import write_parts
from rtsep.train.loop import Trainer, Validate, progress_bar
from rtsep.train.mixing import Mixer
from rtsep.train.mixture import Batches
from rtsep.train.packed import PackedPhrases, is_packed, open_packed
from rtsep.train.phrases import Embed, Phrases
from rtsep.train.pool import Pool, open_pool
from rtsep.train.ranks import join_ranks, leave_ranks
from rtsep.train.recipe import Recipe, read_recipe
from rtsep.train.run import load_weights
from rtsep.train.start import reword
from rtsep.train.vocabulary import SHIPPED, read_vocabulary


def train_session(
    recipe_name: str,
    data: Path,
    out: Path,
    *,
    start: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    compute: Compute = "auto",
    threads: int | None = None,
    compile: bool = False,
    validate: Path | None = None,
    parts: Path | None = None,
) -> None:
    """Train as a recipe says; a run found in ``out`` is resumed.

    Args:
        recipe_name: a shipped recipe or a path.
        data: table of clips or folder, see ``read_rows``, or a packed pool.
        out: folder of the run.
        start: bundle, or folder of another run, whose weights to start from; its codec's shape, too, where
            the recipe names none.
        steps: instead of the recipe's.
        minutes: stop after so long, with a checkpoint.
        compute: where to train.
        threads: processor threads, PyTorch's choice by default.
        compile: compile the forward and the making of mixtures.
        validate: mixtures for ``rtsep eval``, looked at as often as the recipe says.
        parts: folder for a small checkpoint in parts, at the end.
    """
    weights, encoder = (None, None) if start is None else load_weights(start)
    recipe = _with_codec(read_recipe(recipe_name), weights)
    if steps is not None:
        recipe = recipe.model_copy(update={"steps": steps})
    if threads is not None:
        torch.set_num_threads(threads)
    ranks, device = join_ranks(compute_device(compute))
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32, where bfloat16 is not used
    pool, embed_phrases = _data(data, recipe)
    mixer = _batches(pool, embed_phrases, recipe, device, _seed(recipe, weights) + ranks.number)
    if weights is not None and encoder not in (None, recipe.text_encoder) and recipe.blend:
        reword(weights, _phrases(pool, partial(embed, encoder), recipe).bank.phrases, mixer.bank.phrases)
    recipe = _with_bank(recipe, mixer.bank, weights)
    trainer = Trainer(recipe, mixer, out, device, weights, ranks=ranks, compile=compile)
    with progress_bar() as progress:
        progress.disable = progress.console.quiet = ranks.number > 0
        progress.console.print(
            f"{pool.hours:.2f} h, {len(pool.clips)} clips, {mixer.data['labels']} labels, "
            f"{device}, {ranks.count} at once"
        )
        validation = None if validate is None else _validation(validate, embed_phrases)
        trainer.run(progress, validation, None if minutes is None else 60 * minutes)
    if parts is not None and ranks.number == 0:
        write_parts(parts, trainer.parts())
    leave_ranks()


def _seed(recipe: Recipe, start: Separator | None) -> int:
    """Of the mixtures: what goes on from another run by the same recipe must not hear the same again."""
    if start is None:
        return recipe.seed
    weights = (weight.detach().cpu().numpy().tobytes() for weight in start.film_head.parameters())
    return recipe.seed + crc32(b"".join(weights))


def _with_codec(recipe: Recipe, start: Separator | None) -> Recipe:
    """The recipe with the codec started from, where it names none of its own."""
    if start is None or "codec" in recipe.model_fields_set:
        return recipe
    return recipe.model_copy(update={"codec": start.codec.config})


def _batches(pool: Pool, embed_phrases: Embed, recipe: Recipe, device: torch.device, seed: int) -> Batches:
    """What draws the recipe's mixtures."""
    if recipe.mixing.draw == "captions":
        return CaptionMixer(pool, embed_phrases, recipe.mixing, device, seed)
    return Mixer(pool, _phrases(pool, embed_phrases, recipe), recipe.mixing, device, seed)


def _phrases(pool: Pool, embed_phrases: Embed, recipe: Recipe) -> Phrases:
    return Phrases(pool.clips, embed_phrases, read_vocabulary(recipe.vocabulary or SHIPPED))


def _with_bank(recipe: Recipe, bank: Bank, start: Separator | None) -> Recipe:
    """The recipe with the size of the bank of phrases: that of the data, or the one started from."""
    phrases, unheard = (len(bank.phrases), len(bank.meant)) if recipe.blend else (0, 0)
    if start is not None and "film_head" not in recipe.train:
        phrases, unheard = start.masker.config.phrases, start.masker.config.unheard
    masker = recipe.masker.model_copy(update={"phrases": phrases, "unheard": unheard})
    return recipe.model_copy(update={"masker": masker})


def _data(data: Path, recipe: Recipe) -> tuple[Pool, Embed]:
    """The pool, and what embeds phrases: the text encoder, or what was packed instead of it."""
    rate, encoder = recipe.codec.sample_rate, recipe.text_encoder
    if is_packed(data):
        return open_packed(data, rate), PackedPhrases(data, encoder)
    return open_pool(data, user_cache_path("rtsep") / "pools", rate), partial(embed, encoder)


def _validation(mixtures: Path, embed_phrases: Embed) -> Validate:
    """What the trainer calls: the figures of ``rtsep eval`` that fit in a log."""
    from rtsep.evaluate.report import evaluate_file

    def validate(separator: Separator) -> dict[str, float]:
        separator.eval()
        return evaluate_file(separator, embed_phrases, mixtures).headline()

    return validate
