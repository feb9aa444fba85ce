"""What a bundle gets beside its weights so that it starts and switches at once: graphs, and prompts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from safetensors.torch import save_file

from rtsep.models.bundle import CODE_GRAPH, FILMS, GRAPH, INT8_GRAPH, load_bundle
from rtsep.models.code_graph import export_code_step
from rtsep.models.code_path import codebooks_within
from rtsep.models.onnx import export_step
from rtsep.models.prompts import FilmCache
from rtsep.models.text import clean_prompt

BUILT_IN = ("speech", "music", "sound effects")
"""The strips that fixed-stem separators have."""


def prepare_bundle(folder: Path, prompts: Iterable[str]) -> None:
    """Write the graphs, of one hop and of one frame of codes, and the FiLM parameters of some prompts.

    Args:
        folder: of a bundle with configuration and weights.
        prompts: beside ``BUILT_IN``.

    Raises:
        BundleError: the bundle is damaged, or the packages onnx and onnxscript are missing.
    """
    (folder / FILMS).unlink(missing_ok=True)  # they would be taken for the new weights' own
    bundle = load_bundle(str(folder))
    export_step(bundle.separator, folder / GRAPH, folder / INT8_GRAPH)
    codebooks = codebooks_within(bundle.separator)
    export_code_step(bundle.separator, codebooks, folder / CODE_GRAPH.format(codebooks))
    with tempfile.TemporaryDirectory() as cache:
        films = FilmCache(bundle, Path(cache))
        words = sorted({clean_prompt(prompt) for prompt in (*BUILT_IN, *prompts)})
        save_file({each: films(each) for each in words}, folder / FILMS)
