"""``rtsep codes``: one function a command, no logic of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Sound as codes of a few kbit/s: encode, decode, separate.", no_args_is_help=True)

Prompts = Annotated[list[str] | None, typer.Option("--prompt", "-p", help="What to hear; repeats.")]
Removed = Annotated[list[str] | None, typer.Option("--remove", help="What to take away; repeats.")]
Turned = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any parameter, NAME=VALUE, such as prompt/1/gain=-6; repeats."),
]
PresetName = Annotated[str | None, typer.Option(help="Preset: a name from 'rtsep presets', or a TOML file.")]
OwnBundle = Annotated[str | None, typer.Option(help="Model, where it is not called as the file says.")]


@app.command()
def encode(
    source: Annotated[str, typer.Argument(help="A sound file, or - for stdin.")],
    target: Annotated[Path, typer.Argument(help="The file of codes, by habit .rtc.")],
    bundle: Annotated[str, typer.Option(help="Model: a name from 'rtsep bundles', or a folder.")] = "default",
    codebooks: Annotated[
        int | None, typer.Option(help="How many codebooks; by default what 8 kbit/s take.")
    ] = None,
) -> None:
    """Sound to codes."""
    from rtsep.display import say
    from rtsep.serve.files import encode_file

    format = encode_file(source, target, bundle, codebooks).format
    say(f"{target}: {format.codebooks} codebooks, {format.kbps:.1f} kbit/s a channel")


@app.command()
def decode(
    source: Annotated[Path, typer.Argument(help="A file of codes.")],
    target: Annotated[str, typer.Argument(help="The sound file, or - for stdout.")],
    bundle: OwnBundle = None,
) -> None:
    """Codes to sound, as long as what was encoded, aligned to the sample."""
    from rtsep.serve.files import decode_file

    decode_file(source, target, bundle)


@app.command()
def separate(
    source: Annotated[Path, typer.Argument(help="A file of codes.")],
    target: Annotated[Path, typer.Argument(help="The file of edited codes.")],
    prompt: Prompts = None,
    remove: Removed = None,
    preset: PresetName = None,
    turn: Turned = None,
    bundle: OwnBundle = None,
) -> None:
    """Codes to codes: keep, remove, duck or remix sounds by their names, without a waveform."""
    from rtsep.config import parse_value, run_settings
    from rtsep.serve.files import separate_file

    turned = dict(map(parse_value, turn or ()))
    _, console = run_settings(preset, {}, keep=tuple(prompt or ()), remove=tuple(remove or ()), turned=turned)
    separate_file(source, target, console, bundle)
