"""The training loop: it learns, it resumes as if nothing had happened, it says what does not fit."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import CODEC, MASKER, tiny_bundle, tiny_separator, write_bundle
from train_builders import CPU, MIXING, RATE, RECIPE, mixer, silent, trained

from rtsep.errors import ConfigError
from rtsep.models.bundle import load_bundle
from rtsep.models.separator import Separator
from rtsep.train.checkpoint import CHECKPOINT
from rtsep.train.export import export_run
from rtsep.train.loop import AGREE_EVERY, LOG, Trainer
from rtsep.train.mixture import Batch
from rtsep.train.objective import Objective
from rtsep.train.pool import Pool
from rtsep.train.recipe import LossConfig, Recipe
from rtsep.train.run import load_run
from rtsep.train.waves import amplify, cut, level, swell


def loss_of(separator: Separator, batch: Batch, recipe: Recipe) -> float:
    torch.manual_seed(0)
    with torch.no_grad():
        return sum(float(loss) for loss in Objective(separator, recipe.loss)(*batch).values())


@pytest.mark.parametrize(
    ("train", "loss", "optimizer", "least"),
    [
        (("masker", "film_head"), LossConfig(), "adamw", 0.5),
        (("masker", "film_head"), LossConfig(), "muon", 0.5),
        (("codec.quantizer",), LossConfig(separation=0, codes=1), "sgd", 0.2),
        (
            ("codec.encoder", "codec.decoder"),
            LossConfig(separation=0, reconstruction=0.1, spectrum=1),
            "adamw",
            0.5,
        ),
    ],
    ids=["masker", "masker by Muon", "quantizer", "codec"],
)
def test_thirty_steps_lower_the_loss_and_leave_the_rest_alone(
    tmp_path: Path, pool: Pool, train: Any, loss: LossConfig, optimizer: str, least: float
) -> None:
    steps = {"learning_rate": 0.7, "clip_norm": 1e9} if optimizer == "sgd" else {}
    recipe = RECIPE.model_copy(update={"train": train, "loss": loss, "optimizer": optimizer} | steps)
    unseen = mixer(pool, MIXING.model_copy(update={"batch": 20}), seed=77).draw()
    bent = None if "codec.encoder" not in train else tiny_separator()  # a fresh codec has nothing to learn
    trainer = Trainer(recipe, mixer(pool), tmp_path, CPU, bent)
    before = {name: tensor.clone() for name, tensor in trainer.separator.state_dict().items()}
    first = loss_of(trainer.separator, unseen, recipe)
    trainer.run(silent())
    assert loss_of(trainer.separator, unseen, recipe) < first - least
    assert loss_of(trainer.averaged, unseen, recipe) < first - least / 2
    learning = tuple(f"{name}." for name in train)
    for name, parameter in trainer.separator.named_parameters():
        moved = not torch.equal(parameter, before[name])
        assert parameter.requires_grad == name.startswith(learning)
        assert moved <= name.startswith(learning), name
    assert any(not torch.equal(p, before[name]) for name, p in trainer.separator.named_parameters())


def test_the_codec_learns_beside_the_masker(tmp_path: Path, pool: Pool) -> None:
    recipe = RECIPE.model_copy(
        update={
            "train": ("codec.encoder", "codec.decoder", "masker", "film_head"),
            "loss": LossConfig(separation=1, reconstruction=0.5),
            "steps": 3,
        }
    )
    trainer = Trainer(recipe, mixer(pool), tmp_path, CPU)
    before = {name: tensor.clone() for name, tensor in trainer.separator.named_parameters()}
    trainer.run(silent())
    still = {name for name, p in trainer.separator.named_parameters() if torch.equal(p, before[name])}
    assert still == {name for name in before if name.startswith("codec.quantizer.")}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_that_is_interrupted_and_resumed_ends_as_one_that_was_not(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    recipe = RECIPE.model_copy(
        update={
            "steps": 9,
            "loss": LossConfig(separation=1, codes=1),
            "train": ("codec.quantizer", "masker"),
            "optimizer": optimizer,
        }
    )
    whole = trained(tmp_path / "whole", pool, recipe)
    halves = Trainer(recipe, mixer(pool), tmp_path / "halves", CPU)
    draw = halves.mixer.draw

    def interrupted() -> Batch:
        if halves.step == 4:
            raise KeyboardInterrupt
        return draw()

    monkeypatch.setattr(halves.mixer, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        halves.run(silent())
    torch.manual_seed(12345)
    resumed = Trainer(recipe, mixer(pool, seed=999), tmp_path / "halves", CPU)
    assert resumed.step == 4
    resumed.run(silent())
    assert resumed.step == whole.step == 9
    for one, other in ((whole.separator, resumed.separator), (whole.averaged, resumed.averaged)):
        found = other.state_dict()
        assert all(torch.equal(tensor, found[name]) for name, tensor in one.state_dict().items())


def test_a_finished_run_does_nothing_more(tmp_path: Path, pool: Pool) -> None:
    recipe = RECIPE.model_copy(update={"steps": 2})
    first = trained(tmp_path, pool, recipe)
    again = trained(tmp_path, pool, recipe)
    assert again.step == 2
    assert torch.equal(first.separator.masker.leave.weight, again.separator.masker.leave.weight)


def test_a_run_of_another_shape_is_not_resumed(tmp_path: Path, pool: Pool) -> None:
    trained(tmp_path, pool, RECIPE.model_copy(update={"steps": 1}))
    other = RECIPE.model_copy(update={"masker": MASKER.model_copy(update={"layers": 1})})
    with pytest.raises(
        ConfigError, match="was made with another masker than the recipe's: use another --out"
    ):
        Trainer(other, mixer(pool), tmp_path, CPU)


def test_a_batch_that_is_not_finite_leaves_no_trace_in_the_weights(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(RECIPE.model_copy(update={"steps": 3}), mixer(pool), tmp_path, CPU)
    draw = trainer.mixer.draw

    def spoilt() -> Batch:
        batch = draw()
        return batch._replace(targets=batch.targets * float("nan")) if trainer.step == 1 else batch

    monkeypatch.setattr(trainer.mixer, "draw", spoilt)
    trainer.run(silent())
    assert trainer.step == 3
    for separator in (trainer.separator, trainer.averaged):
        assert all(tensor.isfinite().all() for tensor in separator.state_dict().values())


def test_a_run_stops_in_time_with_a_checkpoint_and_goes_on_later(tmp_path: Path, pool: Pool) -> None:
    recipe = RECIPE.model_copy(update={"steps": AGREE_EVERY + 5, "save_every": 1000})
    first = Trainer(recipe, mixer(pool), tmp_path, CPU)
    first.run(silent(), seconds=0)
    assert first.step == AGREE_EVERY
    again = Trainer(recipe, mixer(pool), tmp_path, CPU)
    assert again.step == AGREE_EVERY
    again.run(silent(), seconds=1000)
    assert again.step == recipe.steps
    assert again.seconds > first.seconds > 0


def test_bfloat16_trains_and_keeps_its_weights_in_float32(tmp_path: Path, pool: Pool) -> None:
    recipe = RECIPE.model_copy(update={"precision": "bfloat16", "loss": LossConfig(reconstruction=0.1)})
    unseen = mixer(pool, MIXING.model_copy(update={"batch": 20}), seed=77).draw()
    trainer = Trainer(recipe, mixer(pool), tmp_path, CPU)
    first = loss_of(trainer.separator, unseen, recipe)
    trainer.run(silent())
    assert loss_of(trainer.separator, unseen, recipe) < first - 0.3
    assert {tensor.dtype for tensor in trainer.separator.parameters()} == {torch.float32}


def test_a_compiled_forward_learns_the_same(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []

    def compile_(what: object) -> object:  # the real one needs a C++ compiler and a minute
        compiled.append(what)
        return what

    monkeypatch.setattr(torch, "compile", compile_)
    recipe = RECIPE.model_copy(update={"steps": 2})
    fast = Trainer(recipe, mixer(pool), tmp_path / "fast", CPU, compile=True)
    fast.run(silent())
    plain = trained(tmp_path / "plain", pool, recipe)
    forward, *arithmetic = compiled
    assert isinstance(forward, Objective)
    assert arithmetic == [cut, swell, amplify, level]
    assert torch.equal(fast.separator.masker.leave.weight, plain.separator.masker.leave.weight)


def test_features_are_standardised_on_the_data(tmp_path: Path, pool: Pool) -> None:
    trainer = Trainer(RECIPE, mixer(pool), tmp_path, CPU)
    others = mixer(pool, seed=5)
    separator, mixture = trainer.separator, torch.cat([others.draw().mixture for _ in range(8)])
    latent, _ = separator.codec.encode(mixture, separator.codec.encoder.initial_state(len(mixture)))
    features = separator.masker.features(latent[:, None])
    assert abs(features.mean().item()) < 0.3
    assert features.std().item() == pytest.approx(1, abs=0.3)
    assert torch.equal(trainer.averaged.masker.feature_mean, separator.masker.feature_mean)


def test_a_band_without_any_sound_is_not_blown_up(tmp_path: Path, pool: Pool) -> None:
    quiet = Pool(np.zeros_like(pool.samples), pool.clips, RATE)
    separator = Trainer(RECIPE, mixer(quiet), tmp_path, CPU).separator
    assert separator.masker.feature_scale.isfinite().all()
    assert float(separator.masker.feature_scale.max()) <= 1000


def test_the_log_and_the_checkpoint_are_written_as_often_as_the_recipe_says(
    tmp_path: Path, pool: Pool
) -> None:
    scores: list[int] = []
    recipe = RECIPE.model_copy(update={"steps": 7, "save_every": 3, "validate_every": 6})

    def validate(separator: Separator) -> dict[str, float]:
        assert separator is trainer.averaged
        scores.append(trainer.step)
        return {"score": 1.5}

    trainer = Trainer(recipe, mixer(pool), tmp_path, CPU)
    trainer.run(silent(), validate)
    with (tmp_path / LOG).open() as file:
        rows = list(csv.DictReader(file))
    assert scores == [6]
    assert [(row["step"], row["name"]) for row in rows] == [
        ("3", "separation"), ("6", "separation"), ("6", "score"), ("7", "separation"),
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHECKPOINT, LOG]


def test_halfway_every_weight_is_the_mean_and_another_shape_is_refused(tmp_path: Path, pool: Pool) -> None:
    trainer = trained(tmp_path / "run", pool, RECIPE.model_copy(update={"steps": 3}))
    start = tiny_bundle(tmp_path / "start")
    export_run(tmp_path / "run", tmp_path / "between", "between", halfway=str(start.path))
    theirs = start.separator.state_dict()
    for name, tensor in load_bundle(str(tmp_path / "between")).separator.state_dict().items():
        mean = (trainer.averaged.state_dict()[name] + theirs[name]) / 2
        assert torch.allclose(tensor, mean, atol=1e-3), name
    larger = MASKER.model_copy(update={"feed_forward": MASKER.feed_forward + 8})
    other = tiny_bundle(tmp_path / "other", tiny_separator(masker=larger))
    with pytest.raises(ConfigError, match=r"another shape: .* masker\.layers\.0\.feed"):
        export_run(tmp_path / "run", tmp_path / "never", "never", halfway=str(other.path))
    elsewhere = write_bundle(tmp_path / "elsewhere", encoder="minilm-l6-v2")
    with pytest.raises(ConfigError, match="has the text encoder minilm-l6-v2, the run bag-of-words"):
        export_run(tmp_path / "run", tmp_path / "never", "never", halfway=str(elsewhere))
    assert not (tmp_path / "never").exists()


def test_halfway_to_what_was_not_told_how_near_words_are_what_it_lacks_counts_half(
    tmp_path: Path, pool: Pool
) -> None:
    blended = MASKER.model_copy(update={"phrases": len(mixer(pool).phrases.bank.phrases)})
    start = tiny_bundle(tmp_path / "start", tiny_separator(masker=blended))
    masker = blended.model_copy(update={"nearness": True})
    recipe = RECIPE.model_copy(update={"masker": masker, "steps": 3})
    trainer = trained(tmp_path / "run", pool, recipe)
    export_run(tmp_path / "run", tmp_path / "between", "between", halfway=str(start.path))
    hidden = load_bundle(str(tmp_path / "between")).separator.film_head.hidden
    ours, theirs = trainer.averaged.film_head.hidden, start.separator.film_head.hidden
    assert hidden is not None and ours is not None and theirs is not None
    assert torch.allclose(hidden.weight[:, -1], ours.weight[:, -1] / 2, atol=1e-3)
    assert hidden.weight[:, -1].abs().max() > 0.01
    mean = (ours.weight[:, :-1] + theirs.weight) / 2
    assert torch.allclose(hidden.weight[:, :-1], mean, atol=1e-3)


def test_a_run_becomes_a_bundle_of_its_averaged_weights(tmp_path: Path, pool: Pool) -> None:
    trainer = trained(tmp_path / "run", pool, RECIPE.model_copy(update={"steps": 3}))
    card = tmp_path / "card.md"
    card.write_text("# Mine\n")
    export_run(tmp_path / "run", tmp_path / "bundle", "my tones", card=card)
    bundle = load_bundle(str(tmp_path / "bundle"))
    assert bundle.config.description == "my tones"
    assert bundle.config.text_encoder == "bag-of-words"
    assert (bundle.path / "README.md").read_text() == "# Mine\n"
    expected = trainer.averaged.state_dict()
    for name, tensor in bundle.separator.state_dict().items():
        assert torch.equal(tensor, expected[name].half().float()), name
    facts = load_run(tmp_path / "run")[1]
    assert (facts.recipe.codec, facts.steps) == (CODEC, 3)
    assert facts.data == {"hours": pool.hours, "clips": 18, "labels": 6}
    with pytest.raises(ConfigError, match="no training run in"):
        load_run(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot read what belongs to the model card: .*none\.md"):
        export_run(tmp_path / "run", tmp_path / "other", "", card=tmp_path / "none.md")
    assert not (tmp_path / "other").exists()
