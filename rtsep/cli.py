"""The command line: one function a command, no logic of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rtsep import cli_bundles, cli_codes, cli_serve
from rtsep.control import OSC_PORT
from rtsep.errors import ConfigError, RtsepError

app = typer.Typer(
    help="Live, text-prompted sound separation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_bundles.app, name="bundles")
app.add_typer(cli_codes.app, name="codes")
app.command()(cli_serve.serve)
app.command()(cli_serve.batch)


def _writable(path: Path | None) -> Path | None:
    from rtsep.config import check_writable

    return check_writable(path)


JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write a machine-readable report here.", callback=_writable)
]
PlotFile = Annotated[
    Path | None,
    typer.Option("--plot", help="Draw the improvement of every label here.", callback=_writable),
]
BundleName = Annotated[str, typer.Option(help="Model: a name from 'rtsep bundles', or a folder.")]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; a fault the user can mend is one line and exit code 2."""
    try:
        sys.exit(app(arguments, standalone_mode=False))
    except RtsepError as error:
        said = str(error)
    except typer.TyperException as error:
        said = f"{error.format_message().rstrip('.')} (rtsep -h helps)"
    print(f"rtsep: {said}", file=sys.stderr)
    sys.exit(2)


@app.command()
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
    from rtsep.session import run_session

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
    run_session(settings, console, json_file)


@app.command()
def panel(
    host: Annotated[str, typer.Option(help="Where the engine runs.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its UDP port for OSC.")] = OSC_PORT,
) -> None:
    """Open the panel: knobs, meters and pictures of an engine that runs, or that it starts."""
    try:
        from gui.app import main as open_panel
    except ImportError as error:
        raise ConfigError(f"the panel needs {error.name}: pip install 'rtsep[gui]'") from error
    sys.exit(open_panel(["--host", host, "--port", str(port)]))


@app.command()
def devices(
    as_json: Annotated[bool, typer.Option("--json", help="A list for machines.")] = False,
    midi: Annotated[bool, typer.Option("--midi", help="MIDI inputs instead.")] = False,
) -> None:
    """List the sound cards, or the MIDI inputs."""
    import json
    from dataclasses import asdict

    from rtsep.audio.device import list_devices
    from rtsep.midi.ports import list_ports

    if midi:
        names = [port.name for port in list_ports()]
        print(json.dumps(names) if as_json else "\n".join(names) or "no MIDI input found: plug one in")
        return
    found = list_devices()
    if as_json:
        print(json.dumps([asdict(device) for device in found]))
        return
    for device in found:
        print(device)
    if not found:
        print("no sound card found: plug one in, or start jackd", file=sys.stderr)


@app.command()
def presets() -> None:
    """List the presets."""
    from rtsep.presets import Presets

    found = Presets()
    for name in found.names():
        print(f"{name}: {found.load(name)}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo"),
    bundle: BundleName = "default",
) -> None:
    """Separate a mixture that rtsep makes itself; writes sound, a picture and a table."""
    from rtsep.evaluate.demo import run_demo

    run_demo(bundle, out)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe that ships with rtsep, or a TOML file.")],
    data: Annotated[
        Path,
        typer.Option(help="Table of clips (path, label; category, caption), folder of labelled audio, pack."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint and log; a run found there is resumed.")],
    start: Annotated[str | None, typer.Option(help="Bundle, or another run's folder, to start from.")] = None,
    steps: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    compute: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where the model runs.")
    ] = "auto",
    minutes: Annotated[float | None, typer.Option(help="Stop after so long, with a checkpoint.")] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads.")] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile what can be compiled.")] = False,
    validate: Annotated[
        Path | None, typer.Option(help="Mixtures to validate on, as for 'rtsep eval'.")
    ] = None,
    parts: Annotated[
        Path | None, typer.Option(help="Folder for a small checkpoint in parts of 15 MB, at the end.")
    ] = None,
) -> None:
    """Train a model; interrupting saves a checkpoint, running again resumes it."""
    from rtsep.train.session import train_session

    train_session(
        recipe,
        data,
        out,
        start=start,
        steps=steps,
        minutes=minutes,
        compute=compute,
        threads=threads,
        compiled=compiled,
        validate=validate,
        parts=parts,
    )


@app.command()
def pack(
    data: Annotated[Path, typer.Argument(help="As for 'rtsep train': table of clips, or folder.")],
    out: Annotated[Path, typer.Argument(help="Folder for the parts.")],
    recipe: Annotated[str, typer.Option(help="Whose rate, text encoder and vocabulary.")] = "masker",
    encoding: Annotated[
        Literal["files", "mulaw"],
        typer.Option(help="files: as they are, need soundfile; mulaw: 8 bits a sample, need nothing."),
    ] = "files",
    part_mb: Annotated[float, typer.Option(help="Most megabytes of a part.")] = 50.0,
    validate: Annotated[Path | None, typer.Option(help="Mixtures whose prompts are packed as well.")] = None,
) -> None:
    """Pack training data for a machine without its files and without a text encoder."""
    from rtsep.train.pack import pack_session

    part_bytes = round(part_mb * 1e6)
    pack_session(data, out, recipe, encoding=encoding, part_bytes=part_bytes, validate=validate)


