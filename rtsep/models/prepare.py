"""What a bundle gets beside its weights so that it starts and switches at once: graphs, and prompts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from safetensors.torch import save_file

from rtsep.errors import BundleError
from rtsep.models.bundle import CODE_GRAPH, EDGE_GRAPHS, FILMS, GRAPH, INT8_GRAPH, load_bundle
from rtsep.models.code_graph import differing_codes, export_code_step
from rtsep.models.code_path import codebooks_within
from rtsep.models.edge_path import edge_difference, export_edge
from rtsep.models.onnx import difference, export_step
from rtsep.models.prompts import FilmCache
from rtsep.models.separator import Separator
from rtsep.models.text import clean_prompt

BUILT_IN = ("speech", "music", "sound effects")
"""The strips that fixed-stem separators have."""


def export_graphs(folder: Path, codebooks: Iterable[int] = ()) -> dict[Path, str]:
    """Write a bundle's graphs, of a hop, of a frame of codes and of an edge's; hold them against PyTorch.

    What was there stays until all of them are made and found right.

    Args:
        folder: of a bundle with configuration and weights, or its name.
        codebooks: of codes, a graph for each; by default as many as 8 kbit/s take.

    Returns:
        Each graph's file, and how far it is from PyTorch.

    Raises:
        BundleError: the bundle is damaged or cannot be written to, has not got so many codebooks, the
            packages onnx and onnxscript are missing, or a graph is too far off.
    """
    bundle = load_bundle(str(folder))
    most = bundle.separator.codec.config.codebooks
    counts = list(codebooks) or [codebooks_within(bundle.separator)]
    if max(counts) > most:
        raise BundleError(f"{max(counts)} codebooks: {bundle.name} has 1 to {most}")
    try:
        with tempfile.TemporaryDirectory(prefix=".graphs-", dir=bundle.path) as made:
            found = _exported(bundle.separator, Path(made), counts)
            for path in found:
                path.replace(bundle.path / path.name)
    except OSError as error:
        raise BundleError(f"cannot write the graphs of {bundle.path} ({error.strerror})") from error
    return {bundle.path / path.name: said for path, said in found.items()}


def _exported(separator: Separator, folder: Path, codebooks: Iterable[int]) -> dict[Path, str]:
    """The graphs, in any folder, each held against PyTorch."""
    graph, int8 = folder / GRAPH, folder / INT8_GRAPH
    export_step(separator, graph, int8)
    found = {path: f"{difference(path, separator):.1e} of full scale" for path in (graph, int8)}
    for count in codebooks:
        path = folder / CODE_GRAPH.format(count)
        export_code_step(separator, count, path)
        found[path] = f"{100 * differing_codes(path, separator, count):.2g} % of codes"
        send, hear = (folder / name.format(count) for name in EDGE_GRAPHS)
        export_edge(separator, count, send, hear)
        far = f"{edge_difference(send, hear, separator, count):.1e} of full scale"
        found |= {send: far, hear: far}
    return found


def prepare_bundle(folder: Path, prompts: Iterable[str]) -> None:
    """Write the graphs, of one hop and of one frame of codes, and the FiLM parameters of some prompts.

    Args:
        folder: of a bundle with configuration and weights, or its name.
        prompts: beside ``BUILT_IN``.

    Raises:
        BundleError: as for ``export_graphs``.
    """
    export_graphs(folder)
    bundle = load_bundle(str(folder))
    (bundle.path / FILMS).unlink(missing_ok=True)  # they would be taken for the new weights' own
    with tempfile.TemporaryDirectory() as cache:
        films = FilmCache(bundle, Path(cache))
        words = sorted({clean_prompt(prompt) for prompt in (*BUILT_IN, *prompts)})
        save_file({each: films(each) for each in words}, bundle.path / FILMS)
