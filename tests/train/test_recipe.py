"""Recipes: those that ship are valid, and a bad one is named with its key in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from train_builders import CPU, RECIPE, mixer

from rtsep.errors import ConfigError, RtsepError
from rtsep.evaluate.bench import gmacs_per_second
from rtsep.models.separator import Separator
from rtsep.train.loop import Trainer
from rtsep.train.pool import Pool
from rtsep.train.recipe import RECIPES, Recipe, read_recipe


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
        (GOOD + "[loss]\nthrough_codes = 0.5\n", "loss: .*through_codes needs codes"),
        (GOOD + "[codec]\nstem_overlap = 500\n", "codec"),
        (GOOD + "betas = [1.0, 0.9]\n", "betas.0: Input should be less than 1"),
        (GOOD + "average = 3.0\n", "average: Input should be less than 1"),
        (GOOD + "[mixing]\nsources = []\n", "mixing.sources: Tuple should have at least 1 item"),
        (GOOD.replace("x", "\udcff"), "can't decode byte 0xff"),
    ],
)
def test_a_bad_recipe_is_named_with_its_key_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RtsepError, match=says) as caught:
        read_recipe(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no recipe 'nosuch': have .*masker"):
        read_recipe("nosuch")


def test_the_large_recipe_keeps_to_the_limits_of_a_live_model() -> None:
    recipe = read_recipe("masker-large")
    separator = Separator(recipe.codec, recipe.masker)
    assert gmacs_per_second(separator)["total"] < 1.0
    sizes = {name: 2 * tensor.numel() for name, tensor in separator.state_dict().items()}
    codes = sizes.pop("codec.quantizer.codebooks")  # not looked at but for a stream of codes
    assert sum(sizes.values()) < 16e6
    assert sum(sizes.values()) + codes < 32e6


def test_a_table_takes_the_place_of_what_is_none_in_the_recipe_that_another_is_like(tmp_path: Path) -> None:
    base, over = tmp_path / "base.toml", tmp_path / "over.toml"
    base.write_text(GOOD + "masker = 3\n")
    over.write_text(f"like = {json.dumps(str(base))}\n[masker]\nwidth = 64\n")
    assert read_recipe(str(over)).masker.width == 64


@pytest.mark.parametrize(
    ("key", "value", "says"), [("masker.group", 7, "groups of 7"), ("mixing.seconds", 1e-4, "no hop of 16")]
)
def test_a_model_that_cannot_be_built_or_fed_is_refused(
    tmp_path: Path, pool: Pool, key: str, value: float, says: str
) -> None:
    table, name = key.split(".")
    part = getattr(RECIPE, table).model_copy(update={name: value})
    with pytest.raises(ConfigError, match=says):
        Trainer(RECIPE.model_copy(update={table: part}), mixer(pool), tmp_path, CPU)
