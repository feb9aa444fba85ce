"""``rtsep serve`` and ``rtsep batch``: one function a command, no logic of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtsep.cli.codes import PresetName, Prompts, Removed, Turned
from rtsep.errors import ConfigError


def serve(
    bundle: Annotated[str, typer.Option(help="Model: a name from 'rtsep bundles', or a folder.")] = "default",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 7771,
    sessions: Annotated[int, typer.Option(min=1, help="Most clients at once, in each process.")] = 64,
    threads: Annotated[int, typer.Option(min=1, help="For the arithmetic.")] = 1,
    certificate: Annotated[Path | None, typer.Option(help="For TLS: PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    without_token: Annotated[
        bool, typer.Option("--without-token", help="Let anybody in who can reach the address.")
    ] = False,
    replicas: Annotated[
        str | None,
        typer.Option(
            metavar="FEWEST:MOST", help="On Ray Serve, so many processes; RAY_ADDRESS names a cluster."
        ),
    ] = None,
) -> None:
    """Separate for others: codes in, codes out. The token that they must bring is in RTSEP_TOKEN."""
    try:
        from rtsep.serve.run import run_server
    except ImportError as error:
        raise ConfigError(f"serving needs {error.name}: pip install 'rtsep[serve]'") from error
    tls = None if certificate is None and key is None else (certificate, key)
    run_server(
        bundle,
        host,
        port,
        sessions=sessions,
        threads=threads,
        tls=tls,
        open_to_all=without_token,
        replicas=replicas,
    )


def batch(
    source: Annotated[Path, typer.Argument(help="A folder of sound files, and of codes (.rtc).")],
    target: Annotated[Path, typer.Argument(help="A folder for the results, under the same names.")],
    prompt: Prompts = None,
    remove: Removed = None,
    preset: PresetName = None,
    turn: Turned = None,
    bundle: Annotated[str, typer.Option(help="Model: a name from 'rtsep bundles', or a folder.")] = "default",
    ray: Annotated[
        bool, typer.Option("--ray", help="On Ray: all processors here, or the cluster of RAY_ADDRESS.")
    ] = False,
) -> None:
    """Separate every file of a folder; what is there already is left, so it can be taken up again."""
    from rtsep.batch import run_batch
    from rtsep.config import parse_value, run_settings

    _, console = run_settings(
        preset,
        {},
        keep=tuple(prompt or ()),
        remove=tuple(remove or ()),
        turned=dict(map(parse_value, turn or ())),
    )
    run_batch(source, target, console, bundle, on_ray=ray)
