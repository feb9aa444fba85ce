"""``rtsep eval``: a bundle against a manifest, on the screen and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from rtsep.evaluate.report import evaluate_file
from rtsep.evaluate.table import report_tables
from rtsep.models.bundle import load_bundle


def eval_session(
    bundle_name: str, manifest: Path, root: Path | None, limit: int | None, json_file: Path | None
) -> None:
    """Evaluate, show, and write the report if asked to; arguments as for ``evaluate_file``."""
    bundle = load_bundle(bundle_name)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"evaluating {bundle.name}", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        report = evaluate_file(
            bundle.separator, bundle.config.text_encoder, manifest, root, limit=limit, progress=progress
        )
    Console().print(report_tables(report))
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
