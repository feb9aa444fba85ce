"""A report's figures as Markdown, for model cards."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from rtsep.errors import ConfigError
from rtsep.evaluate.figures import Figures

SETS = {
    "pair": "pair: two sounds at one level",
    "range": "range: two sounds, -10..10 dB",
    "trio": "trio: three sounds",
    "speech": "speech against something else",
}
SINGLE = {
    "prompt_delta_db": "matched less mismatched prompt",
    "target_gain_db": "gain of the target in the output",
    "absent_db": "output for an absent sound, against the mixture",
    "codec_ceiling_si_sdr_db": "codec's ceiling, SI-SDR, continuous path",
    "codec_ceiling_codes_si_sdr_db": "codec's ceiling, SI-SDR, through codes",
}
ORACLES = ("oracle mask, same latent", "oracle ratio mask, STFT, same hop")

ENOUGH = 4
"""A label with fewer targets is not named as among the best or the worst."""


def read_figures(path: Path) -> Figures:
    """The figures that ``rtsep eval --json`` wrote.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
        figures_markdown(figures)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the figures {path}: {error}") from error
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path} is no report of this version's 'rtsep eval --json' ({error!r})") from error
    found: Figures = figures
    return found


def figures_markdown(figures: Figures) -> str:
    """Every figure beside its bounds, and the best and the worst labels."""
    titles: dict[tuple[str, ...], str] = {("sets", name): SETS.get(name, name) for name in figures["sets"]}
    titles |= {("known",): "labels trained on", ("unseen",): "labels never trained on"}
    titles |= {("categories", name): f"category: {name}" for name in figures["categories"]}
    rows = [_row(figures, path, title) for path, title in titles.items()]
    rows.insert(
        len(figures["sets"]),
        _row(figures, ("sets", "speech"), "the speech in it", prefix="speech_targets_"),
    )
    single = [[title, _db(figures[key]), _db(figures[f"median_{key}"])] for key, title in SINGLE.items()]
    said = figures["paraphrase"]
    for of, whose in (
        (said, "every label"),
        (said["known"], "labels trained on"),
        (said["unseen"], "others"),
    ):
        if of["n"]:
            title = f"lost with a paraphrase instead of the label, {whose}, n = {of['n']}"
            single.append([title, _db(of["lost_db"]), _db(of["median_lost_db"])])
    ranked = ranked_labels(figures)
    parts = [
        f"## Figures\n\n`rtsep eval` on {figures['mixtures']} fixed mixtures of clips never trained on: "
        "the raw output for a single prompt, SI-SDR improvement\nover the unprocessed mixture "
        "(which is 0 dB by definition) in dB, every source as the target in turn. Beside it, means of what "
        "bounds it.",
        markdown_table(
            [
                "targets",
                "n",
                "mean",
                "median",
                "oracle mask, same latent",
                "oracle ratio mask, STFT, same hop",
            ],
            rows,
        ),
        markdown_table(["figure, dB", "mean", "median"], single),
        f"Best labels with at least {ENOUGH} targets: {label_names(ranked[:10])}.",
        f"Worst: {label_names(ranked[-10:])}.",
    ]
    return "\n\n".join(parts)


def _row(figures: Figures, path: tuple[str, ...], title: str, prefix: str = "") -> list[str]:
    def entry(of: Figures) -> Figures:
        for key in path:
            of = of[key]
        return of

    own, key = entry(figures), f"{prefix}si_sdri_db"
    oracles = [_db(entry(figures[name])[key]) for name in ("oracle_latent_mask", "oracle_stft_mask")]
    return [title, str(own[f"{prefix}n"]), _db(own[key]), _db(own[f"{prefix}median_si_sdri_db"]), *oracles]


def ranked_labels(figures: Figures) -> list[tuple[str, float]]:
    """Labels with enough targets and their improvement, best first."""
    found = [
        (name, entry["si_sdri_db"])
        for name, entry in figures["labels"].items()
        if entry["n"] >= ENOUGH and entry["si_sdri_db"] is not None
    ]
    return sorted(found, key=lambda item: -item[1])


def label_names(ranked: Iterable[tuple[str, float]]) -> str:
    """Labels and their improvement in one line."""
    return ", ".join(f"{name} ({value:+.1f})" for name, value in ranked) or "none"


def markdown_table(heads: list[str], rows: Iterable[Iterable[str]]) -> str:
    """A table with a head."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _db(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
