"""The model card: written from the run, the evaluation's figures and what a person adds, never by hand."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from rtsep.errors import ConfigError
from rtsep.evaluate.figures import Figures
from rtsep.evaluate.markdown import (
    figures_markdown,
    label_names,
    markdown_table,
    ranked_labels,
    read_figures,
)
from rtsep.models.separator import Separator
from rtsep.train.calibrate import Calibration
from rtsep.train.recipe import Recipe
from rtsep.train.run import Facts

PLOT = "labels.png"


@dataclass(frozen=True)
class Additions:
    """What only a person can say."""

    figures: Path | None = None
    """JSON of ``rtsep eval`` for these weights."""
    plot: Path | None = None
    """Picture of ``rtsep eval --plot``, to go into the bundle."""
    hardware: str = "not said"
    data: Path | None = None
    """Sources and licences: Markdown, or a table of clips with ``source_repo``, ``licence``, ``seconds``."""
    notes: Path | None = None
    """Markdown to stand before the training: known failures above all."""


def model_card(
    description: str,
    separator: Separator,
    facts: Facts,
    additions: Additions,
    calibration: Calibration | None = None,
) -> str:
    """The card, Markdown.

    Raises:
        ConfigError: a file cannot be read, or is not what it should be.
    """
    figures = None if additions.figures is None else read_figures(additions.figures)
    sections = [f"# {description}\n\n{_shape(separator, facts.recipe)}", _prompts(figures)]
    if figures is not None:
        sections.append(figures_markdown(figures))
    if additions.plot is not None:
        sections.append(f"![SI-SDR improvement of every label]({PLOT})")
    if additions.notes is not None:
        sections.append(_text(additions.notes).strip())
    sections.append(_training(facts, additions.hardware))
    if calibration is not None:
        sections.append(_calibration(calibration))
    sections.append(_data(additions.data))
    return "\n\n".join(sections) + "\n"


def _shape(separator: Separator, recipe: Recipe) -> str:
    codec = separator.codec.config
    lookahead_ms = 1000 * codec.lookahead / codec.sample_rate
    hop_ms = 1000 * codec.hop / codec.sample_rate
    parameters = sum(tensor.numel() for tensor in separator.state_dict().values())
    return (
        f"Open-vocabulary, live sound separation: {codec.sample_rate / 1000:g} kHz, hop {hop_ms:g} ms, "
        f"lookahead {lookahead_ms:g} ms\n({hop_ms + lookahead_ms:g} ms algorithmic latency), text by "
        f"{recipe.text_encoder}. {parameters / 1e6:.1f} million parameters, {2 * parameters / 1e6:.1f} MB in "
        "half precision."
    )


def _prompts(figures: Figures | None) -> str:
    examples = "" if figures is None else f" It does best on {label_names(ranked_labels(figures)[:10])}."
    return (
        "## What to prompt\n\nThe plain name of a sound, as one would label it, or a kind of sound "
        f'("animal", "musical instrument").{examples}\nSay what sounds, not what does not: "not a dog" is '
        "read as a dog. Removal is a switch (`--remove`)."
    )


def _training(facts: Facts, hardware: str) -> str:
    recipe, mixing, data = facts.recipe, facts.recipe.mixing, facts.data
    pool = (
        f"{data['clips']:,.0f} clips ({data['hours']:.1f} h, {data['labels']:.0f} labels)"
        if data
        else "data that the run did not write down"
    )
    batch = mixing.batch * facts.ranks
    heard = facts.steps * batch * mixing.seconds / 3600
    return (
        f"## How it was trained\n\n{recipe.description}: {facts.steps:,} steps of {batch} mixtures of "
        f"{mixing.seconds:g} s, {mixing.prompts} prompts each\n({heard:,.0f} h of mixtures), "
        f"{recipe.precision}, {facts.seconds / 3600:.1f} h, on {pool}.\nLearning in this run: "
        f"{', '.join(recipe.train)}; the rest as it started. Hardware: {hardware}."
    )


def _calibration(calibration: Calibration) -> str:
    absent = (
        "" if calibration.absent_db is None else f", what does not sound at {calibration.absent_db:.1f} dB"
    )
    return (
        f"Its masks were then calibrated (temperature {calibration.temperature:g}) on mixtures that are not "
        f"in that data: {calibration.targets:,} targets,\nSI-SDR improvement {calibration.before_db:.2f} dB "
        f"before and {calibration.after_db:.2f} dB after{absent}."
    )


def _data(source: Path | None) -> str:
    head = "## Data and licences\n\nNo audio is part of this bundle."
    if source is None:
        return f"{head} What it was trained on was not said: find out before passing it on."
    text = _text(source)
    return f"{head}\n\n{_sources(source, text) if source.suffix == '.csv' else text.strip()}"


def _sources(path: Path, text: str) -> str:
    """A table of clips as one of its sources, most audio first."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    clips: dict[str, int] = defaultdict(int)
    minutes: dict[str, float] = defaultdict(float)
    try:
        for row in csv.DictReader(text.splitlines()):
            name = row["source_repo"]
            clips[name] += 1
            minutes[name] += float(row["seconds"]) / 60
            found[name]["licence"].add(row["licence"].split("(")[0].split(";")[0].strip(' "'))
            found[name]["kind"].add(row.get("category") or "event")
    except (KeyError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path}: a table of sources needs source_repo, licence, seconds ({error!r})"
        ) from error
    rows = [
        [
            name,
            str(clips[name]),
            f"{minutes[name]:.1f}",
            ", ".join(sorted(found[name]["kind"])),
            ", ".join(sorted(found[name]["licence"])),
        ]
        for name in sorted(found, key=lambda name: -minutes[name])
    ]
    return markdown_table(["source", "clips", "minutes", "kind", "licence"], rows)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path} for the model card: {error}") from error
