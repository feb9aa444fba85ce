"""A report's labels as a picture."""

from __future__ import annotations

from pathlib import Path

from rtsep.errors import ConfigError
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
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    except ImportError as error:
        raise ConfigError("a plot needs matplotlib: pip install 'rtsep[demo]'") from error
    ordered = sorted(labels, key=lambda name: labels[name]["si_sdri_db"])
    values = [labels[name]["si_sdri_db"] for name in ordered]
    figure = Figure(figsize=(9, 1.5 + 0.17 * len(ordered)), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    bars = axis.barh(ordered, values, color=[COLOURS[labels[name]["known"]] for name in ordered])
    axis.bar_label(bars, [f"n={labels[name]['n']}" for name in ordered], padding=2, fontsize=6)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.margins(x=0.08, y=0.01)
    axis.tick_params(axis="y", labelsize=7)
    axis.set(xlabel="SI-SDR improvement over the mixture, dB, mean over the label's targets")
    kinds = sorted({labels[name]["known"] for name in ordered}, reverse=True)
    axis.legend([Patch(color=COLOURS[kind]) for kind in kinds], [NAMES[kind] for kind in kinds])
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:  # ValueError: no picture has that suffix
        raise ConfigError(f"cannot write the plot {path}: {error}") from error
