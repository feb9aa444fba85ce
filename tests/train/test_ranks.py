"""Several processes that train together make one run with one log."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

from torch import nn
from train_builders import BARE, CPU, TINY

from rtsep.train.checkpoint import read_checkpoint
from rtsep.train.pack import pack_session
from rtsep.train.ranks import Ranks, join_ranks, leave_ranks
from rtsep.train.run import load_run


def test_alone_nothing_changes() -> None:
    module = nn.Linear(2, 2)
    assert join_ranks(CPU) == (Ranks(), CPU)
    assert Ranks().join(module) is module
    assert Ranks().agree(True, CPU)
    assert not Ranks().agree(False, CPU)
    leave_ranks()


def test_two_processes_make_one_run(tmp_path: Path, table: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY)
    pack_session(table, tmp_path / "pack", str(recipe), encoding="mulaw", part_bytes=10**9)
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", 2, "--standalone", "--no-python"]
    line = ["train", recipe, "--data", tmp_path / "pack", "--out", tmp_path / "run", "--compute", "cpu"]
    command = [sys.executable, *launch, sys.executable, "-c", BARE, *line, "--minutes", "5"]
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.count("2 at once") == 1
    assert read_checkpoint(tmp_path / "run")["step"] == 4
    assert load_run(tmp_path / "run")[1].ranks == 2
    with (tmp_path / "run" / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["4"]
