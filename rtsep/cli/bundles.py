"""``rtsep bundles``: the separators there are, and how published weights become some."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(help="List the separators; fetch published weights, or take them from a file.")


@app.callback(invoke_without_command=True)
def bundles(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="A list for machines, without codecs.")] = False,
) -> None:
    """List the separators; fetch published weights, or take them from a file."""
    if context.invoked_subcommand is not None:
        return
    import json
    import sys
    from contextlib import redirect_stdout
    from dataclasses import asdict

    from rtsep.models.codec_store import codec_folders, read_codec
    from rtsep.separators.registry import entries

    with redirect_stdout(sys.stderr):  # what a package says while it loads is no part of the list
        found = list(entries())
    if as_json:
        print(json.dumps([asdict(entry) for entry in found]))
        return
    for entry in found:
        print(f"{entry.name}: {entry.said}\n  {entry.figures}")
    for name, folder in codec_folders().items():
        _, stored = read_codec(name)
        codec = stored.codec
        print(f"{name}: a codec without a masker, from {stored.source}")
        print(f"  {codec.sample_rate} Hz, hop {codec.hop}, lookahead {codec.lookahead} "
              f"({stored.latency_ms:.4g} ms), {folder}")  # fmt: skip


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="dac-16k, dac-24k or dac-44k.")],
    url: Annotated[
        str | None, typer.Option(help="Another place with the same file, such as a mirror.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="Checksum to hold it against, instead of ours.")] = None,
) -> None:
    """Fetch published weights; run again, it goes on where it broke off."""
    from rtsep.models.published import pull as pull_weights

    print(pull_weights(name, url=url, sha256=sha256))


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A checkpoint of descript-audio-codec or LAION's CLAP.")],
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="CLAP: folder with RoBERTa's tokenizer.")] = None,
    decoder_padding: Annotated[
        Literal["ceil", "floor"], typer.Option(help="floor: SD-Codec's way with odd strides.")
    ] = "ceil",
) -> None:
    """Take published weights from a local file; no code in it is ever run."""
    from rtsep.models.published import import_file as take

    print(take(file, name, padding=decoder_padding, tokenizer=tokenizer))


@app.command()
def export(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle of your own.")],
    codebooks: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Of codes, for a server; repeats. By default for 8 kbit/s."),
    ] = None,
) -> None:
    """Write the graphs that make a bundle fast on a processor, and hold them against PyTorch."""
    from rtsep.models.prepare import export_graphs

    for path, difference in export_graphs(bundle, codebooks or ()).items():
        print(f"{path}: differs from PyTorch by {difference}")
