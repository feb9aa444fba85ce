"""A report's labels as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtsep.errors import ConfigError
from rtsep.evaluate.benchmark import ClipScore
from rtsep.evaluate.figures import Figures

COLOURS = {True: "#2a6f97", False: "#e07a1f"}
"""Labels trained on and others: blue and orange, which colour-blind eyes tell apart."""

NAMES = {True: "trained on", False: "not trained on"}


def plot_labels(figures: Figures, path: Path) -> None:
    """Draw the SI-SDR improvement of every label, best first, with its number of targets.

    Args:
        figures: what ``Report.to_json`` gives.
        path: the picture; its suffix says the format.

    Raises:
        ConfigError: matplotlib is missing, there is no label to draw, or the picture cannot be written.
    """
    labels = {name: entry for name, entry in figures["labels"].items() if entry["si_sdri_db"] is not None}
    if not labels:
        raise ConfigError("no label has a figure: there is nothing to draw")
    figure, axis = _figure(9, 1.5 + 0.17 * len(labels))
    ordered = sorted(labels, key=lambda name: labels[name]["si_sdri_db"])
    values = [labels[name]["si_sdri_db"] for name in ordered]
    bars = axis.barh(ordered, values, color=[COLOURS[labels[name]["known"]] for name in ordered])
    axis.bar_label(bars, [f"n={labels[name]['n']}" for name in ordered], padding=2, fontsize=6)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.margins(x=0.08, y=0.01)
    axis.tick_params(axis="y", labelsize=7)
    axis.set(xlabel="SI-SDR improvement over the mixture, dB, mean over the label's targets")
    kinds = sorted({labels[name]["known"] for name in ordered}, reverse=True)
    from matplotlib.patches import Patch

    axis.legend([Patch(color=COLOURS[kind]) for kind in kinds], [NAMES[kind] for kind in kinds])
    _save(figure, path)


def plot_clips(clips: Sequence[ClipScore], path: Path) -> None:
    """Draw the SI-SDR improvement of a benchmark's clips, worst first, raw and under the ratio mask.

    Raises:
        ConfigError: as for ``plot_labels``.
    """
    if not clips:
        raise ConfigError("no clip has a figure: there is nothing to draw")
    figure, axis = _figure(8, 5)
    masked = [clip.masked_si_sdri_db for clip in clips if clip.masked_si_sdri_db is not None]
    lines = {"raw, one prompt": [clip.si_sdri_db for clip in clips], "ratio-masked, all prompts": masked}
    for (name, values), colour in zip(lines.items(), COLOURS.values(), strict=True):
        if values:
            share = [(number + 0.5) / len(values) for number in range(len(values))]
            axis.plot(share, sorted(values), label=f"{name}, n={len(values)}", color=colour)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set(xlabel="share of the clips", ylabel="SI-SDR improvement over the mixture, dB")
    axis.legend()
    _save(figure, path)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    """An empty figure of so many inches, and its axis."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("a plot needs matplotlib: pip install 'rtsep[demo]'") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:  # ValueError: no picture has that suffix
        raise ConfigError(f"cannot write the plot {path}: {error}") from error
