"""``rtsep serve``: one function a command, no logic of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtsep.errors import ConfigError


def serve(
    bundle: Annotated[str, typer.Option(help="Model: a name from 'rtsep bundles', or a folder.")] = "default",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: any free one.")] = 7771,
    sessions: Annotated[int, typer.Option(help="Most clients at once.")] = 64,
    threads: Annotated[int, typer.Option(help="For the arithmetic.")] = 1,
    certificate: Annotated[Path | None, typer.Option(help="For TLS: PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    without_token: Annotated[
        bool, typer.Option("--without-token", help="Let anybody in who can reach the address.")
    ] = False,
) -> None:
    """Separate for others: codes in, codes out. The token that they must bring is in RTSEP_TOKEN."""
    try:
        from rtsep.serve.run import run_server
    except ImportError as error:
        raise ConfigError(f"serving needs {error.name}: pip install 'rtsep[serve]'") from error
    tls = None if certificate is None and key is None else (certificate, key)
    run_server(bundle, host, port, sessions=sessions, threads=threads, tls=tls, open_to_all=without_token)
