"""A report as tables for the screen."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table

from rtsep.evaluate.benchmark import BenchmarkReport
from rtsep.evaluate.figures import SETS, Figures
from rtsep.evaluate.report import Report

ORACLES = {"oracle_latent_mask": "oracle mask, latent", "oracle_stft_mask": "oracle mask, STFT"}

PARAPHRASES = {"SI-SDR improvement for paraphrases": "si_sdri_db", "lost against the label": "lost_db"}


BENCHMARK_ROWS = {
    "SI-SDR, dB": "si_sdr_db",
    "SI-SDRi, dB": "si_sdri_db",
    "SDRi, dB": "sdri_db",
    "ViSQOL": "visqol",
}


def report_tables(report: Report) -> Group:
    """Improvement by set, category and known label beside its bounds, and the single figures."""
    figures = report.to_json()
    return Group(_improvement_table(figures), _single_table(figures))


def benchmark_table(report: BenchmarkReport) -> Group:
    """Raw scores beside those under the ratio mask, and what was left out."""
    figures = report.to_json()
    table = Table(title=f"{report.benchmark}, {len(report.clips)} clips: raw output for one prompt first")
    for heading in ("", "n", "mean", "median", "ratio-masked: n", "mean", "median"):
        table.add_column(heading, justify="left" if not heading else "right")
    for title, name in BENCHMARK_ROWS.items():
        cells = []
        for key in (name, f"masked_{name}"):
            cells += [str(figures[f"{key}_n"]), _decibel(figures[key]), _decibel(figures[f"median_{key}"])]
        table.add_row(title, *cells)
    said = []
    if figures["channel_share_n"]:
        share = figures["channel_share"]
        said.append(f"of the masks' variance {share:.0%} is channel-wise, the rest is over time")
    if report.silent:
        said.append(f"{report.silent} clips left out: target or rest is silent")
    if report.missing:
        names = ", ".join(report.missing[:3]) + (", ..." if len(report.missing) > 3 else "")
        said.append(f"{len(report.missing)} files missing, their clips left out: {names}")
    return Group(table, *said)


def _improvement_table(figures: Figures) -> Table:
    table = Table(title="SI-SDR improvement over the mixture, dB, every source as the target in turn")
    table.add_column("targets")
    for heading in ("n", "mean", "median", *ORACLES.values()):
        table.add_column(heading, justify="right")
    sections: list[dict[str, tuple[str, ...]]] = [
        {name: ("sets", name) for name in (*SETS, *sorted(figures["sets"].keys() - set(SETS)))},
        {"labels trained on": ("known",), "other labels": ("unseen",)},
        {name: ("categories", name) for name in figures["categories"]},
    ]
    for section in sections:
        for title, path in section.items():
            table.add_row(title, *_cells(figures, path))
            if path == ("sets", "speech"):
                table.add_row("  the speech in it", *_cells(figures, path, prefix="speech_targets_"))
        table.add_section()
    return table


def _cells(figures: Figures, path: tuple[str, ...], prefix: str = "") -> list[str]:
    """Number, mean, median and both oracles' means of the entry at ``path``."""

    def entry(of: Figures) -> Figures:
        for key in path:
            of = of[key]
        return of

    own = entry(figures)
    key = f"{prefix}si_sdri_db"
    decibels = [own[key], own[f"{prefix}median_si_sdri_db"]]
    decibels += [entry(figures[oracle])[key] for oracle in ORACLES]
    return [str(own[f"{prefix}n"]), *map(_decibel, decibels)]


def _single_table(figures: Figures) -> Table:
    table = Table()
    for heading in ("figure, dB", "mean", "median"):
        table.add_column(heading, justify="left" if heading.startswith("figure") else "right")
    rows = {
        "SI-SDR lost with another source's prompt": "prompt_delta_db",
        "gain of the target in the output": "target_gain_db",
        "level for an absent sound, against the mixture": "absent_db",
        "codec's ceiling, SI-SDR": "codec_ceiling_si_sdr_db",
        "codec's ceiling through codes, SI-SDR": "codec_ceiling_codes_si_sdr_db",
    }
    for title, key in rows.items():
        table.add_row(title, _decibel(figures[key]), _decibel(figures[f"median_{key}"]))
    said = figures["paraphrase"]
    if said["n"]:
        for title, key in PARAPHRASES.items():
            table.add_row(title, _decibel(said[key]), _decibel(said[f"median_{key}"]))
    return table


def _decibel(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
