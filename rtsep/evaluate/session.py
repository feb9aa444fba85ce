"""``rtsep eval``: a bundle against a manifest, on the screen and as JSON."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from rtsep.evaluate.paraphrases import SHIPPED, read_paraphrases
from rtsep.evaluate.plot import plot_labels
from rtsep.evaluate.report import evaluate_file
from rtsep.evaluate.table import report_tables
from rtsep.models.bundle import load_bundle
from rtsep.models.text import embed


def eval_session(
    bundle_name: str,
    manifest: Path,
    root: Path | None,
    *,
    limit: int | None = None,
    paraphrases: Path | None = SHIPPED,
    json_file: Path | None = None,
    plot: Path | None = None,
) -> None:
    """Evaluate, show, and write the report and the picture of its labels if asked to.

    Args:
        bundle_name: the model, by name or folder.
        manifest, root, limit: as for ``evaluate_file``.
        paraphrases: file of other words for the labels, None to leave them out.
        json_file: where the report goes.
        plot: where the picture goes.
    """
    bundle = load_bundle(bundle_name)
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
            paraphrases=words,
            progress=progress,
        )
    Console().print(report_tables(report))
    figures = report.to_json()
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if plot is not None:
        plot_labels(figures, plot)
