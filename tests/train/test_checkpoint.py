"""Checkpoints: whole, damaged, and in parts that make a run again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from train_builders import CPU, RECIPE, mixer, silent, trained

from rtsep.errors import ConfigError
from rtsep.train.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint, write_parts
from rtsep.train.loop import Trainer
from rtsep.train.pool import Pool
from rtsep.train.run import load_run


def test_parts_joined_are_a_run_in_half_precision_that_goes_on(tmp_path: Path, pool: Pool) -> None:
    run = trained(tmp_path / "run", pool, RECIPE.model_copy(update={"steps": 6}))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / f"{CHECKPOINT}.99").write_text("of an older journey")
    paths = write_parts(tmp_path / "parts", run.parts(), part_bytes=20_000)
    assert len(paths) > 2
    assert sorted((tmp_path / "parts").iterdir()) == paths
    assert all(path.stat().st_size <= 20_000 for path in paths)
    whole = (tmp_path / "run" / CHECKPOINT).stat().st_size
    assert sum(path.stat().st_size for path in paths) < 0.45 * whole

    joined = tmp_path / "joined"
    joined.mkdir()
    (joined / CHECKPOINT).write_bytes(b"".join(path.read_bytes() for path in paths))
    expected = run.averaged.state_dict()
    for name, tensor in load_run(joined)[0].state_dict().items():
        assert torch.equal(tensor, expected[name].half().float()), name
    again = Trainer(RECIPE.model_copy(update={"steps": 9}), mixer(pool, seed=5), joined, CPU)
    assert again.step == 6
    again.run(silent())
    assert again.step == 9
    assert {p.dtype for p in again.separator.parameters()} == {torch.float32}


def test_a_checkpoint_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path, {"step": 1})

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail)
        with pytest.raises(OSError, match="disk full"):
            write_checkpoint(tmp_path, {"step": 2})
    assert read_checkpoint(tmp_path) == {"step": 1}


def test_a_missing_or_damaged_checkpoint_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no training run in"):
        read_checkpoint(tmp_path)
    write_checkpoint(tmp_path, {"weights": torch.randn(1000)})
    path = tmp_path / CHECKPOINT
    for content in (path.read_bytes()[:2000], b"", b"not a checkpoint"):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"checkpoint\.pt is damaged") as caught:
            read_checkpoint(tmp_path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spoilt", [{"recipe": {"steps": -1}}, {"average": {}}, {"separator": None}, None])
def test_a_checkpoint_that_holds_no_run_is_named_in_one_line(
    tmp_path: Path, pool: Pool, spoilt: dict[str, object] | None
) -> None:
    parts = trained(tmp_path, pool, RECIPE.model_copy(update={"steps": 1})).parts()
    write_checkpoint(tmp_path, {} if spoilt is None else parts | spoilt)
    with pytest.raises(ConfigError, match="holds no run of this version") as caught:
        Trainer(RECIPE, mixer(pool), tmp_path, CPU)
    assert "\n" not in str(caught.value)
    if spoilt is None or "separator" not in spoilt:  # which only resuming looks at
        with pytest.raises(ConfigError, match="holds no run of this version"):
            load_run(tmp_path)


@pytest.mark.parametrize("changed", [{"train": ("masker",)}, {"optimizer": "muon"}])
def test_what_learns_and_by_what_rule_stays_when_a_run_is_resumed(
    tmp_path: Path, pool: Pool, changed: dict[str, object]
) -> None:
    trained(tmp_path, pool, RECIPE.model_copy(update={"steps": 1}))
    with pytest.raises(ConfigError, match=r"other 'train' or 'optimizer' \(masker, film_head; adamw\)"):
        Trainer(RECIPE.model_copy(update=changed), mixer(pool), tmp_path, CPU)
