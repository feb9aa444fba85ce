"""What a bundle gets beside its weights so that it starts and switches at once: a graph, and prompts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from safetensors.torch import save_file

from rtsep.models.bundle import FILMS, GRAPH, load_bundle
from rtsep.models.onnx import export_step
from rtsep.models.prompts import FilmCache
from rtsep.models.text import clean_prompt

BUILT_IN = ("speech", "music", "sound effects")
"""The strips that fixed-stem separators have."""


def prepare_bundle(folder: Path, prompts: Iterable[str]) -> None:
    """Write the graph of one hop and the FiLM parameters of some prompts; takes about a minute.

    Args:
        folder: of a bundle with configuration and weights.
        prompts: beside ``BUILT_IN``.

    Raises:
        BundleError: the bundle is damaged, or the packages onnx and onnxscript are missing.
    """
    (folder / FILMS).unlink(missing_ok=True)  # they would be taken for the new weights' own
    bundle = load_bundle(str(folder))
    export_step(bundle.separator, folder / GRAPH)
    with tempfile.TemporaryDirectory() as cache:
        films = FilmCache(bundle, Path(cache))
        words = sorted({clean_prompt(prompt) for prompt in (*BUILT_IN, *prompts)})
        save_file({each: films(each) for each in words}, folder / FILMS)
