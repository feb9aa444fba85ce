"""From audio to a bundle: ``rtsep sounds``, ``train``, ``pack``, ``export`` and ``prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rtsep.cli.options import makeable


def sounds(
    out: Annotated[
        Path, typer.Argument(help="Folder for the clips and their table, sounds.csv.", callback=makeable)
    ],
    also: Annotated[
        list[Path] | None, typer.Option("--with", help="Table whose clips stand in the new one as well.")
    ] = None,
    unlike: Annotated[
        list[Path] | None,
        typer.Option(help="Table of clips to evaluate on: what sounds like one of these is left out."),
    ] = None,
) -> None:
    """Gather labelled sounds to train on: Debian's packages, and instruments played by FluidSynth."""
    from platformdirs import user_cache_path

    from rtsep.train.sounds.gather import gather

    cache = user_cache_path("rtsep") / "packages"
    gather(out, cache=cache, unlike=unlike or (), also=also or ())


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe that ships with rtsep, or a TOML file.")],
    data: Annotated[
        Path,
        typer.Option(help="Table of clips (path, label; category, caption), folder of labelled audio, pack."),
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder for checkpoint and log; a run found there is resumed.", callback=makeable),
    ],
    start: Annotated[str | None, typer.Option(help="Bundle, or another run's folder, to start from.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    compute: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where the model runs.")
    ] = "auto",
    minutes: Annotated[float | None, typer.Option(help="Stop after so long, with a checkpoint.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads.")] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile what can be compiled.")] = False,
    validate: Annotated[
        Path | None, typer.Option(help="Mixtures to validate on, as for 'rtsep eval'.")
    ] = None,
    parts: Annotated[
        Path | None,
        typer.Option(help="Folder for a small checkpoint in parts of 15 MB, at the end.", callback=makeable),
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
        compile=compiled,
        validate=validate,
        parts=parts,
    )


def pack(
    data: Annotated[Path, typer.Argument(help="As for 'rtsep train': table of clips, or folder.")],
    out: Annotated[Path, typer.Argument(help="Folder for the parts.", callback=makeable)],
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


def export(
    runs: Annotated[Path, typer.Argument(help="A run's folder.")],
    out: Annotated[Path, typer.Argument(help="Folder for the bundle.", callback=makeable)],
    description: Annotated[str, typer.Option(help="One line for 'rtsep bundles'.")] = "my model",
    halfway: Annotated[
        str | None, typer.Option(help="Bundle, or another run's folder, to meet in the middle.")
    ] = None,
    mixtures: Annotated[
        Path | None,
        typer.Option(
            "--calibrate", help="Mixtures it was not trained on, as for 'rtsep eval': how sure masks may be."
        ),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of their clips, as for 'rtsep eval'.")] = None,
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
    export_run(
        runs,
        out,
        description,
        halfway=halfway,
        mixtures=mixtures,
        root=root,
        card=card,
        additions=additions,
    )


def prepare(folder: Annotated[Path, typer.Argument(help="A bundle's folder.")]) -> None:
    """Give a bundle what makes it start and switch at once: the graph of one hop, the presets' prompts."""
    from rtsep.evaluate.demo import PROMPTS
    from rtsep.models.prepare import prepare_bundle
    from rtsep.presets import Presets

    prepare_bundle(folder, [*PROMPTS, *Presets().prompts()])
