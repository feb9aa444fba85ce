"""The notebooks run from the first cell to the last, and carry no outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))

PLAYERS = """
import sys, types
import matplotlib
matplotlib.use("agg")
matplotlib.pyplot = __import__("matplotlib.pyplot").pyplot
matplotlib.pyplot.show = lambda: print("drawn", len(matplotlib.pyplot.gcf().axes))

class Audio:
    def __init__(self, samples, rate):
        print("player", len(samples), rate)

shown = types.ModuleType("IPython.display")
shown.Audio, shown.display = Audio, lambda what: None
sys.modules["IPython.display"] = shown
"""
"""Stands in for Jupyter, which is no dependency: says what each player was given, and how much was drawn."""


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_carries_no_outputs(notebook: Path) -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(notebook))


def test_the_cells_of_the_example_run(tmp_path: Path) -> None:
    (notebook,) = NOTEBOOKS
    parts = ["".join(map(str, cell["source"])) for cell in cells(notebook)]
    script = "\n".join([PLAYERS, *parts])
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "MPLCONFIGDIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("player 192000 48000") == 4
    assert "drawn 4" in done.stdout
    difference = float(done.stdout.partition("from the mixture:")[2].split()[0])
    assert difference < 1e-5
