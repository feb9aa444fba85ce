"""``rtsep run`` and ``rtsep panel``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from rtsep.cli.options import JsonFile
from rtsep.control import OSC_PORT
from rtsep.errors import ConfigError


def run(
    prompt: Annotated[list[str] | None, typer.Option("--prompt", "-p", help="What to hear; repeats.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="What to take away; repeats.")] = None,
    input: Annotated[str | None, typer.Option("--input", "-i", help="Device, file, or - for stdin.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Device, file, - for stdout, or a folder for stems.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset: a name from 'rtsep presets', or a TOML file.")
    ] = None,
    gain: Annotated[float | None, typer.Option(help="Level of the result, dB.")] = None,
    wet: Annotated[float | None, typer.Option(help="0 is the untouched input, 1 the result.")] = None,
    bypass: Annotated[
        bool | None, typer.Option("--bypass/--no-bypass", help="Let the input through, delayed to match.")
    ] = None,
    full_band: Annotated[
        bool | None, typer.Option("--full-band/--model-band", help="Keep what lies above the model's band.")
    ] = None,
    turn: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any parameter, NAME=VALUE, such as prompt/1/gain=-6; repeats."),
    ] = None,
    insert: Annotated[
        list[str] | None,
        typer.Option(help="An effect, [PLACE:]NAME or PATH[:PARAMETER=VALUE,...]; repeats, in order."),
    ] = None,
    stems: Annotated[
        bool | None, typer.Option("--stems", help="Every strip on channels, or in a file, of its own.")
    ] = None,
    channels: Annotated[int | None, typer.Option(help="1 or 2.")] = None,
    raw: Annotated[
        bool | None, typer.Option("--raw", help="On stdout: 32-bit float samples without a header.")
    ] = None,
    duration: Annotated[float | None, typer.Option(help="Stop after so many seconds.")] = None,
    bundle: Annotated[
        str | None,
        typer.Option("--separator", "--bundle", help="A name from 'rtsep bundles', or a bundle's folder."),
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Have the masks made there, ws://HOST:PORT; see docs/codes.md.")
    ] = None,
    network_ms: Annotated[
        float | None, typer.Option(help="What the way there and back may take, part of the latency; 60.")
    ] = None,
    codebooks: Annotated[int | None, typer.Option(help="Of what is sent there; see docs/codes.md.")] = None,
    compute: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    device_rate: Annotated[int | None, typer.Option(help="Rate of devices and of raw stdin, Hz.")] = None,
    block: Annotated[int | None, typer.Option(help="Samples a callback; 0: the device's choice.")] = None,
    reserve_ms: Annotated[
        float | None, typer.Option(help="Reserve against dropouts, part of the latency.")
    ] = None,
    insert_reserve_ms: Annotated[
        float | None,
        typer.Option(help="How late external effects may answer, part of the latency; 0 by default."),
    ] = None,
    degrade: Annotated[
        bool | None, typer.Option("--degrade", help="Too slow a machine: fewer strips, then larger chunks.")
    ] = None,
    osc: Annotated[
        bool | None, typer.Option("--osc", help="Listen for OSC, so that others turn the knobs.")
    ] = None,
    osc_port: Annotated[
        int | None,
        typer.Option(help=f"UDP port for OSC; 0: any free one; by default {OSC_PORT} or the next."),
    ] = None,
    osc_host: Annotated[str | None, typer.Option(help="Address for OSC, 127.0.0.1.")] = None,
    osc_allow: Annotated[
        list[str] | None, typer.Option(help="Address or network that may send OSC; repeats.")
    ] = None,
    midi: Annotated[
        str | None,
        typer.Option(help="MIDI input to turn the knobs with: a name from 'rtsep devices --midi'."),
    ] = None,
    panel: Annotated[bool | None, typer.Option("--panel", help="Open the panel.")] = None,
    name: Annotated[str | None, typer.Option(help="How it is called on a JACK server.")] = None,
    connect: Annotated[
        bool | None, typer.Option("--connect", help="Connect it there as at the end of the last run.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Hear one sound: microphone in, separated sound out, until Ctrl-C; or files, or pipes."""
    flags: dict[str, Any] = dict(locals())
    from rtsep.config import parse_value, run_settings

    for flag in ("preset", "json_file", "prompt", "remove", "turn", "insert"):
        del flags[flag]
    turned = {flag: flags.pop(flag) for flag in ("gain", "wet", "bypass", "full_band")}
    turned = {flag: value for flag, value in turned.items() if value is not None}
    turned |= dict(parse_value(text) for text in turn or ())
    given = {flag: value for flag, value in flags.items() if value is not None}
    settings, console = run_settings(
        preset,
        given,
        keep=tuple(prompt or ()),
        remove=tuple(remove or ()),
        turned=turned,
        inserts=tuple(insert or ()),
    )
    from rtsep.session import run_session

    run_session(settings, console, json_file)


def panel(
    host: Annotated[str, typer.Option(help="Where the engine runs.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its UDP port for OSC.")] = OSC_PORT,
) -> None:
    """Open the panel: knobs, meters and pictures of an engine that runs, or that it starts."""
    try:
        from gui.app import main as open_panel
    except ImportError as error:
        raise ConfigError(f"the panel needs {error.name}: pip install 'rtsep[gui]'") from error
    sys.exit(open_panel(["--host", host, "--port", str(port)]))
