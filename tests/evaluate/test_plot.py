"""The picture of every label's improvement."""

import sys

import pytest
from matplotlib.axes import Axes

from rtsep.errors import ConfigError
from rtsep.evaluate.plot import COLOURS, plot_labels


def label(si_sdri_db, n, known):
    return {"si_sdri_db": si_sdri_db, "median_si_sdri_db": si_sdri_db, "n": n, "known": known}


def test_the_plot_sorts_the_labels_and_colours_those_trained_on(tmp_path, monkeypatch):
    drawn = {}
    barh = Axes.barh

    def keep(axis, names, values, **rest):
        drawn.update(names=names, values=values, **rest)
        return barh(axis, names, values, **rest)

    monkeypatch.setattr(Axes, "barh", keep)
    labels = {"a": label(3.0, 4, True), "b": label(-2.0, 1, False), "c": label(5.0, 2, True)}
    plot_labels({"labels": labels | {"d": label(None, 0, True)}}, tmp_path / "plot.png")
    assert drawn["names"] == ["b", "a", "c"]
    assert drawn["values"] == [-2.0, 3.0, 5.0]
    assert drawn["color"] == [COLOURS[False], COLOURS[True], COLOURS[True]]
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_that_cannot_be_is_refused_in_one_line(tmp_path, monkeypatch):
    labels = {"labels": {"a": label(1.0, 1, True)}}
    with pytest.raises(ConfigError, match="nothing to draw"):
        plot_labels({"labels": {"a": label(None, 0, True)}}, tmp_path / "plot.png")
    with pytest.raises(ConfigError, match="cannot write the plot"):
        plot_labels(labels, tmp_path / "plot.nosuch")
    with pytest.raises(ConfigError, match="cannot write the plot"):
        plot_labels(labels, tmp_path / "none" / "plot.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match="pip install"):
        plot_labels(labels, tmp_path / "plot.png")
