"""What a run starts from: taken over whole, refused, or brought into a larger model, at first the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from builders import CODEC, MASKER, tiny_separator
from torch import Tensor
from train_builders import CPU, RECIPE, mixer, silent

from rtsep.errors import ConfigError
from rtsep.models.separator import Separator
from rtsep.train.loop import Trainer
from rtsep.train.mixture import Batch
from rtsep.train.pool import Pool
from rtsep.train.start import reword, start_codec


def test_weights_to_start_from_are_taken_over_or_refused(tmp_path: Path, pool: Pool) -> None:
    start = tiny_separator()
    trainer = Trainer(RECIPE, mixer(pool), tmp_path / "fits", CPU, start)
    found = trainer.separator.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in start.state_dict().items())
    averaged = trainer.averaged.state_dict()
    assert all(torch.equal(tensor, averaged[name]) for name, tensor in start.state_dict().items())
    larger = {"feed_forward": MASKER.feed_forward + 8, "layers": MASKER.layers + 1, "heads": 4}
    other = tiny_separator(masker=MASKER.model_copy(update=larger))
    with pytest.raises(ConfigError, match=r"do not fit the recipe: .*layers") as caught:
        Trainer(RECIPE, mixer(pool), tmp_path / "not", CPU, other)
    assert "\n" not in str(caught.value)


def test_a_published_codec_of_another_shape_is_refused_by_the_first_thing_that_differs() -> None:
    ours, theirs = tiny_separator().codec, tiny_separator(CODEC.model_copy(update={"codebooks": 1})).codec
    message = f"another codec than the recipe's: codebooks is 1, not {CODEC.codebooks}$"
    with pytest.raises(ConfigError, match=message):
        start_codec(theirs, ours)
    start_codec(tiny_separator(seed=1).codec, ours)
    assert all(
        torch.equal(tensor, ours.state_dict()[name])
        for name, tensor in tiny_separator(seed=1).codec.state_dict().items()
    )


def test_the_bank_of_phrases_is_the_datas_own_whatever_the_weights_to_start_from_had(
    tmp_path: Path, pool: Pool
) -> None:
    known = mixer(pool)
    masker = MASKER.model_copy(update={"phrases": len(known.phrases.bank.phrases)})
    recipe = RECIPE.model_copy(update={"masker": masker, "steps": 2})
    smaller = tiny_separator(masker=MASKER.model_copy(update={"phrases": 3}))
    for number, start in enumerate((None, tiny_separator(), smaller)):
        trainer = Trainer(recipe, mixer(pool), tmp_path / str(number), CPU, start)
        trainer.run(silent())
        for separator in (trainer.separator, trainer.averaged):
            assert separator.film_head.neighbours is not None
            assert torch.equal(separator.film_head.neighbours.bank, known.phrases.bank.phrases)
    without = Trainer(RECIPE, mixer(pool), tmp_path / "without", CPU, smaller)
    assert without.separator.film_head.neighbours is None


def test_a_head_that_learned_on_one_text_encoder_takes_the_embeddings_of_another() -> None:
    start = tiny_separator()
    hidden = start.film_head.hidden
    assert hidden is not None
    before = torch.nn.functional.normalize(torch.randn(400, MASKER.text), dim=-1)
    turned = torch.linalg.qr(torch.randn(MASKER.text, MASKER.text)).Q
    with torch.no_grad():
        known = start.film_head(before)
        lost = (start.film_head(before @ turned) - known).norm() / known.std(dim=0).norm()
        reword(start, before, before @ turned)
        found = (start.film_head(before @ turned) - known).norm() / known.std(dim=0).norm()
    assert float(found) < 0.1 * float(lost)


def test_a_head_that_is_told_how_near_words_are_starts_as_the_one_that_was_not(
    tmp_path: Path, pool: Pool
) -> None:
    trainer = starts_as(tmp_path, pool, {"nearness": True})
    hidden = trainer.separator.film_head.hidden
    assert hidden is not None and not hidden.weight[:, -1].any()
    trainer.run(silent())
    assert hidden.weight[:, -1].abs().min() > 0  # and learns to listen


def test_a_head_that_is_told_louder_starts_as_the_one_that_was_told_softly(
    tmp_path: Path, pool: Pool
) -> None:
    trainer = starts_as(tmp_path, pool, {"nearness": 20.0}, told=1.0)
    hidden = trainer.separator.film_head.hidden
    assert hidden is not None and hidden.weight[:, -1].any()


def test_a_masker_with_more_units_starts_as_the_one_without(tmp_path: Path, pool: Pool) -> None:
    trainer = starts_as(tmp_path, pool, {"feed_forward": MASKER.feed_forward + 8})
    added = [layer.feed[-1].weight[:, MASKER.feed_forward :] for layer in trainer.separator.masker.layers]
    assert not any(weight.any() for weight in added)
    trainer.run(silent())
    assert all(weight.abs().min() > 0 for weight in added)  # and all of them learn


def test_a_deeper_masker_starts_as_the_one_that_was_not(tmp_path: Path, pool: Pool) -> None:
    more = {"layers": MASKER.layers + 2, "feed_forward": MASKER.feed_forward + 8, "nearness": True}
    trainer = starts_as(tmp_path, pool, more | {"dropout": 0.2})
    masker = trainer.separator.masker
    added = [layer.feed[-1].weight for layer in masker.layers[MASKER.layers :]]
    assert len(added) == 2 and not any(weight.any() for weight in added)
    trainer.run(silent())
    assert all(weight.any() for weight in added)  # and its new layers learn


def starts_as(folder: Path, pool: Pool, more: dict[str, Any], told: float = 0.0) -> Trainer:
    """A run of a larger masker, whose output before its first step is that of the one started from."""
    known = mixer(pool)
    blended = MASKER.model_copy(update={"phrases": len(known.phrases.bank.phrases), "nearness": told})
    start = tiny_separator(masker=blended)
    assert start.film_head.neighbours is not None
    start.film_head.neighbours.bank.copy_(known.phrases.bank.phrases)
    recipe = RECIPE.model_copy(update={"masker": blended.model_copy(update=more)})
    trainer = Trainer(recipe, mixer(pool), folder, CPU, start)
    batch = known.draw()
    heard = [separated(each.eval(), batch) for each in (start, trainer.separator, trainer.averaged)]
    trainer.separator.train()
    assert heard[0].std() > 0.01
    assert all(torch.allclose(heard[0], other, atol=1e-5) for other in heard[1:])
    return trainer


def separated(separator: Separator, batch: Batch) -> Tensor:
    """What a separator makes of the whole hops of a batch."""
    whole = batch.mixture[..., : batch.mixture.shape[-1] // separator.hop * separator.hop]
    prompts = batch.targets.shape[1]
    with torch.no_grad():
        film = separator.film_head(batch.embeddings)[:, :, None]
        state = separator.initial_state(len(whole), 1, prompts, prompts)
        return separator(whole, film, state)[0].wave
