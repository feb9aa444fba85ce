"""A session of training: from a data set and weights to a run."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from train_builders import TINY

from rtsep.errors import ConfigError
from rtsep.train.checkpoint import read_checkpoint
from rtsep.train.pack import pack_session
from rtsep.train.session import train_session


def test_a_codec_started_from_is_taken_over_unless_the_recipe_names_its_own(
    tmp_path: Path, table: Path
) -> None:
    own, silent = tmp_path / "own.toml", tmp_path / "silent.toml"
    own.write_text(TINY)
    before, codec, after = re.split(r"(\[codec\].*?)(?=\[masker\])", TINY, flags=re.DOTALL)
    silent.write_text(before + after)
    other = tmp_path / "other.toml"
    other.write_text(before + codec + "residual_dilations = []\n" + after)
    pack_session(table, tmp_path / "pack", str(own), encoding="mulaw", part_bytes=10**9)
    train = partial(train_session, data=tmp_path / "pack", compute="cpu", steps=1)
    train(str(own), out=tmp_path / "first")
    train(str(silent), out=tmp_path / "second", start=str(tmp_path / "first"))
    recipes = [read_checkpoint(tmp_path / run)["recipe"] for run in ("first", "second")]
    assert recipes[0] == recipes[1]
    with pytest.raises(ConfigError, match="do not fit the recipe"):
        train(str(other), out=tmp_path / "third", start=str(tmp_path / "first"))
