"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def writable(path: Path | None) -> Path | None:
    """The path, unless nothing can be written there.

    Raises:
        ConfigError: nothing can.
    """
    from rtsep.config import check_writable

    return check_writable(path)


def makeable(path: Path | None) -> Path | None:
    """The path of a folder, unless there can be none.

    Raises:
        ConfigError: there can be none.
    """
    from rtsep.config import check_folder

    return check_folder(path)


JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write a machine-readable report here.", callback=writable)
]
PlotFile = Annotated[
    Path | None,
    typer.Option("--plot", help="Draw the improvement of every label here.", callback=writable),
]
BundleName = Annotated[str, typer.Option(help="Model: a name from 'rtsep bundles', or a folder.")]