@app.command()
def export(
    runs: Annotated[Path, typer.Argument(help="A run's folder.")],
    out: Annotated[Path, typer.Argument(help="Folder for the bundle.")],
    description: Annotated[str, typer.Option(help="One line for 'rtsep bundles'.")] = "my model",
    halfway: Annotated[
        str | None, typer.Option(help="Bundle, or another run's folder, to meet in the middle.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--eval", help="JSON of 'rtsep eval', for the model card.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture of 'rtsep eval --plot', likewise.")] = None,
    hardware: Annotated[str, typer.Option(help="What it was trained on, likewise.")] = "not said",
    data: Annotated[
        Path | None, typer.Option(help="Sources and licences, likewise: Markdown, or the table of clips.")
    ] = None,
    notes: Annotated[Path | None, typer.Option(help="Markdown, likewise: known failures.")] = None,
    card: Annotated[Path | None, typer.Option(help="A whole model card instead, Markdown.")] = None,
) -> None:
    """Make a bundle of a training run, with a model card."""
    from rtsep.train.card import Additions
    from rtsep.train.export import export_run

    additions = Additions(figures, plot, hardware, data, notes)
    export_run(runs, out, description, halfway=halfway, card=card, additions=additions)


@app.command()
def prepare(folder: Annotated[Path, typer.Argument(help="A bundle's folder.")]) -> None:
    """Give a bundle what makes it start and switch at once: the graph of one hop, the presets' prompts."""
    from rtsep.evaluate.demo import PROMPTS
    from rtsep.models.prepare import prepare_bundle
    from rtsep.presets import Presets

    prepare_bundle(folder, [*PROMPTS, *Presets().prompts()])


@app.command("eval")
def evaluate(
    mixtures: Annotated[Path | None, typer.Option(help="JSON lines, one mixture each.")] = None,
    benchmark: Annotated[
        Literal["dnr-v2", "audiocaps", "esc50", "clotho", "audioset", "vggsound", "music"] | None,
        typer.Option(help="One of the field's instead, below --root as its authors publish it."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder of the clips; default: above the manifest's.")
    ] = None,
    bundle: BundleName = "default",
    limit: Annotated[int | None, typer.Option(help="Only so many mixtures.")] = None,
    paraphrases: Annotated[
        Path | None, typer.Option(help="TOML of other words for the labels, instead of the shipped ones.")
    ] = None,
    no_paraphrases: Annotated[
        bool, typer.Option("--no-paraphrases", help="Only the labels; takes a third of the time.")
    ] = False,
    codebooks: Annotated[
        int | None, typer.Option(help="Of the codec's ceiling through codes; all by default.")
    ] = None,
    mask: Annotated[
        bool, typer.Option("--mask", help="Also how much of the masks is channel-wise (benchmarks).")
    ] = False,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="A row a clip (benchmarks).", callback=_writable)
    ] = None,
    json_file: JsonFile = None,
    plot: PlotFile = None,
) -> None:
    """Measure the raw single-prompt output on fixed mixtures, yours or the field's."""
    from rtsep.evaluate.paraphrases import SHIPPED
    from rtsep.evaluate.session import benchmark_session, eval_session

    if (mixtures is None) == (benchmark is None):
        raise ConfigError("what to evaluate on? give --mixtures FILE, or --benchmark NAME with --root DIR")
    if mixtures is not None:
        words = None if no_paraphrases else paraphrases or SHIPPED
        eval_session(
            bundle,
            mixtures,
            root,
            limit=limit,
            codebooks=codebooks,
            paraphrases=words,
            json_file=json_file,
            plot=plot,
        )
        return
    if root is None:
        raise ConfigError(f"where is {benchmark}? --root DIR is the folder that it lies in")
    files = {"csv_file": csv_file, "json_file": json_file, "plot": plot}
    benchmark_session(bundle, str(benchmark), root, limit=limit, mask=mask, **files)


bench_app = typer.Typer(help="Measure streaming exactness, time per hop, compute and latency.")
app.add_typer(bench_app, name="bench")


@bench_app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    bundle: BundleName = "default",
    seconds: Annotated[float, typer.Option(help="Sound to time.")] = 10.0,
    rate: Annotated[int, typer.Option(help="Device rate for the latency, Hz.")] = 48_000,
    block: Annotated[int, typer.Option(help="Device block for the latency, samples.")] = 256,
    json_file: JsonFile = None,
) -> None:
    """Measure streaming exactness, time per hop, compute and latency."""
    if context.invoked_subcommand is not None:
        return
    from rtsep.evaluate.bench import bench_session

    bench_session(bundle, seconds, rate, block, json_file)


@bench_app.command()
def roundtrip(
    bundle: BundleName = "default",
    input: Annotated[str | None, typer.Option("--input", "-i", help="Device at one end of a cable.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Device at its other end; neither: a fake device.")
    ] = None,
    block: Annotated[int, typer.Option(help="Samples a callback of the device; 0: its own choice.")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Measure the latency, declared against measured: on a fake device, or through a cable."""
    from rtsep.evaluate.roundtrip import roundtrip_session

    roundtrip_session(bundle, input, output, block, json_file)
