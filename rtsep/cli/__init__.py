"""The command line: one function a command, no logic of its own; a file for what belongs together."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from rtsep.cli import bundles, codes, evaluate, lists, run, serve, train
from rtsep.errors import RtsepError

app = typer.Typer(
    help="Live, text-prompted sound separation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: tuple[Callable[..., None], ...] = (
    *(run.run, run.panel, lists.devices, lists.presets, evaluate.demo, serve.serve, serve.batch),
    *(train.sounds, train.train, train.pack, train.export, train.prepare),
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(bundles.app, name="bundles")
app.add_typer(codes.app, name="codes")
app.command("eval")(evaluate.evaluate)
app.add_typer(evaluate.bench_app, name="bench")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; a fault the user can mend is one line and exit code 2."""
    try:
        sys.exit(app(arguments, standalone_mode=False))
    except RtsepError as error:
        said = str(error)
    except typer.TyperException as error:
        said = f"{error.format_message().rstrip('.')} (rtsep -h helps)" if error.format_message() else ""
    if said:  # nothing is left to say where the help was shown
        print(f"rtsep: {said}", file=sys.stderr)
    sys.exit(2)
