"""``python -m rtsep.conformance PACKAGE``: a table of promises, kept or not; exit code 1 if one is not."""

from __future__ import annotations

import sys
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from rtsep.compute import compute_device
from rtsep.config import Compute
from rtsep.conformance.checks import check
from rtsep.errors import ConfigError, RtsepError
from rtsep.separators.registry import installed, open_separator, package_of


def conformance(
    package: Annotated[str, typer.Argument(help="A package, its module, or a name from 'rtsep bundles'.")],
    compute: Annotated[Compute, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
) -> None:
    """Check that separators keep what they promise; exit code 1 if one does not."""
    torch.set_num_threads(1)
    results = []
    for name in separators_of(package):
        separator = open_separator(name, compute_device(compute))
        try:
            results += (found := list(check(separator)))
        finally:
            separator.close()
        table = Table("promise", "kept", "found", title=name)
        for result in found:
            table.add_row(result.promise, "yes" if result.kept else "NO", result.found)
        Console().print(table)
    raise typer.Exit(0 if all(result.kept for result in results) else 1)


def separators_of(package: str) -> list[str]:
    """Those that a package brings, by its name or its module's; else the one of that name.

    Raises:
        ConfigError: the package is installed, or not, and brings none.
    """
    points = installed().items()
    wanted = package.replace("-", "_").lower()
    found = [
        name
        for name, point in points
        if wanted in (point.module.partition(".")[0].lower(), package_of(point).replace("-", "_").lower())
    ]
    if not found and package not in dict(points):
        raise ConfigError(
            f"no package {package!r} with entry points in the group rtsep.separators: install it, "
            f"or name one of {', '.join(sorted(dict(points)))}"
        )
    return found or [package]


def main() -> None:
    """Run, and say a fault that the user can mend in one line."""
    try:
        typer.run(conformance)
    except RtsepError as error:
        print(f"rtsep: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
