"""The notebooks run from the first cell to the last, and carry no outputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


class Player:
    """Stands in for Jupyter's, which is no dependency: says what it was given."""

    def __init__(self, samples: Any, rate: int) -> None:
        print("player", len(samples), rate)


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_carries_no_outputs(notebook: Path) -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(notebook))


def test_the_cells_of_the_example_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    from matplotlib import pyplot

    shown = ModuleType("IPython.display")
    vars(shown).update(Audio=Player, display=lambda what: None)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    pyplot.switch_backend("agg")
    monkeypatch.setattr(pyplot, "show", lambda: print("drawn", len(pyplot.gcf().axes)))
    (notebook,) = NOTEBOOKS
    names: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(cells(notebook)):
        exec(compile("".join(map(str, cell["source"])), f"cell {number}", "exec"), names)
    pyplot.close("all")
    said = capsys.readouterr().out
    assert said.count("player 192000 48000") == 4
    assert "drawn 4" in said
    assert float(said.partition("from the mixture:")[2].split()[0]) < 1e-5
