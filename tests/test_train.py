"""Training: it learns, it resumes as if nothing had happened, and what is wrong is named in one line."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from builders import CODEC, MASKER, BagOfWords, tiny_separator, transparent_separator
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from rtsep.errors import ConfigError, RtsepError
from rtsep.models.bundle import load_bundle
from rtsep.models.separator import Separator
from rtsep.models.text import TEXT_ENCODERS
from rtsep.train.loop import CHECKPOINT, LOG, Trainer, losses
from rtsep.train.loss import ABSENT_WEIGHT, reconstruction_loss, separation_loss
from rtsep.train.mixing import Batch, Mixer, MixingConfig
from rtsep.train.phrases import TEMPLATES, Phrases
from rtsep.train.pool import Pool, open_pool
from rtsep.train.recipe import RECIPES, LossConfig, Recipe, read_recipe
from rtsep.train.session import export_run, load_run

RATE = CODEC.sample_rate
CPU = torch.device("cpu")
MIXING = MixingConfig(
    seconds=0.12,
    batch=6,
    prompts=2,
    sources=(0.2, 0.8),
    categories={"event": 0.6, "music": 0.4},
    reverberation=0.3,
)
RECIPE = Recipe(
    description="tiny",
    text_encoder="bag-of-words",
    train=("masker", "film_head"),
    steps=30,
    learning_rate=5e-3,
    warm_up=2,
    average=0.8,
    save_every=5,
    codec=CODEC,
    masker=MASKER,
    mixing=MIXING,
)
LABELS = {
    "hiss": "event",
    "rumble": "event",
    "click": "event",
    "low tone": "music",
    "middle tone": "music",
    "high tone": "music",
}


@pytest.fixture(autouse=True)
def bag_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TEXT_ENCODERS, "bag-of-words", BagOfWords)


def sound(label: str, rng: np.random.Generator, samples: int) -> Any:
    """What a label sounds like."""
    white, time = rng.standard_normal(samples), np.arange(samples) / RATE
    match label:
        case "hiss":
            return 0.1 * np.diff(white, prepend=0)
        case "rumble":
            return 0.02 * np.convolve(white, np.ones(40), "same")
        case "click":
            return 0.5 * (rng.random(samples) < 0.001)
    frequency = {"low tone": 300, "middle tone": 1500, "high tone": 6000}[label] * rng.uniform(0.9, 1.1)
    return 0.2 * np.sin(2 * np.pi * frequency * time)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen short clips with their table."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "category", "caption"])
        for label, category in LABELS.items():
            for number in range(3):
                path = f"{label.replace(' ', '-')}-{number}.wav"
                rate = RATE if number else 2 * RATE
                soundfile.write(folder / path, sound(label, rng, int(rng.integers(3000, 20_000))), rate)
                writer.writerow([path, label, category, f"a {label} is heard" if number else ""])
    return folder / "clips.csv"


@pytest.fixture(scope="module")
def pool(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return open_pool(table, tmp_path_factory.mktemp("cache"), RATE)


def mixer(pool: Pool, config: MixingConfig = MIXING, seed: int = 0) -> Mixer:
    return Mixer(pool, Phrases(pool.clips, "bag-of-words"), config, CPU, seed)


def silent() -> Progress:
    return Progress(console=Console(quiet=True))


def trained(folder: Path, pool: Pool, recipe: Recipe = RECIPE, start: Separator | None = None) -> Trainer:
    trainer = Trainer(recipe, mixer(pool, recipe.mixing, recipe.seed), folder, CPU, start)
    trainer.run(silent())
    return trainer


def loss_of(separator: Separator, batch: Batch, recipe: Recipe) -> float:
    torch.manual_seed(0)
    with torch.no_grad():
        return sum(float(loss) for loss in losses(separator, batch, recipe).values())


# --- learning ---


@pytest.mark.parametrize(
    ("train", "loss", "least"),
    [
        (("masker", "film_head"), LossConfig(), 0.5),
        (("codec.quantizer",), LossConfig(separation=0, codes=1), 0.2),
    ],
    ids=["masker", "quantizer"],
)
def test_thirty_steps_lower_the_loss_and_leave_the_rest_alone(
    tmp_path: Path, pool: Pool, train: Any, loss: LossConfig, least: float
) -> None:
    recipe = RECIPE.model_copy(update={"train": train, "loss": loss})
    unseen = mixer(pool, MIXING.model_copy(update={"batch": 20}), seed=77).draw()
    trainer = Trainer(recipe, mixer(pool), tmp_path, CPU)
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
    assert sum(not torch.equal(p, before[name]) for name, p in trainer.separator.named_parameters()) > 4


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


def test_a_run_that_is_interrupted_and_resumed_ends_as_one_that_was_not(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPE.model_copy(
        update={"steps": 9, "loss": LossConfig(separation=1, codes=1), "train": ("codec.quantizer", "masker")}
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


def test_weights_to_start_from_are_taken_over_or_refused(tmp_path: Path, pool: Pool) -> None:
    start = tiny_separator()
    trainer = Trainer(RECIPE, mixer(pool), tmp_path / "fits", CPU, start)
    found = trainer.separator.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in start.state_dict().items())
    averaged = trainer.averaged.state_dict()
    assert all(torch.equal(tensor, averaged[name]) for name, tensor in start.state_dict().items())
    other = tiny_separator(masker=MASKER.model_copy(update={"feed_forward": 40}))
    with pytest.raises(ConfigError, match=r"do not fit the recipe: .*feed") as caught:
        Trainer(RECIPE, mixer(pool), tmp_path / "not", CPU, other)
    assert "\n" not in str(caught.value)


def test_features_are_standardised_on_the_data(tmp_path: Path, pool: Pool) -> None:
    trainer = Trainer(RECIPE, mixer(pool), tmp_path, CPU)
    separator, mixture = trainer.separator, mixer(pool, seed=5).draw().mixture
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


def test_a_run_becomes_a_bundle_of_its_averaged_weights(tmp_path: Path, pool: Pool) -> None:
    trainer = trained(tmp_path / "run", pool, RECIPE.model_copy(update={"steps": 3}))
    card = tmp_path / "card.md"
    card.write_text("# Mine\n")
    export_run(tmp_path / "run", tmp_path / "bundle", card, "my tones")
    bundle = load_bundle(str(tmp_path / "bundle"))
    assert bundle.config.description == "my tones"
    assert bundle.config.text_encoder == "bag-of-words"
    assert (bundle.path / "README.md").read_text() == "# Mine\n"
    expected = trainer.averaged.state_dict()
    for name, tensor in bundle.separator.state_dict().items():
        assert torch.equal(tensor, expected[name].half().float()), name
    assert load_run(tmp_path / "run")[1].codec == CODEC
    with pytest.raises(ConfigError, match="no training run in"):
        load_run(tmp_path)
    with pytest.raises(ConfigError, match="cannot read the model card"):
        export_run(tmp_path / "run", tmp_path / "other", tmp_path / "none.md", "")


# --- losses ---


def test_the_loss_minds_shape_and_level_and_asks_for_silence_where_nothing_is() -> None:
    generator = torch.Generator().manual_seed(0)
    target, other = torch.randn(2, 1, 4000, generator=generator)
    mixture, zero = target + other, torch.zeros(1, 4000)

    def loss(estimate: Tensor, wanted: Tensor = target) -> float:
        return separation_loss(estimate, wanted, mixture).item()

    # The level term knows 30 dB, against a mixture of twice the target's energy; so does the shape term.
    assert loss(target) == pytest.approx(-30, abs=0.1)
    assert loss(zero) == pytest.approx((-3 + 30) / 2, abs=0.1)
    assert loss(target) < loss(0.5 * target) < loss(mixture) < loss(zero)
    assert loss(zero, zero) == pytest.approx(-20 * ABSENT_WEIGHT, abs=0.01)
    assert loss(mixture, zero) == pytest.approx(0, abs=0.1)
    assert loss(0.3 * mixture, zero) < loss(mixture, zero)


@pytest.mark.parametrize("level", [0.0, 1e-8, 1.0, 100.0])
def test_the_losses_and_their_gradients_are_finite_even_in_silence(level: float) -> None:
    target = level * torch.randn(3, 1, 500, generator=torch.Generator().manual_seed(0))
    for estimate in (torch.zeros(3, 1, 500), target.clone(), -target):
        estimate.requires_grad_(True)
        for wanted in (target, torch.zeros_like(target)):
            total = separation_loss(estimate, wanted, target) + reconstruction_loss(estimate, wanted)
            (gradient,) = torch.autograd.grad(total, estimate)
            assert total.isfinite()
            assert gradient.isfinite().all()


def test_reconstruction_is_counted_down_to_forty_decibels() -> None:
    wave = torch.randn(2, 1, 1000, generator=torch.Generator().manual_seed(0))
    assert reconstruction_loss(wave, wave).item() == pytest.approx(-40, abs=0.01)
    assert reconstruction_loss(0.9 * wave, wave).item() == pytest.approx(-20, abs=0.1)
    assert reconstruction_loss(torch.zeros_like(wave), wave).item() == pytest.approx(0, abs=0.01)


def test_the_whole_crop_is_scored_with_the_delay_taken_out(pool: Pool) -> None:
    batch = mixer(pool, MIXING.model_copy(update={"seconds": 0.1203, "sources": (1.0,), "prompts": 1})).draw()
    found = losses(
        transparent_separator(), batch, RECIPE.model_copy(update={"loss": LossConfig(reconstruction=1)})
    )
    assert found["reconstruction"].item() == pytest.approx(-40, abs=0.01)
    assert found["separation"].item() == pytest.approx(-30, abs=0.01)


# --- mixtures ---


def test_the_same_seed_gives_the_same_batches_and_another_others(pool: Pool) -> None:
    one, same, other = mixer(pool, seed=3), mixer(pool, seed=3), mixer(pool, seed=4)
    for _ in range(3):
        a, b, c = one.draw(), same.draw(), other.draw()
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
        assert not torch.equal(a.mixture, c.mixture)


def test_a_batch_has_the_configured_shape_and_loudness(pool: Pool) -> None:
    length = round(MIXING.seconds * RATE)
    low, high = MIXING.loudness_dbfs
    drawer = mixer(pool)
    for _ in range(10):
        batch = drawer.draw()
        assert batch.mixture.shape == (6, 1, length)
        assert batch.targets.shape == (6, 2, length)
        assert batch.embeddings.shape == (6, 2, MASKER.text)
        assert batch.mixture.isfinite().all()
        level = 10 * batch.mixture.square().mean(dim=(1, 2)).log10()
        assert float(level.max()) <= high + 0.1
        assert float(level.median()) >= low - 1
        assert torch.allclose(batch.embeddings.norm(dim=-1), torch.ones(6, 2), atol=1e-5)


def test_targets_are_the_sources_and_zero_where_the_prompt_names_nothing(pool: Pool) -> None:
    config = MIXING.model_copy(update={"sources": (0.5, 0.5), "absent": 0.0, "batch": 20})
    batch = mixer(pool, config).draw()
    silent_target = (batch.targets == 0).all(dim=-1)
    assert not silent_target[:, 0].any()
    assert 0 < int(silent_target[:, 1].sum()) < 20  # as many as mixtures of one source
    assert torch.allclose(batch.targets.sum(dim=1, keepdim=True), batch.mixture, atol=1e-6)
    absent = mixer(pool, config.model_copy(update={"absent": 1.0})).draw()
    assert (absent.targets[:, 1] == 0).all()
    assert not (absent.targets[:, 0] == 0).all(dim=-1).any()


def test_categories_and_labels_are_drawn_as_configured(pool: Pool) -> None:
    shares = {"event": 0.25, "music": 0.75}
    drawer = mixer(pool, MIXING.model_copy(update={"categories": shares}))
    labels = drawer.phrases.labels
    count = Counter(LABELS[labels[int(drawer._labels(1)[0])]] for _ in range(1500))
    assert count["music"] / 1500 == pytest.approx(0.75, abs=0.05)
    weight = dict(zip(labels, drawer._label_weight.tolist(), strict=True))
    assert all(value > 0 for value in weight.values())
    assert sum(weight.values()) == pytest.approx(1)


def test_labels_that_mean_nearly_the_same_never_meet(pool: Pool) -> None:
    drawer = mixer(pool)
    likeness = drawer.phrases.likeness()
    for _ in range(100):
        labels = drawer._labels(3)
        for a in range(3):
            for b in range(a):
                assert likeness[labels[a], labels[b]] < MIXING.likeness


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(
            MIXING.model_copy(update={"sources": (0.1, 0.1, 0.1, 0.7), "prompts": 4}), id="few-labels"
        ),
        pytest.param(MIXING.model_copy(update={"likeness": -1.0}), id="all-alike"),
        pytest.param(MIXING.model_copy(update={"categories": {"speech": 1.0}}), id="no-such-category"),
    ],
)
def test_a_pool_that_cannot_fill_a_mixture_is_refused_in_one_line(pool: Pool, config: MixingConfig) -> None:
    with pytest.raises(ConfigError) as caught:
        mixer(pool, config).draw()
    assert "\n" not in str(caught.value)


def test_phrases_are_the_label_half_of_the_time_and_never_another_label(pool: Pool) -> None:
    phrases = Phrases(pool.clips, "bag-of-words")
    encoder, generator = BagOfWords(), torch.Generator().manual_seed(0)
    for number, label in enumerate(phrases.labels):
        said = [template.format(label) for template in TEMPLATES] + [f"a {label} is heard"]
        known = encoder(said)
        drawn: Tensor = phrases.draw(torch.full((400,), number), generator, 0.0)
        which = (drawn @ known.T).argmax(dim=-1)
        assert torch.allclose((drawn * known[which]).sum(dim=-1), torch.ones(400), atol=1e-5)
        assert set(which.tolist()) == set(range(len(said)))
        assert (which == 0).float().mean().item() == pytest.approx(0.5 + 0.5 / len(said), abs=0.08)


# --- pool ---


def test_a_pool_holds_every_clip_at_its_rate(pool: Pool, table: Path) -> None:
    assert pool.samples.dtype == np.int16
    assert sum(clip.length for clip in pool.clips) == len(pool.samples)
    rows = csv.DictReader(table.read_text().splitlines())
    for clip, row in zip(pool.clips, rows, strict=True):
        samples, rate = soundfile.read(table.parent / row["path"])
        assert (clip.label, clip.category, clip.caption) == (row["label"], row["category"], row["caption"])
        assert clip.length == pytest.approx(len(samples) * RATE / rate, abs=1)
        if rate == RATE:
            found = pool.samples[clip.start : clip.start + clip.length] / 32767
            assert np.abs(found - samples.clip(-1, 1)).max() <= 1e-4


def test_a_pool_is_decoded_once(
    pool: Pool, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_pool(table, tmp_path, RATE)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was decoded")

    monkeypatch.setattr("rtsep.train.pool.soundfile.read", refuse)
    again = open_pool(table, tmp_path, RATE)
    assert again.clips == first.clips == pool.clips
    assert np.array_equal(again.samples, first.samples)


def test_tables_that_read_alike_in_two_folders_are_two_pools(tmp_path: Path) -> None:
    pools = []
    for name, level in (("one", 0.1), ("two", 0.5)):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", np.full(100, level), RATE)
        (tmp_path / name / "clips.csv").write_text("path,label\na.wav,dog\n")
        pools.append(open_pool(tmp_path / name / "clips.csv", tmp_path / "cache", RATE))
    assert not np.array_equal(pools[0].samples, pools[1].samples)
    assert pools[0].clips[0].category == "event"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read the table of clips"),
        (b"", "no rows with the columns 'path' and 'label'"),
        (b"path,label\n", "no rows with the columns 'path' and 'label'"),
        (b"file,label\na.wav,dog\n", "no rows with the columns 'path' and 'label'"),
        (b"path,label\nmissing.wav,dog\n", "cannot read"),
        (b"path,label\nclips.csv,dog\n", "cannot read"),
        (b"path,label\n\xff.wav,dog\n", "cannot read"),
        (b"label,path\ndog\n", "clips.csv"),
    ],
)
def test_a_bad_table_is_named_in_one_line(tmp_path: Path, content: bytes | None, says: str) -> None:
    table = tmp_path / "clips.csv"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        open_pool(table, tmp_path / "cache", RATE)
    assert str(table) in str(caught.value)
    assert "\n" not in str(caught.value)


# --- recipes ---


def test_every_recipe_that_ships_is_valid() -> None:
    names = [path.stem for path in RECIPES.glob("*.toml")]
    assert names
    for name in names:
        recipe = read_recipe(name)
        assert recipe.description
        assert read_recipe(str(RECIPES / f"{name}.toml")) == recipe
        assert Recipe.model_validate(json.loads(recipe.model_dump_json())) == recipe


GOOD = 'description = "x"\ntrain = ["masker"]\nsteps = 5\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps = = 5", "Invalid value"),
        ('description = "x"\ntrain = ["masker"]\n', "steps: Field required"),
        (GOOD + "speed = 3\n", r"speed: Extra inputs are not permitted \(keys here: description, "),
        (GOOD + "[masker]\nlayer = 3\n", "masker.layer: Extra inputs are not permitted"),
        (GOOD + "[mixing]\nbatch = 0\n", "mixing.batch: Input should be greater than 0"),
        (GOOD.replace("masker", "decoder"), "train.0: Input should be 'codec.encoder'"),
        (GOOD.replace('["masker"]', "[]"), "train"),
        (GOOD + "[loss]\nseparation = 0\n", "loss"),
        (GOOD + "[codec]\nstem_overlap = 500\n", "codec"),
    ],
)
def test_a_bad_recipe_is_named_with_its_key_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(RtsepError, match=says) as caught:
        read_recipe(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no recipe 'nosuch': have .*masker"):
        read_recipe("nosuch")
