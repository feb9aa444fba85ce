"""What is measured: ``rtsep demo``, ``eval`` and ``bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rtsep.cli.options import BundleName, JsonFile, PlotFile, makeable, writable
from rtsep.errors import ConfigError


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.", callback=makeable)] = Path("demo"),
    bundle: BundleName = "default",
) -> None:
    """Separate a mixture that rtsep makes itself; writes sound, a picture and a table."""
    from rtsep.evaluate.demo import run_demo

    run_demo(bundle, out)


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
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many mixtures.")] = None,
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
        Path | None, typer.Option("--csv", help="A row a clip (benchmarks).", callback=writable)
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


@bench_app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    bundle: BundleName = "default",
    seconds: Annotated[float, typer.Option(min=0.1, help="Sound to time.")] = 10.0,
    rate: Annotated[int, typer.Option(min=8000, help="Device rate for the latency, Hz.")] = 48_000,
    block: Annotated[int, typer.Option(min=1, help="Device block for the latency, samples.")] = 256,
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
