"""``rtsep eval``: a bundle against a manifest or a benchmark, on the screen and in files."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from rtsep.errors import ConfigError
from rtsep.evaluate.benchmark import BenchmarkReport, ClipScore, run_benchmark
from rtsep.evaluate.paraphrases import SHIPPED, read_paraphrases
from rtsep.evaluate.plot import plot_clips, plot_labels
from rtsep.evaluate.report import evaluate_file
from rtsep.evaluate.table import benchmark_table, report_tables
from rtsep.models.bundle import load_bundle
from rtsep.models.text import embed


def eval_session(
    bundle_name: str,
    manifest: Path,
    root: Path | None,
    *,
    limit: int | None = None,
    codebooks: int | None = None,
    paraphrases: Path | None = SHIPPED,
    json_file: Path | None = None,
    plot: Path | None = None,
) -> None:
    """Evaluate, show, and write the report and the picture of its labels if asked to.

    Args:
        bundle_name: the model, by name or folder.
        manifest, root, limit, codebooks: as for ``evaluate_file``.
        paraphrases: file of other words for the labels, None to leave them out.
        json_file: where the report goes.
        plot: where the picture goes.

    Raises:
        ConfigError: the bundle has not got so many codebooks.
    """
    bundle = load_bundle(bundle_name)
    most = bundle.separator.codec.config.codebooks
    if codebooks is not None and not 1 <= codebooks <= most:
        raise ConfigError(f"{codebooks} codebooks: {bundle.name} has 1 to {most}")
    words = {} if paraphrases is None else read_paraphrases(paraphrases)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"evaluating {bundle.name}", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        report = evaluate_file(
            bundle.separator,
            partial(embed, bundle.config.text_encoder),
            manifest,
            root,
            limit=limit,
            codebooks=codebooks,
            paraphrases=words,
            progress=progress,
        )
    Console().print(report_tables(report))
    figures = report.to_json()
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if plot is not None:
        plot_labels(figures, plot)


def benchmark_session(
    bundle_name: str,
    benchmark: str,
    root: Path,
    *,
    limit: int | None = None,
    mask: bool = False,
    csv_file: Path | None = None,
    json_file: Path | None = None,
    plot: Path | None = None,
) -> None:
    """Evaluate on a benchmark, show, and write what is asked for.

    Args:
        bundle_name: the model, by name or folder.
        benchmark, root, limit, mask: as for ``run_benchmark``.
        csv_file: where a row a clip goes.
        json_file: where the figures go.
        plot: where the picture goes.
    """
    bundle = load_bundle(bundle_name)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{bundle.name} on {benchmark}", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        embed_phrases = partial(embed, bundle.config.text_encoder)
        report = run_benchmark(
            bundle.separator, embed_phrases, benchmark, root, limit=limit, mask=mask, progress=progress
        )
    Console().print(benchmark_table(report))
    if csv_file is not None:
        _write_csv(report, csv_file)
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    if plot is not None:
        plot_clips(report.clips, plot)


def _write_csv(report: BenchmarkReport, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(ClipScore)])
        writer.writeheader()
        writer.writerows(asdict(clip) for clip in report.clips)
